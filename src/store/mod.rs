//! The store of images and of everything attached to them. Knows bytes and
//! digests, and nothing of signatures but whether a list of referrers names
//! bundles (SIG-85). Where layers hang, and how others are not lost, is
//! `attach`'s.

mod failure;
pub mod registry;
mod visible;

pub use failure::FailureKind;
pub use visible::Visible;
