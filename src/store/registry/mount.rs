//! Cross-repository mounts (distribution-spec v1.1, "Mounting a blob from
//! another repository"): a blob that this run sent to one repository of a
//! registry is not sent to the others again (`spec/decisions/0008`).
//!
//! A mount is tried once per blob and repository, and only saves sending the
//! bytes: after any other answer of the registry, an upload does as well.

use tracing::debug;

use super::known::{Mount, Session, WhenStopped};
use super::upload::location;
use super::{Ask, Registries, Target};
use crate::http::{Method, Replay};
use crate::oci::Repository;

impl Registries {
    /// Whether the blob is there now. If not, the session that the registry may
    /// have granted instead is kept for the upload.
    pub(super) async fn mount_blob(&self, repository: &Repository, mount: &Mount<'_>) -> bool {
        let Mount { digest, from } = *mount;
        // The first repository, whose blob is wanted again, uploads it again.
        if from == repository || !self.mounts.is_first_try(repository, digest) {
            return false;
        }
        let action = format!("mounting blob `{digest}` of `{from}` in `{repository}`");
        let path = format!("v2/{}/blobs/uploads/", repository.path());
        let mut ask = Ask::new(Method::POST, Target::Path(path), &action);
        ask.mount = Some(Mount { digest, from });
        ask.body = Some(Vec::new().into());
        // A registry that does not mount is not asked again.
        ask.replay = Replay::Ask;
        ask.when_stopped = WhenStopped::Await;
        let answer = self.send(repository, &ask).await;
        let reason = match &answer {
            Ok(response) if response.status.as_u16() == 201 => return true,
            Ok(response) if response.status.as_u16() == 202 => match location(response, &action) {
                Ok(location) => {
                    self.keep_session(repository, Session { location });
                    "the registry grants an upload instead".to_owned()
                }
                Err(error) => error.to_string(),
            },
            Ok(response) => format!("status {}", response.status.as_u16()),
            Err(error) => error.to_string(),
        };
        debug!("Uploading after {action} failed: {reason}");
        false
    }
}
