//! Sealed values: what a signed claim, or a document, is once it is ready to be
//! stored.

use std::io;
use std::slice;

use crate::oci::{Annotations, Content, Descriptor, Digest, Manifest, MediaType};

/// A blob, with what a manifest says of it.
#[derive(Clone, Debug)]
pub struct Layer {
    pub descriptor: Descriptor,
    pub content: Content,
}

impl Layer {
    /// A layer without annotations. Large content is hashed unless its digest is
    /// known.
    ///
    /// # Errors
    /// On content that cannot be read.
    pub fn of(media_type: MediaType, content: Content) -> io::Result<Self> {
        let descriptor = Descriptor {
            media_type,
            size: content.length(),
            digest: content.digest()?,
            annotations: Annotations::default(),
            artifact_type: None,
        };
        Ok(Self {
            descriptor,
            content,
        })
    }

    /// What is uploaded.
    pub fn to_blob(&self) -> (Digest, Content) {
        (self.descriptor.digest.clone(), self.content.clone())
    }
}

/// A manifest that refers to an image (image-spec v1.1, "Pushing Manifests with
/// Subject"), with the blobs it needs.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// What a list of referrers says of the manifest.
    pub descriptor: Descriptor,
    pub manifest: Manifest,
    pub blobs: Vec<Layer>,
}

/// A value in the form in which it is stored.
#[derive(Clone, Debug)]
pub enum Sealed {
    /// One layer of a tag's manifest.
    Layer(Layer),
    /// A manifest of its own.
    Referrer(Referrer),
}

impl Sealed {
    /// What the list or manifest at the place says of it.
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Layer(layer) => &layer.descriptor,
            Self::Referrer(referrer) => &referrer.descriptor,
        }
    }

    /// The blobs that a registry needs before it takes the manifest around them.
    pub fn blobs(&self) -> &[Layer] {
        match self {
            Self::Layer(layer) => slice::from_ref(layer),
            Self::Referrer(referrer) => &referrer.blobs,
        }
    }

    /// The bytes that the [descriptor](Self::descriptor) is of.
    pub fn content(&self) -> Content {
        match self {
            Self::Layer(layer) => layer.content.clone(),
            Self::Referrer(referrer) => referrer.manifest.bytes().clone().into(),
        }
    }
}
