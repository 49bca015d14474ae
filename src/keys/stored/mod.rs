//! Key files that are kept elsewhere than in a file. They are unlocked here.

mod gitlab;
mod kube_config;
mod kubernetes;
mod yaml;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;

use std::sync::Arc;

pub use gitlab::GitLabUri;
pub use kubernetes::SecretUri;

use super::Password;
use super::error::OpenError;
use super::origin::Origin;
use crate::http::{Client, Redacted, Request, Response};
use crate::secret::Secret;
use crate::service::{ServiceError, ServiceName, Trouble, Variables};

/// A key file in a service that has not been asked yet.
pub struct Closed(Keeper);

enum Keeper {
    Kubernetes(kubernetes::Closed),
    GitLab(gitlab::Closed),
}

/// A key file's text, and the password that was kept beside it.
pub(super) struct Stored {
    pub(super) pem: Secret,
    pub(super) password: Password,
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

impl Stored {
    /// `name` is where the password is kept, beside the key.
    fn new(pem: Vec<u8>, password: Option<Vec<u8>>, name: &'static str) -> Self {
        let origin = match password {
            Some(_) => Origin::Stored(name),
            None => Origin::NotStored(name),
        };
        Self {
            pem: Secret::new(pem),
            password: Password {
                bytes: Secret::new(password.unwrap_or_default()),
                origin,
            },
        }
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

fn failed(service: &ServiceName, trouble: impl Into<Trouble>) -> ServiceError {
    ServiceError {
        service: service.clone(),
        trouble: trouble.into(),
    }
}

fn setting(name: impl Into<String>, reason: &'static str) -> Trouble {
    Trouble::Setting {
        name: name.into(),
        reason,
    }
}

fn action(request: &Request) -> String {
    format!("{} {}", request.method, Redacted(&request.url))
}

fn nonsense(response: &Response, reason: &'static str) -> Trouble {
    Trouble::Answer {
        action: Redacted(&response.url).to_string(),
        reason,
    }
}
