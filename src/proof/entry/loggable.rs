//! Signatures as logs see them: what an entry has to be of. The caller has verified the
//! signature; a log is not asked to find that out.

use crate::oci::Content;
use crate::proof::certificate::Certificate;
use crate::proof::key::{KeyProblem, VerifyingKey};
use crate::signature::{Hash, PublicKey, Signature};

/// A signature that a log can keep.
#[derive(Clone, Debug)]
pub struct Loggable {
    /// The hash that the key signed with; pure Ed25519 has no use for it.
    pub hash: Hash,
    /// That hash of the signed message: of a payload itself, or of the
    /// pre-authentication encoding.
    pub digest: Vec<u8>,
    pub signature: Signature,
    pub verifier: EntryVerifier,
    pub message: SignedMessage,
}

/// The signed message, as far as a log sees more of it than a hash.
#[derive(Clone, Debug)]
pub enum SignedMessage {
    /// A payload that is signed itself.
    Payload,
    /// A DSSE envelope with this one signature. Rekor v1 gets all of it.
    Envelope {
        /// The JSON, as it is stored where an entry has to name its hash: as the layer
        /// at `.att`. A bundle holds another form of it.
        envelope: Content,
        /// The payload, without base64.
        payload: Content,
    },
}

impl SignedMessage {
    pub fn form(&self) -> MessageForm {
        match self {
            Self::Payload => MessageForm::Payload,
            Self::Envelope { .. } => MessageForm::Envelope,
        }
    }
}

/// The form of the signed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageForm {
    /// A payload that is signed itself, as at the tag `.sig`.
    Payload,
    /// The pre-authentication encoding of an envelope's payload, as in bundles and
    /// at the tag `.att`.
    Envelope,
}

/// The verifier that an entry names: a key, alone or in its certificate. One key with
/// and without a certificate makes two entries of one signature, and verifiers refuse
/// the one of the other.
#[derive(Clone, Debug)]
pub struct EntryVerifier {
    pub(super) key: VerifyingKey,
    pub(super) certificate: Option<Certificate>,
}

impl EntryVerifier {
    /// A key that is verified by itself.
    ///
    /// # Errors
    /// On keys of a kind that is not verified here.
    pub fn of_key(key: &PublicKey) -> Result<Self, KeyProblem> {
        Ok(Self {
            key: VerifyingKey::from_der(key.as_der())?,
            certificate: None,
        })
    }

    /// The key of a leaf certificate, which the log keeps in its place.
    ///
    /// # Errors
    /// On keys of a kind that is not verified here.
    pub fn of_certificate(certificate: Certificate) -> Result<Self, KeyProblem> {
        Ok(Self {
            key: certificate.key()?,
            certificate: Some(certificate),
        })
    }

    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The bytes that a log keeps of it.
    pub fn as_der(&self) -> &[u8] {
        match &self.certificate {
            Some(certificate) => certificate.as_der(),
            None => self.key.public_key().as_der(),
        }
    }
}
