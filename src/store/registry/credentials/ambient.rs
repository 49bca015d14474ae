//! The identity that a program has in a cloud by the place that it runs in: the
//! last source of credentials, for the registries of that cloud alone. The
//! lifecycle knows Amazon's and Azure's (v0.21 `auth/keychain.go`), kpack Google's
//! too.
//!
//! A cloud has an [`CloudIdentity`], whose parts that can be read are read by `find`,
//! before privileges are dropped; nobody is asked until a registry wants a
//! credential, and then once per registry and run.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tracing::debug;

use super::credential::IdentityProof;
use super::lacking::LackingReason;
use super::source::Cloud;
use crate::http::Client;
use crate::oci::Registry;
use crate::service::aws::{Aws, EcrRegistry};
use crate::service::azure::{self, AcrRegistry};
use crate::service::google;
use crate::service::{FaultKind, ServiceError, Variables};

/// The user name that marks a password as a token of Google's.
const GOOGLE_USER: &str = "oauth2accesstoken";

/// Which identities count (SIG-100, SIG-101).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identities {
    /// Those of the place, too.
    #[default]
    Ambient,
    /// Those alone that a variable or a file holds.
    Written,
}

/// The identities for the registries of a run.
#[derive(Default)]
pub struct Ambient {
    logins: HashMap<Registry, CloudLogin>,
}

/// A registry of a cloud: the identity that opens it, and the cloud's answer.
struct CloudLogin {
    cloud: Cloud,
    identity: Result<CloudIdentity, LackingReason>,
    /// A refusal is kept, and a failure too: one request per registry and run.
    answer: OnceCell<Result<IdentityProof, Arc<ServiceError>>>,
}

/// The identity that is shown to a cloud, with the registry that it is for.
enum CloudIdentity {
    Amazon(EcrRegistry, Arc<Aws>),
    Azure(AcrRegistry, Arc<azure::AzureIdentity>),
    Google(Arc<google::GoogleIdentity>),
}

impl Ambient {
    /// The identities for these registries. Those of no cloud cost nothing.
    /// Reads files and variables, and asks nobody.
    pub fn find<'a>(
        registries: impl IntoIterator<Item = &'a Registry>,
        identities: Identities,
        variables: &Variables,
    ) -> Self {
        let mut logins = HashMap::new();
        for registry in registries {
            let Some((cloud, identity)) = CloudIdentity::find(registry, identities, variables)
            else {
                continue;
            };
            logins.entry(registry.clone()).or_insert(CloudLogin {
                cloud,
                identity,
                answer: OnceCell::new(),
            });
        }
        Self { logins }
    }

    /// Whether there may be a credential for a registry. Asks nobody.
    pub(super) fn may_know(&self, registry: &Registry) -> bool {
        let login = self.logins.get(registry);
        login.is_some_and(|login| login.identity.is_ok())
    }

    /// The cloud of a registry, and why it has no credential; so far, if nobody
    /// was asked.
    pub(super) fn lacking(&self, registry: &Registry) -> Option<(Cloud, LackingReason)> {
        let login = self.logins.get(registry)?;
        let reason = match (&login.identity, login.answer.get()) {
            (Err(reason), _) => reason.clone(),
            (Ok(_), Some(Err(error))) => LackingReason::Cloud(Arc::clone(error)),
            (Ok(_), _) => LackingReason::NotAsked,
        };
        Some((login.cloud, reason))
    }

    /// The credential for a registry of a cloud, if the cloud gives one.
    ///
    /// # Errors
    /// On a cloud that cannot be reached: asking later may help. A cloud that
    /// gives nothing is one more source without a credential.
    pub(super) async fn ask(
        &self,
        registry: &Registry,
        client: &Client,
    ) -> Result<Option<(Cloud, IdentityProof)>, (Cloud, Arc<ServiceError>)> {
        let Some(login) = self.logins.get(registry) else {
            return Ok(None);
        };
        let Ok(identity) = &login.identity else {
            return Ok(None);
        };
        let asking = || async { identity.ask(client).await.map_err(Arc::new) };
        match login.answer.get_or_init(asking).await {
            Ok(proof) => Ok(Some((login.cloud, proof.copy()))),
            // Going on without a credential would turn a bad moment into a
            // denial (SIG-102).
            Err(error) if error.kind() == FaultKind::Unreachable => {
                Err((login.cloud, Arc::clone(error)))
            }
            Err(error) => {
                debug!("{registry}: {}: {error}", login.cloud);
                Ok(None)
            }
        }
    }
}

impl CloudIdentity {
    /// The identity for a registry, if its host is a cloud's; and if there is
    /// none, why.
    fn find(
        registry: &Registry,
        identities: Identities,
        variables: &Variables,
    ) -> Option<(Cloud, Result<Self, LackingReason>)> {
        let host = registry.as_str();
        let found = |find: &dyn Fn() -> Result<Self, ServiceError>| match identities {
            Identities::Written => Err(LackingReason::SwitchedOff),
            Identities::Ambient => find().map_err(|error| LackingReason::Cloud(Arc::new(error))),
        };
        if let Some(registry) = EcrRegistry::of_host(host) {
            let find = || Ok(Self::Amazon(registry.clone(), Aws::find(variables)?));
            return Some((Cloud::Amazon, found(&find)));
        }
        if let Some(registry) = AcrRegistry::of_host(host) {
            let identity = || azure::AzureIdentity::of(variables);
            let find = || Ok(Self::Azure(registry.clone(), identity()?));
            return Some((Cloud::Azure, found(&find)));
        }
        if google::GoogleIdentity::is_registry(host) {
            let find = || Ok(Self::Google(google::GoogleIdentity::of(variables)?));
            return Some((Cloud::Google, found(&find)));
        }
        None
    }

    async fn ask(&self, client: &Client) -> Result<IdentityProof, ServiceError> {
        match self {
            Self::Amazon(registry, aws) => {
                let login = registry.log_in(aws, client).await?;
                Ok(IdentityProof::Basic {
                    user: login.user,
                    password: login.password,
                })
            }
            Self::Azure(registry, identity) => {
                let token = registry.log_in(identity, client).await?;
                Ok(IdentityProof::refresh_token(token))
            }
            Self::Google(identity) => {
                let token = identity.token(client, None).await?;
                Ok(IdentityProof::Basic {
                    user: GOOGLE_USER.to_owned(),
                    password: token.expose().copy(),
                })
            }
        }
    }
}

impl fmt::Debug for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.logins.keys()).finish()
    }
}
