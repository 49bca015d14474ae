//! What fuzzers run of proofs.

pub use super::trust::fuzzing::{signing_config, trusted_root};
