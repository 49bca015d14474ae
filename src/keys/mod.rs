//! Private keys, here and elsewhere: making, finding, opening, signing.
//! Implements `spec/keys.md`. Knows no registry, no configuration file and no
//! signed format: a message is bytes. `phase` chooses the messages, and knows
//! which of them have a signature already; variables, identities and requests of
//! clouds are `service`'s and `http`'s.
//!
//! A key is opened in three steps, so that failures come as early as possible. A
//! [`KeyReference`] is what the user wrote. [`find`] makes it a [`Closed`] key:
//! all that can be known without asking anybody. [`Closed::open`] unlocks it
//! (slow on purpose) or asks its service for the public half, and a [`Signer`]
//! signs with it.

mod algorithm;
mod closed;
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
mod public;
mod reference;
mod remote;
mod stored;
mod uri;
mod verify;

use std::sync::Arc;

pub use algorithm::Algorithm;
pub use closed::{Closed, find};
pub use error::{FolderError, KeyError, MAX_LENGTH, OpenError, SignError, UriError};
pub use generate::{KeyPair, KeyPairError, PairFiles};
pub use key_file::KeyFile;
pub use local::LocalKey;
pub use origin::PasswordOrigin;
pub use password::{Password, unlock};
pub use prehash::digest_of;
pub use public::PublicFile;
pub use reference::{KeyReference, KeyUri, Program, PublicFileName, SignatureFolder};
pub use remote::{INDEX, Message, MessageNames, Purpose, RemoteKey, SignIndex, ToSign, Unsigned};
pub use uri::{AwsUri, AzureUri, GitLabUri, GoogleUri, SecretUri, VaultUri};
pub use verify::verify;

use crate::oci::{Content, Digest};
use crate::signature::{PublicKey, Signature};

/// The key that signs.
#[derive(Debug)]
pub enum Signer {
    /// A key in this process's memory: a key file's, wherever that was kept, or one
    /// that was made for the run.
    Local(Box<LocalKey>),
    /// A key that never leaves its service.
    Remote(Arc<RemoteKey>),
    /// A key whose signatures differ each time, as those of key services do.
    #[cfg(test)]
    Random(Box<LocalKey>),
}

impl Signer {
    /// The public half: derived from the private one (KEY-23), or as the key's
    /// service gave it. Every signature of the run is checked with this one.
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Local(key) => key.public_key(),
            Self::Remote(key) => key.public_key(),
            #[cfg(test)]
            Self::Random(key) => key.public_key(),
        }
    }

    /// SHA-256 of the public key's DER, by which receipts and logs name a key.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.public_key().as_der())
    }

    /// How it signs: of a service's key with the hash that the service binds it to.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Local(key) => key.algorithm(),
            Self::Remote(key) => key.algorithm(),
            #[cfg(test)]
            Self::Random(key) => key.algorithm(),
        }
    }

    /// The version of a key whose service keeps several: all of the run's
    /// signatures are by this one.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Remote(key) => key.version(),
            _ => None,
        }
    }

    /// Whether a signature that hangs there is used instead of a new one (KEY-115):
    /// ECDSA by a service has other bytes each time, so that a second run would
    /// hang another signature beside the first. A local key makes the same bytes
    /// again (KEY-33).
    pub fn recalls(&self) -> bool {
        !matches!(self, Self::Local(_))
    }

    /// Checks a signature of `message` by this key, by whichever run it was
    /// made. Asks no service. The message is streamed, unless the key signs digests
    /// and its digest is known.
    ///
    /// # Errors
    /// On a message that cannot be read, and on a signature that is not this
    /// key's.
    pub fn verify(&self, message: &Content, signature: &Signature) -> Result<(), SignError> {
        match self {
            Self::Local(key) => key.verify(message, signature),
            Self::Remote(key) => key.verify(message, signature),
            #[cfg(test)]
            Self::Random(key) => key.verify(message, signature),
        }
    }

    /// Signs with a key that is in this process, and checks the signature with
    /// the public half. The message is streamed, up to three times, so that this is
    /// no work for an async thread. [`RemoteKey::sign`] is for keys elsewhere.
    ///
    /// # Errors
    /// On a message that cannot be read or that changes while it is read, on a
    /// signature that the public half does not accept, and on a key that is
    /// elsewhere.
    pub fn sign_here(&self, message: &Content) -> Result<Signature, SignError> {
        match self {
            Self::Local(key) => key.sign(message),
            Self::Remote(_) => Err(SignError::Refused),
            #[cfg(test)]
            Self::Random(key) => key.sign_at_random(message),
        }
    }
}

impl From<LocalKey> for Signer {
    fn from(key: LocalKey) -> Self {
        Self::Local(Box::new(key))
    }
}

#[cfg(test)]
mod tests;
