//! Azure Key Vault and Managed HSM, by their REST interface.
//! Implements KEY-100 to KEY-103; the identity is `service::azure`'s. There is
//! nothing to be compatible with: signatures that cosign up to 3.1 makes by RSA
//! keys of Azure verify nowhere (sigstore#2354), and its verification by URI
//! fails for some signatures of EC keys (cosign#3709). Verifiers take the public
//! key.

mod answer;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use super::der::Curve;
use super::found::{FoundKey, warn_of_hash};
use super::message::{Prepared, Unsigned, each};
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use crate::http::{AT_ONCE, Client, Method, Request, Response, StatusCode, Trust};
use crate::keys::error::{OpenError, SignError};
use crate::keys::uri::{self, AzureUri};
use crate::oci::Content;
use crate::service::azure::{Audience, AzureIdentity};
use crate::service::{ServiceError, ServiceName, Token, Trouble, Variables, action};
use crate::signature::Hash;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::keys) use answer::audience;
pub(in crate::keys) use answer::{AzureKeyKind, KeyAnswer, is_shown_to, signature};

/// The version of the interface that the answers were written down for; each
/// request needs one.
const VERSION: (&str, &str) = ("api-version", "7.4");

/// A key that was not asked for yet.
pub(super) struct ClosedAzure {
    key: AzureUri,
    identity: Arc<AzureIdentity>,
}

/// A version of a key: the one whose public half was fetched (KEY-101).
pub(super) struct AzureSigner {
    vault: Vault,
    /// `https://HOST/keys/KEY/VERSION`
    url: Url,
    kind: AzureKeyKind,
}

/// A vault, as this run's identity.
struct Vault {
    host: String,
    identity: Arc<AzureIdentity>,
    client: Arc<Client>,
    /// The audience of the token that the vault wants; none if it wants no token.
    audience: Option<Audience>,
}

#[derive(Serialize)]
struct AzureQuestion<'a> {
    alg: &'static str,
    /// The digest in base64url.
    value: &'a str,
}

impl ClosedAzure {
    /// Reads the credentials.
    pub(super) fn find(key: &AzureUri, variables: &Variables) -> Result<Self, OpenError> {
        Ok(Self {
            key: key.clone(),
            identity: AzureIdentity::of(variables)?,
        })
    }

    /// Asks for the key, and pins its version.
    pub(super) async fn open(
        self,
        client: &Arc<Client>,
    ) -> Result<(AzureSigner, FoundKey), OpenError> {
        let AzureUri { host, key, version } = &self.key;
        let mut vault = Vault {
            host: host.clone(),
            identity: self.identity,
            client: Arc::clone(client),
            audience: None,
        };
        let path = match version {
            None => format!("keys/{key}"),
            Some(version) => format!("keys/{key}/{version}"),
        };
        let base = uri::base(host);
        let base = base.ok_or_else(|| vault.useless(path.clone(), "it is no URL"))?;
        let url = base.join(&path);
        let url = url.map_err(|_| vault.useless(path, "it is no URL"))?;
        let (response, action) = vault.first(&base, url).await?;
        if !response.status.is_success() {
            return Err(vault.fault(answer::refusal(&response, action)).into());
        }
        let useless = |reason| vault.useless(action.clone(), reason);
        let answer = KeyAnswer::parse(&response.body);
        let answer = answer.ok_or_else(|| useless("it holds no key"))?;
        // Signatures are asked for at this URL. One at another host would be
        // shown the vault's token.
        let pinned = answer.version(&base, key);
        let pinned = pinned.filter(|(_, found)| version.as_ref().is_none_or(|v| v == found));
        let (url, version) = pinned.ok_or_else(|| useless("its `kid` is of another key"))?;
        let unfit = |reason: String| vault.fault(Trouble::Unfit { reason });
        if let Some(reason) = answer.unfitness(Timestamp::now()) {
            return Err(unfit(reason.to_owned()).into());
        }
        let (kind, public) = answer.public_key().map_err(unfit)?;
        let hash = hash_of(kind);
        if let Some(hash) = hash {
            warn_of_hash(&self.key, hash);
        }
        let found = FoundKey {
            public,
            hash,
            version: Some(version),
        };
        Ok((AzureSigner { vault, url, kind }, found))
    }
}

/// RSA keys of every size take SHA-256, where cosign takes the hash by the size
/// of the key; a curve has its own hash here (KEY-103).
fn hash_of(kind: AzureKeyKind) -> Option<Hash> {
    match kind {
        AzureKeyKind::Ec(Curve::P256) | AzureKeyKind::Rsa => None,
        AzureKeyKind::Ec(Curve::P384) => Some(Hash::Sha384),
        AzureKeyKind::Ec(Curve::P521) => Some(Hash::Sha512),
    }
}

impl AzureSigner {
    pub(super) async fn sign(&self, messages: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        each(messages, AT_ONCE, |message| self.sign_one(message)).await
    }

    async fn sign_one(&self, prepared: &Prepared) -> Result<Vec<u8>, SignError> {
        // No key of Azure's signs messages.
        let digest = prepared.prehash.as_deref().ok_or(SignError::Refused)?;
        let question = AzureQuestion {
            alg: self.kind.algorithm(),
            value: &URL_SAFE_NO_PAD.encode(digest),
        };
        let question = serde_json::to_vec(&question).unwrap_or_default();
        let url = format!("{}/sign", self.url);
        let url: Result<Url, _> = url.parse();
        let url = url.map_err(|_| self.vault.useless(self.url.to_string(), "it is no URL"))?;
        let json = HeaderValue::from_static("application/json");
        let request = Request::new(Method::POST, versioned(url), Trust::Verified);
        let mut request = request.header(CONTENT_TYPE, json);
        request.body = Some(Content::from(question));
        let (response, action) = self.vault.ask(request).await?;
        if !response.status.is_success() {
            return Err(self.vault.fault(answer::refusal(&response, action)).into());
        }
        let signature = signature(&response.body, self.kind);
        let useless = || self.vault.useless(action, "it holds no signature");
        Ok(signature.ok_or_else(useless)?)
    }
}

fn versioned(mut url: Url) -> Url {
    let (name, value) = VERSION;
    url.query_pairs_mut().append_pair(name, value);
    url
}

impl Vault {
    /// The answer to the first question. It goes without a token: a vault names
    /// the authority for its users
    /// (<https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses>).
    ///
    /// The audience is the vault's own word, and is compared with its host: a
    /// server that calls itself a vault would get a token for another one
    /// otherwise (KEY-102).
    async fn first(&mut self, base: &Url, url: Url) -> Result<(Response, String), ServiceError> {
        let request = Request::new(Method::GET, versioned(url), Trust::Verified);
        let action = action(&request);
        let response = self.send(&request).await?;
        if response.status != StatusCode::UNAUTHORIZED {
            return Ok((response, action));
        }
        let audience = answer::challenge(&response);
        let audience =
            audience.ok_or_else(|| self.useless(action.clone(), "it does not say who vouches"))?;
        if !is_shown_to(&audience.resource, base) {
            return Err(self.useless(action, "it wants a token that is for another host"));
        }
        self.audience = Some(audience);
        self.ask(request).await
    }

    /// The answer, and the request in words. A token that is refused is asked
    /// for again, once (KEY-104).
    async fn ask(&self, mut request: Request) -> Result<(Response, String), ServiceError> {
        let action = action(&request);
        let Some(audience) = &self.audience else {
            return Ok((self.send(&request).await?, action));
        };
        let mut refused: Option<Arc<Token>> = None;
        loop {
            let token = self
                .identity
                .token(&self.client, audience, refused.as_ref());
            let token = token.await?;
            let header = token.header();
            let header = header.ok_or_else(|| self.useless(action.clone(), "it is no token"))?;
            request.headers.insert(AUTHORIZATION, header);
            let response = self.send(&request).await?;
            match response.status == StatusCode::UNAUTHORIZED && refused.is_none() {
                true => refused = Some(token),
                false => return Ok((response, action)),
            }
        }
    }

    async fn send(&self, request: &Request) -> Result<Response, ServiceError> {
        let response = self.client.send(request).await;
        response.map_err(|error| self.fault(error))
    }

    fn fault(&self, trouble: impl Into<Trouble>) -> ServiceError {
        ServiceName::KeyVault(self.host.clone()).failed(trouble)
    }

    fn useless(&self, action: String, reason: &'static str) -> ServiceError {
        self.fault(Trouble::Answer { action, reason })
    }
}
