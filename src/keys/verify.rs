//! The public half of a key, which checks each signature before it is used.
//!
//! A fault while a deterministic signature is made can reveal the key to a
//! reader who has a good one too, and a damaged key file gives signatures that
//! no verifier accepts; neither leaves the process (KEY-36). Of a key elsewhere the
//! same check finds a rotated version, a service that hashes a digest again, and a
//! program that lies (KEY-114).
//! Knows no private key: the public half is parsed from DER, also for a key that
//! is here.

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
};
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use pkcs8::DecodePublicKey;

use super::algorithm::Algorithm;
use super::error::SignError;
use super::prehash::{Prehash, sha256, sha256_and};
use crate::oci::Content;
use crate::signature::{PublicKey, Signature};

/// Checks a signature of `message` by whoever has the private half of `key`, with the
/// algorithm that every cosign takes for it: a signature with another hash is refused,
/// though `cosign verify` has a flag for it. The message is streamed.
///
/// # Errors
/// On a key of an unsupported kind, on a message that cannot be read, and on a
/// signature that is not this key's.
pub fn verify(key: &PublicKey, message: &Content, signature: &Signature) -> Result<(), SignError> {
    let algorithm = Algorithm::of(key).map_err(|_| SignError::Mismatch)?;
    let half = PublicHalf::parse(algorithm, key).ok_or(SignError::Mismatch)?;
    half.verify(algorithm, message, signature)
}

/// A public key, parsed for its kind. A hash stands in RSA's alone, because aws-lc
/// binds it to the key; the others take it with each digest.
pub(super) enum PublicHalf {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Rsa(ParsedPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicHalf {
    /// `None` if `key` is no public key of `algorithm`, or one whose point is not on
    /// its curve; and of Ed25519 one of small order, which accepts signatures that
    /// nobody made (RFC 8032, section 8.8 leaves it to those who need more). The sizes
    /// of RSA keys were looked at by [`Algorithm::of`].
    pub(super) fn parse(algorithm: Algorithm, key: &PublicKey) -> Option<Self> {
        let der = key.as_der();
        Some(match algorithm {
            Algorithm::EcdsaP256 => Self::P256(DecodePublicKey::from_public_key_der(der).ok()?),
            Algorithm::EcdsaP384 | Algorithm::EcdsaP384Sha384 => {
                Self::P384(DecodePublicKey::from_public_key_der(der).ok()?)
            }
            Algorithm::EcdsaP521 | Algorithm::EcdsaP521Sha512 => {
                Self::P521(DecodePublicKey::from_public_key_der(der).ok()?)
            }
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::VerifyingKey::from_public_key_der(der).ok()?;
                Self::Ed25519(Some(key).filter(|key| !key.is_weak())?)
            }
            Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                Self::Rsa(ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok()?)
            }
            Algorithm::Rsa4096Sha512 => {
                Self::Rsa(ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, der).ok()?)
            }
        })
    }

    /// Checks a signature of `message` by a key of `algorithm`. The message is
    /// read unless its digest is known and the algorithm signs that; for Ed25519
    /// with an unknown digest twice.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        message: &Content,
        signature: &Signature,
    ) -> Result<(), SignError> {
        match algorithm.hash() {
            None => {
                let prehash = sha256(message).map_err(SignError::Read)?;
                self.verify_message(message, &prehash, signature)
            }
            Some(hash) => self.verify_prehash(&Prehash::of(message, hash)?, signature),
        }
    }

    /// Checks an ECDSA or RSA signature of the message with this digest. Of ECDSA
    /// only DER is taken, the one form that is stored; whoever gets two numbers in a
    /// row turns them into it before.
    pub(super) fn verify_prehash(
        &self,
        prehash: &Prehash,
        signature: &Signature,
    ) -> Result<(), SignError> {
        let bytes = signature.as_bytes();
        let accepted = match self {
            Self::P256(key) => p256::ecdsa::Signature::from_der(bytes)
                .is_ok_and(|signature| key.verify_prehash(prehash, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_der(bytes)
                .is_ok_and(|signature| key.verify_prehash(prehash, &signature).is_ok()),
            Self::P521(key) => p521::ecdsa::Signature::from_der(bytes)
                .is_ok_and(|signature| key.verify_prehash(prehash, &signature).is_ok()),
            Self::Rsa(key) => prehash
                .imported()
                .is_some_and(|digest| key.verify_digest_sig(&digest, bytes).is_ok()),
            Self::Ed25519(_) => false,
        };
        accepted.then_some(()).ok_or(SignError::Mismatch)
    }

    /// Checks a pure Ed25519 signature. Reads the message, which must still
    /// have this SHA-256: the signature would otherwise be published with other
    /// bytes than those it was checked with.
    pub(super) fn verify_message(
        &self,
        message: &Content,
        prehash: &Prehash,
        signature: &Signature,
    ) -> Result<(), SignError> {
        let Self::Ed25519(key) = self else {
            return Err(SignError::Mismatch);
        };
        let mut verifier = ed25519_dalek::Signature::from_slice(signature.as_bytes())
            .and_then(|signature| key.verify_stream(&signature))
            .map_err(|_| SignError::Mismatch)?;
        let read = sha256_and(message, |chunk| verifier.update(chunk)).map_err(SignError::Read)?;
        if read != *prehash {
            return Err(SignError::MessageChanged);
        }
        verifier
            .finalize_and_verify()
            .map_err(|_| SignError::Mismatch)
    }
}
