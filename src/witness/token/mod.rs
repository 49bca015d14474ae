//! Identity tokens (OpenID Connect), which say who this run is.
//!
//! The sources are those of cosign v3.1.2 `pkg/providers`, by the same names and,
//! for `ambient`, in the same order (EVD-60, EVD-62). A token is a secret: whoever has
//! it is the identity until it expires. Tokens in files and variables are read and
//! checked before anything is sent; other tokens are fetched at the beginning of the
//! run.

mod ask;
mod claims;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod spiffe;
mod written_url;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tracing::warn;

use ask::ProviderRequest;
use claims::{AUDIENCE, TokenClaims};
pub use claims::{Identity, OtherIdentity};

use crate::config::{IdentityToken, TokenProvider};
use crate::http::Client;
use crate::secret::Secret;
use crate::service::{self, ServiceError, ServiceName, Tried, Trouble, Variables, is_token};

const VARIABLE: &str = "SIGSTORE_ID_TOKEN";
/// Where Kubernetes mounts a token for cosign: a projected token of a service account
/// with the audience `sigstore`.
const FILE: &str = "/var/run/sigstore/cosign/oidc-token";

/// The sources that `ambient` looks at, in cosign's order, which is that of its packages'
/// names. `google-impersonate` is left out.
const AMBIENT: [TokenProvider; 6] = [
    TokenProvider::BuildkiteAgent,
    TokenProvider::Variable,
    TokenProvider::Filesystem,
    TokenProvider::GitHubActions,
    TokenProvider::GoogleWorkloadIdentity,
    TokenProvider::Spiffe,
];

/// A token that was found, and may not be here yet.
#[derive(Debug)]
pub enum ClosedToken {
    /// A token that was here.
    Held(SigstoreToken),
    /// A token that somebody has to be asked for. Whether they give one is not known.
    Asked {
        provider: Provider,
        /// The provider that is asked if the first gives none.
        otherwise: Option<Provider>,
    },
}

/// Somebody who gives a token.
#[derive(Debug)]
pub struct Provider {
    /// As `oidc-provider` writes it.
    name: &'static str,
    request: ProviderRequest,
    variables: Variables,
}

/// A token for sigstore that had not expired when it was read. Most are good for five to
/// ten minutes.
#[derive(Debug)]
pub struct SigstoreToken {
    token: service::Token,
    identity: Identity,
}

impl ClosedToken {
    /// Finds the token, and reads it if it is here. Files are touched, no network.
    ///
    /// # Errors
    /// On a source that is not there, and on a token that has expired or is not for
    /// sigstore.
    pub fn find(
        source: &IdentityToken,
        variables: &Variables,
        now: Timestamp,
    ) -> Result<Self, ServiceError> {
        match source {
            IdentityToken::File(path) => {
                let name = "identity-token";
                let bytes = variables.read(path);
                let bytes = bytes.map_err(|error| fault(name, error))?;
                let token = SigstoreToken::read(bytes.expose(), variables, now);
                let token = token.map_err(|reason| unfit(name, path, reason))?;
                Ok(Self::Held(token))
            }
            IdentityToken::Provider(provider) => find(*provider, variables, now)?
                .map_err(|tried| fault(provider.name(), Trouble::NoCredentials { tried })),
        }
    }

    /// The token, which is asked for if need be. Each provider gives another one when it
    /// is asked again.
    ///
    /// # Errors
    /// On a provider that gives none, or one that cannot be used.
    pub async fn open(self, client: &Client) -> Result<SigstoreToken, ServiceError> {
        match self {
            Self::Held(token) => Ok(token),
            Self::Asked {
                provider,
                otherwise: None,
            } => provider.ask(client).await?.read(),
            Self::Asked {
                provider,
                otherwise: Some(otherwise),
            } => match provider.ask(client).await {
                Ok(given) => given.read(),
                Err(error) => {
                    warn!("{error}; `{}` is asked instead", otherwise.name);
                    otherwise.ask(client).await?.read()
                }
            },
        }
    }
}

/// A provider's answer.
struct GivenToken {
    text: Secret,
    /// The request in words.
    action: String,
    provider: &'static str,
    variables: Variables,
}

impl Provider {
    async fn ask(self, client: &Client) -> Result<GivenToken, ServiceError> {
        let (provider, variables) = (self.name, self.variables);
        let (text, action) = self
            .request
            .ask(client, &variables)
            .await
            .map_err(|trouble| fault(provider, trouble))?;
        Ok(GivenToken {
            text,
            action,
            provider,
            variables,
        })
    }
}

impl GivenToken {
    fn read(self) -> Result<SigstoreToken, ServiceError> {
        let token = SigstoreToken::read(self.text.expose(), &self.variables, Timestamp::now());
        let action = self.action;
        token.map_err(|reason| fault(self.provider, Trouble::Answer { action, reason }))
    }
}

impl SigstoreToken {
    /// Reads a text with a token and maybe white space around it, as `echo` and mounted
    /// files have it.
    ///
    /// # Errors
    /// Says why the text is no token that can be used. The authority would refuse it too,
    /// and say no more than 400.
    pub(super) fn read(
        text: &[u8],
        variables: &Variables,
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text)
            .map_err(|_| "it is no token")?
            .trim();
        // Before it is looked at: what is no token may be another secret.
        variables.remember(text.as_bytes());
        if !is_token(text) {
            return Err("it is no token");
        }
        let claims = TokenClaims::read(text).ok_or("it is no JSON Web Token")?;
        let expires = claims.expires().ok_or("it does not say when it expires")?;
        if expires <= now {
            return Err("it has expired");
        }
        if !claims.is_for(AUDIENCE) {
            return Err("it is for another audience than `sigstore`");
        }
        let identity = claims.identity().ok_or("it names no issuer and subject")?;
        Ok(Self {
            token: service::Token::new(text, None, variables),
            identity,
        })
    }

    /// The identity of this run.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// `Authorization: Bearer …`
    pub(super) fn header(&self) -> Option<crate::http::header::HeaderValue> {
        self.token.header()
    }
}

/// A source, or what was looked for in vain.
type Found = Result<ClosedToken, Vec<Tried>>;

/// The first source that is there. One that is there and cannot be used ends the search:
/// another one would make another identity sign.
fn ambient(variables: &Variables, now: Timestamp) -> Result<Found, ServiceError> {
    let mut tried = Vec::new();
    for provider in AMBIENT {
        let is_google = provider == TokenProvider::GoogleWorkloadIdentity;
        if is_google && !is_ambient_google(variables) {
            tried.push((provider.name(), "this is no machine of Google's".to_owned()));
            continue;
        }
        match find(provider, variables, now)? {
            // A machine of Google's need not have an identity there, which only the
            // request shows: cosign goes on then (v3.1.2 `pkg/providers/google`).
            Ok(ClosedToken::Asked { provider, .. }) if is_google => {
                let otherwise = spiffe::Socket::find(variables).map(|socket| Provider {
                    name: TokenProvider::Spiffe.name(),
                    request: ProviderRequest::Spiffe(socket),
                    variables: variables.clone(),
                });
                return Ok(Ok(ClosedToken::Asked {
                    provider,
                    otherwise,
                }));
            }
            Ok(found) => return Ok(Ok(found)),
            Err(reasons) => tried.extend(reasons),
        }
    }
    Ok(Err(tried))
}

fn find(
    provider: TokenProvider,
    variables: &Variables,
    now: Timestamp,
) -> Result<Found, ServiceError> {
    let name = provider.name();
    let lacking = |reason: String| Ok(Err(vec![(name, reason)]));
    let asked = |request: Result<Option<ProviderRequest>, Trouble>, reason: &str| match request {
        Ok(Some(request)) => Ok(Ok(ClosedToken::Asked {
            provider: Provider {
                name,
                request,
                variables: variables.clone(),
            },
            otherwise: None,
        })),
        Ok(None) => lacking(reason.to_owned()),
        Err(trouble) => Err(fault(name, trouble)),
    };
    match provider {
        TokenProvider::Ambient => ambient(variables, now),
        TokenProvider::Variable => match variables.secret(VARIABLE) {
            None => lacking(format!("`{VARIABLE}` is not set")),
            Some(text) => {
                let token = SigstoreToken::read(text.expose(), variables, now);
                let token = token.map_err(|reason| unfit(name, Path::new(VARIABLE), reason))?;
                Ok(Ok(ClosedToken::Held(token)))
            }
        },
        TokenProvider::Filesystem => {
            let path = PathBuf::from(FILE);
            let bytes = variables.read_if_there(&path);
            let Some(bytes) = bytes.map_err(|error| fault(name, error))? else {
                return lacking(format!("there is no `{FILE}`"));
            };
            let token = SigstoreToken::read(bytes.expose(), variables, now);
            let token = token.map_err(|reason| unfit(name, &path, reason))?;
            Ok(Ok(ClosedToken::Held(token)))
        }
        // The others are asked by the variables that their platforms set for jobs.
        TokenProvider::GitHubActions => asked(
            ProviderRequest::of_github(variables),
            "`ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN` are not set",
        ),
        TokenProvider::BuildkiteAgent => asked(
            ProviderRequest::of_buildkite(variables),
            "`BUILDKITE_JOB_ID` and `BUILDKITE_AGENT_ACCESS_TOKEN` are not set",
        ),
        TokenProvider::GoogleWorkloadIdentity => {
            asked(ProviderRequest::of_google(variables).map(Some), "")
        }
        TokenProvider::Spiffe => asked(
            Ok(spiffe::Socket::find(variables).map(ProviderRequest::Spiffe)),
            "there is no socket at `SPIFFE_ENDPOINT_SOCKET`",
        ),
    }
}

/// Whether this is a machine of Google's, as its library for Go tells it
/// (`compute/metadata`, `OnGCE`), but without a request to the metadata server.
fn is_ambient_google(variables: &Variables) -> bool {
    let product = variables.read_if_there(Path::new("/sys/class/dmi/id/product_name"));
    let product = product.ok().flatten();
    let product = product.as_ref().and_then(|name| name.expose_str());
    matches!(
        product.map(str::trim),
        Some("Google" | "Google Compute Engine")
    ) || variables.text("GCE_METADATA_HOST").is_some()
}

fn fault(provider: &'static str, trouble: impl Into<Trouble>) -> ServiceError {
    ServiceError {
        service: ServiceName::TokenProvider(provider),
        trouble: trouble.into(),
    }
}

/// A variable or file whose token cannot be used. Its content is never repeated.
fn unfit(provider: &'static str, place: &Path, reason: &'static str) -> ServiceError {
    let name = place.display().to_string();
    fault(provider, Trouble::Setting { name, reason })
}

#[cfg(test)]
mod tests;
