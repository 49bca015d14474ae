//! Payloads: a claim as exact bytes, and the message that a signature of it
//! covers.

use bytes::Bytes;

use super::dsse;
use crate::oci::{Content, Digest};

/// A claim as exact bytes.
pub enum Payload {
    /// Simple signing: a signature covers the payload itself.
    SimpleSigning(Content),
    /// An in-toto statement: a signature covers its pre-authentication encoding
    /// (DSSE v1.0.2).
    Statement(Box<dsse::Payload>),
}

impl Payload {
    pub(super) fn simple_signing(bytes: Bytes) -> Self {
        let digest = Digest::of(&bytes);
        Self::SimpleSigning(Content::from(bytes).with_digest(digest))
    }

    /// The payload's own bytes.
    pub fn content(&self) -> &Content {
        match self {
            Self::SimpleSigning(content) => content,
            Self::Statement(payload) => payload.content(),
        }
    }

    /// The bytes that a signature covers; their SHA-256 digest is known.
    pub fn message(&self) -> &Content {
        match self {
            Self::SimpleSigning(content) => content,
            Self::Statement(payload) => payload.message(),
        }
    }
}
