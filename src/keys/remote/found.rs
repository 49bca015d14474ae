//! The public half of a key, as its service answers it.

use std::fmt;

use tracing::warn;

use crate::signature::{Hash, PublicKey};

/// A public key as its service gives it.
pub(super) struct FoundKey {
    pub(super) public: PublicKey,
    /// The hash that the service binds the key to, if not SHA-256.
    pub(super) hash: Option<Hash>,
    /// As the service counts versions; none where it has none.
    pub(super) version: Option<String>,
}

/// Verifiers take SHA-256 for granted, so that the signatures of such a key are
/// valid and refused. One warning for each key says the flag (KEY-84, KEY-92,
/// KEY-103); the key is not refused, because policies of users have the flag's
/// counterpart.
pub(super) fn warn_of_hash(key: &dyn fmt::Display, hash: Hash) {
    let name = name(hash);
    warn!(
        "signatures by `{key}` have to be verified with `cosign verify \
         --signature-digest-algorithm {name}`: its service signs no other digest"
    );
}

/// The name of a hash for cosign's flag.
pub(super) fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}
