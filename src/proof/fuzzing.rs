//! What fuzzers run of proofs.
