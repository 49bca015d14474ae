//! Entries of transparency logs (Rekor v1 and v2): the canonical bodies that a
//! log keeps of a signature, and the proofs that it answers.
//!
//! An entry exists here once everything about it holds: its body is that of the
//! signature, a path leads from it to a root that the log signed and, with Rekor
//! v1, the log promised it at a time. Where entries are stored, and how logs are
//! asked, is left to others. Rekor v1 v1.5 `openapi.yaml` and `pkg/types`, Rekor v2
//! v2.3 `api/proto/rekor/v2`, protobuf-specs v0.5 `sigstore_rekor.proto`.

mod accepts;
mod body;
mod error;
mod escaped;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod json;
mod loggable;
mod request;
mod unverified;
#[cfg(any(test, feature = "fuzzing"))]
mod vector;
mod verify;
mod version;

pub use accepts::{Refusal, accepts};
pub use error::EntryError;
pub use loggable::{EntryVerifier, Loggable, MessageForm, SignedMessage};
pub use request::{LONGEST_V1, request};
pub use verify::LogEntry;
pub use version::RekorVersion;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::merkle::Node;
use super::trust::root::{LogKey, TrustedRoot};
use body::Match;
use unverified::{Proof, Unverified};

/// An inclusion that was read from a log's checkpoint and tiles.
#[derive(Clone, Debug)]
pub struct Inclusion {
    pub index: u64,
    /// The number of entries in the tree that `root` is of.
    pub size: u64,
    pub root: Node,
    /// From the leaf upwards.
    pub hashes: Vec<Node>,
    /// The signed note.
    pub checkpoint: String,
}

impl LogEntry {
    /// The entry of an answer to a request for one, or for one that is there already.
    ///
    /// Content is read to its end unless its digest is known: on the runtime, callers
    /// ask for that digest before.
    ///
    /// # Errors
    /// On an answer that does not hold.
    pub fn of_answer(
        version: RekorVersion,
        answer: &[u8],
        signature: &Loggable,
        root: &TrustedRoot,
    ) -> Result<Self, EntryError> {
        let entry = match version {
            RekorVersion::V1 => json::of_answer_v1(answer)?,
            RekorVersion::V2 => json::of_bundle(answer)?,
        };
        let entry = verify::complete(entry, signature, root, Match::Exact)?;
        // The entry says its kind itself: a log that is asked as one version does not
        // answer as another.
        match entry.version() == version {
            true => Ok(entry),
            false => Err(EntryError::Kind),
        }
    }

    /// The entry of Rekor v2 that stands in a log's tree at an index: its proof
    /// was read from the log's tiles (EVD-37). Index and `log_id` are what the log and
    /// the trusted root say, as in an answer; the body is the one that the signature
    /// must have.
    ///
    /// # Errors
    /// On another entry at the index, and on a proof that does not hold.
    pub fn of_inclusion(
        inclusion: Inclusion,
        log_id: &[u8],
        signature: &Loggable,
        root: &TrustedRoot,
    ) -> Result<Self, EntryError> {
        let entry = Unverified {
            index: inclusion.index,
            log_id: log_id.to_vec(),
            kind: body::HASHED.to_owned(),
            kind_version: body::SECOND.to_owned(),
            time: 0,
            promise: None,
            proof: Some(Proof {
                index: inclusion.index,
                size: inclusion.size,
                root: inclusion.root.to_vec(),
                hashes: inclusion.hashes,
                checkpoint: inclusion.checkpoint,
            }),
            body: body::v2(signature)?.into_bytes(),
        };
        verify::complete(entry, signature, root, Match::Exact)
    }

    /// An entry as a bundle holds it (`TransparencyLogEntry`). A `dsse` entry may
    /// be of another envelope around the same signed payload: bundles of others do
    /// not hold the bytes that were sent to the log. sigstore-go does not compare the
    /// envelope's hash either (v1.2.1 `pkg/verify/tlog.go`). The payload is read unless
    /// its digest is known.
    ///
    /// # Errors
    /// On an entry that does not hold.
    pub fn read_bundle_json(
        text: &str,
        signature: &Loggable,
        root: &TrustedRoot,
    ) -> Result<Self, EntryError> {
        let entry = json::of_bundle(text.as_bytes())?;
        verify::complete(entry, signature, root, Match::SamePayload)
    }

    /// An entry as the annotation `dev.sigstore.cosign/bundle` holds it. There is
    /// no inclusion proof in it: the log's promise is all. The envelope has to be the
    /// layer's own bytes (EVD-34), which cosign compares.
    ///
    /// # Errors
    /// On an entry that does not hold.
    pub fn read_annotation(
        text: &str,
        signature: &Loggable,
        root: &TrustedRoot,
    ) -> Result<Self, EntryError> {
        verify::promised(json::of_annotation(text)?, signature, root)
    }

    /// The entry for `tlogEntries` of a bundle, in the field order of cosign v3;
    /// none if it was read from an annotation.
    pub fn to_bundle_json(&self) -> Option<String> {
        json::to_bundle(&self.entry)
    }

    /// The value of the annotation `dev.sigstore.cosign/bundle`; none of Rekor v2,
    /// which promises nothing.
    pub fn to_annotation(&self) -> Option<String> {
        json::to_annotation(&self.entry)
    }
}

/// The index that an answer claims, whether or not the answer holds: what a log may
/// have published has to be reported (EVD-39). It proves nothing. Any JSON of Rekor v2 is
/// an entry by its form, at index 0: one without a body or a log claims nothing.
pub fn claimed_index(version: RekorVersion, answer: &[u8]) -> Option<u64> {
    let entry = match version {
        RekorVersion::V1 => json::of_answer_v1(answer),
        RekorVersion::V2 => json::of_bundle(answer),
    };
    let entry = entry.ok()?;
    let is_entry = !entry.body.is_empty() && !entry.log_id.is_empty();
    is_entry.then_some(entry.index)
}

/// A log of Rekor v2 of the trusted root, with the checkpoint that it signed. Which log
/// it is, the note says by its first line.
///
/// # Errors
/// On a note that no log of the trusted root signed; with the reason of the last
/// one that has the note's name, if any.
pub fn checkpoint_v2<'a>(
    note: &str,
    root: &'a TrustedRoot,
) -> Result<(Checkpoint, &'a LogKey), EntryError> {
    let mut failed = EntryError::UnknownLog;
    for log in &root.logs {
        match verify::checkpoint(note, RekorVersion::V2, log) {
            Ok(checkpoint) => return Ok((checkpoint, log)),
            Err(EntryError::Checkpoint(CheckpointError::Origin)) => {}
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The hash of the body that Rekor v2 keeps of `signature`, as its tiles have it.
///
/// # Errors
/// On a signature that Rekor v2 refuses.
pub fn leaf_v2(signature: &Loggable) -> Result<Node, EntryError> {
    Ok(super::merkle::leaf(body::v2(signature)?.as_bytes()))
}

#[cfg(test)]
mod tests;
