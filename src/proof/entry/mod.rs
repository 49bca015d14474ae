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
mod escaped;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod json;
mod request;
#[cfg(any(test, feature = "fuzzing"))]
mod vector;
mod verify;

use std::fmt;
use std::io;

use jiff::Timestamp;

pub use accepts::{Refusal, Subject, accepts};
pub use request::{LONGEST_V1, request};

use super::certificate::Certificate;
use super::checkpoint::{Checkpoint, CheckpointError};
use super::key::{KeyProblem, VerifyingKey};
use super::merkle::{Node, PathError};
use super::trust::root::{LogKey, TrustedRoot};
use crate::oci::{Content, Digest};
use crate::signature::{Hash, PublicKey, Signature};

/// The version of Rekor's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    /// The version that a signing config calls by this number.
    pub fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "Rekor v1",
            Self::V2 => "Rekor v2",
        })
    }
}

/// A signature that a log can keep.
#[derive(Clone, Debug)]
pub struct Loggable {
    /// The hash that the key signed with; pure Ed25519 has no use for it.
    pub hash: Hash,
    /// That hash of the signed message: of a payload itself, or of the
    /// pre-authentication encoding.
    pub digest: Vec<u8>,
    pub signature: Signature,
    pub verifier: Verifier,
    pub signed: Signed,
}

/// The signed value, as far as a log sees more of it than a hash.
#[derive(Clone, Debug)]
pub enum Signed {
    /// A payload that is signed itself.
    Payload,
    /// A DSSE envelope with this one signature. Rekor v1 gets all of it.
    Envelope {
        /// The JSON, as it is stored where an entry has to name its hash.
        envelope: Content,
        /// The payload, without base64.
        payload: Content,
    },
}

impl Signed {
    pub fn subject(&self) -> Subject {
        match self {
            Self::Payload => Subject::Payload,
            Self::Envelope { .. } => Subject::Envelope,
        }
    }
}

/// The key that verifies the signature, alone or in its certificate.
#[derive(Clone, Debug)]
pub struct Verifier {
    key: VerifyingKey,
    certificate: Option<Certificate>,
}

impl Verifier {
    /// A key of its own.
    ///
    /// # Errors
    /// On keys of a kind that is not verified here.
    pub fn of_key(key: &PublicKey) -> Result<Self, KeyProblem> {
        Ok(Self {
            key: VerifyingKey::from_der(key.as_der())?,
            certificate: None,
        })
    }

    /// The key of a leaf certificate, which the log keeps in its place.
    ///
    /// # Errors
    /// On keys of a kind that is not verified here.
    pub fn of_certificate(certificate: Certificate) -> Result<Self, KeyProblem> {
        Ok(Self {
            key: certificate.key()?,
            certificate: Some(certificate),
        })
    }

    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The bytes that a log keeps of it.
    pub fn as_der(&self) -> &[u8] {
        match &self.certificate {
            Some(certificate) => certificate.as_der(),
            None => self.key.public_key().as_der(),
        }
    }
}

/// An entry that a log of the trusted root keeps of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    entry: Unverified,
    /// The log's address as the trusted root has it.
    log: String,
    version: Version,
    time: Option<Timestamp>,
}

/// An entry as it was written, of which nothing is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unverified {
    /// Of Rekor v1 counted over all trees of the log.
    index: u64,
    log_id: Vec<u8>,
    kind: String,
    kind_version: String,
    /// Seconds since 1970; 0 of Rekor v2.
    time: i64,
    promise: Option<Vec<u8>>,
    proof: Option<Proof>,
    body: Vec<u8>,
}

/// The inclusion of an entry in a log's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Proof {
    /// Of Rekor v1 counted in its own tree.
    index: u64,
    size: u64,
    root: Vec<u8>,
    hashes: Vec<Node>,
    checkpoint: String,
}

/// An inclusion that was read from a log's checkpoint and tiles.
#[derive(Clone, Debug)]
pub struct Inclusion {
    pub index: u64,
    pub size: u64,
    pub root: Node,
    pub hashes: Vec<Node>,
    /// The signed note.
    pub checkpoint: String,
}

/// An entry that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("it is not the JSON of a log entry")]
    Json,
    #[error("its entry is of a kind that is not known here")]
    Kind,
    #[error("it has no {0}")]
    Lacks(&'static str),
    #[error("its entry is of another signature")]
    Other,
    #[error("its log is not in the trusted root")]
    UnknownLog,
    #[error("its promise is not signed by the log")]
    Promise,
    #[error("its time {0} is not one of the log's key")]
    LogTime(Timestamp),
    #[error("its time {0} is not one of the certificate")]
    CertificateTime(Timestamp),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("its inclusion proof does not lead to the root of its checkpoint")]
    Root,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot read what was signed")]
    Read(#[from] io::Error),
}

impl LogEntry {
    /// The entry of an answer to a request for one.
    ///
    /// # Errors
    /// On an answer that does not hold.
    pub fn of_answer(
        version: Version,
        answer: &[u8],
        signature: &Loggable,
        root: &TrustedRoot,
    ) -> Result<Self, EntryError> {
        let entry = match version {
            Version::V1 => json::of_answer_v1(answer)?,
            Version::V2 => json::of_bundle(answer)?,
        };
        let entry = verify::complete(entry, signature, root, verify::Match::Exact)?;
        match entry.version == version {
            true => Ok(entry),
            false => Err(EntryError::Kind),
        }
    }

    /// The entry of Rekor v2 that stands in a log's tree at an index: its proof
    /// was read from the log's tiles.
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
        verify::complete(entry, signature, root, verify::Match::Exact)
    }

    /// An entry as a bundle holds it (`TransparencyLogEntry`). A `dsse` entry may
    /// be of another envelope around the same signed payload: bundles of others do
    /// not hold the bytes that were sent to the log.
    ///
    /// # Errors
    /// On an entry that does not hold.
    pub fn read_bundle_json(
        text: &str,
        signature: &Loggable,
        root: &TrustedRoot,
    ) -> Result<Self, EntryError> {
        let entry = json::of_bundle(text.as_bytes())?;
        verify::complete(entry, signature, root, verify::Match::SamePayload)
    }

    /// An entry as the annotation `dev.sigstore.cosign/bundle` holds it. There is
    /// no inclusion proof in it: the log's promise is all.
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

    /// When the log promised the entry; Rekor v2 knows no time.
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// The index that log and bundles call the entry by.
    pub fn index(&self) -> u64 {
        self.entry.index
    }

    /// The log's address, as the trusted root has it.
    pub fn log(&self) -> &str {
        &self.log
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// `logId.keyId`
    pub fn log_id(&self) -> &[u8] {
        &self.entry.log_id
    }
}

/// The index that an answer claims, whether or not the answer holds: what a log may
/// have published has to be reported.
pub fn claimed_index(version: Version, answer: &[u8]) -> Option<u64> {
    let entry = match version {
        Version::V1 => json::of_answer_v1(answer),
        Version::V2 => json::of_bundle(answer),
    };
    entry.ok().map(|entry| entry.index)
}

/// A log of Rekor v2 of the trusted root, with the checkpoint that it signed.
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
        match verify::checkpoint(note, Version::V2, log) {
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

/// The digest of a payload, without the name of its hash.
fn sha256_hex(content: &Content) -> io::Result<String> {
    content
        .digest()
        .map(|digest: Digest| digest.hex().to_owned())
}

#[cfg(test)]
mod tests;
