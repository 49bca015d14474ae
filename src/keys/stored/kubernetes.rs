//! `k8s://NAMESPACE/SECRET`: a key file in a Secret, with its password beside
//! it, as `cosign generate-key-pair k8s://…` makes it (cosign v3.1.2
//! `pkg/cosign/kubernetes`).
//!
//! Implements KEY-70 and KEY-73 to KEY-75: one `GET`, for which `get` on this one
//! Secret suffices. The way to the cluster is `kube_config`'s.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::key_text::Stored;
use super::kube_config::Cluster;
use crate::http::{Client, Method, Redirects, Request, Response, Trust};
use crate::keys::uri::SecretUri;
use crate::service::{
    KubernetesSecret, ServiceError, ServiceName, Trouble, Variables, action, nonsense, said,
};

const PASSWORD: &str = "cosign.password";
/// A Secret has at most 1 MiB, here in base64, and its metadata.
const SECRET_LIMIT: u64 = 2 * 1024 * 1024;

/// A Secret whose cluster has not been asked yet.
pub(super) struct ClosedSecret {
    name: ServiceName,
    /// Its names were parsed: they are parts of a path as they stand.
    uri: SecretUri,
    /// Shared by all Secrets of the run.
    cluster: Arc<Cluster>,
}

/// A Secret. Its values are base64.
#[derive(Deserialize)]
struct SecretAnswer {
    #[serde(default)]
    data: Option<Values>,
}

#[derive(Deserialize, Default)]
struct Values {
    #[serde(rename = "cosign.key")]
    key: Option<Zeroizing<String>>,
    #[serde(rename = "cosign.password")]
    password: Option<Zeroizing<String>>,
}

/// Kubernetes' object for every error. Its message names who may not do what, and
/// is all that helps with a 403.
#[derive(Deserialize)]
struct Status {
    message: String,
}

impl ClosedSecret {
    pub(super) fn find(uri: &SecretUri, variables: &Variables) -> Result<Self, ServiceError> {
        let name = |host: String| {
            ServiceName::Kubernetes(Box::new(KubernetesSecret {
                host,
                namespace: uri.namespace.clone(),
                secret: uri.name.clone(),
            }))
        };
        let cluster = variables.shared("", || Cluster::find(variables));
        let cluster = cluster.map_err(|trouble| name(String::new()).failed(trouble))?;
        Ok(Self {
            name: name(cluster.host()),
            uri: uri.clone(),
            cluster,
        })
    }

    pub(super) async fn fetch(self, client: &Arc<Client>) -> Result<Stored, ServiceError> {
        let request = self.request();
        let response = client.send(&request).await;
        let response = response.map_err(|error| self.name.failed(error))?;
        match response.status.as_u16() {
            200 => read(&request, &response).map_err(|trouble| self.name.failed(trouble)),
            _ => Err(self.name.failed(refused(&request, &response))),
        }
    }

    fn request(&self) -> Request {
        let mut url = self.cluster.server.clone();
        // An address of HTTP has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            let SecretUri { namespace, name } = &self.uri;
            let path = ["api", "v1", "namespaces", namespace, "secrets", name];
            segments.pop_if_empty().extend(path);
        }
        let mut request = Request::new(Method::GET, url, Trust::Verified);
        request.headers = self.cluster.headers.clone();
        request.own_tls = Some(Arc::clone(&self.cluster.own_tls));
        // The credentials are for this host.
        request.redirects = Redirects::Answered;
        request.body_limit = SECRET_LIMIT;
        request
    }
}

fn read(request: &Request, response: &Response) -> Result<Stored, Trouble> {
    secret(&response.body).map_err(|no_key| match no_key {
        NoStoredKey::Nonsense(reason) => nonsense(request, reason),
        NoStoredKey::Lacking => Trouble::Unfit {
            reason: "the Secret has no `cosign.key`".to_owned(),
        },
    })
}

/// Why a Secret gives no key.
pub(super) enum NoStoredKey {
    Nonsense(&'static str),
    Lacking,
}

/// The key and its password in the answer for a Secret. A Secret without the key
/// is told here; in cosign, one without any data leads to a plugin
/// `sigstore-kms-k8s`.
pub(super) fn secret(body: &[u8]) -> Result<Stored, NoStoredKey> {
    let answer: Result<SecretAnswer, _> = serde_json::from_slice(body);
    let answer = answer.map_err(|_| NoStoredKey::Nonsense("it is not the JSON of a Secret"))?;
    let Values { key, password } = answer.data.unwrap_or_default();
    let key = key
        .filter(|key| !key.is_empty())
        .ok_or(NoStoredKey::Lacking)?;
    let decoded = |value: Zeroizing<String>| {
        let decoded = STANDARD.decode(value.as_bytes());
        decoded.map_err(|_| NoStoredKey::Nonsense("a value is not base64"))
    };
    let password = password.map(decoded).transpose()?;
    Ok(Stored::new(decoded(key)?, password, PASSWORD))
}

/// An error answer, sorted by the user's remedy: 401 is about the token, 403
/// about the rights of its owner.
fn refused(request: &Request, response: &Response) -> Trouble {
    let action = action(request);
    let status: Option<Status> = serde_json::from_slice(&response.body).ok();
    let answer = said(response, status.as_ref().map(|status| &*status.message));
    match response.status.as_u16() {
        401 => Trouble::Expired { action, answer },
        403 => Trouble::Denied { action, answer },
        404 => Trouble::Missing { action, answer },
        status => Trouble::Status {
            action,
            status,
            answer,
        },
    }
}
