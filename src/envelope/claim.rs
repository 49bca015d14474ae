//! Claims: the statement of a signature about an image, before any bytes. Payloads are
//! made of them in `payload`, and read back in `open`.

use std::collections::BTreeMap;

use crate::oci::{Content, Digest, Repository};

/// The form in which a claim is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A layer at a tag.
    Tag,
    /// A sigstore bundle, which a manifest carries that refers to the image. Of
    /// certificates it holds the leaf alone.
    Bundle,
    /// The same with the leaf's issuers. cosign up to v3.1.2 takes it for no bundle,
    /// and later versions do unless they are told otherwise.
    ChainBundle,
}

impl Form {
    /// Whether it is a bundle, with the issuers of a certificate or without.
    pub fn is_bundle(self) -> bool {
        self != Self::Tag
    }
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
        /// In a claim that was opened, those with a string for a value. A map: cosign
        /// sorts them bytewise by name (WIRE-20, WIRE-71).
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
}
