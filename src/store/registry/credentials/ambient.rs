//! The identity that a program has in a cloud by the place that it runs in: the
//! last source of credentials, for the registries of that cloud alone. The
//! lifecycle knows Amazon's (v0.21 `auth/keychain.go`).
//!
//! A cloud has an [`Identity`], whose parts that can be read are read by `find`,
//! before privileges are dropped; nobody is asked until a registry wants a
//! credential, and then once per registry and run.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tracing::debug;

use super::{Proof, Reason};
use crate::http::Client;
use crate::oci::Registry;
use crate::service::aws::{Aws, EcrRegistry};
use crate::service::{FaultKind, ServiceError, Variables};

/// A cloud with registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    Amazon,
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amazon => "the identity in AWS",
        })
    }
}

/// Which identities count.
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
    logins: HashMap<Registry, Login>,
}

/// What is known of a registry of a cloud.
struct Login {
    cloud: Cloud,
    identity: Result<Identity, Reason>,
    answer: OnceCell<Result<Proof, Arc<ServiceError>>>,
}

/// Who to ask, and all that it takes.
enum Identity {
    Amazon(EcrRegistry, Arc<Aws>),
}

impl Ambient {
    /// The identities for these registries. Those of no cloud cost nothing.
    pub fn find<'a>(
        registries: impl IntoIterator<Item = &'a Registry>,
        identities: Identities,
        variables: &Variables,
    ) -> Self {
        let mut logins = HashMap::new();
        for registry in registries {
            let Some((cloud, identity)) = Identity::find(registry, identities, variables) else {
                continue;
            };
            logins.entry(registry.clone()).or_insert(Login {
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
    pub(super) fn lacking(&self, registry: &Registry) -> Option<(Cloud, Reason)> {
        let login = self.logins.get(registry)?;
        let reason = match (&login.identity, login.answer.get()) {
            (Err(reason), _) => reason.clone(),
            (Ok(_), Some(Err(error))) => Reason::Cloud(Arc::clone(error)),
            (Ok(_), _) => Reason::NotAsked,
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
    ) -> Result<Option<(Cloud, Proof)>, (Cloud, Arc<ServiceError>)> {
        let Some(login) = self.logins.get(registry) else {
            return Ok(None);
        };
        let Ok(identity) = &login.identity else {
            return Ok(None);
        };
        let asking = || async { identity.ask(client).await.map_err(Arc::new) };
        match login.answer.get_or_init(asking).await {
            Ok(proof) => Ok(Some((login.cloud, proof.copy()))),
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

impl Identity {
    /// The identity for a registry, if its host is a cloud's; and if there is
    /// none, why.
    fn find(
        registry: &Registry,
        identities: Identities,
        variables: &Variables,
    ) -> Option<(Cloud, Result<Self, Reason>)> {
        let failed = |error| Reason::Cloud(Arc::new(error));
        let host = registry.as_str();
        if let Some(registry) = EcrRegistry::of_host(host) {
            let identity = match identities {
                Identities::Written => Err(Reason::SwitchedOff),
                Identities::Ambient => {
                    let aws = Aws::find(variables);
                    aws.map(|aws| Self::Amazon(registry, aws)).map_err(failed)
                }
            };
            return Some((Cloud::Amazon, identity));
        }
        None
    }

    async fn ask(&self, client: &Client) -> Result<Proof, ServiceError> {
        match self {
            Self::Amazon(registry, aws) => {
                let login = registry.log_in(aws, client).await?;
                Ok(Proof::Basic {
                    user: login.user,
                    password: login.password,
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
