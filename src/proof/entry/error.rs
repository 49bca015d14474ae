//! The faults of entries.

use std::io;

use jiff::Timestamp;

use super::accepts::Refusal;
use crate::proof::checkpoint::CheckpointError;
use crate::proof::merkle::PathError;

/// An entry that does not hold. The messages continue the name of a log; nothing of the
/// entry is repeated but times and numbers.
#[derive(thiserror::Error)]
pub enum EntryError {
    #[error("it is not the JSON of a log entry")]
    Json,
    /// Also one of another version of Rekor than was asked.
    #[error("its entry is of a kind that is not known here")]
    Kind,
    #[error("it has no {0}")]
    Lacks(&'static str),
    /// Its body is not the one that the signature must have, in whatever member.
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

debug_as_display!(EntryError);
