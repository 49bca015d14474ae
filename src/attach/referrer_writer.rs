//! Hanging manifests on an image as its referrers (distribution-spec v1.1,
//! "Pushing Manifests with Subject"): the registry lists them, or a tag does.
//! Which of the two counts is decided by the list (`spec/decisions/0011`).

use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use tracing::{debug, warn};

use super::error::AttachError;
use super::hanging::Hanging;
use super::place::Place;
use super::publication::{Expected, Order, Publication};
use super::reading;
use super::standing::Standing;
use super::tag_writer::{TagWriter, UPLOADS};
use super::timing::{CONSISTENCY, LIST_PAUSE};
use crate::config::MediaTypes;
use crate::envelope::{Layer, SealedValue};
use crate::oci::manifest::ManifestError;
use crate::oci::{Content, Digest, Manifest, MediaType, Reference};
use crate::store::Visible;
use crate::store::registry::{Condition, Put, Referrers};

/// Manifests on their way to an image.
pub(crate) struct ReferrerWriter<'a> {
    publication: &'a Publication<'a>,
    place: &'a Place,
    layers: &'a [SealedValue],
    /// Until the uploads begin.
    expected: Option<Expected>,
    /// Whether the registry listed referrers by itself when it was asked.
    lists: bool,
    /// Why readers found nothing in that list. An error only if nothing has to
    /// be put.
    fault: Option<String>,
    /// Where they are listed otherwise.
    tag: TagWriter<'a>,
    /// Which of `layers` the registry does not have.
    missing: Vec<&'a SealedValue>,
    /// Those that the tag lists, and which may be gone all the same.
    unproven: Vec<&'a SealedValue>,
    visible: Visible,
}

impl<'a> ReferrerWriter<'a> {
    pub(crate) fn new(publication: &'a Publication<'a>, hanging: Hanging<'a>) -> Self {
        let (place, layers, found) = (hanging.place, hanging.layers, hanging.found);
        let lists = found.referrers().is_some();
        let fault = found.referrers().and_then(|list| list.fault.clone());
        let (held, missing): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| found.holds(layer));
        let blobs = blobs(&missing);
        Self {
            publication,
            place,
            layers,
            expected: Some(publication.expect(place.repository(), &blobs)),
            lists,
            fault,
            tag: tag_of(publication, place, layers, found),
            missing,
            // A registry derives its own list from what it has; a tag may list what
            // is gone (WIRE-76).
            unproven: if lists { Vec::new() } else { held },
            visible: Visible::No,
        }
    }

    /// Whether the tag is there already, so that the registry may refuse to
    /// overwrite it.
    pub(crate) fn is_overwrite(&self) -> bool {
        !self.lists && self.tag.is_overwrite()
    }

    /// Whether others may see a change.
    pub(crate) fn visible(&self) -> Visible {
        self.visible.max(self.tag.visible())
    }

    /// Whether `layer` was there when it was looked for.
    pub(crate) fn has_kept(&self, layer: &SealedValue) -> bool {
        let digest = &layer.descriptor().digest;
        !self
            .missing
            .iter()
            .any(|missing| missing.descriptor().digest == *digest)
    }

    /// Uploads the blobs of what is missing. Nothing visible changes.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses.
    pub(crate) async fn upload(&mut self) -> Result<(), AttachError> {
        // Dropping the guard releases writers that wait for these uploads, also on
        // an error.
        let _expected = self.expected.take();
        let looks = self.unproven.iter().map(|layer| self.is_there(layer));
        let there = try_join_all(looks).await?;
        let unproven = std::mem::take(&mut self.unproven);
        let gone = unproven.into_iter().zip(there).filter(|(_, there)| !there);
        self.missing.extend(gone.map(|(layer, _)| layer));
        if !self.lists {
            // A tag that is full already is found out before anything is put.
            self.tag.upload(Order::AfterOthers).await?;
        }
        let blobs = blobs(&self.missing);
        let bundles = self.layers.iter().filter(|layer| self.has_kept(layer));
        let bundles = bundles.flat_map(SealedValue::blobs);
        let bundles = bundles.filter(|part| part.descriptor.media_type != MediaType::OCI_EMPTY);
        let replenishing = self.publication.replenish(self.place, bundles.collect());
        let uploading = self.publication.upload(self.place, &blobs);
        futures_util::try_join!(replenishing, uploading)?;
        Ok(())
    }

    /// Puts the manifests, sees to it that they are listed, and reads the list
    /// back. Gives the digest of the tag's index if there is one.
    ///
    /// # Errors
    /// On a registry that refuses or does not show what it accepted.
    pub(crate) async fn write(&mut self) -> Result<Option<Digest>, AttachError> {
        // Nothing to put: the list was read in this run, and is not read again.
        if self.lists && self.missing.is_empty() {
            readable(self.place, self.fault.take())?;
            return Ok(None);
        }
        let is_indexed = self.put_missing().await?;
        if self.lists || is_indexed {
            match (self.listing().await?, is_indexed) {
                (Listing::Whole, _) => return Ok(None),
                // With `OCI-Subject` the registry has promised to list it.
                (Listing::Lacking, true) => {
                    let place = self.place.clone();
                    return Err(AttachError::NotDurable { place });
                }
                // Without, the specification wants the tag; readers who get a
                // list do not look there.
                (Listing::Lacking, false) => self.turn_to_the_tag().await?,
                // No list, whatever the header says: readers look at the tag.
                (Listing::Absent, _) => {}
            }
        }
        self.tag.write(Order::First).await.map(Some)
    }

    /// Says whether the registry claims to list what was put. All are put at
    /// the same time: none replaces anything. The failure of one does not keep
    /// the others from being known.
    async fn put_missing(&mut self) -> Result<bool, AttachError> {
        let (publication, place) = (self.publication, self.place);
        let puts = self
            .missing
            .iter()
            .map(|layer| put(publication, place, layer));
        // The tag is written next, and was read long ago.
        let looking = async {
            match self.lists {
                true => Ok(()),
                false => self.tag.look_again().await,
            }
        };
        let (puts, looked) = futures_util::join!(join_all(puts), looking);
        for put in &puts {
            self.visible = self.visible.max(put.visible);
        }
        let outcomes = puts.into_iter().map(|put| put.outcome);
        let indexed = outcomes.collect::<Result<Vec<bool>, _>>()?;
        looked?;
        Ok(!indexed.is_empty() && indexed.into_iter().all(|indexed| indexed))
    }

    /// Whether the registry's own list shows everything of ours. One list for
    /// all of ours; repeated for up to [`CONSISTENCY`] (case 37).
    async fn listing(&self) -> Result<Listing, AttachError> {
        let started = Instant::now();
        loop {
            let (repository, subject) = (self.place.repository(), self.place.subject());
            let registries = self.publication.registries;
            let listed = registries.get_referrers(repository, subject).await;
            let listed = listed.map_err(|source| AttachError::store(self.place, source))?;
            let Some(listed) = listed else {
                return Ok(Listing::Absent);
            };
            match self.is_whole(&listed).await? {
                true => {
                    readable(self.place, listed.fault)?;
                    return Ok(Listing::Whole);
                }
                false if started.elapsed() > CONSISTENCY => {
                    readable(self.place, listed.fault)?;
                    return Ok(Listing::Lacking);
                }
                false => tokio::time::sleep(LIST_PAUSE).await,
            }
        }
    }

    /// Whether a list shows everything of ours.
    async fn is_whole(&self, listed: &Referrers) -> Result<bool, AttachError> {
        let unlisted = self.layers.iter();
        let mut unlisted = unlisted.filter(|layer| !listed.contains(&layer.descriptor().digest));
        match listed.is_complete {
            true => Ok(unlisted.next().is_none()),
            // Nobody can read all of it: what is there has to do.
            false => {
                let there = try_join_all(unlisted.map(|layer| self.is_there(layer))).await?;
                Ok(there.into_iter().all(|there| there))
            }
        }
    }

    async fn is_there(&self, layer: &SealedValue) -> Result<bool, AttachError> {
        let reference = by_digest(self.place, layer);
        let there = self.publication.registries.head_manifest(&reference).await;
        let there = there.map_err(|source| AttachError::store(self.place, source))?;
        Ok(there.is_some())
    }

    /// The registry keeps a list, and not of this: the specification then wants
    /// the tag to be kept.
    async fn turn_to_the_tag(&mut self) -> Result<(), AttachError> {
        warn!(
            place = self.place.name(),
            "The registry lists no {}; they are listed at {} instead, where not every reader looks",
            self.place,
            self.place.reference()
        );
        let found = reading::read_tag(self.publication.registries, self.place).await?;
        self.tag = tag_of(self.publication, self.place, self.layers, found);
        Ok(())
    }
}

/// The content of a registry's own list.
enum Listing {
    /// Everything of ours.
    Whole,
    Lacking,
    /// There is no list.
    Absent,
}

/// A list in which readers find nothing shows them nothing of ours.
fn readable(place: &Place, fault: Option<String>) -> Result<(), AttachError> {
    match fault {
        None => Ok(()),
        Some(fault) => Err(AttachError::Foreign {
            place: place.clone(),
            source: ManifestError::Unreadable(fault),
        }),
    }
}

fn tag_of<'a>(
    publication: &'a Publication<'a>,
    place: &'a Place,
    layers: &'a [SealedValue],
    found: Standing,
) -> TagWriter<'a> {
    let hanging = Hanging {
        place,
        layers,
        superseded: &[],
        // An index has one media type.
        media_types: MediaTypes::Oci,
        found,
    };
    TagWriter::new(publication, hanging)
}

/// The blobs of manifests.
fn blobs(referrers: &[&SealedValue]) -> Vec<(Digest, Content)> {
    let blobs = referrers.iter().flat_map(|referrer| referrer.blobs());
    blobs.map(Layer::to_blob).collect()
}

/// The outcome of putting a manifest.
struct Putting {
    /// Whether the registry claims to list it.
    outcome: Result<bool, AttachError>,
    visible: Visible,
}

async fn put(publication: &Publication<'_>, place: &Place, layer: &SealedValue) -> Putting {
    let mut visible = Visible::No;
    let outcome = async {
        let reference = by_digest(place, layer);
        let bytes = layer.content().to_bytes();
        let bytes = bytes.map_err(|source| AttachError::Content {
            place: place.clone(),
            source,
        })?;
        let manifest = Manifest::new(layer.descriptor().media_type.clone(), bytes);
        for _ in 0..=UPLOADS {
            // Under its digest a manifest replaces nothing of others, however long it
            // waits.
            let put = publication
                .registries
                .put_manifest(&reference, &manifest, &Condition::Always, Duration::MAX)
                .await;
            visible = visible.max(put.visible);
            let place = place.clone();
            match put
                .answer
                .map_err(|source| AttachError::store(&place, source))?
            {
                Put::Written => return Ok(false),
                Put::Indexed => return Ok(true),
                Put::BlobUnknown => publication.upload(&place, &blobs(&[layer])).await?,
                // Never: no wait is too long for it.
                Put::Outdated => {}
                // The client has repeated it: under its digest that is safe.
                Put::Unclear(reason) => {
                    debug!("It is not clear whether {reference} was written: {reason}");
                    return Err(AttachError::GaveUp { place });
                }
                Put::Refused {
                    status: 403,
                    answer,
                } => return Err(AttachError::denied(&place, answer)),
                Put::Refused { status, answer } => {
                    return Err(AttachError::Refused {
                        place,
                        status,
                        answer,
                    });
                }
            }
        }
        let place = place.clone();
        Err(AttachError::BlobsLost { place })
    };
    let outcome = outcome.await;
    Putting { outcome, visible }
}

fn by_digest(place: &Place, layer: &SealedValue) -> Reference {
    Reference::new(
        place.repository().clone(),
        layer.descriptor().digest.clone(),
    )
}
