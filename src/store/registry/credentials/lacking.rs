//! The sources that have no credential for a repository, each with its reason:
//! a user who is denied access needs to know where the signer looked.

use std::fmt;
use std::sync::Arc;

use super::unusable::Unusable;
use super::{Credentials, Source, helper};
use crate::child;
use crate::oci::{Registry, Repository};
use crate::service::ServiceError;

/// A source without a credential.
#[derive(Clone, Debug)]
pub struct Lacking {
    pub source: Source,
    pub reason: Reason,
}

/// Why a source has none.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    #[error("not set")]
    NotSet,
    #[error("no entry for `{0}`")]
    NoEntry(Registry),
    #[error("not installed")]
    NotInstalled,
    #[error(transparent)]
    Unusable(Unusable),
    /// By the user.
    #[error("switched off")]
    SwitchedOff,
    #[error("not asked")]
    NotAsked,
    #[error("{0}")]
    Cloud(Arc<ServiceError>),
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

impl Credentials {
    /// All sources in their order, as if none had a credential for `repository`.
    /// Runs no helper.
    pub(super) fn lacking(&self, repository: &Repository) -> Vec<Lacking> {
        let no_entry = || Reason::NoEntry(repository.registry().clone());
        let of_variable = |source, is_set| Lacking {
            source,
            reason: if is_set { no_entry() } else { Reason::NotSet },
        };
        let mut lacking = vec![
            of_variable(Source::CnbRegistryAuth, self.cnb_given),
            of_variable(Source::DockerAuthConfig, self.docker_auth_config.is_some()),
        ];
        lacking.extend(self.unusable.iter().map(|(path, reason)| Lacking {
            source: Source::DockerConfig(path.clone()),
            reason: Reason::Unusable(reason.clone()),
        }));
        if let Some((path, config)) = &self.docker_config {
            let helper = config.helper(repository);
            let program = helper.and_then(|(_, name)| helper::program(name, path).ok());
            lacking.extend(program.map(|program| Lacking {
                reason: match child::find(&program, &self.helper_path) {
                    Some(_) => no_entry(),
                    None => Reason::NotInstalled,
                },
                source: Source::Helper {
                    program,
                    config: path.clone(),
                },
            }));
            lacking.push(Lacking {
                source: Source::DockerConfig(path.clone()),
                reason: no_entry(),
            });
        }
        let cloud = self.ambient.lacking(repository.registry());
        lacking.extend(cloud.map(|(cloud, reason)| Lacking {
            source: Source::Ambient(cloud),
            reason,
        }));
        lacking
    }
}
