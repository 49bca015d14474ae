//! Google Cloud KMS, by its REST interface, v1
//! (<https://cloud.google.com/kms/docs/reference/rest>).
//! Implements KEY-90 to KEY-93. The identity is `service::google`'s, the JSON of
//! answers `answer`'s. The checksums that the interface has for digests and
//! signatures are not used: a signature that the public half accepts needs none.

mod answer;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use url::Url;

pub(in crate::keys) use answer::{Versions, hash_of, public_key, signature};

use super::found::{FoundKey, warn_of_hash};
use super::message::{Prepared, Unsigned, each};
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use crate::http::{AT_ONCE, Client, Method, Request, Response, StatusCode, Trust};
use crate::keys::error::{OpenError, SignError};
use crate::keys::uri::GoogleUri;
use crate::oci::Content;
use crate::service::google::GoogleIdentity;
use crate::service::{ServiceError, ServiceName, Trouble, Variables, action, parse_endpoint};
use crate::signature::{Hash, PublicKey};

const ENDPOINT: &str = "https://cloudkms.googleapis.com/";
/// The variable of `gcloud` that leads to another one, such as an emulator.
const OVERRIDE: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS";
/// The most bytes of a message that is signed itself, by an Ed25519 key (KEY-93).
const MOST: u64 = 64 * 1024;
/// Versions of a page, bytes of a page, and pages of a list: more than keys have,
/// and an end for a service that gives the same page for ever.
const PAGE: &str = "200";
const PAGE_BYTES: u64 = 1 << 20;
const PAGES: usize = 100;
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// A key that was not asked for yet.
pub(super) struct ClosedGoogle {
    key: GoogleUri,
    endpoint: Url,
    identity: Arc<GoogleIdentity>,
}

/// A version of a key: the one whose public half was fetched signs, though
/// another one may be the greatest by then (KEY-91).
pub(super) struct GoogleSigner {
    api: Api,
    /// `projects/…/cryptoKeyVersions/…`
    name: String,
}

/// The service, as this run's identity.
struct Api {
    endpoint: Url,
    identity: Arc<GoogleIdentity>,
    client: Arc<Client>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum GoogleQuestion {
    Digest(DigestQuestion),
    /// Base64 of the message.
    Data(String),
}

/// Base64 of a digest.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum DigestQuestion {
    Sha256(String),
    Sha384(String),
    Sha512(String),
}

impl ClosedGoogle {
    /// Reads the credentials.
    pub(super) fn find(key: &GoogleUri, variables: &Variables) -> Result<Self, OpenError> {
        let endpoint = match variables.text(OVERRIDE) {
            None => ENDPOINT.parse().map_err(|_| "it is no URL"),
            Some(text) => parse_endpoint(&text),
        };
        let endpoint = endpoint.map_err(|reason| fault(Trouble::setting(OVERRIDE, reason)))?;
        Ok(Self {
            key: key.clone(),
            endpoint,
            identity: GoogleIdentity::of(variables)?,
        })
    }

    /// Looks for the version, and asks for its public key. A version that the user
    /// wrote is not listed: `roles/cloudkms.signerVerifier` does not allow that.
    pub(super) async fn open(
        self,
        client: &Arc<Client>,
    ) -> Result<(GoogleSigner, FoundKey), OpenError> {
        let api = Api {
            endpoint: self.endpoint,
            identity: self.identity,
            client: Arc::clone(client),
        };
        let version = api.version(&self.key).await?;
        let name = format!("{}/cryptoKeyVersions/{version}", self.key.name);
        let (public, algorithm) = api.public_half(&name).await?;
        let hash = hash_of(&algorithm);
        let hash = hash.map_err(|reason| fault(Trouble::Unfit { reason }))?;
        if let Some(hash) = hash {
            warn_of_hash(&self.key, hash);
        }
        let found = FoundKey {
            public,
            hash,
            version: Some(version),
        };
        Ok((GoogleSigner { api, name }, found))
    }
}

impl GoogleSigner {
    pub(super) async fn sign(&self, messages: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        // Before any message is sent.
        for (index, prepared) in messages.iter().enumerate() {
            let length = prepared.message.content.length();
            if prepared.prehash.is_none() && length > MOST {
                let error = fault(Trouble::TooLong { length, most: MOST }).into();
                return Err(Unsigned { index, error });
            }
        }
        each(messages, AT_ONCE, |message| self.sign_one(message)).await
    }

    async fn sign_one(&self, prepared: &Prepared) -> Result<Vec<u8>, SignError> {
        let question = question(prepared)?;
        // Texts always are JSON.
        let question = serde_json::to_vec(&question).unwrap_or_default();
        let path = format!("{}:asymmetricSign", self.name);
        let (response, action) = self.api.post(&path, question).await?;
        if !response.status.is_success() {
            return Err(fault(answer::refusal(&response, action)).into());
        }
        let signature = signature(&response.body);
        Ok(signature.ok_or_else(|| useless(action, "it holds no signature"))?)
    }
}

fn question(prepared: &Prepared) -> Result<GoogleQuestion, SignError> {
    Ok(match &prepared.prehash {
        None => {
            let message = prepared.message.content.to_bytes();
            GoogleQuestion::Data(STANDARD.encode(message.map_err(SignError::Read)?))
        }
        Some(prehash) => {
            let digest = STANDARD.encode(&**prehash);
            GoogleQuestion::Digest(match prehash.hash {
                Hash::Sha256 => DigestQuestion::Sha256(digest),
                Hash::Sha384 => DigestQuestion::Sha384(digest),
                Hash::Sha512 => DigestQuestion::Sha512(digest),
            })
        }
    })
}

impl Api {
    /// The version of the URI, or the greatest one.
    async fn version(&self, key: &GoogleUri) -> Result<String, ServiceError> {
        match &key.version {
            Some(version) => Ok(version.clone()),
            None => Ok(self.greatest_version(&key.name).await?.to_string()),
        }
    }

    /// The greatest enabled version of a key, by number. (cosign takes the last
    /// by name, so that 9 comes after 10.)
    async fn greatest_version(&self, key: &str) -> Result<u64, ServiceError> {
        let path = format!("{key}/cryptoKeyVersions");
        let mut greatest = None;
        let mut page = String::new();
        for _ in 0..PAGES {
            let versions = self.versions(&path, &page).await?;
            greatest = greatest.max(versions.greatest());
            if versions.next_page_token.is_empty() {
                let reason = || "none of its versions is enabled".to_owned();
                return greatest.ok_or_else(|| fault(Trouble::Unfit { reason: reason() }));
            }
            page = versions.next_page_token;
        }
        Err(useless(format!("GET {path}"), "the list has no end"))
    }

    /// One page of the list of enabled versions.
    async fn versions(&self, path: &str, page: &str) -> Result<Versions, ServiceError> {
        // The answer is asked to leave out all that is not read here.
        let mut query = vec![
            ("filter", "state=ENABLED"),
            ("pageSize", PAGE),
            ("fields", "cryptoKeyVersions(name,state),nextPageToken"),
        ];
        if !page.is_empty() {
            query.push(("pageToken", page));
        }
        let (response, action) = self.get(path, &query).await?;
        if !response.status.is_success() {
            return Err(fault(answer::refusal(&response, action)));
        }
        let versions = Versions::parse(&response.body);
        versions.ok_or_else(|| useless(action, "it lists no versions"))
    }

    /// The public half of a version, and the name of the algorithm that it is bound to.
    async fn public_half(&self, version: &str) -> Result<(PublicKey, String), ServiceError> {
        let (response, action) = self.get(&format!("{version}/publicKey"), &[]).await?;
        match response.status.is_success() {
            true => {
                public_key(&response.body).ok_or_else(|| useless(action, "it holds no public key"))
            }
            false => Err(fault(answer::refusal(&response, action))),
        }
    }

    async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(Response, String), ServiceError> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::new(Method::GET, url, Trust::Verified);
        request.body_limit = PAGE_BYTES;
        self.ask(request).await
    }

    /// Repeated like a question: a signature that was made and lost is made again.
    async fn post(&self, path: &str, body: Vec<u8>) -> Result<(Response, String), ServiceError> {
        let json = HeaderValue::from_static("application/json");
        let request = Request::new(Method::POST, self.url(path)?, Trust::Verified);
        let mut request = request.header(CONTENT_TYPE, json);
        request.body = Some(Content::from(body));
        self.ask(request).await
    }

    /// The answer, and the request in words. A token that is refused is asked for
    /// again, once: it may have ended sooner than its issuer said. The refusal of
    /// the second one is the answer.
    async fn ask(&self, mut request: Request) -> Result<(Response, String), ServiceError> {
        let action = action(&request);
        let project = self.identity.quota_project();
        let project = project.and_then(|project| HeaderValue::from_str(project).ok());
        request
            .headers
            .extend(project.map(|project| (USER_PROJECT, project)));
        let mut refused = None;
        loop {
            let token = self.identity.token(&self.client, refused.as_ref()).await?;
            let header = token.header();
            let header = header.ok_or_else(|| useless(action.clone(), "it holds no token"))?;
            request.headers.insert(AUTHORIZATION, header);
            let response = self.client.send(&request).await.map_err(fault)?;
            match response.status == StatusCode::UNAUTHORIZED && refused.is_none() {
                true => refused = Some(token),
                false => return Ok((response, action)),
            }
        }
    }

    /// `path` follows from a parsed URI and from numbers: nothing in it leads
    /// elsewhere.
    fn url(&self, path: &str) -> Result<Url, ServiceError> {
        let url = self.endpoint.join(&format!("v1/{path}"));
        url.map_err(|_| useless(format!("v1/{path}"), "it is no URL"))
    }
}

fn fault(trouble: impl Into<Trouble>) -> ServiceError {
    ServiceName::GoogleKms.failed(trouble)
}

fn useless(action: String, reason: &'static str) -> ServiceError {
    fault(Trouble::Answer { action, reason })
}
