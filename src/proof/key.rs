//! Public keys of those who vouch: of logs, authorities and certificates.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use pkcs8::ObjectIdentifier;
use pkcs8::der::Decode as _;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use crate::signature::oid::{EC, ED25519 as ED25519_KEY, P256, P384, P521, RSA};
use crate::signature::{Hash, PublicKey};

/// The kind of a public key. It decides the algorithm together with a hash
/// ([`VerifyingKey::accepts`]); nothing is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    P256,
    P384,
    P521,
    /// Of 2048 to 8192 bits: aws-lc-rs accepts no signature of another one.
    Rsa,
    Ed25519,
}

/// A public key of a kind that verifies signatures.
///
/// It keeps the bytes of its DER as they were, since logs, hints and key ids hash
/// exactly these. Two encodings of one key (RSA with NULL for parameters or without)
/// are therefore not equal; [`kind`](Self::kind) and [`bits`](Self::bits) are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    key: PublicKey,
    kind: KeyKind,
    /// The content of `subjectPublicKey`: the point as SEC 1 writes it, DER of an
    /// RSAPublicKey, or the 32 bytes of Ed25519.
    bits: Vec<u8>,
}

/// A public key that verifies nothing here.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    #[error("it is no public key")]
    Damaged,
    #[error("a key of the kind {0} is not supported")]
    Kind(ObjectIdentifier),
}

debug_as_display!(KeyProblem);

impl VerifyingKey {
    /// Parses the DER of a SubjectPublicKeyInfo, of which nothing may be left.
    ///
    /// Whether the bits are a point of the curve, or a modulus at all, is not looked
    /// at: such a key accepts no signature.
    ///
    /// # Errors
    /// On damaged keys, and on those of another kind.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyProblem> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyProblem::Damaged)?;
        let kind = match info.algorithm.oid {
            EC => match info.algorithm.parameters_oid() {
                Ok(P256) => KeyKind::P256,
                Ok(P384) => KeyKind::P384,
                Ok(P521) => KeyKind::P521,
                Ok(other) => return Err(KeyProblem::Kind(other)),
                Err(_) => return Err(KeyProblem::Damaged),
            },
            RSA => KeyKind::Rsa,
            ED25519_KEY => KeyKind::Ed25519,
            other => return Err(KeyProblem::Kind(other)),
        };
        let bits = info.subject_public_key.as_bytes();
        Ok(Self {
            key: PublicKey::from_der(der.to_vec()),
            kind,
            bits: bits.ok_or(KeyProblem::Damaged)?.to_vec(),
        })
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key's own bits, without its algorithm.
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// The hash that sigstore takes for keys of this kind unless told otherwise:
    /// Rekor v2 and trusted roots mean it. The signer's own signatures are of SHA-256
    /// for every curve (`spec/keys.md`, KEY-30), because `cosign verify` assumes that.
    /// Ed25519 signs the message itself, and its answer here has no meaning.
    pub fn default_hash(&self) -> Hash {
        match self.kind {
            KeyKind::P256 | KeyKind::Rsa | KeyKind::Ed25519 => Hash::Sha256,
            KeyKind::P384 => Hash::Sha384,
            KeyKind::P521 => Hash::Sha512,
        }
    }

    /// Whether the key made `signature` of `message`: ASN.1 DER of ECDSA, PKCS#1
    /// v1.5 of RSA, pure Ed25519, which has no use for `hash`. A key that cannot
    /// verify anything answers `false` as well. A high `s` of ECDSA is accepted, as
    /// Go's verifiers do.
    pub fn accepts(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, hash) {
            (KeyKind::P256, Hash::Sha256) => &ECDSA_P256_SHA256_ASN1,
            (KeyKind::P256, Hash::Sha384) => &ECDSA_P256_SHA384_ASN1,
            (KeyKind::P256, Hash::Sha512) => &ECDSA_P256_SHA512_ASN1,
            (KeyKind::P384, Hash::Sha256) => &ECDSA_P384_SHA256_ASN1,
            (KeyKind::P384, Hash::Sha384) => &ECDSA_P384_SHA384_ASN1,
            (KeyKind::P384, Hash::Sha512) => &ECDSA_P384_SHA512_ASN1,
            (KeyKind::P521, Hash::Sha256) => &ECDSA_P521_SHA256_ASN1,
            (KeyKind::P521, Hash::Sha384) => &ECDSA_P521_SHA384_ASN1,
            (KeyKind::P521, Hash::Sha512) => &ECDSA_P521_SHA512_ASN1,
            (KeyKind::Rsa, Hash::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            (KeyKind::Rsa, Hash::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            (KeyKind::Rsa, Hash::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            (KeyKind::Ed25519, _) => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bits)
            .verify(message, signature)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::PublicKeyData as _;

    use super::*;

    #[test]
    fn a_key_accepts_its_own_signatures_and_nothing_else() {
        let generated = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let key = VerifyingKey::from_der(&generated.subject_public_key_info()).unwrap();
        assert_eq!(
            (key.kind(), key.default_hash()),
            (KeyKind::P384, Hash::Sha384)
        );
        let signature = rcgen::SigningKey::sign(&generated, b"message").unwrap();
        assert!(key.accepts(Hash::Sha384, b"message", &signature));
        assert!(!key.accepts(Hash::Sha256, b"message", &signature));
        assert!(!key.accepts(Hash::Sha384, b"another", &signature));
        assert!(!key.accepts(Hash::Sha384, b"message", b""));
    }

    #[test]
    fn other_keys_are_refused() {
        assert_eq!(VerifyingKey::from_der(b""), Err(KeyProblem::Damaged));
    }
}
