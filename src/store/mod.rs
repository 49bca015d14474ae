//! Where images and what hangs on them are stored. Knows bytes and digests,
//! and nothing of signatures.

mod failure;
pub mod registry;
mod visible;

pub use failure::FailureKind;
pub use visible::Visible;
