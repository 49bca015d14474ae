//! Step 2 of the RFC: write access wherever something will hang, before
//! anything visible is written. Upload sessions and reading the places.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tracing::info;

use super::error::PhaseError;
use super::plan::Plan;
use crate::attach::{self, Found, Place};
use crate::config::MediaTypes;
use crate::oci::Repository;
use crate::store::registry::Registries;

/// Sessions opened ahead: a payload and a config are the least that a new
/// signature needs.
const SESSIONS: usize = 2;

/// Proof of step 2, with what hangs at each place.
pub struct Writable {
    places: BTreeMap<Place, (Found, MediaTypes)>,
}

impl Writable {
    pub(super) fn into_places(self) -> BTreeMap<Place, (Found, MediaTypes)> {
        self.places
    }
}

/// Takes the step. The sessions stay open: they become the first uploads.
///
/// # Errors
/// On a registry that does not answer or refuses, and on a place that holds
/// something the signer must not replace.
pub async fn check_write(plan: &Plan, registries: &Registries) -> Result<Writable, PhaseError> {
    let wanted = plan.places();
    let mut destinations: Vec<Repository> = plan.destinations().into_iter().collect();
    destinations.sort();
    let sessions = join_all(
        destinations
            .iter()
            .map(|repository| open_sessions(repository, registries)),
    );
    let reading = join_all(wanted.keys().map(|place| attach::read(registries, place)));
    let (sessions, found) = futures_util::join!(sessions, reading);
    sessions.into_iter().collect::<Result<Vec<()>, _>>()?;
    let mut places = BTreeMap::new();
    for ((place, media_types), found) in wanted.into_iter().zip(found) {
        places.insert(place, (found.map_err(PhaseError::Place)?, media_types));
    }
    Ok(Writable { places })
}

async fn open_sessions(repository: &Repository, registries: &Registries) -> Result<(), PhaseError> {
    let sessions = (0..SESSIONS).map(|_| registries.open_session(repository));
    for outcome in join_all(sessions).await {
        outcome.map_err(|source| PhaseError::WriteAccess {
            repository: repository.clone(),
            source,
        })?;
    }
    info!("Verified write access to {repository}");
    Ok(())
}
