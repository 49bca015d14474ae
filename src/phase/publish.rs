//! Publishing: blobs first, which nobody sees; then one manifest write per
//! place however many keys and documents hang there; then reading back (SIG-35,
//! WIRE-3). How one place is written beside other signers is left to
//! [`attach`](crate::attach).
//!
//! All blobs of all places come before the first manifest, so that a blob that is
//! refused leaves nothing visible behind (SIG-32).

use std::collections::HashSet;

use futures_util::future::join_all;
use tracing::{info, warn};

use super::error::PhaseError;
use super::progress;
use super::receipt::{PlaceState, Receipt};
use super::seal;
use super::sealed_place::SealedPlace;
use crate::attach::{AttachError, Hanging, Lateness, Order, Place, Publication, Settle, Writer};
use crate::envelope::SealedValue;
use crate::http::AT_ONCE;
use crate::oci::Digest;
use crate::store::registry::Registries;
use crate::store::{FailureKind, Visible};

/// Takes the step, and notes in the receipt the outcome at each place. Running again
/// writes only layers that are missing (SIG-37). To be awaited to its end: dropped, it
/// leaves unknown which manifests were taken.
///
/// # Errors
/// On the first place that cannot be written or read back. If something
/// visible has changed by then, as [`PhaseError::InPart`].
pub async fn publish(
    sealed: seal::Sealed,
    registries: &Registries,
    settle: Settle,
    lateness: Lateness,
    receipt: &mut Receipt,
) -> Result<(), PhaseError> {
    let places: Vec<PreparedPlace> = sealed
        .into_places()
        .into_iter()
        .map(PreparedPlace::new)
        .collect();
    let publication = Publication::new(registries, settle, lateness);
    // All writers are made before the first one uploads: the last uploads of the run are
    // known by that.
    let mut writers: Vec<(&PreparedPlace, Writer<'_>)> = Vec::new();
    for prepared in &places {
        writers.push((prepared, prepared.writer(&publication)));
    }
    let overwrites = writers.iter().filter(|(_, writer)| writer.is_overwrite());
    let [first, second] = orders(writers.len(), overwrites.count());
    let uploads = writers.iter_mut().map(|(_, writer)| {
        let is_overwrite = writer.is_overwrite();
        writer.upload(if is_overwrite { first } else { second })
    });
    let uploads = progress::said(publication.meter(), join_all(uploads)).await;
    let uploads: Result<Vec<()>, _> = uploads.into_iter().collect();
    uploads.map_err(PhaseError::Place)?;
    let unpublished = write_all(writers, receipt).await;
    // Also after a failure: the images that did get their signatures.
    receipt.say_signed();
    verdict(unpublished, registries.visible())
}

/// Writes the manifests of all places, and notes each in the receipt. Gives the places
/// that are not known to have theirs.
async fn write_all<'a>(
    writers: Vec<(&'a PreparedPlace, Writer<'a>)>,
    receipt: &mut Receipt,
) -> Vec<UnpublishedPlace<'a>> {
    // Registries are likelier to refuse overwriting a tag than a new one: where tags are
    // immutable, such a run fails before a new one is there.
    let (overwrites, new): (Vec<_>, Vec<_>) = writers
        .into_iter()
        .partition(|(_, writer)| writer.is_overwrite());
    let [first, second] = orders(overwrites.len() + new.len(), overwrites.len());
    let mut unpublished: Vec<UnpublishedPlace<'_>> = Vec::new();
    for (round, order) in [(overwrites, first), (new, second)] {
        // After a refusal nothing new is begun: the less is left half done.
        let order = unpublished.is_empty().then_some(order);
        let writes = round.into_iter();
        let writes = writes.map(|(prepared, writer)| write(prepared, writer, order));
        for (prepared, writer, outcome) in join_all(writes).await {
            prepared.note(outcome.as_ref(), &writer, receipt);
            let error = match outcome {
                Some(Ok(_)) => continue,
                Some(Err(error)) => Some(error),
                None => None,
            };
            unpublished.push(UnpublishedPlace {
                place: &prepared.sealed.place,
                visible: writer.visible(),
                error,
            });
        }
    }
    unpublished
}

/// A place that is not known to hold all that was asked for.
struct UnpublishedPlace<'a> {
    place: &'a Place,
    visible: Visible,
    /// None of a place that was not begun.
    error: Option<AttachError>,
}

impl UnpublishedPlace<'_> {
    /// The rank in which failures decide the exit code: one where running again cannot
    /// help before one where it can (SIG-18).
    fn rank(&self) -> u8 {
        match &self.error {
            Some(error) if error.kind() == FailureKind::Refused => 0,
            Some(_) => 1,
            None => 2,
        }
    }

    fn say(&self) {
        let (place, name) = (self.place, self.place.name());
        match self.visible {
            Visible::No => warn!(place = name, "Nothing was written at {place}"),
            Visible::Maybe | Visible::Yes => warn!(
                place = name,
                "Something may have been written at {place}, and was not read back"
            ),
        }
    }
}

/// How many layers these are: several signatories may ask for one.
fn distinct(layers: &[(&SealedValue, &bool)]) -> usize {
    let descriptors = layers.iter().map(|(layer, _)| layer.descriptor());
    descriptors.collect::<HashSet<_>>().len()
}

/// The order of tags that are overwritten, and that of new ones. A place that is written
/// first is looked at beside the last uploads, any other just before its turn: a look
/// that is old lets another signer's write go unseen (`spec/wire.md`, section 7).
fn orders(places: usize, overwrites: usize) -> [Order; 2] {
    match (places, overwrites) {
        // Of so many places the last one is put long after it was looked at.
        (places, _) if places > AT_ONCE => [Order::AfterOthers; 2],
        (_, 0) => [Order::First; 2],
        (_, _) => [Order::First, Order::AfterOthers],
    }
}

/// The failure that decides the exit code, of several of one rank the first. The error
/// names its place alone: where the run is published in part, the others are said
/// beside it (SIG-36).
fn verdict(mut unpublished: Vec<UnpublishedPlace<'_>>, visible: Visible) -> Result<(), PhaseError> {
    unpublished.sort_by_key(UnpublishedPlace::rank);
    let mut unpublished = unpublished.into_iter();
    // No place is left unbegun but after a failure.
    let decisive = unpublished.next().and_then(|one| one.error);
    match decisive.map(PhaseError::Place) {
        None => Ok(()),
        Some(failure) if visible > Visible::No => {
            unpublished.for_each(|other| other.say());
            Err(PhaseError::InPart(Box::new(failure)))
        }
        Some(failure) => Err(failure),
    }
}

/// The manifest that was read back at a place; none of a list that the registry keeps.
type WriteOutcome = Result<Option<Digest>, AttachError>;

/// Writes a place, unless it is not to be begun: without an `order` it has no outcome.
async fn write<'a>(
    prepared: &'a PreparedPlace,
    mut writer: Writer<'a>,
    order: Option<Order>,
) -> (&'a PreparedPlace, Writer<'a>, Option<WriteOutcome>) {
    let outcome = match order {
        None => None,
        Some(order) => Some(writer.write(order).await),
    };
    (prepared, writer, outcome)
}

/// A place with its layers in a row.
struct PreparedPlace {
    sealed: SealedPlace,
    /// One for each entry, in their order.
    layers: Vec<SealedValue>,
    /// The manifest that stood at the tag; none of a list that the registry keeps.
    before: Option<Digest>,
}

impl PreparedPlace {
    fn new(sealed: SealedPlace) -> Self {
        let layers = sealed.entries.iter().map(|entry| entry.sealed.clone());
        Self {
            before: sealed.before.found.digest().cloned(),
            layers: layers.collect(),
            sealed,
        }
    }

    fn writer<'a>(&'a self, publication: &'a Publication<'a>) -> Writer<'a> {
        let hanging = Hanging {
            place: &self.sealed.place,
            layers: &self.layers,
            superseded: &self.sealed.superseded,
            media_types: self.sealed.before.media_types,
            found: self.sealed.before.found.clone(),
        };
        Writer::new(publication, hanging)
    }

    fn note(&self, outcome: Option<&WriteOutcome>, writer: &Writer<'_>, receipt: &mut Receipt) {
        let state = match (outcome, writer.visible()) {
            (Some(Ok(_)), Visible::No) => PlaceState::Unchanged,
            (Some(Ok(_)), Visible::Maybe | Visible::Yes) => PlaceState::Written,
            (Some(Err(_)) | None, _) => PlaceState::Failed,
        };
        // A list may name a bundle of ours whose manifest is gone: it was put again
        // (WIRE-78).
        let is_there = |layer| self.sealed.before.found.holds(layer) && writer.has_kept(layer);
        let was_there: Vec<bool> = self.layers.iter().map(is_there).collect();
        receipt.note(
            state,
            outcome.and_then(|outcome| outcome.as_ref().ok()?.as_ref()),
            self.before.as_ref(),
            &self.sealed,
            &was_there,
        );
        self.say(state, &was_there);
    }

    fn say(&self, state: PlaceState, was_there: &[bool]) {
        let layers = self.layers.iter().zip(was_there);
        let (there, added): (Vec<_>, Vec<_>) = layers.partition(|(_, was_there)| **was_there);
        let (there, added) = (distinct(&there), distinct(&added));
        let place = &self.sealed.place;
        let name = place.name();
        match state {
            PlaceState::Written => {
                info!(
                    place = name,
                    "Wrote {place}: {added} added, {there} already there"
                );
            }
            PlaceState::Unchanged => info!(
                place = name,
                "Nothing to write at {place}: {there} already there"
            ),
            PlaceState::Failed => {}
        }
    }
}
