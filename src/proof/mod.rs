//! Proofs: evidence of others as bytes, and whether it holds. Certificates and
//! their chains, certificate transparency, RFC 3161 timestamps, log entries,
//! and the keys of those who vouch. No I/O, no clock: the time at which a proof
//! has to hold is given.
//!
//! Nothing here signs, and nothing knows a form in which signatures are stored
//! (`spec/decisions/0030`). `witness` judges by these functions what somebody has
//! just answered, `phase::judge` what hangs in a registry already: evidence of both
//! kinds passes the same checks (`spec/evidence.md`, EVD-91 and EVD-92).
//!
//! The bytes are other people's, so that every reader is total and bounded: an
//! error, never a panic, and no memory by a length that is only announced.

pub mod certificate;
pub mod chain;
pub mod checkpoint;
pub(crate) mod der;
pub mod entry;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod key;
pub mod merkle;
pub mod protojson;
pub mod request;
pub mod sct;
pub mod timestamp;
pub mod trust;
