//! Cross-repository mounts (distribution-spec v1.1, "Mounting a blob from
//! another repository"): a blob that this run sent to one repository of a
//! registry is not sent to the others again (`spec/decisions/0008`).
//!
//! A mount is tried once per blob and repository, and only saves sending the
//! bytes: after any other answer of the registry, an upload does as well.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::debug;
use url::Url;

use super::stop::WhenStopped;
use super::upload::{Session, location};
use super::{Ask, Registries, Slot, Target};
use crate::http::{Method, Replay};
use crate::oci::{Digest, Registry, Repository};

/// The blob to mount, and its source.
pub(super) struct Mount<'a> {
    pub(super) digest: &'a Digest,
    pub(super) from: &'a Repository,
}

impl Mount<'_> {
    /// Makes `url`, which opens an upload session, ask for the mount first.
    pub(super) fn ask(&self, url: &mut Url) {
        url.query_pairs_mut()
            .append_pair("mount", &self.digest.to_string())
            .append_pair("from", self.from.path());
    }
}

/// The places of blobs, as far as this run knows.
#[derive(Default)]
pub(super) struct Mounts {
    sources: Mutex<HashMap<(Registry, Digest), Slot<Repository>>>,
    tried: Mutex<HashSet<(Repository, Digest)>>,
}

impl Mounts {
    /// The repository that the blob was uploaded to first.
    pub(super) fn source(&self, registry: &Registry, digest: &Digest) -> Slot<Repository> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.clone(), digest.clone());
        Arc::clone(sources.entry(key).or_default())
    }

    fn is_first_try(&self, repository: &Repository, digest: &Digest) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.insert((repository.clone(), digest.clone()))
    }
}

impl Registries {
    /// Whether the blob is there now. If not, the session that the registry may
    /// have granted instead is kept for the upload.
    pub(super) async fn mount_blob(&self, repository: &Repository, mount: &Mount<'_>) -> bool {
        let Mount { digest, from } = *mount;
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
