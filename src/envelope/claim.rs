//! Claims: the statement of a signature about an image, before any bytes.

use std::collections::BTreeMap;
use std::io;

use super::payload::Payload;
use super::{dsse, simple_signing, statement};
use crate::oci::{Content, Digest, Repository};

/// The form in which a claim is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A layer at a tag.
    Tag,
    /// A sigstore bundle, which a manifest carries that refers to the image.
    Bundle,
}

/// The statement of a signature.
#[derive(Clone, Debug)]
pub enum Claim {
    /// "This digest is ours."
    Image {
        /// The image's own repository, also where the signature is stored
        /// elsewhere. A bundle names none, and a layer of others may name
        /// something that is no repository.
        repository: Option<Repository>,
        digest: Digest,
        /// In a claim that was opened, those with a string for a value.
        annotations: BTreeMap<String, String>,
    },
    /// "This document describes that digest."
    Document {
        repository: Option<Repository>,
        digest: Digest,
        /// A URI, such as `https://cyclonedx.org/bom`.
        predicate_type: String,
        /// JSON, embedded byte for byte.
        document: Content,
    },
}

impl Claim {
    /// The digest that the claim is about.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Image { digest, .. } | Self::Document { digest, .. } => digest,
        }
    }

    /// The URI of the statement's predicate type. A signature at a tag is no
    /// statement, and has none.
    pub fn predicate_type(&self, form: Form) -> Option<&str> {
        match (self, form) {
            (Self::Image { .. }, Form::Tag) => None,
            (Self::Image { .. }, Form::Bundle) => Some(statement::SIGNATURE),
            (Self::Document { predicate_type, .. }, _) => Some(predicate_type),
        }
    }

    /// The claim as exact bytes. A document is read to its end, once; both forms
    /// of a document's claim are the same bytes.
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
                Form::Bundle,
            ) => statement::signature(digest, annotations),
            (
                Self::Document {
                    repository,
                    digest,
                    predicate_type,
                    document,
                },
                Form::Tag | Form::Bundle,
            ) => statement::statement(repository.as_ref(), digest, predicate_type, document),
        };
        let payload = dsse::Payload::read(statement)?;
        Ok(Payload::Statement(Box::new(payload)))
    }
}
