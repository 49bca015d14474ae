//! Step 2 of the RFC: write access wherever something will hang, before
//! anything visible is written. Upload sessions and reading the places (SIG-23,
//! SIG-24).
//!
//! An upload session is the one request that a registry grants to writers alone and
//! that leaves nothing behind. A token with the scope `push` proves less, at Docker Hub
//! for one (docker/hub-feedback#1771, by go-containerregistry `pkg/v1/remote/check.go`).

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use tracing::info;

use super::error::PhaseError;
use super::mixture::Formats;
use super::plan::Plan;
use super::wants::Wants;
use crate::attach::{self, AttachError, Place, Standing};
use crate::config::MediaTypes;
use crate::oci::Repository;
use crate::store::registry::Registries;

/// Sessions opened ahead: a payload and a config are the least that a new
/// signature needs.
const SESSIONS: usize = 2;
/// The most sessions that are open before there is something to upload: registries
/// keep state for each.
const SESSIONS_AT_MOST: usize = 32;

/// Proof of step 2, with what hangs at each place.
pub struct Writable {
    places: BTreeMap<Place, WritablePlace>,
    /// Places that were looked at, and are not written: to tell mixed forms.
    beside: BTreeMap<Place, Standing>,
}

/// A place as it was read.
pub(super) struct WritablePlace {
    pub(super) found: Standing,
    /// For a tag that is newly made; one that exists keeps its own.
    pub(super) media_types: MediaTypes,
}

impl Writable {
    /// The standing of a place, if it was read.
    pub(super) fn found(&self, place: &Place) -> Option<&Standing> {
        let written = self.places.get(place).map(|there| &there.found);
        written.or_else(|| self.beside.get(place))
    }

    pub(super) fn into_places(self) -> BTreeMap<Place, WritablePlace> {
        self.places
    }
}

/// Takes the step. The sessions stay open: they become the first uploads, so that
/// the proof costs no request. Sessions that are not used are cancelled at the end of
/// the run.
///
/// # Errors
/// On a registry that does not answer or refuses, and on a place that holds
/// something the signer must not replace.
pub async fn check_write(plan: &Plan, registries: &Registries) -> Result<Writable, PhaseError> {
    let wanted = plan.places();
    // In their order, so that the error is the same in each run.
    let destinations = plan.destinations();
    let sessions = join_all(destinations.iter().map(|repository| async move {
        open_sessions(repository, SESSIONS, registries).await?;
        info!("Verified write access to {repository}");
        Ok(())
    }));
    let reading = join_all(wanted.keys().map(|place| attach::read(registries, place)));
    let beside = plan.places_beside();
    let looking = join_all(
        beside
            .iter()
            .map(|place| look(place, plan.formats(), registries)),
    );
    // All are awaited, also after a failure: a session that is granted late must be
    // known, to be cancelled.
    let (sessions, found, seen) = futures_util::join!(sessions, reading, looking);
    sessions.into_iter().collect::<Result<Vec<()>, _>>()?;
    let mut places = BTreeMap::new();
    for ((place, media_types), found) in wanted.into_iter().zip(found) {
        let found = found.map_err(PhaseError::Place)?;
        places.insert(place, WritablePlace { found, media_types });
    }
    let mut standing = BTreeMap::new();
    for (place, seen) in beside.into_iter().zip(seen) {
        standing.insert(place, seen?);
    }
    Ok(Writable {
        places,
        beside: standing,
    })
}

/// Reads a place that is not written. No reader finds a signature in something
/// that it does not take for one. For a warning alone no run fails (SIG-86); for
/// `-strict-formats` a place that cannot be read is an error, since it might hide ours.
async fn look(
    place: &Place,
    formats: Formats,
    registries: &Registries,
) -> Result<Standing, PhaseError> {
    match (attach::read(registries, place).await, formats) {
        (Err(AttachError::Foreign { .. } | AttachError::Subject { .. }), _)
        | (Err(_), Formats::Mixed) => Ok(Standing::Nothing),
        (found, _) => found.map_err(PhaseError::Place),
    }
}

/// Opens the other sessions that the uploads will need, as far as that can be
/// known before the keys are open: where nothing hangs yet, everything has
/// to be uploaded. That takes their round trips off the way, and costs no request.
/// With several repositories it is left out: they may mount each other's blobs
/// (`spec/decisions/0008`).
///
/// # Errors
/// On a registry that does not answer or refuses.
pub async fn open_more(
    plan: &Plan,
    wants: &Wants,
    writable: &Writable,
    registries: &Registries,
) -> Result<(), PhaseError> {
    let mut destinations = plan.destinations().into_iter();
    let (Some(repository), None) = (destinations.next(), destinations.next()) else {
        return Ok(());
    };
    let wanted = blobs(wants, writable)?.min(SESSIONS_AT_MOST);
    open_sessions(&repository, wanted.saturating_sub(SESSIONS), registries).await
}

/// How many blobs will hang at places where nothing hangs yet: a config for each
/// place, and what the wants become.
fn blobs(wants: &Wants, writable: &Writable) -> Result<usize, PhaseError> {
    let (mut blobs, mut places) = (BTreeSet::new(), BTreeSet::new());
    for want in wants.as_slice() {
        let there = writable.places.get(&want.place);
        if there.is_some_and(|there| there.found.is_nothing()) {
            blobs.insert((&want.place, want.blob()?));
            places.insert(&want.place);
        }
    }
    Ok(blobs.len() + places.len())
}

async fn open_sessions(
    repository: &Repository,
    count: usize,
    registries: &Registries,
) -> Result<(), PhaseError> {
    let sessions = (0..count).map(|_| registries.open_session(repository));
    for outcome in join_all(sessions).await {
        outcome.map_err(|source| PhaseError::WriteAccess {
            repository: repository.clone(),
            source,
        })?;
    }
    Ok(())
}
