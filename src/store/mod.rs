//! Where images and what hangs on them are stored. Knows bytes and digests,
//! and nothing of signatures.

pub mod registry;
