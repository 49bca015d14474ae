//! What fuzzers run of witnesses.
