//! Merkle trees of transparency logs (RFC 6962, section 2.1): hashes of leaves and
//! nodes, and inclusion proofs.
