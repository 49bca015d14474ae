//! Sealed values: what a signed claim, or a document, is once it is ready to be
//! stored.

use std::io;

use crate::oci::{Annotations, Content, Descriptor, Manifest, MediaType};

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
}
