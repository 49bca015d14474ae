//! Sealed values: a signed claim, or a document, ready to be stored.

use std::io;
use std::slice;

use crate::oci::{Annotations, Content, Descriptor, Digest, Manifest, MediaType};

/// A blob with its descriptor, as it is hung at a tag or carried by a referrer.
#[derive(Clone, Debug)]
pub struct Layer {
    pub descriptor: Descriptor,
    pub content: Content,
}

impl Layer {
    /// A layer without annotations. Content is read to be hashed unless its digest is
    /// known: that of an envelope is, that of a bundle is not.
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

    /// The bytes to upload, and their digest.
    pub fn to_blob(&self) -> (Digest, Content) {
        (self.descriptor.digest.clone(), self.content.clone())
    }
}

/// A manifest that refers to an image (image-spec v1.1, "Pushing Manifests with
/// Subject"), with the blobs it needs.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// The manifest's entry in a list of referrers.
    pub descriptor: Descriptor,
    pub manifest: Manifest,
    pub blobs: Vec<Layer>,
}

/// A value in the form in which it is stored.
#[derive(Clone, Debug)]
pub enum SealedValue {
    /// One layer of a tag's manifest.
    Layer(Layer),
    /// A manifest of its own.
    Referrer(Referrer),
}

impl SealedValue {
    /// The descriptor by which the list or manifest at the place names the
    /// value.
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
