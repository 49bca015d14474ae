//! The state that all writers of a run share.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use super::error::AttachError;
use super::lateness::Lateness;
use super::meter::{BlobKey, Meter};
use super::place::{Kind, Place};
use super::settle::Settle;
use crate::envelope::Layer;
use crate::http::AT_ONCE;
use crate::oci::{Content, Digest, Registry, Repository};
use crate::store::registry::{Registries, StoreError};

/// When at most so many small blobs are left they are all in flight and finish
/// within one round trip.
const FEW: usize = AT_ONCE;
/// A larger one may take longer than a round trip, so that a look beside it
/// would be old.
const BIG: u64 = 256 * 1024;

/// Whether a place is written as soon as its blobs are there, or after other
/// places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    First,
    AfterOthers,
}

/// One run's writing: who is written to, how carefully, and how far it is.
pub(crate) struct Publication<'a> {
    pub(super) registries: &'a Registries,
    pub(super) settle: Settle,
    lateness: Lateness,
    outstanding: Arc<Outstanding>,
    meter: Meter,
    /// By path, image and kind: the registry's name is left out (WIRE-54).
    turns: Mutex<HashMap<(String, Digest, Kind), PutAt>>,
    /// The places of a registry that are being put.
    writers: Mutex<HashMap<Registry, Arc<Semaphore>>>,
}

/// When a place of a path was put last.
type PutAt = Arc<AsyncMutex<Option<Instant>>>;

/// The right to look at a place for the last time and to put it.
pub(super) struct PlaceTurn {
    /// When a place of the same path was put last.
    pub(super) put_at: OwnedMutexGuard<Option<Instant>>,
    _writer: Option<OwnedSemaphorePermit>,
}

impl<'a> Publication<'a> {
    /// `lateness` was watched since the run began.
    pub(crate) fn new(registries: &'a Registries, settle: Settle, lateness: Lateness) -> Self {
        Self {
            registries,
            settle,
            lateness,
            outstanding: Arc::default(),
            meter: Meter::default(),
            turns: Mutex::default(),
            writers: Mutex::default(),
        }
    }

    /// Waits for the turn of a place. Registries have several names, and nobody
    /// can tell which of them are one's: places that differ in the registry's
    /// name alone are put one after the other. A registry is written by as many
    /// as it is asked by at a time: a put that waits for others is old when it
    /// is sent. The turn of the path comes first, so that no two writers wait for
    /// each other.
    pub(super) async fn turn(&self, place: &Place) -> PlaceTurn {
        let path = place.repository().path().to_owned();
        let key = (path, place.subject().clone(), place.kind());
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(key).or_default())
        };
        let put_at = turn.lock_owned().await;
        let writers = {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            let registry = place.repository().registry().clone();
            let new = || Arc::new(Semaphore::new(AT_ONCE));
            Arc::clone(writers.entry(registry).or_insert_with(new))
        };
        PlaceTurn {
            put_at,
            // The semaphore is never closed.
            _writer: writers.acquire_owned().await.ok(),
        }
    }

    /// How much of what is uploaded has been sent.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// How late the process was woken.
    pub(super) fn lateness(&self) -> Duration {
        self.lateness.worst()
    }

    /// Announces blobs that are going to be uploaded to a repository, unless
    /// what is returned is dropped before.
    pub(super) fn expect(&self, repository: &Repository, blobs: &[(Digest, Content)]) -> Expected {
        let keys = blobs.iter().map(|(digest, content)| {
            let key = (repository.clone(), digest.clone());
            self.meter.announce(&key, content.length());
            self.outstanding
                .blobs()
                .insert(key.clone(), content.length());
            key
        });
        Expected {
            keys: keys.collect(),
            outstanding: Arc::clone(&self.outstanding),
            meter: self.meter.clone(),
        }
    }

    /// Waits until the last of all expected blobs are under way. Writers go on in
    /// the order in which they came.
    pub(super) async fn until_nearly_uploaded(&self) {
        self.outstanding.until_few().await;
    }

    /// Uploads each blob once, all at the same time. Nothing visible changes.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses.
    pub(super) async fn upload(
        &self,
        place: &Place,
        blobs: &[(Digest, Content)],
    ) -> Result<(), AttachError> {
        let repository = place.repository();
        let mut seen = HashSet::new();
        let distinct = blobs.iter().filter(|(digest, _)| seen.insert(digest));
        let uploads = distinct.map(|(digest, content)| {
            let key = (repository.clone(), digest.clone());
            let content = self.meter.counted(&key, content);
            async move {
                let putting = self.registries.put_blob(repository, digest, &content);
                let outcome = putting.await;
                if outcome.is_ok() {
                    self.meter.finish(&key);
                }
                self.outstanding.remove(&[key]);
                outcome
            }
        });
        let outcomes = join_all(uploads).await.into_iter();
        let uploaded = outcomes.collect::<Result<(), _>>();
        uploaded.map_err(|source| AttachError::store(place, source))
    }
}

impl Publication<'_> {
    /// Uploads those blobs again that hang at `place` and that its registry
    /// does not have: somebody removed them under a manifest that nobody
    /// touched. A manifest of ours without its blob verifies nowhere
    /// (`spec/decisions/0017`).
    ///
    /// # Errors
    /// On a registry that does not answer or refuses.
    pub(super) async fn replenish(
        &self,
        place: &Place,
        layers: Vec<&Layer>,
    ) -> Result<(), AttachError> {
        let mut seen = HashSet::new();
        let distinct = layers.into_iter();
        let distinct = distinct.filter(|layer| seen.insert(&layer.descriptor.digest));
        let looks = distinct.map(|layer| async move {
            let looking = self
                .registries
                .has_blob(place.repository(), &layer.descriptor);
            Ok::<_, StoreError>((!looking.await?).then_some(layer))
        });
        let gone = try_join_all(looks).await;
        let gone = gone.map_err(|source| AttachError::store(place, source))?;
        let gone: Vec<_> = gone.into_iter().flatten().map(Layer::to_blob).collect();
        if !gone.is_empty() {
            warn!(
                "The registry has lost {} of the blobs that hang at {place}; uploading them again",
                gone.len()
            );
        }
        self.upload(place, &gone).await
    }
}

/// Blobs that are expected as long as this lives. Writers that wait for the
/// last uploads go on when it is dropped.
pub(super) struct Expected {
    outstanding: Arc<Outstanding>,
    meter: Meter,
    keys: Vec<BlobKey>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.outstanding.remove(&self.keys);
        for key in &self.keys {
            self.meter.withdraw(key);
        }
    }
}

/// The blobs that are still to be uploaded, with their lengths.
#[derive(Default)]
struct Outstanding {
    blobs: Mutex<HashMap<BlobKey, u64>>,
    fewer: Notify,
}

impl Outstanding {
    fn blobs(&self) -> MutexGuard<'_, HashMap<BlobKey, u64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, keys: &[BlobKey]) {
        {
            let mut blobs = self.blobs();
            for key in keys {
                blobs.remove(key);
            }
        }
        self.fewer.notify_waiters();
    }

    async fn until_few(&self) {
        loop {
            let mut fewer = pin!(self.fewer.notified());
            // Registered before the look: a removal right after it wakes us.
            fewer.as_mut().enable();
            let is_few = {
                let blobs = self.blobs();
                blobs.len() <= FEW && blobs.values().all(|length| *length <= BIG)
            };
            if is_few {
                return;
            }
            fewer.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn key(name: usize) -> BlobKey {
        let digest = Digest::of(name.to_string().as_bytes());
        ("r.io/app".parse().unwrap(), digest)
    }

    #[test]
    fn uploads_are_nearly_done_when_few_are_left_and_none_is_big() {
        let outstanding = Outstanding::default();
        let is_few = || outstanding.until_few().now_or_never().is_some();
        assert!(is_few());
        for name in 0..=FEW {
            outstanding.blobs().insert(key(name), 1);
        }
        assert!(!is_few());
        outstanding.remove(&[key(0), key(0)]);
        assert!(is_few());
        outstanding.blobs().insert(key(1), BIG + 1);
        assert!(!is_few());
    }

    #[tokio::test]
    async fn expected_blobs_that_are_given_up_are_not_waited_for() {
        let outstanding = Arc::new(Outstanding::default());
        outstanding.blobs().insert(key(1), BIG + 1);
        let expected = Expected {
            outstanding: Arc::clone(&outstanding),
            meter: Meter::default(),
            keys: vec![key(1)],
        };
        let mut waiting = pin!(outstanding.until_few());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(expected);
        waiting.await;
    }
}
