//! Publishing: blobs first, which nobody sees; then one manifest write per
//! place however many keys and documents hang there; then reading back.

use futures_util::future::join_all;
use tracing::info;

use super::error::PhaseError;
use super::receipt::{PlaceState, Receipt};
use super::seal::{Sealed, SealedPlace};
use crate::attach::{AttachError, Hanging, Lateness, Layer, Publication, Settle, Turn};
use crate::http::AT_ONCE;
use crate::oci::Digest;
use crate::store::registry::Registries;

/// Takes the step, and notes in the receipt what became of each place.
///
/// # Errors
/// On the first place that cannot be written or read back. If something
/// visible has changed by then, as [`PhaseError::InPart`].
pub async fn publish(
    sealed: Sealed,
    registries: &Registries,
    settle: Settle,
    lateness: Lateness,
    receipt: &mut Receipt,
) -> Result<(), PhaseError> {
    let places: Vec<Prepared> = sealed
        .into_places()
        .into_iter()
        .map(Prepared::new)
        .collect();
    let publication = Publication::new(registries, settle, lateness);
    let mut hanging: Vec<(&Prepared, Hanging<'_>)> = Vec::new();
    for prepared in &places {
        hanging.push((prepared, prepared.hanging(&publication)));
    }
    let has_overwrites = hanging.iter().any(|(_, hanging)| hanging.is_overwrite());
    // Of so many places the last one would be put long after it was looked at.
    let is_crowd = hanging.len() > AT_ONCE;
    let uploads = hanging.iter_mut().map(|(_, hanging)| {
        let is_first = (hanging.is_overwrite() || !has_overwrites) && !is_crowd;
        hanging.upload(if is_first { Turn::Next } else { Turn::Later })
    });
    let uploads = join_all(uploads).await;
    uploads
        .into_iter()
        .collect::<Result<Vec<()>, _>>()
        .map_err(PhaseError::Place)?;
    // Registries are likelier to refuse overwriting a tag than a new one.
    let (overwrites, new): (Vec<_>, Vec<_>) = hanging
        .into_iter()
        .partition(|(_, hanging)| hanging.is_overwrite());
    let [first, second] = match (is_crowd, overwrites.is_empty()) {
        (true, _) => [Turn::Later; 2],
        (false, true) => [Turn::Next; 2],
        (false, false) => [Turn::Next, Turn::Later],
    };
    let mut failures = Vec::new();
    let mut has_written = false;
    for (round, turn) in [(overwrites, first), (new, second)] {
        if !failures.is_empty() {
            break;
        }
        let writes = join_all(
            round
                .into_iter()
                .map(|(prepared, hanging)| write(prepared, hanging, turn)),
        )
        .await;
        for (prepared, hanging, outcome) in writes {
            has_written |= hanging.has_written();
            prepared.note(&outcome, &hanging, receipt);
            failures.extend(outcome.err());
        }
    }
    verdict(failures, has_written)
}

/// The failure that decides the exit code: one where running again cannot help
/// before one where it can.
fn verdict(failures: Vec<AttachError>, has_written: bool) -> Result<(), PhaseError> {
    let mut failures: Vec<PhaseError> = failures.into_iter().map(PhaseError::Place).collect();
    failures.sort_by_key(|failure| !failure.is_refusal());
    match failures.into_iter().next() {
        None => Ok(()),
        Some(failure) if has_written => Err(PhaseError::InPart(Box::new(failure))),
        Some(failure) => Err(failure),
    }
}

async fn write<'a>(
    prepared: &'a Prepared,
    mut hanging: Hanging<'a>,
    turn: Turn,
) -> (
    &'a Prepared,
    Hanging<'a>,
    Result<Option<Digest>, AttachError>,
) {
    let outcome = hanging.write(turn).await;
    (prepared, hanging, outcome)
}

/// A place with its layers in a row.
struct Prepared {
    sealed: SealedPlace,
    layers: Vec<Layer>,
    before: Option<Digest>,
}

impl Prepared {
    fn new(sealed: SealedPlace) -> Self {
        let layers = sealed
            .entries
            .iter()
            .map(|entry| Layer::from(&entry.sealed));
        Self {
            before: sealed.before.found.digest().cloned(),
            layers: layers.collect(),
            sealed,
        }
    }

    fn hanging<'a>(&'a self, publication: &'a Publication<'a>) -> Hanging<'a> {
        Hanging::new(
            publication,
            &self.sealed.place,
            &self.layers,
            self.sealed.before.media_types,
            self.sealed.before.found.clone(),
        )
    }

    fn note(
        &self,
        outcome: &Result<Option<Digest>, AttachError>,
        hanging: &Hanging<'_>,
        receipt: &mut Receipt,
    ) {
        let place = &self.sealed.place;
        let state = match (outcome, hanging.has_written()) {
            (Ok(_), true) => PlaceState::Written,
            (Ok(_), false) => PlaceState::Unchanged,
            (Err(_), _) => PlaceState::Failed,
        };
        let is_there = |layer| self.sealed.before.found.holds(layer) && hanging.has_kept(layer);
        let was_there: Vec<bool> = self.layers.iter().map(is_there).collect();
        receipt.note(
            state,
            outcome.as_ref().ok().and_then(Option::as_ref),
            self.before.as_ref(),
            &self.sealed,
            &was_there,
        );
        let there = was_there.iter().filter(|there| **there).count();
        let added = was_there.len() - there;
        match state {
            PlaceState::Written => info!("Wrote {place}: {added} added, {there} already there"),
            PlaceState::Unchanged => info!("Nothing to write at {place}: {there} already there"),
            PlaceState::Failed => {}
        }
    }
}
