//! A key's signature, and the public half that checks it: values that keys,
//! proofs and envelopes all have. Nothing is parsed or verified here.

pub(crate) mod oid;
pub(crate) mod rsa;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The raw bytes of a signature: ASN.1 DER for ECDSA, the modulus-sized integer
/// for RSA, 64 bytes for Ed25519. The type says nothing of whether it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Standard base64 with padding, as cosign stores it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

/// A public key: DER of its SubjectPublicKeyInfo (RFC 5280, section 4.1). The
/// bytes may be any. Equal ones are one key; two forms of one key (compressed
/// points) would be two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    pub fn from_der(der: Vec<u8>) -> Self {
        Self(der)
    }

    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the DER, by which sigstore names a key: in bundles as its hint,
    /// in logs as their ids.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

/// The hash of a message that is signed in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}
