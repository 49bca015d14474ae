//! Key files that are kept elsewhere than in a file. They are unlocked here.

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

/// A key file in a service that has not been asked yet.
pub struct Closed(Keeper);

enum Keeper {
    Kubernetes(kubernetes::Closed),
    GitLab(gitlab::Closed),
}

impl Closed {
    pub(super) fn in_kubernetes(uri: &SecretUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = kubernetes::Closed::find(uri, variables)?;
        Ok(Self(Keeper::Kubernetes(closed)))
    }

    pub(super) fn in_gitlab(uri: &GitLabUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = gitlab::Closed::find(uri, variables)?;
        Ok(Self(Keeper::GitLab(closed)))
    }

    pub(super) async fn fetch(self, client: &Arc<Client>) -> Result<Stored, OpenError> {
        Ok(match self.0 {
            Keeper::Kubernetes(closed) => closed.fetch(client).await?,
            Keeper::GitLab(closed) => closed.fetch(client).await?,
        })
    }
}

/// The PEM of a key file that a variable holds.
pub(super) fn from_variable(name: &str, variables: &Variables) -> Result<Secret, OpenError> {
    match variables.named_by_user(name) {
        None => Err(OpenError::NotSet(name.to_owned())),
        Some(pem) if pem.expose().is_empty() => Err(OpenError::EmptyVariable(name.to_owned())),
        Some(pem) => Ok(pem),
    }
}
