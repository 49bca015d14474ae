//! Entries of which nothing is proven.

use crate::proof::merkle::Node;

/// An entry as it was written, of which nothing is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unverified {
    /// Of Rekor v1 counted over all trees of the log.
    pub(super) index: u64,
    pub(super) log_id: Vec<u8>,
    pub(super) kind: String,
    pub(super) kind_version: String,
    /// Seconds since 1970; 0 of Rekor v2.
    pub(super) time: i64,
    pub(super) promise: Option<Vec<u8>>,
    pub(super) proof: Option<Proof>,
    pub(super) body: Vec<u8>,
}

/// The inclusion of an entry in a log's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// Of Rekor v1 counted in its own tree.
    pub(super) index: u64,
    pub(super) size: u64,
    pub(super) root: Vec<u8>,
    pub(super) hashes: Vec<Node>,
    pub(super) checkpoint: String,
}
