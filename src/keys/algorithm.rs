//! How a key signs: the kind of key, and the one hash and padding that is used with
//! it (`spec/keys.md`, section 4).
//!
//! Knows the parameters of a public key, and nothing of whether its point or modulus
//! is sound: `verify` parses that.

use std::fmt;

use pkcs8::ObjectIdentifier;
use pkcs8::der::Decode as _;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use super::error::KeyError;
use crate::signature::oid::{EC, ED25519, P256, P384, P521, RSA};
use crate::signature::rsa::bits_of_public;
use crate::signature::{Hash, PublicKey};

/// Refused by its name and not by its number: services of keys have this curve, and
/// no cosign verifies by it.
pub(super) const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");

/// How a key signs: for each kind of key the choice that every cosign verifies
/// without options and, where a service can do nothing else, another, which
/// verifiers have to be told (`cosign verify --signature-digest-algorithm`).
///
/// cosign 2.6 and later sign otherwise by default: P-384 with SHA-384, P-521 with
/// SHA-512 and Ed25519 as Ed25519ph, which their own `verify` does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    EcdsaP256,
    EcdsaP384,
    /// Of services that hash for P-384 with SHA-384 alone.
    EcdsaP384Sha384,
    EcdsaP521,
    /// Of services that hash for P-521 with SHA-512 alone.
    EcdsaP521Sha512,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    /// Of a service's key that is bound to SHA-512.
    Rsa4096Sha512,
    Ed25519,
}

impl Algorithm {
    /// The algorithm of a public key, as every cosign verifies it. The service of
    /// the key may bind it to another hash: see [`with`](Self::with).
    ///
    /// # Errors
    /// On a key of an unsupported kind, curve or size, and on a damaged one.
    pub fn of(key: &PublicKey) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(key.as_der());
        let info = info.map_err(|_| KeyError::PublicHalf)?;
        match info.algorithm.oid {
            EC => {
                let curve = info.algorithm.parameters_oid();
                let curve = curve.map_err(|_| KeyError::Curve("without a name".to_owned()))?;
                Self::of_curve(curve)
            }
            RSA => {
                let key = info.subject_public_key.as_bytes();
                let bits = key.and_then(bits_of_public).ok_or(KeyError::PublicHalf)?;
                Self::of_rsa(bits)
            }
            ED25519 => Ok(Self::Ed25519),
            other => Err(KeyError::KeyType(other.to_string())),
        }
    }

    pub(super) fn of_curve(curve: ObjectIdentifier) -> Result<Self, KeyError> {
        match curve {
            P256 => Ok(Self::EcdsaP256),
            P384 => Ok(Self::EcdsaP384),
            P521 => Ok(Self::EcdsaP521),
            SECP256K1 => Err(KeyError::Curve("secp256k1".to_owned())),
            other => Err(KeyError::Curve(other.to_string())),
        }
    }

    /// Exactly these sizes, as cosign's `ValidatePubKey` has it (KEY-21).
    pub(super) fn of_rsa(bits: usize) -> Result<Self, KeyError> {
        match bits {
            2048 => Ok(Self::Rsa2048),
            3072 => Ok(Self::Rsa3072),
            4096 => Ok(Self::Rsa4096),
            other => Err(KeyError::RsaSize(other)),
        }
    }

    /// The same kind of key with the hash that its service binds it to, if that
    /// can be verified at all. The three are those that services have beside
    /// SHA-256: P-384 and P-521 at AWS and Azure, P-384 at Google, and Google's
    /// `RSA_SIGN_PKCS1_4096_SHA512`, which has no sister of another size.
    pub fn with(self, hash: Hash) -> Option<Self> {
        match (self, hash) {
            (Self::EcdsaP384, Hash::Sha384) => Some(Self::EcdsaP384Sha384),
            (Self::EcdsaP521, Hash::Sha512) => Some(Self::EcdsaP521Sha512),
            (Self::Rsa4096, Hash::Sha512) => Some(Self::Rsa4096Sha512),
            (same, hash) if same.hash() == Some(hash) => Some(same),
            _ => None,
        }
    }

    /// The hash whose digest is signed; none of an algorithm that signs the
    /// message itself, so that a service has to be sent all of it.
    pub fn hash(self) -> Option<Hash> {
        match self {
            Self::Ed25519 => None,
            Self::EcdsaP384Sha384 => Some(Hash::Sha384),
            Self::EcdsaP521Sha512 | Self::Rsa4096Sha512 => Some(Hash::Sha512),
            Self::EcdsaP256
            | Self::EcdsaP384
            | Self::EcdsaP521
            | Self::Rsa2048
            | Self::Rsa3072
            | Self::Rsa4096 => Some(Hash::Sha256),
        }
    }

    /// The most bytes of a signature: of ECDSA in DER, which may be shorter.
    /// There both numbers have a zero byte before their highest bit at worst; those
    /// of P-521 need none, and their sequence has a length of two bytes.
    pub fn signature_length(self) -> usize {
        match self {
            Self::EcdsaP256 => 72,
            Self::EcdsaP384 | Self::EcdsaP384Sha384 => 104,
            Self::EcdsaP521 | Self::EcdsaP521Sha512 => 139,
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 | Self::Rsa4096Sha512 => 512,
            Self::Ed25519 => 64,
        }
    }
}

/// The words stand in the log, and in `index.toml` (EVD-72): an index of other words is
/// refused as one of another run (EVD-71), so that a change of them is visible.
impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256 SHA-256",
            Self::EcdsaP384 => "ECDSA P-384 SHA-256",
            Self::EcdsaP384Sha384 => "ECDSA P-384 SHA-384",
            Self::EcdsaP521 => "ECDSA P-521 SHA-256",
            Self::EcdsaP521Sha512 => "ECDSA P-521 SHA-512",
            Self::Rsa2048 => "RSA-2048 PKCS#1 v1.5 SHA-256",
            Self::Rsa3072 => "RSA-3072 PKCS#1 v1.5 SHA-256",
            Self::Rsa4096 => "RSA-4096 PKCS#1 v1.5 SHA-256",
            Self::Rsa4096Sha512 => "RSA-4096 PKCS#1 v1.5 SHA-512",
            Self::Ed25519 => "Ed25519",
        })
    }
}
