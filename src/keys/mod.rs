//! Private keys: making, reading, unlocking, signing.
//!
//! Implements `spec/keys.md`. Knows no registry, no configuration file and no
//! signed format: a message is bytes.
//!
//! A key is read in three steps, so that failures come as early as possible:
//! the file's bytes become a [`KeyFile`] (no password needed), [`unlock`] makes
//! it a [`LocalKey`] (slow on purpose), and a [`Signer`] signs with it.

mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod generate;
mod key_file;
mod local;
mod origin;
mod password;
mod pem;
mod prehash;
mod verify;

use std::fmt;
use std::io;

pub use error::{KeyError, MAX_LENGTH};
pub use generate::{KeyPair, KeyPairError, Written};
pub use key_file::KeyFile;
pub use local::LocalKey;
pub use origin::Origin;
pub use password::{Password, unlock};

use crate::oci::{Content, Digest};
use crate::signature::{PublicKey, Signature};

/// The key that signs. Each kind of key that lives elsewhere becomes a variant.
#[derive(Debug)]
pub enum Signer {
    Local(LocalKey),
    /// A key whose signatures differ each time, as those of key services do.
    #[cfg(test)]
    Random(LocalKey),
}

impl Signer {
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Local(key) => key.public_key(),
            #[cfg(test)]
            Self::Random(key) => key.public_key(),
        }
    }

    /// SHA-256 of the public key's DER, by which receipts and logs name a key.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.public_key().as_der())
    }

    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Local(key) => key.algorithm(),
            #[cfg(test)]
            Self::Random(key) => key.algorithm(),
        }
    }

    /// Whether the same message always gets the same signature.
    pub fn is_deterministic(&self) -> bool {
        match self {
            Self::Local(_) => true,
            #[cfg(test)]
            Self::Random(_) => false,
        }
    }

    /// Checks a signature of `message` by this key, by whichever run it was
    /// made.
    ///
    /// # Errors
    /// On a message that cannot be read, and on a signature that is not this
    /// key's.
    pub fn verify(&self, message: &Content, signature: &Signature) -> Result<(), SignError> {
        match self {
            Self::Local(key) => key.verify(message, signature),
            #[cfg(test)]
            Self::Random(key) => key.verify(message, signature),
        }
    }

    /// Signs `message` and checks the signature with the public half. The
    /// message is streamed, up to three times.
    ///
    /// # Errors
    /// On a message that cannot be read or that changes while it is read, and
    /// on a signature that the public half does not accept.
    pub fn sign(&self, message: &Content) -> Result<Signature, SignError> {
        match self {
            Self::Local(key) => key.sign(message),
            #[cfg(test)]
            Self::Random(key) => key.sign_at_random(message),
        }
    }
}

impl From<LocalKey> for Signer {
    fn from(key: LocalKey) -> Self {
        Self::Local(key)
    }
}

/// How a key signs: the choice that every cosign verifies without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    EcdsaP256,
    EcdsaP384,
    EcdsaP521,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    Ed25519,
}

impl Algorithm {
    /// The most bytes of a signature: of ECDSA in DER, which may be shorter.
    pub fn signature_length(self) -> usize {
        match self {
            Self::EcdsaP256 => 72,
            Self::EcdsaP384 => 104,
            Self::EcdsaP521 => 139,
            Self::Rsa2048 => 256,
            Self::Rsa3072 => 384,
            Self::Rsa4096 => 512,
            Self::Ed25519 => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256 SHA-256",
            Self::EcdsaP384 => "ECDSA P-384 SHA-256",
            Self::EcdsaP521 => "ECDSA P-521 SHA-256",
            Self::Rsa2048 => "RSA-2048 PKCS#1 v1.5 SHA-256",
            Self::Rsa3072 => "RSA-3072 PKCS#1 v1.5 SHA-256",
            Self::Rsa4096 => "RSA-4096 PKCS#1 v1.5 SHA-256",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// A message that could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot read the message")]
    Read(#[source] io::Error),
    #[error("the message changed while it was being signed")]
    MessageChanged,
    #[error("the key cannot sign")]
    Refused,
    #[error("the public half of the key does not accept the signature")]
    Mismatch,
}

#[cfg(test)]
mod tests;
