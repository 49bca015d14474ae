//! Whether an entry holds: the rules of sigstore's client specification for
//! signers, which store nothing that a verifier would refuse (EVD-30 to EVD-34).
//!
//! 1. The body is the one that the signature, its hash and its verifier must have.
//! 2. The body's leaf leads by the proof to a root.
//! 3. A log of the trusted root signed a checkpoint of that root and size.
//! 4. Of Rekor v1, the log promised the entry at a time at which its key was valid, and
//!    the certificate if there is one.

use jiff::Timestamp;

use super::body::{DSSE, FIRST, HASHED, Match, SECOND, check_v1, v2};
use super::error::EntryError;
use super::json::promised_bytes;
use super::loggable::Loggable;
use super::unverified::{Proof, Unverified};
use super::version::RekorVersion;
use crate::proof::checkpoint::{Checkpoint, NoteVerifier, Origin};
use crate::proof::merkle;
use crate::proof::trust::host;
use crate::proof::trust::root::{LogKey, TrustedRoot};

/// An entry that a log of the trusted root keeps of a signature. There is no way to make
/// one but by the checks of this module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub(super) entry: Unverified,
    /// The log's address as the trusted root has it.
    log: String,
    version: RekorVersion,
    time: Option<Timestamp>,
}

impl LogEntry {
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

    pub fn version(&self) -> RekorVersion {
        self.version
    }

    /// `logId.keyId`
    pub fn log_id(&self) -> &[u8] {
        &self.entry.log_id
    }
}

/// An entry with its inclusion proof and, of Rekor v1, its promise.
///
/// # Errors
/// On the first thing that does not hold. Of several keys with the entry's id, it is
/// that of the last one.
pub(super) fn complete(
    entry: Unverified,
    signature: &Loggable,
    root: &TrustedRoot,
    envelopes: Match,
) -> Result<LogEntry, EntryError> {
    let version = version(&entry)?;
    check_body(&entry, version, signature, envelopes)?;
    let proof = entry.proof.as_ref();
    let proof = proof.ok_or(EntryError::Lacks("inclusion proof"))?;
    // Rekor v2 has one tree, and one number of an entry in it.
    if version == RekorVersion::V2 && proof.index != entry.index {
        return Err(EntryError::Root);
    }
    let leaf = merkle::leaf(&entry.body);
    let reached = merkle::root(proof.index, proof.size, &leaf, &proof.hashes)?;
    let checked = by_its_log(&entry, root, |log| {
        check_checkpoint(proof, version, &reached, log)?;
        time(&entry, version, signature, log)
    });
    let (log, time) = checked?;
    Ok(of(entry, version, log, time))
}

/// An entry of Rekor v1 with its promise alone: the annotation has no room for more, and
/// cosign asks for no more.
///
/// # Errors
/// On the first thing that does not hold, and on an entry of Rekor v2.
pub(super) fn promised(
    entry: Unverified,
    signature: &Loggable,
    root: &TrustedRoot,
) -> Result<LogEntry, EntryError> {
    let version = version(&entry)?;
    if version == RekorVersion::V2 {
        return Err(EntryError::Kind);
    }
    check_body(&entry, version, signature, Match::Exact)?;
    let checked = by_its_log(&entry, root, |log| time(&entry, version, signature, log));
    let (log, time) = checked?;
    Ok(of(entry, version, log, time))
}

/// The log that the entry names, with the answer of `check` about it. Several keys of
/// the trusted root may have one id; one of them is enough.
fn by_its_log<'a, T>(
    entry: &Unverified,
    root: &'a TrustedRoot,
    check: impl Fn(&LogKey) -> Result<T, EntryError>,
) -> Result<(&'a LogKey, T), EntryError> {
    let id = entry.log_id.as_slice();
    let is_named = |log: &&LogKey| log.id == id || log.checkpoint_id.as_deref() == Some(id);
    let mut failed = EntryError::UnknownLog;
    for log in root.logs.iter().filter(is_named) {
        match check(log) {
            Err(error) => failed = error,
            Ok(checked) => return Ok((log, checked)),
        }
    }
    Err(failed)
}

fn of(
    mut entry: Unverified,
    version: RekorVersion,
    log: &LogKey,
    time: Option<Timestamp>,
) -> LogEntry {
    if version == RekorVersion::V2 {
        // Nobody signed these: they are not stored with a bundle of ours either.
        (entry.time, entry.promise) = (0, None);
    }
    LogEntry {
        entry,
        log: log.base_url.clone(),
        version,
        time,
    }
}

fn version(entry: &Unverified) -> Result<RekorVersion, EntryError> {
    match (entry.kind.as_str(), entry.kind_version.as_str()) {
        (HASHED | DSSE, FIRST) => Ok(RekorVersion::V1),
        (HASHED, SECOND) => Ok(RekorVersion::V2),
        _ => Err(EntryError::Kind),
    }
}

fn check_body(
    entry: &Unverified,
    version: RekorVersion,
    signature: &Loggable,
    envelopes: Match,
) -> Result<(), EntryError> {
    match version {
        RekorVersion::V1 => check_v1(&entry.body, &entry.kind, signature, envelopes),
        RekorVersion::V2 => match v2(signature)?.as_bytes() == entry.body {
            true => Ok(()),
            false => Err(EntryError::Other),
        },
    }
}

fn check_checkpoint(
    proof: &Proof,
    version: RekorVersion,
    reached: &merkle::Node,
    log: &LogKey,
) -> Result<(), EntryError> {
    let checkpoint = checkpoint(&proof.checkpoint, version, log)?;
    // The stated root and size prove nothing, but verifiers compare them: an entry
    // that states others would be stored in vain.
    let is_root = checkpoint.root == *reached && proof.root == reached;
    match is_root && checkpoint.size == proof.size {
        true => Ok(()),
        false => Err(EntryError::Root),
    }
}

/// The checkpoint of a log by its key in the trusted root. When the key was valid is not
/// compared: a checkpoint has no time.
///
/// # Errors
/// On a note that is no checkpoint of this log.
pub(in crate::proof) fn checkpoint(
    note: &str,
    version: RekorVersion,
    log: &LogKey,
) -> Result<Checkpoint, EntryError> {
    let id = log.checkpoint_id.as_deref().and_then(<[u8]>::first_chunk);
    let verifier = NoteVerifier {
        key: &log.key,
        hash: log.hash,
        id: id.copied(),
    };
    let origin = match version {
        RekorVersion::V1 => Origin::OfTree,
        // sigstore-go reads no host from an address without a scheme (v1.2.1
        // `pkg/verify/tlog.go`), and knows no such log then.
        RekorVersion::V2 if !log.base_url.contains("://") => return Err(EntryError::UnknownLog),
        RekorVersion::V2 => Origin::Is(host(&log.base_url)),
    };
    Ok(Checkpoint::verify(note, origin, &verifier)?)
}

/// When the log promised the entry, with its signature (EVD-32). Rekor v2 knows no time:
/// what stands in its place is not looked at (EVD-33).
fn time(
    entry: &Unverified,
    version: RekorVersion,
    signature: &Loggable,
    log: &LogKey,
) -> Result<Option<Timestamp>, EntryError> {
    if version == RekorVersion::V2 {
        return Ok(None);
    }
    let promise = entry.promise.as_ref();
    let promise = promise.ok_or(EntryError::Lacks("promise"))?;
    if !log.key.accepts(log.hash, &promised_bytes(entry), promise) {
        return Err(EntryError::Promise);
    }
    let time = Timestamp::from_second(entry.time).map_err(|_| EntryError::Json)?;
    if !log.valid.contains(time) {
        return Err(EntryError::LogTime(time));
    }
    let certificate = signature.verifier.certificate.as_ref();
    match certificate.is_none_or(|certificate| certificate.is_valid_at(time)) {
        true => Ok(Some(time)),
        false => Err(EntryError::CertificateTime(time)),
    }
}
