//! A key of which only the public half is here.

use crate::beside;
use crate::keys::algorithm::Algorithm;
use crate::keys::error::{KeyError, OpenError, SignError};
use crate::keys::prehash::{Prehash, sha256};
use crate::keys::verify::PublicHalf;
use crate::oci::Content;
use crate::signature::{PublicKey, Signature};

use super::found::{FoundKey, name};
use super::message::{Message, Prepared};

/// The public half of a key, with the algorithm that it signs by.
pub(super) struct KnownKey {
    pub(super) algorithm: Algorithm,
    pub(super) public: PublicKey,
    pub(super) half: PublicHalf,
}

impl KnownKey {
    /// # Errors
    /// On a key by which no cosign verifies: of another kind, curve or size,
    /// bound to a hash that it is not verified with, or with a point that is no
    /// public half.
    pub(super) fn of(found: FoundKey) -> Result<Self, OpenError> {
        let algorithm = Algorithm::of(&found.public)?;
        let algorithm = match found.hash {
            None => algorithm,
            Some(hash) => algorithm.with(hash).ok_or(KeyError::Hash(name(hash)))?,
        };
        let half = PublicHalf::parse(algorithm, &found.public);
        Ok(Self {
            algorithm,
            half: half.ok_or(KeyError::PublicHalf)?,
            public: found.public,
        })
    }

    /// Checks a signature of a message that was not prepared.
    pub(super) fn verify(&self, message: &Content, signature: &Signature) -> Result<(), SignError> {
        self.half.verify(self.algorithm, message, signature)
    }

    /// The message, with its digest if the key signs digests. One that has to be
    /// read for it is read on a thread of its own.
    pub(super) async fn prepare(&self, message: Message) -> Result<Prepared, SignError> {
        let Some(hash) = self.algorithm.hash() else {
            let prehash = None;
            return Ok(Prepared { message, prehash });
        };
        let content = message.content.clone();
        let hashed = beside::run(move || Prehash::of(&content, hash)).await;
        let prehash = hashed.unwrap_or(Err(SignError::Crashed))?;
        Ok(Prepared {
            message,
            prehash: Some(prehash),
        })
    }

    /// Checks a signature of a message that was prepared, whose digest is not made
    /// again. Ed25519 reads the message: not for an async thread.
    pub(super) fn check(
        &self,
        prepared: &Prepared,
        signature: &Signature,
    ) -> Result<(), SignError> {
        match &prepared.prehash {
            Some(prehash) => self.half.verify_prehash(prehash, signature),
            None => {
                let message = &prepared.message.content;
                let known = sha256(message).map_err(SignError::Read)?;
                self.half.verify_message(message, &known, signature)
            }
        }
    }
}
