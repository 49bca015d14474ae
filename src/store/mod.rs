//! The store of images and of everything attached to them. Knows bytes and
//! digests, and nothing of signatures.

mod failure;
pub mod registry;
mod visible;

pub use failure::FailureKind;
pub use visible::Visible;
