//! The sources that have no credential for a repository, each with its reason:
//! a user who is denied access needs to know where the signer looked (SIG-72).

use std::fmt;
use std::sync::Arc;

use super::source::Source;
use super::unusable::Unusable;
use crate::oci::Registry;
use crate::service::ServiceError;

/// A source without a credential.
#[derive(Clone, Debug)]
pub struct LackingSource {
    pub source: Source,
    pub reason: LackingReason,
}

/// Why a source has none.
#[derive(Clone, thiserror::Error)]
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
    /// A cloud, as long as no registry wanted a credential.
    #[error("not asked")]
    NotAsked,
    #[error("{0}")]
    Cloud(Arc<ServiceError>),
}

debug_as_display!(LackingReason);

impl fmt::Display for LackingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}
