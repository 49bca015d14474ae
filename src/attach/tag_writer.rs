//! Hanging layers at a tag: the protocol of [`super::append`], sent to a registry
//! (`spec/wire.md`, section 7, whose steps are numbered here). Referrers too have
//! a tag where their registry does not list them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::append::{Append, Next, Settling, Wait};
use super::error::AttachError;
use super::hanging::Hanging;
use super::place::{Kind, Place};
use super::publication::{Expected, Order, Publication};
use super::reading;
use super::settle::{Contention, Measured, Settle};
use super::timing::{CONSISTENCY, MOST_DOUBLINGS, PATIENCE, RESTLESS, STALE, after_collision};
use super::union::Union;
use super::watch::{Doubt, PlaceWatch};
use crate::envelope::{Layer, SealedValue};
use crate::oci::{Content, Descriptor, Digest};
use crate::store::Visible;
use crate::store::registry::{Condition, Put};
use crate::words::Count;

/// How often blobs that the registry took and does not know are uploaded again
/// (case 35).
pub(super) const UPLOADS: usize = 3;
/// Readers of older cosign stop at 100 layers (WIRE-43).
const MANY_LAYERS: usize = 90;

/// The outcome of an attempt to put.
enum Attempt {
    /// It was sent.
    Put,
    /// The place has changed before.
    Changed,
    /// The registry had no time for it until it was too old.
    Outdated,
}

/// Layers on their way to a place.
pub(crate) struct TagWriter<'a> {
    publication: &'a Publication<'a>,
    place: &'a Place,
    append: Append<'a>,
    settle: Settle,
    contention: Contention,
    expected: Option<Expected>,
    /// How often a put has waited for too long.
    outdated: u32,
    /// When the place was read last.
    read_at: Instant,
    /// Whether it is to be looked at before it is put, however short that is ago.
    is_unseen: bool,
    /// Between the last read and the end of the put.
    window: Duration,
    uploaded: HashSet<Digest>,
    /// How often the registry did not know one of them.
    lost: usize,
    doubt: Option<Doubt>,
    visible: Visible,
}

impl<'a> TagWriter<'a> {
    pub(crate) fn new(publication: &'a Publication<'a>, hanging: Hanging<'a>) -> Self {
        let place = hanging.place;
        // One document, the last one wins: nobody waits for stale writers.
        let settle = match place.kind() {
            Kind::Sbom => Settle::Off,
            Kind::Signatures | Kind::Attestations | Kind::Referrers => publication.settle,
        };
        let settling = match settle {
            Settle::Off => Settling::Over,
            Settle::Measured | Settle::Fixed(_) => Settling::Wanted,
        };
        let append = Append::new(hanging, settling);
        let expected = match append.next() {
            Ok(Next::Put(union, _)) => Some(publication.expect(place.repository(), &union.blobs())),
            _ => None,
        };
        Self {
            publication,
            place,
            append,
            settle,
            contention: Contention::Unseen,
            expected,
            outdated: 0,
            read_at: Instant::now(),
            is_unseen: false,
            window: Duration::ZERO,
            uploaded: HashSet::new(),
            lost: 0,
            doubt: None,
            visible: Visible::No,
        }
    }

    /// Whether the tag is there already, so that the registry may refuse to
    /// overwrite it.
    pub(crate) fn is_overwrite(&self) -> bool {
        self.append.found().digest().is_some()
    }

    /// Whether others may see a change.
    pub(crate) fn visible(&self) -> Visible {
        self.visible
    }

    /// Uploads the blobs that the next [`write`](Self::write) needs. Nothing
    /// visible changes. For a place written first, a `HEAD` runs beside the last
    /// uploads, so that the window between read and write is one round trip.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on a full tag.
    pub(crate) async fn upload(&mut self, order: Order) -> Result<(), AttachError> {
        // Dropping the guard releases writers that wait for these uploads, also on
        // an error.
        let _expected = self.expected.take();
        let Next::Put(union, _) = self.append.next()? else {
            return self.replenish(&[]).await;
        };
        self.replenish(&union.blobs()).await?;
        if union.layers >= MANY_LAYERS && self.place.kind() != Kind::Referrers {
            warn!(
                place = self.place.name(),
                "{} will have {} layers; some readers stop at 100", self.place, union.layers
            );
        }
        if self.settle == Settle::Off || order == Order::AfterOthers {
            return self.upload_blobs(&union).await;
        }
        self.upload_and_look(&union).await
    }

    /// Uploads the blobs, and looks at the place beside the last of them.
    async fn upload_and_look(&mut self, union: &Union) -> Result<(), AttachError> {
        let (publication, reference) = (self.publication, self.place.reference());
        let looking = async {
            publication.until_nearly_uploaded().await;
            let looked_at = Instant::now();
            (
                looked_at,
                publication.registries.head_manifest(&reference).await,
            )
        };
        let (uploaded, (looked_at, now)) = futures_util::join!(self.upload_blobs(union), looking);
        uploaded?;
        let now = now.map_err(|source| AttachError::store(self.place, source))?;
        self.looked(looked_at, now.as_ref()).await
    }

    /// Looks at a place that is about to be written and was read long ago.
    pub(super) async fn look_again(&mut self) -> Result<(), AttachError> {
        if self.settle != Settle::Off && matches!(self.append.next()?, Next::Put(..)) {
            self.has_changed().await?;
        }
        Ok(())
    }

    /// Whether the place was read again, because it is not as it was read.
    async fn has_changed(&mut self) -> Result<bool, AttachError> {
        let before = self.append.found().digest().cloned();
        let looked_at = Instant::now();
        let now = self.look().await?;
        self.looked(looked_at, now.as_ref()).await?;
        Ok(self.append.found().digest() != before.as_ref())
    }

    /// Reads the place again if it was not, at `looked_at`, as it was read.
    async fn looked(
        &mut self,
        looked_at: Instant,
        now: Option<&Digest>,
    ) -> Result<(), AttachError> {
        if now != self.append.found().digest() {
            self.contention = Contention::Seen;
            return self.reread().await;
        }
        self.read_at = looked_at;
        Ok(())
    }

    /// Makes the layers hang there, reads them back, and gives their manifest's digest.
    /// With `AfterOthers` the place is read again first: writing others took time.
    ///
    /// # Errors
    /// On a registry that refuses or does not show what it accepted.
    pub(crate) async fn write(&mut self, order: Order) -> Result<Digest, AttachError> {
        self.is_unseen = order == Order::AfterOthers;
        let mut started = Instant::now();
        let mut written_at = started;
        // Since when everything of ours has stood there, as far as is known.
        let mut quiet_since = started;
        let mut written = None;
        for round in 0.. {
            match self.append.next()? {
                Next::Done(digest) => return Ok(digest),
                Next::Put(union, condition) => {
                    self.upload_blobs(&union).await?;
                    let asked_at = Instant::now();
                    match self.put_in_turn(&union, &condition).await? {
                        Attempt::Put => {
                            written = Some(union.manifest.digest().clone());
                            written_at = Instant::now();
                            quiet_since = written_at;
                        }
                        // A registry may have asked for this time.
                        Attempt::Outdated => started += asked_at.elapsed(),
                        Attempt::Changed => {}
                    }
                }
                Next::Read(wait) => {
                    if wait == Wait::Consistency && written_at.elapsed() > CONSISTENCY {
                        return Err(AttachError::NotDurable {
                            place: self.place.clone(),
                        });
                    }
                    let mut seen = Vec::new();
                    match wait {
                        Wait::No => {}
                        Wait::Consistency | Wait::Collision => {
                            tokio::time::sleep(after_collision(round)).await;
                        }
                        Wait::Settled => {
                            seen = self.unchanged().await;
                            if seen.is_empty() {
                                self.settled(started, quiet_since).await;
                            }
                        }
                    }
                    self.reread().await?;
                    self.restore(seen);
                    // Others wrote since: what they wrote over is not known.
                    if self.append.found().digest() != written.as_ref() {
                        self.contention = Contention::Seen;
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
            .saw(reading::read_tag(self.publication.registries, self.place).await?);
        let now = self.append.found().digest();
        let was_in_doubt = self.doubt.is_some();
        self.doubt.take_if(|doubt| doubt.is_over(now));
        // A put of ours that was made late may have erased them (step 6).
        if was_in_doubt {
            self.restore(lost);
        } else if !lost.is_empty() {
            let count = Count(lost.len(), "layer");
            warn!(
                place = self.place.name(),
                "Gone from {}: {count} that others had hung there", self.place
            );
        }
        Ok(())
    }

    /// A put erased what others had hung while it was under way, or is going to.
    fn erased(&mut self, seen: Vec<Descriptor>) {
        if !seen.is_empty() {
            self.contention = Contention::Seen;
            self.restore(seen);
        }
    }

    /// Hangs again what others had hung, as far as it does not hang there.
    fn restore(&mut self, seen: Vec<Descriptor>) {
        let there: HashSet<&Descriptor> = self.append.found().layers().iter().collect();
        let gone = seen.into_iter().filter(|layer| !there.contains(layer));
        let gone: Vec<Descriptor> = gone.collect();
        self.append.restore(gone);
    }

    /// Puts the union, unless the place has changed since it was read: it is
    /// looked at once more if others have had time to write and be gone (end of
    /// step 2), or if it may have been written by another name (WIRE-54).
    async fn put_in_turn(
        &mut self,
        union: &Union,
        condition: &Condition,
    ) -> Result<Attempt, AttachError> {
        let mut turn = self.publication.turn(self.place).await;
        let is_old = self.is_unseen || self.read_at.elapsed() > self.shortest().max(STALE);
        let is_old = is_old && self.settle != Settle::Off;
        let is_overtaken = turn.put_at.is_some_and(|put_at| put_at > self.read_at);
        if (is_old || is_overtaken) && self.has_changed().await? {
            return Ok(Attempt::Changed);
        }
        self.is_unseen = false;
        let attempt = self.put(union, condition).await;
        // Noted after any answer: the put may show under another name of the place.
        *turn.put_at = Some(Instant::now());
        attempt
    }

    /// The shortest time in which another signer comes and goes.
    fn shortest(&self) -> Duration {
        let registries = self.publication.registries;
        let times = registries.times(self.place.repository());
        self.settle.shortest(times.fastest)
    }

    /// How long a put may wait for its turn and still be sent as it is. A host
    /// that takes few requests a second gets there in the end, because it grows.
    fn fresh_for(&self) -> Duration {
        let least = self.shortest().max(STALE);
        least.saturating_mul(1 << self.outdated.min(MOST_DOUBLINGS))
    }

    /// A watch on the place, which now has what stands there, or soon `ours`.
    fn watch(&self, ours: Option<&Digest>, first: Instant) -> PlaceWatch<'a> {
        let digests = [self.append.stands(), ours].map(|digest| digest.cloned());
        let registries = self.publication.registries;
        PlaceWatch::new(registries, self.place, digests, first, self.shortest() / 2)
    }

    async fn put(&mut self, union: &Union, condition: &Condition) -> Result<Attempt, AttachError> {
        let reference = self.place.reference();
        let registries = self.publication.registries;
        let fresh_for = match self.settle {
            Settle::Off => Duration::MAX,
            Settle::Measured | Settle::Fixed(_) => self.fresh_for(),
        };
        let putting = registries.put_manifest(&reference, &union.manifest, condition, fresh_for);
        let ours = Some(union.manifest.digest());
        let mut watch = self.watch(ours, Instant::now() + self.shortest());
        let put = match self.settle {
            Settle::Off => putting.await,
            Settle::Measured | Settle::Fixed(_) => watch.during(putting).await,
        };
        self.visible = self.visible.max(put.visible);
        if put.visible != Visible::No {
            self.erased(watch.seen());
            let digest = union.manifest.digest();
            // A put in doubt may be made over this one.
            self.doubt = match put.answer {
                Ok(Put::Unclear(_)) => Some(Doubt::of(digest, self.doubt.as_ref())),
                _ => self.doubt.take().map(Doubt::and_another_put),
            };
        }
        // S follows from it (step 4).
        self.window = self.read_at.elapsed();
        let answer = put
            .answer
            .map_err(|source| AttachError::store(self.place, source))?;
        self.note(&answer, condition).await?;
        let attempt = match answer {
            Put::Outdated => Attempt::Outdated,
            _ => Attempt::Put,
        };
        self.append
            .answered(union.manifest.digest().clone(), answer)?;
        Ok(attempt)
    }

    /// Notes the answer of the registry to a put under `condition`.
    ///
    /// # Errors
    /// On a registry that loses blobs again and again, and on one that denies
    /// the right to make the tag.
    async fn note(&mut self, answer: &Put, condition: &Condition) -> Result<(), AttachError> {
        match answer {
            Put::Written | Put::Indexed => {}
            Put::Outdated => self.outdated += 1,
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
                return Err(AttachError::denied(self.place, answer.clone()));
            }
            Put::Refused { status, answer } => {
                debug!("{} was refused with {status}{answer}", self.place)
            }
        }
        Ok(())
    }

    /// Some registries take no index that lists manifests which are gone. Whoever
    /// removes these by digest, as a clean-up of the registry, leaves such an index
    /// behind.
    async fn forget_what_is_gone(&mut self) -> Result<(), AttachError> {
        let listed = self.append.found().layers();
        let gone = reading::gone(self.publication.registries, self.place, listed).await?;
        if !gone.is_empty() {
            let count = Count(gone.len(), "manifest");
            warn!(
                place = self.place.name(),
                "Gone from the {}: {count}, not listed any more", self.place
            );
        }
        self.append.forget(gone);
        Ok(())
    }

    /// Watches the place until it is certain that no put of ours will be made any
    /// more (step 6). If the place changes before, gives what hung there.
    async fn unchanged(&self) -> Vec<Descriptor> {
        let Some(doubt) = &self.doubt else {
            return Vec::new();
        };
        let mut watch = self.watch(None, Instant::now());
        watch.until_changed(doubt.until()).await;
        watch.seen()
    }

    /// Waits until the place has been left alone for long enough. How long that
    /// is may grow meanwhile.
    async fn settled(&self, started: Instant, quiet_since: Instant) {
        loop {
            let registries = self.publication.registries;
            let measured = Measured {
                window: self.window,
                slowest: registries.times(self.place.repository()).slowest,
                lateness: self.publication.lateness(),
            };
            let others = match self.contention {
                Contention::Seen if started.elapsed() > RESTLESS => Contention::Restless,
                others => others,
            };
            let time = self.settle.time(measured, others);
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
        looked.map_err(|source| AttachError::store(self.place, source))
    }

    /// Of what hangs there already the blobs may be gone, unless they are
    /// `uploaded` anyway. Of referrers the layers are manifests.
    async fn replenish(&self, uploaded: &[(Digest, Content)]) -> Result<(), AttachError> {
        if self.place.kind() == Kind::Referrers {
            return Ok(());
        }
        let is_uploaded = |layer: &SealedValue| {
            uploaded
                .iter()
                .any(|(digest, _)| *digest == layer.descriptor().digest)
        };
        let layers = self.append.layers().iter();
        let held = layers.filter(|layer| self.append.found().holds(layer) && !is_uploaded(layer));
        let blobs = held.flat_map(SealedValue::blobs).collect();
        self.publication.replenish(self.place, blobs).await
    }

    async fn upload_blobs(&mut self, union: &Union) -> Result<(), AttachError> {
        let mut wanted = union.blobs();
        // The blob that the registry does not know may be of a layer that hangs
        // there already. Of referrers the layers are manifests.
        if self.lost > 0 && self.place.kind() != Kind::Referrers {
            let blobs = self.append.layers().iter().flat_map(SealedValue::blobs);
            wanted.extend(blobs.map(Layer::to_blob));
        }
        wanted.retain(|(digest, _)| !self.uploaded.contains(digest));
        self.publication.upload(self.place, &wanted).await?;
        self.uploaded
            .extend(wanted.into_iter().map(|(digest, _)| digest));
        Ok(())
    }
}
