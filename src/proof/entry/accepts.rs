//! Which signatures a log keeps, and cosign verifies afterwards (EVD-35). Each row was
//! run against rekor-server 1.5.4 and rekor-tiles 2.3.0.
//!
//! It is asked before anything is signed: a log says no more than 400 to a signature
//! that it does not like, after others of the run are published for ever.

use super::loggable::MessageForm;
use super::version::RekorVersion;
use crate::proof::key::{KeyKind, VerifyingKey};
use crate::signature::{Hash, rsa};

/// A signature that a log does not keep.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Rekor v2 takes no signatures of Ed25519 keys as cosign verifies them")]
    Ed25519,
    #[error(
        "Rekor v2 takes signatures of P-384 keys with SHA-384 and of P-521 keys with SHA-512 \
         alone, which cosign does not verify without a flag"
    )]
    CurveHash,
    #[error(
        "Rekor v1 takes signatures of this kind of key in bundles and attestations alone, and \
         not at the tag `.sig`"
    )]
    NotAtTags,
    #[error("logs take signatures of this kind of key with SHA-256 alone")]
    Hash,
    #[error("logs take signatures of RSA keys of 2048, 3072 and 4096 bits alone")]
    RsaSize,
}

debug_as_display!(Refusal);

/// Whether a log of this version keeps a signature that `key` made with `hash`.
///
/// Rekor v1 verifies every envelope with SHA-256, or as pure Ed25519. Of payloads
/// it takes each curve's own hash, but cosign verifies the annotation of SHA-256
/// alone. Rekor v2 takes each kind's own hash, whatever was signed.
///
/// # Errors
/// Says what is refused.
pub fn accepts(
    version: RekorVersion,
    form: MessageForm,
    key: &VerifyingKey,
    hash: Hash,
) -> Result<(), Refusal> {
    use KeyKind::{Ed25519, P256, P384, P521, Rsa};
    // The order matters: the rows before the guard on SHA-256 are those to which it
    // does not apply, or for which there is a better reason.
    match (version, form, key.kind()) {
        (RekorVersion::V1, MessageForm::Envelope, Ed25519) => Ok(()),
        (RekorVersion::V1, MessageForm::Payload, Ed25519 | P384 | P521) => Err(Refusal::NotAtTags),
        (RekorVersion::V2, _, Ed25519) => Err(Refusal::Ed25519),
        (RekorVersion::V2, _, P384 | P521) if hash == key.default_hash() => Ok(()),
        (RekorVersion::V2, _, P384 | P521) => Err(Refusal::CurveHash),
        _ if hash != Hash::Sha256 => Err(Refusal::Hash),
        (_, _, P256) | (RekorVersion::V1, MessageForm::Envelope, P384 | P521) => Ok(()),
        (_, _, Rsa) => rsa_details(key).map(|_| ()).ok_or(Refusal::RsaSize),
    }
}

/// The name of a key's algorithm in entries of Rekor v2
/// (`dev.sigstore.common.v1.PublicKeyDetails`): that of the key's own hash alone, since
/// verifiers derive it from the key when they build the body again.
pub(super) fn key_details(key: &VerifyingKey) -> Option<&'static str> {
    match key.kind() {
        KeyKind::P256 => Some("PKIX_ECDSA_P256_SHA_256"),
        KeyKind::P384 => Some("PKIX_ECDSA_P384_SHA_384"),
        KeyKind::P521 => Some("PKIX_ECDSA_P521_SHA_512"),
        KeyKind::Rsa => rsa_details(key),
        KeyKind::Ed25519 => None,
    }
}

/// The sizes that sigstore's registry of algorithms names.
fn rsa_details(key: &VerifyingKey) -> Option<&'static str> {
    match rsa::bits_of_public(key.bits())? {
        2048 => Some("PKIX_RSA_PKCS1V15_2048_SHA256"),
        3072 => Some("PKIX_RSA_PKCS1V15_3072_SHA256"),
        4096 => Some("PKIX_RSA_PKCS1V15_4096_SHA256"),
        _ => None,
    }
}
