//! An application of Microsoft Entra that the environment names, and its secret:
//! a password, or a token of another issuer, which workload identity on AKS
//! mounts. Certificates and passwords of users are not supported, and named as
//! such.

use std::path::Path;

use url::Url;
use zeroize::Zeroizing;

use super::audience::Audience;
use super::authority::is_tenant;
use crate::http::Client;
use crate::service::error::{Tried, Trouble};
use crate::service::oauth;
use crate::service::token::Token;
use crate::service::variables::Variables;

const SECRET: &str = "AZURE_CLIENT_SECRET";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
const PASSWORD: &str = "AZURE_PASSWORD";
const FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// An application, and its proof that it is one.
pub(super) struct AzureApplication {
    /// It becomes a part of a URL.
    pub(super) tenant: String,
    client_id: String,
    proof: ClientProof,
}

/// The proof that an application shows.
enum ClientProof {
    Secret(Zeroizing<String>),
    /// A JWT of another issuer, which was read from a file.
    Assertion(Zeroizing<String>),
}

impl AzureApplication {
    /// The environment's, if it names one. A part of one is no application: the
    /// variables of a managed identity are some of the same. `tried` says what was
    /// lacking.
    pub(super) fn find(
        variables: &Variables,
        tried: &mut Vec<Tried>,
    ) -> Result<Option<Self>, Trouble> {
        let Some((name, proof)) = proof(variables, tried)? else {
            return Ok(None);
        };
        let tenant = variables.text("AZURE_TENANT_ID");
        let client_id = variables.text("AZURE_CLIENT_ID");
        let (tenant, client_id) = match (tenant, client_id) {
            (Some(tenant), Some(client_id)) => (tenant, client_id),
            (None, _) => {
                tried.push((name, "AZURE_TENANT_ID is not set".to_owned()));
                return Ok(None);
            }
            (_, None) => {
                tried.push((name, "AZURE_CLIENT_ID is not set".to_owned()));
                return Ok(None);
            }
        };
        if !is_tenant(&tenant) {
            return Err(Trouble::setting("AZURE_TENANT_ID", "it is no tenant"));
        }
        Ok(Some(Self {
            tenant,
            client_id,
            proof,
        }))
    }

    /// Asks for a token at `url`, which the caller has found fit for the secret.
    pub(super) async fn token(
        &self,
        client: &Client,
        url: Url,
        audience: &Audience,
        variables: &Variables,
    ) -> Result<Token, Trouble> {
        let scope = format!("{}/.default", audience.resource.trim_end_matches('/'));
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &*self.client_id),
            ("scope", &*scope),
        ];
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        match &self.proof {
            ClientProof::Secret(secret) => fields.push(("client_secret", secret)),
            ClientProof::Assertion(assertion) => {
                fields.push(("client_assertion_type", kind));
                fields.push(("client_assertion", assertion));
            }
        }
        oauth::fetch(client, &oauth::form(url, &fields), variables).await
    }
}

/// The proof that is there, and the variable that has it. The secret of a
/// variable comes before the token of a file, as in `DefaultAzureCredential`.
fn proof(
    variables: &Variables,
    tried: &mut Vec<Tried>,
) -> Result<Option<(&'static str, ClientProof)>, Trouble> {
    if let Some(secret) = variables.secret(SECRET) {
        let text = secret.expose_str().map(str::to_owned);
        let text = text.ok_or_else(|| Trouble::setting(SECRET, "it is no text"))?;
        return Ok(Some((SECRET, ClientProof::Secret(Zeroizing::new(text)))));
    }
    tried.push((SECRET, "not set".to_owned()));
    let others = [
        (CERTIFICATE, variables.path(CERTIFICATE).is_some()),
        (PASSWORD, variables.secret(PASSWORD).is_some()),
    ];
    let set = others.into_iter().filter(|(_, is_set)| *is_set);
    tried.extend(set.map(|(name, _)| (name, "not supported".to_owned())));
    let Some(path) = variables.path(FILE) else {
        tried.push((FILE, "not set".to_owned()));
        return Ok(None);
    };
    Ok(Some((FILE, assertion(variables, &path)?)))
}

/// The token in a file, which a cluster or another issuer vouches for.
fn assertion(variables: &Variables, path: &Path) -> Result<ClientProof, Trouble> {
    let bytes = variables.read(path)?;
    let token = bytes.expose_str().map(str::trim);
    let token = token.filter(|token| oauth::is_token(token));
    let token = token.ok_or_else(|| Trouble::setting(FILE, "the file holds no token"))?;
    variables.remember(token.as_bytes());
    Ok(ClientProof::Assertion(Zeroizing::new(token.to_owned())))
}
