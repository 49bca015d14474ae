//! Payloads: a claim as exact bytes, and the message that a signature of it
//! covers.

use std::io;

use bytes::Bytes;

use super::claim::{Claim, Form};
use super::{dsse, simple_signing, statement};
use crate::oci::{Content, Digest};

/// A claim as exact bytes.
pub enum Payload {
    /// Simple signing: a signature covers the payload itself.
    SimpleSigning(Content),
    /// An in-toto statement: a signature covers its pre-authentication encoding
    /// (DSSE v1.0.2).
    Statement(Box<dsse::HashedPayload>),
}

impl Payload {
    /// Bytes of simple signing, hashed here: a payload has a few hundred of them.
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

impl Claim {
    /// The URI of the statement's predicate type. A signature at a tag is no
    /// statement, and has none.
    pub fn predicate_type(&self, form: Form) -> Option<&str> {
        match (self, form) {
            (Self::Image { .. }, Form::Tag) => None,
            (Self::Image { .. }, Form::Bundle | Form::ChainBundle) => Some(statement::SIGNATURE),
            (Self::Document { predicate_type, .. }, _) => Some(predicate_type),
        }
    }

    /// The claim as exact bytes. A document is read to its end, once; both forms
    /// of a document's claim are the same bytes, so that one signature serves both
    /// (WIRE-71). Those of an image's claim differ.
    ///
    /// # Errors
    /// On a document that cannot be read.
    pub fn payload(&self, form: Form) -> io::Result<Payload> {
        let statement = match (self, form) {
            (
                Self::Image {
                    repository,
                    digest,
                    annotations,
                },
                Form::Tag,
            ) => {
                let payload = simple_signing::payload(repository.as_ref(), digest, annotations);
                return Ok(Payload::simple_signing(payload));
            }
            (
                Self::Image {
                    digest,
                    annotations,
                    ..
                },
                Form::Bundle | Form::ChainBundle,
            ) => statement::signature(digest, annotations),
            (
                Self::Document {
                    repository,
                    digest,
                    predicate_type,
                    document,
                },
                Form::Tag | Form::Bundle | Form::ChainBundle,
            ) => statement::statement(repository.as_ref(), digest, predicate_type, document),
        };
        let payload = dsse::HashedPayload::read(statement)?;
        Ok(Payload::Statement(Box::new(payload)))
    }
}
