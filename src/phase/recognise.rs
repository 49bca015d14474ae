//! Recognition: which signatures of the run hang at their places already
//! (`spec/wire.md`, "Recognition").
//!
//! A signature that stands there counts as ours if it verifies with this run's
//! public key over exactly this run's message: only the key's holder could have
//! made it. With that signature the layer or bundle has the bytes that stand
//! there, so that the rest of the run is as with a key that signs alike every
//! time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::check_write::{Writable, WritablePlace};
use super::claims::{Body, Claims, Wanted};
use super::error::PhaseError;
use super::open_keys::{KeyRecord, Keys, OpenKey};
use super::plan::Plan;
use super::processors::on_all_processors;
use super::stated::Stated;
use crate::attach::{Place, Sought, recall};
use crate::envelope::{self, ReferrerMembers, Sealed, Verifier};
use crate::keys::Signer;
use crate::signature::Signature;
use crate::store::registry::Registries;

/// By how many bytes an ECDSA signature may be shorter than the longest and still
/// be looked for; one in ten thousand million is.
const SHORTER: usize = 9;

/// Everything that is to hang, with the signatures that hang there already.
pub struct Recognised {
    places: BTreeMap<Place, WritablePlace>,
    wanted: Vec<Recalled>,
}

/// A want, and what fulfils it if it stands there.
pub(super) struct Recalled {
    pub(super) wanted: Wanted,
    pub(super) key: Arc<KeyRecord>,
    pub(super) signed: Option<envelope::Signed>,
}

impl Recognised {
    pub(super) fn into_parts(self) -> (BTreeMap<Place, WritablePlace>, Vec<Recalled>) {
        (self.places, self.wanted)
    }
}

/// Takes the step. A local key signs alike every time, and is recognised by bytes,
/// when its layers are compared with those that hang there: for it nothing is
/// asked.
///
/// # Errors
/// On claims of another plan, and on a claim that cannot be sealed.
pub async fn recognise(
    plan: &Plan,
    claims: Claims,
    writable: Writable,
    keys: &Keys,
    registries: &Registries,
) -> Result<Recognised, PhaseError> {
    let places = writable.into_places();
    let wanted = with_keys(claims, keys, &places)?;
    let standing = standing(&wanted, &places, registries).await?;
    let ours = accepted(plan, &wanted, &standing).await?;
    let recalled = wanted.into_iter().zip(ours).map(|((key, wanted), ours)| {
        let found = places.get(&wanted.place).map(|place| &place.found);
        let hangs = |(_, sealed): &(envelope::Signed, Sealed)| {
            found.is_some_and(|found| found.holds(sealed))
        };
        let signed = ours.into_iter().find(hangs);
        Recalled {
            key: Arc::clone(&key.record),
            wanted,
            signed: signed.map(|(signed, _)| signed),
        }
    });
    let wanted = recalled.collect();
    Ok(Recognised { places, wanted })
}

/// Each want with the key of its signatory.
fn with_keys<'a>(
    claims: Claims,
    keys: &'a Keys,
    places: &BTreeMap<Place, WritablePlace>,
) -> Result<Vec<(&'a OpenKey, Wanted)>, PhaseError> {
    let wanted = claims.into_wanted().into_iter();
    let wanted = wanted.map(|want| match places.contains_key(&want.place) {
        true => Ok((keys.of(&want.signatory)?, want)),
        false => Err(PhaseError::NoPlace(want.place)),
    });
    wanted.collect()
}

/// For each want the signatures that its key accepts among those of its place,
/// and what they make of it.
async fn accepted(
    plan: &Plan,
    wanted: &[(&OpenKey, Wanted)],
    standing: &BTreeMap<Place, Vec<Signature>>,
) -> Result<Vec<Vec<(envelope::Signed, Sealed)>>, PhaseError> {
    let compared = wanted.iter().map(|(key, want)| {
        let candidates = standing.get(&want.place).cloned().unwrap_or_default();
        let members = want.subject.members(plan.created());
        let stated = recallable(want, key).cloned();
        let signer = Arc::clone(&key.signer);
        let verifier = want.signatory.verifier(signer.public_key());
        move || match stated {
            Some(stated) => stated.accepted(&signer, &verifier, &candidates, &members),
            None => Ok(Vec::new()),
        }
    });
    on_all_processors(compared).await
}

/// The signatures that hang at each place where some could be ours.
async fn standing(
    wanted: &[(&OpenKey, Wanted)],
    places: &BTreeMap<Place, WritablePlace>,
    registries: &Registries,
) -> Result<BTreeMap<Place, Vec<Signature>>, PhaseError> {
    let mut sought: BTreeMap<&Place, Vec<Sought>> = BTreeMap::new();
    for (key, want) in wanted {
        if let Some(stated) = recallable(want, key) {
            let sought = sought.entry(&want.place).or_default();
            let verifier = want.signatory.verifier(key.signer.public_key());
            sought.push(stated.sought(key, &verifier)?);
        }
    }
    let recalls = sought.into_iter().map(|(place, sought)| async move {
        let signatures = match places.get(place) {
            Some(there) => recall(registries, place, &there.found, &sought).await,
            None => Vec::new(),
        };
        (place.clone(), signatures)
    });
    Ok(join_all(recalls).await.into_iter().collect())
}

/// The claim of a want, if its key is not asked where a signature hangs there.
fn recallable<'a>(want: &'a Wanted, key: &OpenKey) -> Option<&'a Stated> {
    match &want.body {
        Body::Claim(stated) if key.signer.recalls() => Some(stated),
        Body::Claim(_) | Body::Attachment(_) => None,
    }
}

impl Stated {
    /// Those of `candidates` that the key accepts for this claim, with what they
    /// make of it.
    fn accepted(
        &self,
        signer: &Signer,
        verifier: &Verifier,
        candidates: &[Signature],
        members: &ReferrerMembers,
    ) -> Result<Vec<(envelope::Signed, Sealed)>, PhaseError> {
        let message = self.payload.message();
        let accepted = candidates
            .iter()
            .filter(|signature| signer.verify(message, signature).is_ok());
        let sealed = |signature: &Signature| {
            let signed = self.signed(signature.clone(), verifier.clone(), Vec::new());
            let sealed = self.seal(&signed, members)?;
            Ok((signed, sealed))
        };
        accepted.map(sealed).collect()
    }

    /// How a signature of this claim would stand there. ECDSA signatures differ by
    /// a few bytes in length.
    fn sought(&self, key: &OpenKey, verifier: &Verifier) -> Result<Sought, PhaseError> {
        let longest = key.signer.algorithm().signature_length();
        let length = |count: usize| {
            let signature = Signature::new(vec![0; count]);
            let signed = self.signed(signature, verifier.clone(), Vec::new());
            envelope::sealed_length(&signed, self.form)
        };
        let digest = self.payload.message().digest();
        Ok(Sought {
            form: self.form,
            predicate_type: self.claim.predicate_type(self.form).map(str::to_owned),
            digest: digest.map_err(PhaseError::Content)?,
            size: length(longest.saturating_sub(SHORTER))..=length(longest),
        })
    }
}
