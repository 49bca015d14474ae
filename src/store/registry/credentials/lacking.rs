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
pub struct LackingSource {
    pub source: Source,
    pub reason: LackingReason,
}

/// Why a source has none.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LackingReason {
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

impl fmt::Display for LackingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

impl Credentials {
    /// All sources in their order, as if none had a credential for `repository`.
    /// Runs no helper.
    pub(super) fn lacking(&self, repository: &Repository) -> Vec<LackingSource> {
        let no_entry = || LackingReason::NoEntry(repository.registry().clone());
        let of_variable = |source, is_set| LackingSource {
            source,
            reason: if is_set {
                no_entry()
            } else {
                LackingReason::NotSet
            },
        };
        let mut lacking = vec![
            of_variable(Source::CnbRegistryAuth, self.cnb_given),
            of_variable(Source::DockerAuthConfig, self.docker_auth_config.is_some()),
        ];
        lacking.extend(self.unusable.iter().map(|(path, reason)| LackingSource {
            source: Source::DockerConfig(path.clone()),
            reason: LackingReason::Unusable(reason.clone()),
        }));
        if let Some((path, config)) = &self.docker_config {
            let helper = config.helper(repository);
            let program = helper.and_then(|(_, name)| helper::program(name, path).ok());
            lacking.extend(program.map(|program| LackingSource {
                reason: match child::find(&program, &self.helper_path) {
                    Some(_) => no_entry(),
                    None => LackingReason::NotInstalled,
                },
                source: Source::Helper {
                    program,
                    config: path.clone(),
                },
            }));
            lacking.push(LackingSource {
                source: Source::DockerConfig(path.clone()),
                reason: no_entry(),
            });
        }
        let cloud = self.ambient.lacking(repository.registry());
        lacking.extend(cloud.map(|(cloud, reason)| LackingSource {
            source: Source::Ambient(cloud),
            reason,
        }));
        lacking
    }
}
