//! Recall: the signatures that hang at a place and may be ours
//! (`spec/wire.md`, "Recognition").
//!
//! A signature that is found here is only a candidate. The caller verifies it,
//! seals the claim with it, and compares the digests with those that stand there:
//! the ends of other people's blobs are never trusted (WIRE-92).

use std::ops::RangeInclusive;

use futures_util::future::join_all;
use tracing::debug;

use super::place::{Kind, Place};
use super::standing::Standing;
use crate::envelope::media_type;
use crate::envelope::{self, Evidence, Form, Verifier};
use crate::oci::{Descriptor, Digest, Reference, Repository};
use crate::signature::Signature;
use crate::store::registry::{Registries, StoreError};

/// The most candidates of a place that are looked at, those that were hung last
/// (WIRE-91).
const CANDIDATES: usize = 64;
/// How much of an envelope's or bundle's end is read. A signature and what stands
/// behind it are shorter.
const END: u32 = 4 * 1024;
/// How much of a bundle's beginning is read where evidence is sought. A
/// certificate, a log entry and a timestamp have some 8 KiB (WIRE-93).
const BEGINNING: u32 = 64 * 1024;

/// How a claim's signature would stand there.
pub(crate) struct Sought {
    pub form: Form,
    pub predicate_type: Option<String>,
    /// Of the message. It is the payload's at a tag of signatures.
    pub digest: Digest,
    /// Shortest and longest that the sealed value can be, in bytes.
    pub size: RangeInclusive<u64>,
    pub vouching: Vouching,
}

/// Whether a signature is to stand there with evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vouching {
    None,
    Sought,
}

impl Vouching {
    /// The most bytes that it adds to a bundle.
    pub(crate) fn most(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Sought => u64::from(BEGINNING),
        }
    }
}

/// A signature that hangs at a place and may be ours.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// The entry of the place that has it.
    pub entry: Descriptor,
    pub signature: Signature,
    /// Nobody and nothing, where no evidence is sought.
    pub verifier: Verifier,
    pub evidence: Vec<Evidence>,
}

/// The signatures that hang at `place`, where `found` was read, and are of the
/// kind that is sought, in the order of the manifest. An entry that cannot be read
/// is no candidate; the claim is signed anew then.
pub(crate) async fn recall(
    registries: &Registries,
    place: &Place,
    found: &Standing,
    sought: &[Sought],
) -> Vec<Candidate> {
    let is_sought = |entry: &&Descriptor| sought.iter().any(|sought| sought.fits(entry, place));
    let candidates: Vec<&Descriptor> = found.last_first().filter(is_sought).collect();
    if candidates.len() > CANDIDATES {
        debug!("{place} has more than {CANDIDATES} candidates; the last are looked at");
    }
    let looks = candidates
        .into_iter()
        .take(CANDIDATES)
        .map(|entry| look(registries, place, entry, sought));
    let mut candidates: Vec<Candidate> = join_all(looks).await.into_iter().flatten().collect();
    // The first in the order of the manifest counts.
    candidates.reverse();
    candidates
}

async fn look(
    registries: &Registries,
    place: &Place,
    entry: &Descriptor,
    sought: &[Sought],
) -> Option<Candidate> {
    let candidate = match place.kind() {
        // In the descriptor: nothing is asked.
        Kind::Signatures => Ok(of_tag(entry, envelope::signature_of(entry))),
        Kind::Attestations => {
            let signature = end(registries, place.repository(), entry).await;
            signature.map(|signature| of_tag(entry, signature))
        }
        Kind::Referrers => bundle(registries, place.repository(), entry, sought).await,
        // A document has no signature.
        Kind::Sbom => Ok(None),
    };
    candidate.unwrap_or_else(|error| {
        debug!("Could not look at {}: {error}", entry.digest);
        None
    })
}

/// A layer of a tag, whose descriptor has what vouches for it.
fn of_tag(entry: &Descriptor, signature: Option<Signature>) -> Option<Candidate> {
    let (verifier, evidence) = envelope::vouching_of(entry)?;
    Some(Candidate {
        entry: entry.clone(),
        signature: signature?,
        verifier,
        evidence,
    })
}

impl Sought {
    /// Whether an entry of a place may be it, as far as its descriptor says.
    fn fits(&self, entry: &Descriptor, place: &Place) -> bool {
        let annotated = |name: &str| entry.annotations.get(name);
        match (place.kind(), self.form) {
            (Kind::Signatures, Form::Tag) => {
                entry.media_type == media_type::SIMPLE_SIGNING && entry.digest == self.digest
            }
            (Kind::Attestations, Form::Tag) => {
                entry.media_type == media_type::DSSE_ENVELOPE
                    && annotated(envelope::LAYER_PREDICATE_TYPE) == self.predicate_type.as_deref()
                    && self.size.contains(&entry.size)
            }
            (Kind::Referrers, Form::Bundle | Form::ChainBundle) => {
                let is_bundle = |kind: &String| *kind == media_type::SIGSTORE_BUNDLE.as_str();
                let predicate_type = annotated(envelope::REFERRER_PREDICATE_TYPE);
                // Lists of some registries name neither.
                entry.artifact_type.as_ref().is_none_or(is_bundle)
                    && (predicate_type.is_none()
                        || predicate_type == self.predicate_type.as_deref())
            }
            _ => false,
        }
    }
}

/// The signature at the end of an envelope or bundle.
async fn end(
    registries: &Registries,
    repository: &Repository,
    blob: &Descriptor,
) -> Result<Option<Signature>, StoreError> {
    let end = registries.get_blob_end(repository, blob, END).await?;
    Ok(envelope::last_signature(&end))
}

/// The bundle that a referrer carries.
async fn bundle(
    registries: &Registries,
    repository: &Repository,
    entry: &Descriptor,
    sought: &[Sought],
) -> Result<Option<Candidate>, StoreError> {
    let reference = Reference::new(repository.clone(), entry.digest.clone());
    let Some(manifest) = registries.get_manifest(&reference).await? else {
        return Ok(None);
    };
    let Ok(referrer) = manifest.to_image() else {
        return Ok(None);
    };
    // A bundle is one layer (WIRE-72).
    let [bundle] = referrer.layers() else {
        return Ok(None);
    };
    // A size that no bundle of ours can have saves reading a stranger's.
    let has_size = |sought: &&Sought| sought.form.is_bundle() && sought.size.contains(&bundle.size);
    let fitting: Vec<&Sought> = sought.iter().filter(has_size).collect();
    if bundle.media_type != media_type::SIGSTORE_BUNDLE || fitting.is_empty() {
        return Ok(None);
    }
    let is_sought = fitting
        .iter()
        .any(|sought| sought.vouching == Vouching::Sought);
    let (signature, vouching) = match is_sought {
        true => both_ends(registries, repository, bundle).await?,
        false => {
            let nothing = (Verifier::Unnamed, Vec::new());
            (end(registries, repository, bundle).await?, Some(nothing))
        }
    };
    let (Some(signature), Some((verifier, evidence))) = (signature, vouching) else {
        return Ok(None);
    };
    Ok(Some(Candidate {
        entry: entry.clone(),
        signature,
        verifier,
        evidence,
    }))
}

/// The signature at the end of a bundle, and what vouches for it at its
/// beginning: of a small one in one request.
async fn both_ends(
    registries: &Registries,
    repository: &Repository,
    bundle: &Descriptor,
) -> Result<(Option<Signature>, Option<(Verifier, Vec<Evidence>)>), StoreError> {
    let beginning = registries.get_blob_beginning(repository, bundle, BEGINNING);
    let (beginning, end) = match bundle.size <= u64::from(BEGINNING) {
        true => {
            let whole = beginning.await?;
            (whole.clone(), whole)
        }
        false => {
            let end = registries.get_blob_end(repository, bundle, END);
            futures_util::try_join!(beginning, end)?
        }
    };
    let vouching = envelope::vouching_in(&beginning);
    Ok((envelope::last_signature(&end), vouching))
}
