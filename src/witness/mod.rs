//! Witnesses: those who are asked to vouch for a signature. Certificate
//! authorities, timestamp authorities, transparency logs, and whoever says who we
//! are. Their answers are verified before anybody gets them.
//!
//! Each function asks for one signature or one identity; which of them are asked, and
//! that all are asked at the same time, is for `phase::witness` to see to
//! (`spec/evidence.md`, "Witnessing"). No witness is told the name of an image: they
//! see hashes, signatures and keys, and a log of Rekor v1 the envelopes of attestations.
//!
//! A failure of a witness ends the run with exit code 119, whatever its status is
//! (EVD-29): the registry has nothing yet, and running again may help.

pub mod authority;
mod causes;
mod choice;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod log;
pub mod timestamp;
pub mod token;
