//! The fuzz target for the files of a folder of signatures.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use super::encoding::{readings, tried};
use super::index::SignIndex;
use crate::keys::Algorithm;

/// A file that holds a signature, or an index. No reading is longer than a
/// signature, and an index that can be read can be written and read again.
pub fn signature_file(data: &[u8]) {
    for algorithm in [
        Algorithm::EcdsaP256,
        Algorithm::EcdsaP384,
        Algorithm::EcdsaP521,
        Algorithm::Rsa2048,
        Algorithm::Ed25519,
    ] {
        let readings = readings(data, algorithm);
        assert!(readings.len() <= 4);
        for reading in readings {
            assert!(reading.len() <= algorithm.signature_length() + 2);
        }
        assert!(tried(data, algorithm).len() < 200);
    }
    if let Some(index) = SignIndex::parse(data) {
        let text = index.to_text().expect("it was TOML");
        assert_eq!(SignIndex::parse(text.as_bytes()), Some(index));
    }
}
