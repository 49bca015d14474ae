//! Publishing: blobs first, which nobody sees; then one manifest write per
//! place however many keys and documents hang there; then reading back (SIG-35,
//! WIRE-3). How one place is written beside other signers is left to
//! [`attach`](crate::attach).
//!
//! All blobs of all places come before the first manifest, so that a blob that is
//! refused leaves nothing visible behind (SIG-32).

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use tracing::info;

use super::error::PhaseError;
use super::progress;
use super::receipt::{PlaceState, Receipt};
use super::seal;
use super::sealed_place::SealedPlace;
use crate::attach::{AttachError, Hanging, Lateness, Order, Publication, Settle, Writer};
use crate::envelope::SealedValue;
use crate::http::AT_ONCE;
use crate::oci::Digest;
use crate::store::registry::Registries;
use crate::store::{FailureKind, Visible};

/// Takes the step, and notes in the receipt the outcome at each place, as soon as it is
/// known. Running again writes only layers that are missing (SIG-37). To be awaited to
/// its end: dropped, it leaves unknown which manifests were taken, and the receipt has
/// their places as failed.
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
    let failures = write_all(writers, receipt).await;
    // Also after a failure: the images that did get their signatures.
    receipt.say_signed();
    verdict(failures, registries.visible())
}

/// Writes the manifests of all places, and notes each in the receipt. Gives the failures.
async fn write_all(
    writers: Vec<(&PreparedPlace, Writer<'_>)>,
    receipt: &mut Receipt,
) -> Vec<AttachError> {
    let receipt = Mutex::new(receipt);
    // Before anything is put: a run that is stopped, or crashes, names them all (SIG-36).
    for (prepared, writer) in &writers {
        prepared.note(None, Visible::No, writer, &receipt);
    }
    // Registries are likelier to refuse overwriting a tag than a new one: where tags are
    // immutable, such a run fails before a new one is there.
    let (overwrites, new): (Vec<_>, Vec<_>) = writers
        .into_iter()
        .partition(|(_, writer)| writer.is_overwrite());
    let [first, second] = orders(overwrites.len() + new.len(), overwrites.len());
    let mut failures = Vec::new();
    for (round, order) in [(overwrites, first), (new, second)] {
        // After a refusal nothing new is begun: the less is left half done.
        if failures.is_empty() {
            let writes = round.into_iter();
            let writes = writes.map(|(prepared, writer)| write(prepared, writer, order, &receipt));
            let outcomes = join_all(writes).await.into_iter();
            failures.extend(outcomes.filter_map(Result::err));
        }
    }
    failures
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

/// The failure that decides the exit code, of several of one rank the first: one where
/// running again cannot help before one where it can (SIG-18). The error names its place
/// alone: where the run is published in part, [`run`](super::run) says the others.
fn verdict(failures: Vec<AttachError>, visible: Visible) -> Result<(), PhaseError> {
    let may_pass = |failure: &AttachError| failure.kind() != FailureKind::Refused;
    let decisive = failures.into_iter().min_by_key(may_pass);
    match decisive.map(PhaseError::Place) {
        None => Ok(()),
        Some(failure) if visible > Visible::No => Err(PhaseError::InPart(Box::new(failure))),
        Some(failure) => Err(failure),
    }
}

/// The manifest that was read back at a place; none of a list that the registry keeps.
type WriteOutcome = Result<Option<Digest>, AttachError>;

/// Writes a place. Until that ends, nobody knows what is there.
async fn write(
    prepared: &PreparedPlace,
    mut writer: Writer<'_>,
    order: Order,
    receipt: &Mutex<&mut Receipt>,
) -> Result<(), AttachError> {
    prepared.note(None, Visible::Maybe, &writer, receipt);
    let outcome = writer.write(order).await;
    prepared.note(Some(&outcome), writer.visible(), &writer, receipt);
    outcome.map(|_| ())
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

    /// Notes the place as it is now, without an outcome while it is written or has to
    /// wait for that, and says it once it is complete.
    fn note(
        &self,
        outcome: Option<&WriteOutcome>,
        visible: Visible,
        writer: &Writer<'_>,
        receipt: &Mutex<&mut Receipt>,
    ) {
        let state = match (outcome, visible) {
            (Some(Ok(_)), Visible::No) => PlaceState::Unchanged,
            (Some(Ok(_)), Visible::Maybe | Visible::Yes) => PlaceState::Written,
            (Some(Err(_)) | None, Visible::No) => PlaceState::Unwritten,
            (Some(Err(_)) | None, Visible::Maybe | Visible::Yes) => PlaceState::Unproven,
        };
        // A list may name a bundle of ours whose manifest is gone: it was put again
        // (WIRE-78).
        let is_there = |layer| self.sealed.before.found.holds(layer) && writer.has_kept(layer);
        let was_there: Vec<bool> = self.layers.iter().map(is_there).collect();
        // Held without an await between.
        let mut receipt = receipt.lock().unwrap_or_else(PoisonError::into_inner);
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
            PlaceState::Unwritten | PlaceState::Unproven => {}
        }
    }
}
