//! Steps 3 and 4 of the RFC, in memory: every signatory signs every claim that
//! has no signature yet. No network; nothing of a key that fails is left behind.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::check_write::WritablePlace;
use super::claims::{Body, Wanted};
use super::error::PhaseError;
use super::open_keys::{Identity, Key, Keys};
use super::processors::on_all_processors;
use super::recognise::{Recalled, Recognised};
use crate::attach::Place;
use crate::envelope::Payload;
use crate::oci::Digest;
use crate::signature::Signature;

/// Everything signed, nothing sealed.
pub struct Signed {
    places: BTreeMap<Place, WritablePlace>,
    signed: Vec<SignedWant>,
}

/// A want that can be sealed.
pub(super) struct SignedWant {
    pub(super) wanted: Wanted,
    pub(super) key: Arc<Identity>,
    /// None on what nobody signs.
    pub(super) signature: Option<Signature>,
}

impl Signed {
    pub(super) fn into_parts(self) -> (BTreeMap<Place, WritablePlace>, Vec<SignedWant>) {
        (self.places, self.signed)
    }
}

/// A key's fingerprint, and the digest of a message.
type Job = (Digest, Digest);

/// Takes the steps, on blocking threads. A key signs each message once: both
/// forms of an attestation have the same signature. The keys are gone afterwards.
///
/// # Errors
/// On a signature that its own public key does not accept.
pub async fn sign(recognised: Recognised, keys: Keys) -> Result<Signed, PhaseError> {
    let (places, recalled) = recognised.into_parts();
    let mut signatures: HashMap<Job, Signature> = HashMap::new();
    for Recalled {
        wanted,
        key,
        signature,
    } in &recalled
    {
        if let (Some(job), Some(signature)) = (job(wanted, key)?, signature) {
            signatures.entry(job).or_insert_with(|| signature.clone());
        }
    }
    let mut tasks = Vec::new();
    for key in keys.into_keys() {
        let messages = messages(&recalled, &key, &signatures)?;
        tasks.push(move || sign_all(&key, messages));
    }
    for signed in on_all_processors(tasks).await? {
        signatures.extend(signed);
    }
    let mut signed = Vec::new();
    for recalled in recalled {
        let job = job(&recalled.wanted, &recalled.key)?;
        let known = job.and_then(|job| signatures.get(&job).cloned());
        signed.push(SignedWant {
            wanted: recalled.wanted,
            key: recalled.key,
            signature: recalled.signature.or(known),
        });
    }
    Ok(Signed { places, signed })
}

fn job(wanted: &Wanted, key: &Identity) -> Result<Option<Job>, PhaseError> {
    match &wanted.body {
        Body::Attachment(_) => Ok(None),
        Body::Claim(stated) => {
            let message = stated.payload.message().digest();
            let message = message.map_err(PhaseError::Content)?;
            Ok(Some((key.fingerprint.clone(), message)))
        }
    }
}

/// A message to sign, and the image that it is about.
struct Message {
    job: Job,
    payload: Arc<Payload>,
    image: String,
}

/// The messages that a key has to sign; none for an image whose signatures are all
/// there.
fn messages(
    recalled: &[Recalled],
    key: &Key,
    signatures: &HashMap<Job, Signature>,
) -> Result<Vec<Message>, PhaseError> {
    let mut messages: Vec<Message> = Vec::new();
    let mut known: HashSet<Job> = HashSet::new();
    let theirs = recalled
        .iter()
        .filter(|recalled| Arc::ptr_eq(&recalled.key, &key.identity));
    for Recalled { wanted, key, .. } in theirs {
        let (Body::Claim(stated), Some(job)) = (&wanted.body, job(wanted, key)?) else {
            continue;
        };
        if signatures.contains_key(&job) || !known.insert(job.clone()) {
            continue;
        }
        messages.push(Message {
            job,
            payload: Arc::clone(&stated.payload),
            image: wanted.subject.to_string(),
        });
    }
    Ok(messages)
}

fn sign_all(key: &Key, messages: Vec<Message>) -> Result<Vec<(Job, Signature)>, PhaseError> {
    let path = &key.identity.path;
    let mut signed = Vec::new();
    for Message {
        job,
        payload,
        image,
    } in messages
    {
        let signature = key.signer.sign(payload.message());
        let signature = signature.map_err(|source| PhaseError::Sign {
            image,
            key: path.clone(),
            source,
        })?;
        signed.push((job, signature));
    }
    Ok(signed)
}
