//! Sealing: every signed claim in the form that its signatory wants, gathered by
//! the place where it hangs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check_write::WritablePlace;
use super::claims::Body;
use super::error::PhaseError;
use super::open_keys::KeyRecord;
use super::plan::Plan;
use super::processors::on_all_processors;
use super::sign::{Signed, SignedWant};
use super::subject::Subject;
use crate::attach::Place;
use crate::envelope::{self, ReferrerMembers};

/// Everything in its form, nothing published.
pub struct Sealed {
    places: Vec<SealedPlace>,
}

/// The layers that hang, or will hang, at one place.
pub(super) struct SealedPlace {
    pub(super) place: Place,
    pub(super) before: WritablePlace,
    pub(super) entries: Vec<Entry>,
}

/// One signatory's layer or bundle.
pub(super) struct Entry {
    pub(super) subject: Arc<Subject>,
    pub(super) key: Arc<KeyRecord>,
    pub(super) document: Option<String>,
    pub(super) predicate_type: Option<String>,
    pub(super) sealed: envelope::Sealed,
}

impl Sealed {
    pub(super) fn into_places(self) -> Vec<SealedPlace> {
        self.places
    }
}

/// Takes the step, on blocking threads: large bundles are hashed.
///
/// # Errors
/// On a document that cannot be read again.
pub async fn seal(plan: &Plan, signed: Signed) -> Result<Sealed, PhaseError> {
    let (mut places, wanted) = signed.into_parts();
    let tasks = wanted.into_iter().map(|want| {
        let members = want.wanted.subject.members(plan.created());
        move || Ok((want.wanted.place.clone(), entry(want, &members)?))
    });
    let mut entries: BTreeMap<Place, Vec<Entry>> = BTreeMap::new();
    for (place, entry) in on_all_processors(tasks).await? {
        entries.entry(place).or_default().push(entry);
    }
    let mut sealed = Vec::new();
    for (place, entries) in entries {
        let before = places.remove(&place);
        let before = before.ok_or_else(|| PhaseError::NoPlace(place.clone()))?;
        sealed.push(SealedPlace {
            place,
            before,
            entries,
        });
    }
    Ok(Sealed { places: sealed })
}

fn entry(want: SignedWant, members: &ReferrerMembers) -> Result<Entry, PhaseError> {
    let SignedWant {
        wanted,
        key,
        signed,
    } = want;
    let (predicate_type, sealed) = match (wanted.body, signed) {
        (Body::Attachment(sealed), _) => (None, *sealed),
        (Body::Claim(stated), Some(signed)) => {
            let predicate_type = stated.claim.predicate_type(stated.form);
            let sealed = stated.seal(&signed, members)?;
            (predicate_type.map(str::to_owned), sealed)
        }
        (Body::Claim(_), None) => return Err(PhaseError::NoSignature(wanted.place)),
    };
    Ok(Entry {
        subject: wanted.subject,
        key,
        document: wanted.document,
        predicate_type,
        sealed,
    })
}
