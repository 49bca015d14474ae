//! Hanging layers at a tag: the protocol of [`super::append`], sent to a
//! registry. Referrers too have a tag where their registry does not list them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::append::{Append, Next, Settling, Wait};
use super::error::AttachError;
use super::found::{Found, Layer};
use super::place::{Kind, Place};
use super::publication::{Expected, Publication};
use super::settle::{Others, Settle};
use super::union::Union;
use crate::config::MediaTypes;
use crate::oci::{Digest, Reference};
use crate::store::registry::{Answer, Condition, Put, Registries, StoreError};

/// How long a registry may take to show what it accepted.
pub(super) const CONSISTENCY: Duration = Duration::from_secs(5);
/// How long a place is fought for: other signers, and answers that leave open
/// what happened.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often blobs that the registry took and does not know are uploaded again.
pub(super) const UPLOADS: usize = 3;
/// Readers of older cosign stop at 100 layers.
const MANY_LAYERS: usize = 90;
/// What was read longer ago is not written on: others have had time to write.
const STALE: Duration = Duration::from_secs(1);

/// Whether a place is written as soon as its blobs are there, or after other
/// places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Next,
    Later,
}

/// Reads what hangs at the tag of `place`.
///
/// # Errors
/// On a registry that does not answer or refuses, and on something that the
/// signer must not replace.
pub async fn read(registries: &Registries, place: &Place) -> Result<Found, AttachError> {
    let served = registries.get_tag(&place.reference()).await;
    let served = served.map_err(|source| match source {
        StoreError::Manifest { source, .. } => AttachError::Foreign {
            place: place.clone(),
            source,
        },
        source => AttachError::Store {
            place: place.clone(),
            source,
        },
    })?;
    Found::at(place, served)
}

/// Layers on their way to a place.
pub struct Hanging<'a> {
    publication: &'a Publication<'a>,
    place: &'a Place,
    append: Append<'a>,
    settle: Settle,
    others: Others,
    expected: Option<Expected>,
    /// When the place was read last.
    read_at: Instant,
    /// Between the last read and the end of the put.
    window: Duration,
    uploaded: HashSet<Digest>,
    /// How often the registry did not know one of them.
    lost: usize,
    has_written: bool,
}

impl<'a> Hanging<'a> {
    /// `layers` are to hang at `place`, where `found` was read. A new tag gets
    /// `media_types`.
    pub fn new(
        publication: &'a Publication<'a>,
        place: &'a Place,
        layers: &'a [Layer],
        media_types: MediaTypes,
        found: Found,
    ) -> Self {
        // One document, the last one wins: nobody waits for stale writers.
        let settle = match place.kind() {
            Kind::Sbom => Settle::Off,
            Kind::Signatures | Kind::Attestations | Kind::Referrers => publication.settle,
        };
        let settling = match settle {
            Settle::Off => Settling::Over,
            Settle::Measured | Settle::Fixed(_) => Settling::Wanted,
        };
        let append = Append::new(place, layers, media_types, found, settling);
        let expected = match append.next() {
            Ok(Next::Put(union, _)) => Some(publication.expect(place.repository(), &union.blobs())),
            _ => None,
        };
        Self {
            publication,
            place,
            append,
            settle,
            others: Others::Unseen,
            expected,
            read_at: Instant::now(),
            window: Duration::ZERO,
            uploaded: HashSet::new(),
            lost: 0,
            has_written: false,
        }
    }

    /// Whether the tag is there already, so that the registry may refuse to
    /// overwrite it.
    pub fn is_overwrite(&self) -> bool {
        self.append.found().digest().is_some()
    }

    /// Whether something visible may have changed.
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Uploads the blobs that the next [`write`](Self::write) needs. Nothing
    /// visible changes. A place whose turn is next is looked at again beside the
    /// last uploads of the run, because the longer ago it was read, the likelier
    /// somebody else has written since.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on a full tag.
    pub async fn upload(&mut self, turn: Turn) -> Result<(), AttachError> {
        // Whatever becomes of them, nobody waits for them after this.
        let _expected = self.expected.take();
        let Next::Put(union, _) = self.append.next()? else {
            return Ok(());
        };
        if union.layers >= MANY_LAYERS && self.place.kind() != Kind::Referrers {
            warn!(
                "{} will have {} layers; some readers stop at 100",
                self.place, union.layers
            );
        }
        if self.settle == Settle::Off || turn == Turn::Later {
            return self.upload_blobs(&union).await;
        }
        let (publication, reference) = (self.publication, self.place.reference());
        let looking = async {
            publication.nearly_uploaded().await;
            let looked_at = Instant::now();
            (
                looked_at,
                publication.registries.head_manifest(&reference).await,
            )
        };
        let (uploaded, (looked_at, now)) = futures_util::join!(self.upload_blobs(&union), looking);
        uploaded?;
        let now = now.map_err(|source| self.store_error(source))?;
        self.looked(looked_at, now.as_ref()).await
    }

    /// Looks at a place that is about to be written and was read long ago.
    pub(super) async fn look_again(&mut self) -> Result<(), AttachError> {
        if self.settle == Settle::Off || !matches!(self.append.next()?, Next::Put(..)) {
            return Ok(());
        }
        let looked_at = Instant::now();
        let now = self.look().await?;
        self.looked(looked_at, now.as_ref()).await
    }

    /// Whether the place was read again, because it is not as it was read.
    async fn has_changed(&mut self) -> Result<bool, AttachError> {
        let before = self.append.found().digest().cloned();
        self.look_again().await?;
        Ok(self.append.found().digest() != before.as_ref())
    }

    /// Reads the place again if it was not, at `looked_at`, as it was read.
    async fn looked(
        &mut self,
        looked_at: Instant,
        now: Option<&Digest>,
    ) -> Result<(), AttachError> {
        if now != self.append.found().digest() {
            self.others = Others::Seen;
            return self.reread().await;
        }
        self.read_at = looked_at;
        Ok(())
    }

    /// Makes the layers hang there, and reads them back. Gives the digest of
    /// the manifest that holds them. What was read before other places were
    /// written is too old to write on.
    ///
    /// # Errors
    /// On a registry that refuses or does not show what it accepted.
    pub async fn write(&mut self, turn: Turn) -> Result<Digest, AttachError> {
        if turn == Turn::Later {
            self.look_again().await?;
        }
        let started = Instant::now();
        let mut written_at = started;
        // Since when everything of ours has stood there, as far as is known.
        let mut quiet_since = started;
        let mut written = None;
        for round in 0.. {
            match self.append.next()? {
                Next::Done(digest) => return Ok(digest),
                Next::Put(union, condition) => {
                    self.upload_blobs(&union).await?;
                    let is_stale = self.read_at.elapsed() > STALE;
                    if !(is_stale && self.has_changed().await?) {
                        self.put(&union, &condition).await?;
                        written = Some(union.manifest.digest().clone());
                        written_at = Instant::now();
                        quiet_since = written_at;
                    }
                }
                Next::Read(wait) => {
                    if wait == Wait::Consistency && written_at.elapsed() > CONSISTENCY {
                        return Err(AttachError::NotDurable {
                            place: self.place.clone(),
                        });
                    }
                    match wait {
                        Wait::No => {}
                        Wait::Consistency | Wait::Collision => {
                            tokio::time::sleep(jittered(round)).await;
                        }
                        Wait::Settled => self.settled(quiet_since).await,
                    }
                    self.reread().await?;
                    // Others wrote since: what they wrote over is not known.
                    if self.append.found().digest() != written.as_ref() {
                        self.others = Others::Seen;
                        quiet_since = Instant::now();
                    }
                }
            }
            if started.elapsed() > PATIENCE {
                break;
            }
        }
        Err(AttachError::GaveUp {
            place: self.place.clone(),
        })
    }

    async fn reread(&mut self) -> Result<(), AttachError> {
        self.read_at = Instant::now();
        let lost = self
            .append
            .read(read(self.publication.registries, self.place).await?);
        if lost > 0 {
            warn!(
                "{lost} layers that others had hung at {} are gone",
                self.place
            );
        }
        Ok(())
    }

    async fn put(&mut self, union: &Union, condition: &Condition) -> Result<(), AttachError> {
        let reference = self.place.reference();
        let answer = self
            .publication
            .registries
            .put_manifest(&reference, &union.manifest, condition)
            .await;
        self.has_written |= may_write(&answer);
        self.window = self.read_at.elapsed();
        let answer = answer.map_err(|source| self.store_error(source))?;
        match &answer {
            Put::Written | Put::Indexed => {}
            Put::BlobUnknown if self.lost == UPLOADS => {
                return Err(AttachError::BlobsLost {
                    place: self.place.clone(),
                });
            }
            Put::BlobUnknown => {
                self.lost += 1;
                self.uploaded.clear();
                if self.place.kind() == Kind::Referrers {
                    self.forget_what_is_gone().await?;
                }
            }
            Put::Unclear(reason) => debug!(
                "It is not clear whether {} was written: {reason}",
                self.place
            ),
            // Refusing a tag that is not there yet is about access, not about
            // overwriting.
            Put::Refused {
                status: 403,
                answer,
            } if !self.is_overwrite() && *condition == Condition::Always => {
                return Err(denied(self.place, answer.clone()));
            }
            Put::Refused { status, answer } => {
                debug!("{} was refused with {status}{answer}", self.place)
            }
        }
        self.append.put(union.manifest.digest().clone(), answer)
    }

    /// Some registries take no index that lists manifests which are gone; `cosign
    /// clean` leaves such an index behind.
    async fn forget_what_is_gone(&mut self) -> Result<(), AttachError> {
        let repository = self.place.repository();
        let listed = self.append.found().layers();
        let looks = listed.iter().map(|entry| async {
            let reference = Reference::new(repository.clone(), entry.digest.clone());
            let there = self
                .publication
                .registries
                .head_manifest(&reference)
                .await?;
            Ok::<_, StoreError>(there.is_none().then(|| entry.digest.clone()))
        });
        let looks = futures_util::future::try_join_all(looks).await;
        let gone = looks.map_err(|source| self.store_error(source))?;
        let gone: Vec<Digest> = gone.into_iter().flatten().collect();
        if !gone.is_empty() {
            let count = gone.len();
            warn!(
                "{count} of the {} are gone; they are not listed any more",
                self.place
            );
        }
        self.append.forget(gone);
        Ok(())
    }

    /// Waits until the place has been left alone for long enough. How long that
    /// is may grow meanwhile.
    async fn settled(&self, quiet_since: Instant) {
        loop {
            let lateness = self.publication.lateness();
            let time = self.settle.time(self.window, lateness, self.others);
            match time.checked_sub(quiet_since.elapsed()) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }

    async fn look(&self) -> Result<Option<Digest>, AttachError> {
        let looked = self
            .publication
            .registries
            .head_manifest(&self.place.reference())
            .await;
        looked.map_err(|source| self.store_error(source))
    }

    fn store_error(&self, source: StoreError) -> AttachError {
        AttachError::Store {
            place: self.place.clone(),
            source,
        }
    }

    async fn upload_blobs(&mut self, union: &Union) -> Result<(), AttachError> {
        let mut wanted = union.blobs();
        // The blob that the registry does not know may be of a layer that hangs
        // there already. Of referrers the layers are manifests.
        if self.lost > 0 && self.place.kind() != Kind::Referrers {
            let layers = self.append.layers().iter();
            wanted.extend(
                layers.map(|layer| (layer.descriptor.digest.clone(), layer.content.clone())),
            );
        }
        wanted.retain(|(digest, _)| !self.uploaded.contains(digest));
        self.publication.upload(self.place, &wanted).await?;
        self.uploaded
            .extend(wanted.into_iter().map(|(digest, _)| digest));
        Ok(())
    }
}

/// Whether something visible may have changed.
pub(super) fn may_write(answer: &Result<Put, StoreError>) -> bool {
    matches!(
        answer,
        Ok(Put::Written | Put::Indexed | Put::Unclear(_)) | Err(StoreError::Digest { .. })
    )
}

/// What a 403 means for a manifest whose blobs were taken.
pub(super) fn denied(place: &Place, answer: Answer) -> AttachError {
    if answer.speaks_of_quota() {
        return AttachError::Refused {
            place: place.clone(),
            status: 403,
            answer,
        };
    }
    AttachError::Store {
        place: place.clone(),
        source: StoreError::Denied {
            action: format!("writing `{place}`"),
            identity: "the credentials that were granted an upload".to_owned(),
            answer,
        },
    }
}

/// Full jitter: signers that collided once must not collide again.
fn jittered(round: u32) -> Duration {
    let ceiling = Duration::from_millis(50).saturating_mul(1 << round.min(6));
    ceiling.min(Duration::from_secs(2)).mul_f64(fastrand::f64())
}
