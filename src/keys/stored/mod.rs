//! Key files that are kept elsewhere than in a file: the encrypted key comes
//! over, with its password if that is kept beside it, and is unlocked in this
//! process. It is then a local key like any other.

mod gitlab;
mod key_text;
mod kube_config;
mod kubernetes;
mod yaml;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;

use std::sync::Arc;

use super::error::OpenError;
use super::uri::{GitLabUri, SecretUri};
use crate::http::Client;
use crate::secret::Secret;
use crate::service::Variables;
use key_text::Stored;

/// A key file in a service that has not been asked yet. It is fetched beside the
/// checks of the registry.
pub struct ClosedStored(StoredKeeper);

enum StoredKeeper {
    Kubernetes(kubernetes::ClosedSecret),
    GitLab(gitlab::ClosedVariable),
}

impl ClosedStored {
    pub(super) fn in_kubernetes(uri: &SecretUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = kubernetes::ClosedSecret::find(uri, variables)?;
        Ok(Self(StoredKeeper::Kubernetes(closed)))
    }

    pub(super) fn in_gitlab(uri: &GitLabUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = gitlab::ClosedVariable::find(uri, variables)?;
        Ok(Self(StoredKeeper::GitLab(closed)))
    }

    pub(super) async fn fetch(self, client: &Arc<Client>) -> Result<Stored, OpenError> {
        Ok(match self.0 {
            StoredKeeper::Kubernetes(closed) => closed.fetch(client).await?,
            StoredKeeper::GitLab(closed) => closed.fetch(client).await?,
        })
    }
}

/// The PEM of a key file that a variable holds, exactly as it is (KEY-110). The
/// variable cannot be wiped: it stays where the kernel put it.
pub(super) fn from_variable(name: &str, variables: &Variables) -> Result<Secret, OpenError> {
    match variables.named_by_user(name) {
        None => Err(OpenError::NotSet(name.to_owned())),
        Some(pem) if pem.expose().is_empty() => Err(OpenError::EmptyVariable(name.to_owned())),
        Some(pem) => Ok(pem),
    }
}
