//! The knowledge of a run about its registries: the places of blobs, the absence
//! of manifests, the sessions, and whether the run is to stop.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OnceCell, watch};
use url::Url;

use crate::http::{Lead, Uncertainty};
use crate::oci::{Digest, Reference, Registry, Repository};
use crate::store::Visible;

/// A value computed once; concurrent callers wait for the first. If that one
/// fails or is dropped, the next one computes it.
pub(super) type Slot<T> = Arc<OnceCell<T>>;

/// The manifests that were not there when they were last read, and that this run
/// has not put since (WIRE-17).
#[derive(Default)]
pub(super) struct Absent(Mutex<HashSet<Reference>>);

impl Absent {
    fn references(&self) -> MutexGuard<'_, HashSet<Reference>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, reference: &Reference) {
        self.references().insert(reference.clone());
    }

    pub(super) fn forget(&self, reference: &Reference) {
        self.references().remove(reference);
    }

    pub(super) fn holds(&self, reference: &Reference) -> bool {
        self.references().contains(reference)
    }
}

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
    /// Filled by the first upload; the other repositories wait for it.
    sources: Mutex<HashMap<(Registry, Digest), Slot<Repository>>>,
    /// A registry that declined a mount once is not asked again.
    tried: Mutex<HashSet<(Repository, Digest)>>,
}

impl Mounts {
    /// The repository that the blob was uploaded to first.
    pub(super) fn source(&self, registry: &Registry, digest: &Digest) -> Slot<Repository> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (registry.clone(), digest.clone());
        Arc::clone(sources.entry(key).or_default())
    }

    /// Asking counts as trying.
    pub(super) fn is_first_try(&self, repository: &Repository, digest: &Digest) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.insert((repository.clone(), digest.clone()))
    }
}

/// An upload session that the registry granted. It is spent by an upload that
/// ends, and else has to be cancelled.
pub(super) struct Session {
    pub(super) location: Lead,
}

/// The treatment of a request when the run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenStopped {
    /// Dropped, or not sent at all: it leaves nothing behind.
    Drop,
    /// Not sent; but if it is under way, its answer is awaited, since the
    /// registry may have granted or written something.
    Await,
}

/// Whether the run is to stop, and whether others may see a change. Channels,
/// so that waiting for a change takes no polling.
pub(super) struct Progress {
    pub(super) stopping: watch::Sender<bool>,
    pub(super) visible: watch::Sender<Visible>,
    /// Of manifests whose outcome is not known yet.
    pub(super) puts: Mutex<Vec<Uncertainty>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            stopping: watch::Sender::new(false),
            visible: watch::Sender::new(Visible::No),
            puts: Mutex::default(),
        }
    }
}
