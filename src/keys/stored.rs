//! Key files that are kept elsewhere than in a file. They are unlocked here.

use super::error::OpenError;
use crate::secret::Secret;
use crate::service::Variables;

/// The PEM of a key file that a variable holds.
pub(super) fn from_variable(name: &str, variables: &Variables) -> Result<Secret, OpenError> {
    match variables.named_by_user(name) {
        None => Err(OpenError::NotSet(name.to_owned())),
        Some(pem) if pem.expose().is_empty() => Err(OpenError::EmptyVariable(name.to_owned())),
        Some(pem) => Ok(pem),
    }
}
