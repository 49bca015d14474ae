//! Sealing: every signed claim in the form that its signatory wants, gathered by
//! the place where it hangs. The forms themselves are left to
//! [`envelope`](crate::envelope).

use std::collections::BTreeMap;

use super::error::PhaseError;
use super::plan::Plan;
use super::processors::on_all_processors;
use super::sealed_place::{Entry, SealedPlace};
use super::sign::SignedWant;
use super::wants::Draft;
use super::witness::Vouched;
use crate::attach::Place;
use crate::envelope::ReferrerMembers;
use crate::oci::Descriptor;

/// Everything in its form, nothing published.
pub struct Sealed {
    /// Sorted by place; a place where nothing is to hang is not among them.
    places: Vec<SealedPlace>,
}

impl Sealed {
    pub(super) fn into_places(self) -> Vec<SealedPlace> {
        self.places
    }
}

/// Takes the step, on threads of its own: large bundles are hashed. The order of a
/// place's layers is that of the wants, and so of `cosign.toml` (WIRE-41).
///
/// # Errors
/// On a document that cannot be read again.
pub async fn seal(plan: &Plan, vouched: Vouched) -> Result<Sealed, PhaseError> {
    let (mut places, wanted) = vouched.into_parts();
    let tasks = wanted.into_iter().map(|want| {
        let members = want.wanted.subject.members(plan.created());
        move || Ok((want.wanted.place.clone(), entry(want, &members)?))
    });
    let mut entries: BTreeMap<Place, Vec<Entry>> = BTreeMap::new();
    for (place, entry) in on_all_processors("sealing", tasks).await? {
        entries.entry(place).or_default().push(entry);
    }
    let mut sealed = Vec::new();
    for (place, entries) in entries {
        let before = places.remove(&place);
        let before = before.ok_or_else(|| PhaseError::NoPlace(place.clone()))?;
        sealed.push(SealedPlace {
            superseded: superseded(&entries),
            place,
            before,
            entries,
        });
    }
    Ok(Sealed { places: sealed })
}

/// The layers of ours that new ones take the place of. Another signatory may want
/// one of them as it is: one key may sign with evidence for one config and without for
/// another.
fn superseded(entries: &[Entry]) -> Vec<Descriptor> {
    let is_wanted = |old: &Descriptor| entries.iter().any(|it| it.sealed.descriptor() == old);
    let old = entries.iter().filter_map(|entry| entry.superseded.clone());
    old.filter(|old| !is_wanted(old)).collect()
}

fn entry(want: SignedWant, members: &ReferrerMembers) -> Result<Entry, PhaseError> {
    let SignedWant {
        wanted,
        key,
        signed,
        superseded,
        ..
    } = want;
    let (predicate_type, sealed) = match (wanted.draft, signed) {
        (Draft::Attachment(sealed), _) => (None, *sealed),
        (Draft::Claim(stated), Some(signed)) => {
            let predicate_type = stated.claim.predicate_type(stated.form);
            let sealed = stated.seal(&signed, members)?;
            (predicate_type.map(str::to_owned), sealed)
        }
        (Draft::Claim(_), None) => return Err(PhaseError::NoSignature(wanted.place)),
    };
    Ok(Entry {
        subject: wanted.subject,
        key,
        document: wanted.document,
        predicate_type,
        superseded: superseded.filter(|old| old != sealed.descriptor()),
        sealed,
    })
}
