//! Entries of which nothing is proven.

use crate::proof::merkle::Node;

/// An entry as it was written, of which nothing is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unverified {
    /// Of Rekor v1 counted over all trees of the log, and signed with its promise.
    pub(super) index: u64,
    /// The hash of the log's key, by which the trusted root is searched.
    pub(super) log_id: Vec<u8>,
    pub(super) kind: String,
    pub(super) kind_version: String,
    /// Seconds since 1970; 0 of Rekor v2.
    pub(super) time: i64,
    /// The "signed entry timestamp" of Rekor v1: DER of the log's signature.
    pub(super) promise: Option<Vec<u8>>,
    pub(super) proof: Option<Proof>,
    /// The canonical body, as bytes: their hash is the leaf.
    pub(super) body: Vec<u8>,
}

/// The inclusion of an entry in a log's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// Of Rekor v1 counted in its own tree, so that it differs from the entry's.
    pub(super) index: u64,
    pub(super) size: u64,
    /// As stated; the checkpoint's is the one that is signed.
    pub(super) root: Vec<u8>,
    pub(super) hashes: Vec<Node>,
    /// The signed note.
    pub(super) checkpoint: String,
}
