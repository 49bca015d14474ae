//! Fuzz targets for what logs answer.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use super::vector::{V1_KEY, Vector};
use super::{LogEntry, RekorVersion, claimed_index};
use crate::oci::fuzzing::assert_readable;
use crate::proof::checkpoint::{Checkpoint, Note, NoteVerifier, Origin};
use crate::proof::merkle::{self, DEEPEST};

/// A note is signed text, and its checkpoint is of a tree or refused.
pub fn note(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let root = Vector::of(V1_KEY).root();
    let log = root.logs.first().expect("a log");
    let verifier = NoteVerifier {
        key: &log.key,
        hash: log.hash,
        id: None,
    };
    let read = Note::parse(&text);
    for origin in [Origin::OfTree, Origin::Is("rekor.sigstore.dev")] {
        match Checkpoint::verify(&text, origin, &verifier) {
            Ok(_) => assert!(read.is_ok()),
            Err(error) => assert_readable(&error),
        }
    }
}

/// A path leads to a root, or is refused; so do the tiles of any tree. Index, size
/// and then hashes.
pub fn inclusion_proof(data: &[u8]) {
    let (numbers, rest) = data.as_chunks::<8>();
    let ([index, size, ..], [_, _, ..]) = (numbers, numbers) else {
        return;
    };
    let (index, size) = (u64::from_be_bytes(*index), u64::from_be_bytes(*size));
    let hashes = data.get(16..).unwrap_or_default().as_chunks::<32>().0;
    let leaf = merkle::leaf(rest);
    match merkle::root(index, size, &leaf, hashes) {
        Ok(_) => assert!(index < size && hashes.len() <= DEEPEST),
        Err(error) => assert_readable(&error),
    }
    match merkle::tiles(index, size) {
        Ok(tiles) => assert!(index < size && (1..=DEEPEST).contains(&tiles.len())),
        Err(error) => assert_readable(&error),
    }
    let full = vec![leaf; 256];
    if let Ok((found, path)) = merkle::path_of_tiles(index, size, |_| Some(&full)) {
        assert_eq!(found, leaf);
        merkle::root(index, size, &found, &path).expect("a path of the right length");
    }
}

/// An entry that holds is written so that it holds again. The first byte chooses
/// where it comes from.
pub fn log_entry(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(data);
    let vector = Vector::of(V1_KEY);
    let (signature, root) = (vector.signature(), vector.root());
    let read = match choice % 4 {
        0 => LogEntry::of_answer(RekorVersion::V1, data, &signature, &root),
        1 => LogEntry::of_answer(RekorVersion::V2, data, &signature, &root),
        2 => LogEntry::read_bundle_json(&text, &signature, &root),
        _ => LogEntry::read_annotation(&text, &signature, &root),
    };
    let entry = match read {
        Ok(entry) => entry,
        Err(error) => return assert_readable(&error),
    };
    if let Some(json) = entry.to_bundle_json() {
        let again = LogEntry::read_bundle_json(&json, &signature, &root);
        assert_eq!(again.expect("it held"), entry);
    }
    if let Some(json) = entry.to_annotation() {
        let again = LogEntry::read_annotation(&json, &signature, &root);
        assert_eq!(again.expect("it held").time(), entry.time());
    }
    for version in [RekorVersion::V1, RekorVersion::V2] {
        let _ = claimed_index(version, data);
    }
}
