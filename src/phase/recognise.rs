//! Recognition: which signatures of the run hang at their places already
//! (`spec/wire.md`, "Recognition").
//!
//! A signature that stands there counts as ours if it verifies with this run's
//! public key over exactly this run's message: only the key's holder could have
//! made it. With that signature, and its evidence there, the layer or bundle has the
//! bytes that stand there, so that the rest of the run is as with a key that signs
//! alike every time. Without this step each run of a service's ECDSA key would hang
//! one more signature, until the tag is full (WIRE-43).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::check_write::{Writable, WritablePlace};
use super::error::PhaseError;
use super::evidence::Lacking;
use super::judge::Signing;
use super::open_keys::{KeyRecord, Keys, OpenKey};
use super::plan::Plan;
use super::processors::on_all_processors;
use super::stated::Stated;
use super::wants::{Draft, Want, Wants};
use crate::attach::{Candidate, Place, Sought, Vouching, recall};
use crate::envelope::{self, ReferrerMembers, SealedValue};
use crate::oci::Descriptor;
use crate::signature::Signature;
use crate::store::registry::Registries;

/// By how many bytes an ECDSA signature may be shorter than the longest and still
/// be looked for: in DER its two numbers lose their leading zeros. One in ten thousand
/// million is shorter; it is signed anew.
const SHORTER: usize = 9;

/// Everything that is to hang, with the signatures that hang there already.
pub struct Recognised {
    places: BTreeMap<Place, WritablePlace>,
    /// In the order of the wants.
    wanted: Vec<Recalled>,
}

/// A want, and the signature of it that stands there.
pub(super) struct Recalled {
    pub(super) wanted: Want,
    pub(super) key: Arc<KeyRecord>,
    /// With the evidence of it that counts; none if there is no signature yet, or if it
    /// is a local key's, which makes the same one again.
    pub(super) signed: Option<envelope::Signed>,
    /// The evidence to be fetched, also of a signature that is not there yet.
    pub(super) lacking: Lacking,
    /// The layer that has the signature without the evidence that it lacks: at a tag a
    /// new one takes its place, unless others may need it. A bundle stays (EVD-90).
    pub(super) superseded: Option<Descriptor>,
}

impl Recognised {
    pub(super) fn into_parts(self) -> (BTreeMap<Place, WritablePlace>, Vec<Recalled>) {
        (self.places, self.wanted)
    }
}

/// A signature of ours that stands there already, and its layer or bundle.
struct StandingSignature {
    signed: envelope::Signed,
    lacking: Lacking,
    /// Itself, if a new one is to take its place.
    superseded: Option<Descriptor>,
}

/// Takes the step. A local key signs alike every time, and is recognised by bytes,
/// when its layers are compared with those that hang there: for it nothing is
/// asked, unless somebody is to vouch for its signatures.
///
/// # Errors
/// On wants of another plan, and on a claim that cannot be sealed.
pub async fn recognise(
    plan: &Plan,
    wants: Wants,
    writable: Writable,
    keys: &Keys,
    registries: &Registries,
) -> Result<Recognised, PhaseError> {
    let places = writable.into_places();
    let wanted = with_keys(wants, keys, &places)?;
    let standing = standing(&wanted, &places, registries).await?;
    let ours = accepted(plan, &wanted, &places, &standing).await?;
    let recalled = wanted.into_iter().zip(ours);
    let wanted = recalled.map(|((key, wanted), ours)| recalled_of(key, wanted, ours));
    let wanted: Vec<Recalled> = wanted.collect();
    refuse_expired(plan, &wanted)?;
    Ok(Recognised { places, wanted })
}

/// A certificate that has expired may stand with signatures of its time, but not
/// with new ones (EVD-6): nobody can stamp these with a time at which it was valid.
fn refuse_expired(plan: &Plan, wanted: &[Recalled]) -> Result<(), PhaseError> {
    let is_new = |recalled: &&Recalled| {
        let is_claim = matches!(recalled.wanted.draft, Draft::Claim(_));
        is_claim && (recalled.signed.is_none() || recalled.lacking.certificate)
    };
    for recalled in wanted.iter().filter(is_new) {
        if let Some(certificate) = &recalled.wanted.signatory.certificate {
            let checked = certificate.check(plan.now());
            checked.map_err(PhaseError::OwnCertificate)?;
        }
    }
    Ok(())
}

/// The best of ours: the first that lacks nothing, or else the first. Several may
/// hang there, as of a key whose config has got a log since.
fn recalled_of(key: &OpenKey, wanted: Want, ours: Vec<StandingSignature>) -> Recalled {
    let mut ours = ours;
    let best = ours.iter().position(|ours| ours.lacking.is_nothing());
    let best = match ours.is_empty() {
        true => None,
        false => Some(ours.swap_remove(best.unwrap_or(0))),
    };
    let record = Arc::clone(&key.record);
    match best {
        Some(StandingSignature {
            signed,
            lacking,
            superseded,
        }) => Recalled {
            superseded,
            wanted,
            key: record,
            signed: Some(signed),
            lacking,
        },
        None => Recalled {
            lacking: wanted.lacking(key),
            wanted,
            key: record,
            signed: None,
            superseded: None,
        },
    }
}

impl Want {
    /// The evidence that a new signature lacks.
    fn lacking(&self, key: &OpenKey) -> Lacking {
        match &self.draft {
            Draft::Attachment(_) => Lacking::default(),
            Draft::Claim(stated) => {
                let required = self.signatory.required(stated, &key.record);
                required.map(|required| required.all()).unwrap_or_default()
            }
        }
    }
}

/// Each want with the key of its signatory.
///
/// # Errors
/// On wants whose place was not checked, or whose key was not opened: of another plan.
fn with_keys<'a>(
    wants: Wants,
    keys: &'a Keys,
    places: &BTreeMap<Place, WritablePlace>,
) -> Result<Vec<(&'a OpenKey, Want)>, PhaseError> {
    let wanted = wants.into_vec().into_iter();
    let wanted = wanted.map(|want| match places.contains_key(&want.place) {
        true => Ok((keys.of(&want.signatory)?, want)),
        false => Err(PhaseError::NoPlace(want.place)),
    });
    wanted.collect()
}

/// For each want the signatures of its place that are ours, in the order in which
/// they were found.
async fn accepted(
    plan: &Plan,
    wanted: &[(&OpenKey, Want)],
    places: &BTreeMap<Place, WritablePlace>,
    standing: &BTreeMap<Place, Vec<Candidate>>,
) -> Result<Vec<Vec<StandingSignature>>, PhaseError> {
    let compared = wanted.iter().map(|(key, want)| {
        let candidates = standing.get(&want.place).cloned().unwrap_or_default();
        let found = places.get(&want.place).map(|place| place.found.clone());
        let members = want.subject.members(plan.created());
        let recallable = recallable(want, key).cloned();
        let signing = Signing {
            signatory: Arc::clone(&want.signatory),
            signer: Arc::clone(&key.signer),
            record: Arc::clone(&key.record),
            now: plan.now(),
        };
        move || {
            let (Some(stated), Some(found)) = (recallable, found) else {
                return Ok(Vec::new());
            };
            let holds = |sealed: &SealedValue| found.holds(sealed);
            stated.accepted(&signing, &candidates, &members, holds)
        }
    });
    on_all_processors("comparing signatures", compared).await
}

/// The signatures that hang at each place where some could be ours. They are read once
/// for all wants of the place, and none is believed (WIRE-92).
async fn standing(
    wanted: &[(&OpenKey, Want)],
    places: &BTreeMap<Place, WritablePlace>,
    registries: &Registries,
) -> Result<BTreeMap<Place, Vec<Candidate>>, PhaseError> {
    let mut sought: BTreeMap<&Place, Vec<Sought>> = BTreeMap::new();
    for (key, want) in wanted {
        if let Some(stated) = recallable(want, key) {
            let sought = sought.entry(&want.place).or_default();
            sought.push(stated.sought(key, want)?);
        }
    }
    let recalls = sought.into_iter().map(|(place, sought)| async move {
        let signatures = match places.get(place) {
            Some(there) => recall(registries, place, &there.found, &sought).await,
            None => Vec::new(),
        };
        (place.clone(), signatures)
    });
    let mut standing = BTreeMap::new();
    standing.extend(join_all(recalls).await);
    Ok(standing)
}

/// The claim of a want whose signature is used if it hangs there already, in place of
/// a new one.
fn recallable<'a>(want: &'a Want, key: &OpenKey) -> Option<&'a Stated> {
    match &want.draft {
        Draft::Claim(stated) if key.signer.recalls() || want.signatory.is_vouched() => Some(stated),
        Draft::Claim(_) | Draft::Attachment(_) => None,
    }
}

impl Stated {
    /// The `candidates` that are ours for this claim, and that stand there just
    /// as we would write them: sealed again, they have the digests that hang there
    /// (WIRE-92). The end of somebody's blob alone would prove nothing.
    fn accepted(
        &self,
        signing: &Signing,
        candidates: &[Candidate],
        members: &ReferrerMembers,
        holds: impl Fn(&SealedValue) -> bool,
    ) -> Result<Vec<StandingSignature>, PhaseError> {
        let mut ours = Vec::new();
        for candidate in candidates {
            let Some(judged) = signing.judge(self, candidate)? else {
                continue;
            };
            if holds(&self.seal(&judged.standing, members)?) {
                let is_superseded = !judged.lacking.is_nothing() && judged.is_replaceable();
                ours.push(StandingSignature {
                    superseded: is_superseded.then(|| candidate.entry.clone()),
                    signed: judged.counting,
                    lacking: judged.lacking,
                });
            }
        }
        Ok(ours)
    }

    /// How a signature of this claim would stand there, as far as a descriptor shows
    /// it: nothing is read for layers of another kind or size (WIRE-91).
    fn sought(&self, key: &OpenKey, want: &Want) -> Result<Sought, PhaseError> {
        let longest = key.signer.algorithm().signature_length();
        let verifier = want.signatory.verifier(key.signer.public_key(), self.form);
        let length = |count: usize| {
            let signature = Signature::new(vec![0; count]);
            let signed = self.signed(signature, verifier.clone(), Vec::new());
            envelope::sealed_length(&signed, self.form)
        };
        let vouching = match want.signatory.is_vouched() {
            true => Vouching::Sought,
            false => Vouching::None,
        };
        let shortest = match vouching {
            // A certificate may have taken the place of a longer one.
            Vouching::Sought => 0,
            Vouching::None => length(longest.saturating_sub(SHORTER)),
        };
        let digest = self.payload.message().digest();
        Ok(Sought {
            form: self.form,
            predicate_type: self.claim.predicate_type(self.form).map(str::to_owned),
            digest: digest.map_err(PhaseError::Content)?,
            size: shortest..=length(longest).saturating_add(vouching.most()),
            vouching,
        })
    }
}
