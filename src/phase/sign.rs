//! Steps 3 and 4 of the RFC: every signatory signs every claim that has no
//! signature yet (SIG-25, SIG-28). No registry is asked; a key that fails leaves
//! nothing behind, since all keys sign before anything is published (SIG-32).
//!
//! Each signature is verified with the public half of its key before it leaves
//! [`keys`](crate::keys), wherever it was made (SIG-27, KEY-36, KEY-114).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::check_write::WritablePlace;
use super::error::PhaseError;
use super::evidence::Lacking;
use super::open_keys::{KeyRecord, Keys, OpenKey};
use super::processors::on_all_processors;
use super::recognise::{Recalled, Recognised};
use super::wants::{Draft, Want};
use crate::attach::Place;
use crate::envelope;
use crate::keys::{Message, Purpose, RemoteKey, SignError, Signer, Unsigned};
use crate::oci::{Descriptor, Digest};
use crate::signature::Signature;

/// Everything signed, nothing sealed.
pub struct SignedWants {
    places: BTreeMap<Place, WritablePlace>,
    signed: Vec<SignedWant>,
}

/// A want that can be sealed.
pub(super) struct SignedWant {
    pub(super) wanted: Want,
    pub(super) key: Arc<KeyRecord>,
    /// None of an attachment, which nobody signs.
    pub(super) signed: Option<envelope::Signed>,
    /// The evidence to be fetched for it.
    pub(super) lacking: Lacking,
    /// The layer of ours that it takes the place of.
    pub(super) superseded: Option<Descriptor>,
}

impl SignedWants {
    pub(super) fn wants(&self) -> &[SignedWant] {
        &self.signed
    }

    pub(super) fn wants_mut(&mut self) -> &mut [SignedWant] {
        &mut self.signed
    }

    pub(super) fn into_parts(self) -> (BTreeMap<Place, WritablePlace>, Vec<SignedWant>) {
        (self.places, self.signed)
    }
}

/// A key's fingerprint, and the digest of a message.
type Job = (Digest, Digest);

type Signatures = HashMap<Job, Signature>;

/// Takes the steps, on threads of their own; keys that sign elsewhere are asked at
/// the same time. A key signs each message once: both forms of an attestation
/// have the same signature, and a service is asked, and paid, once. The keys are gone
/// afterwards. Dropped, it leaves nothing behind but requests that a service may have
/// answered.
///
/// # Errors
/// On a key that gives no signature, and on a signature that its own public key
/// does not accept.
pub async fn sign(recognised: Recognised, keys: Keys) -> Result<SignedWants, PhaseError> {
    let (places, recalled) = recognised.into_parts();
    let mut signatures = standing(&recalled)?;
    let new = sign_missing(&recalled, keys, &signatures).await?;
    signatures.extend(new);
    let mut signed = Vec::new();
    for recalled in recalled {
        let job = job(&recalled.wanted, &recalled.key)?;
        let new = job.and_then(|job| signatures.get(&job).cloned());
        let new = new.and_then(|signature| with(&recalled, signature));
        signed.push(SignedWant {
            // The one that stands there has its evidence with it.
            signed: recalled.signed.or(new),
            lacking: recalled.lacking,
            superseded: recalled.superseded,
            wanted: recalled.wanted,
            key: recalled.key,
        });
    }
    Ok(SignedWants { places, signed })
}

/// Looks for the signatures that were made elsewhere, as far as they do not hang
/// there already (EVD-75). Nobody signs; files are read.
///
/// # Errors
/// On one that is not in its folder, or that its key does not accept.
pub async fn look_up(recognised: Recognised, keys: Keys) -> Result<(), PhaseError> {
    let (_, recalled) = recognised.into_parts();
    let standing = standing(&recalled)?;
    sign_missing(&recalled, keys.elsewhere(), &standing).await?;
    Ok(())
}

/// The claim with a signature that nobody has vouched for yet.
fn with(recalled: &Recalled, signature: Signature) -> Option<envelope::Signed> {
    match &recalled.wanted.draft {
        Draft::Attachment(_) => None,
        Draft::Claim(stated) => {
            let signatory = &recalled.wanted.signatory;
            let verifier = signatory.verifier(&recalled.key.public_key, stated.form);
            Some(stated.signed(signature, verifier, Vec::new()))
        }
    }
}

/// The signatures that hang there already. Both forms of an attestation are one
/// message, so that the one at a tag serves its bundle, too.
fn standing(recalled: &[Recalled]) -> Result<Signatures, PhaseError> {
    let mut signatures = Signatures::new();
    for Recalled {
        wanted,
        key,
        signed,
        ..
    } in recalled
    {
        // Made with a key of another run, which has its own certificate.
        if key.applicant.is_some() {
            continue;
        }
        if let (Some(job), Some(signed)) = (job(wanted, key)?, signed) {
            let signature = || signed.signature.clone();
            signatures.entry(job).or_insert_with(signature);
        }
    }
    Ok(signatures)
}

/// The signatures that do not hang there, by all keys at the same time.
async fn sign_missing(
    recalled: &[Recalled],
    keys: Keys,
    standing: &Signatures,
) -> Result<Signatures, PhaseError> {
    let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
    for key in keys.into_keys() {
        let messages = messages(recalled, &key, standing)?;
        match &*key.signer {
            Signer::Remote(remote) => {
                elsewhere.push(sign_elsewhere(Arc::clone(remote), key, messages));
            }
            _ => here.push(move || sign_here(&key, messages)),
        }
    }
    let (here, elsewhere) =
        futures_util::try_join!(on_all_processors("signing", here), try_join_all(elsewhere))?;
    Ok(here.into_iter().chain(elsewhere).flatten().collect())
}

/// The job of a want; none of an attachment. Two names of one key are one job.
fn job(wanted: &Want, key: &KeyRecord) -> Result<Option<Job>, PhaseError> {
    match &wanted.draft {
        Draft::Attachment(_) => Ok(None),
        Draft::Claim(stated) => {
            let message = stated.payload.message().digest();
            let message = message.map_err(PhaseError::Content)?;
            Ok(Some((key.fingerprint.clone(), message)))
        }
    }
}

/// The messages that a key has to sign; none for an image whose signatures are all
/// there.
fn messages(
    recalled: &[Recalled],
    key: &OpenKey,
    standing: &Signatures,
) -> Result<Vec<(Job, Message)>, PhaseError> {
    let mut messages = Vec::new();
    let mut known: HashSet<Job> = HashSet::new();
    let theirs = recalled
        .iter()
        .filter(|recalled| Arc::ptr_eq(&recalled.key, &key.record));
    for Recalled { wanted, key, .. } in theirs {
        let (Draft::Claim(stated), Some(job)) = (&wanted.draft, job(wanted, key)?) else {
            continue;
        };
        if standing.contains_key(&job) || !known.insert(job.clone()) {
            continue;
        }
        let message = Message {
            content: stated.payload.message().clone(),
            purpose: match wanted.document {
                None => Purpose::Signature,
                Some(_) => Purpose::Attestation,
            },
            image: wanted.subject.to_string(),
        };
        messages.push((job, message));
    }
    Ok(messages)
}

/// One message after the other, on this thread: keys are spread over the processors,
/// and the messages of one key are not.
fn sign_here(
    key: &OpenKey,
    messages: Vec<(Job, Message)>,
) -> Result<Vec<(Job, Signature)>, PhaseError> {
    let signed = messages.into_iter().map(|(job, message)| {
        let signature = key.signer.sign_here(&message.content);
        let signature = signature.map_err(|error| unsigned(&key.record, &message, error))?;
        Ok((job, signature))
    });
    signed.collect()
}

/// All messages of a key at once: its service knows how many it takes in one request.
async fn sign_elsewhere(
    remote: Arc<RemoteKey>,
    key: OpenKey,
    messages: Vec<(Job, Message)>,
) -> Result<Vec<(Job, Signature)>, PhaseError> {
    let (jobs, messages): (Vec<Job>, Vec<Message>) = messages.into_iter().unzip();
    let signatures = remote.sign(messages.clone()).await;
    let signatures = signatures.map_err(|Unsigned { index, error }| {
        let message = messages.get(index).or(messages.first());
        match message {
            Some(message) => unsigned(&key.record, message, error),
            None => PhaseError::Crashed("signing"),
        }
    })?;
    Ok(jobs.into_iter().zip(signatures).collect())
}

fn unsigned(key: &KeyRecord, message: &Message, source: SignError) -> PhaseError {
    PhaseError::Sign {
        image: message.image.clone(),
        key: Arc::clone(&key.reference),
        source,
    }
}
