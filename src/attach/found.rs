//! What hangs at a place, and what is to hang there.

use super::error::AttachError;
use super::place::{Kind, Place};
use crate::oci::{Content, Descriptor, Digest, ImageManifest, Manifest};
use crate::store::registry::{Condition, Served};

/// A sealed payload, ready to be stored.
#[derive(Clone, Debug)]
pub struct Layer {
    pub descriptor: Descriptor,
    pub content: Content,
}

/// What stood at a place when it was read.
#[derive(Clone)]
pub struct Found {
    manifest: Option<Manifest>,
    image: Option<ImageManifest>,
    version: Condition,
}

impl Found {
    /// Takes what a registry serves at `place`; nothing if there is no tag.
    ///
    /// # Errors
    /// On something that the signer must not replace.
    pub(super) fn at(place: &Place, served: Option<Served>) -> Result<Self, AttachError> {
        let Some(Served { manifest, etag }) = served else {
            return Ok(Self::nothing());
        };
        let image = match (place.kind(), manifest.to_image()) {
            (_, Ok(image)) => Some(image),
            // One document, which is replaced whatever it was.
            (Kind::Sbom, Err(_)) => None,
            (Kind::Signatures | Kind::Attestations, Err(source)) => {
                let place = place.clone();
                return Err(AttachError::Foreign { place, source });
            }
        };
        Ok(Self {
            manifest: Some(manifest),
            image,
            version: etag.map_or(Condition::Always, Condition::Unchanged),
        })
    }

    /// A place where nothing hangs.
    pub(super) fn nothing() -> Self {
        Self {
            manifest: None,
            image: None,
            version: Condition::Absent,
        }
    }

    /// The condition under which nobody has written since.
    pub(super) fn condition(&self) -> &Condition {
        &self.version
    }

    /// The digest of the manifest that stood there.
    pub fn digest(&self) -> Option<&Digest> {
        self.manifest.as_ref().map(Manifest::digest)
    }

    /// Whether `layer` hung there.
    pub fn holds(&self, layer: &Layer) -> bool {
        self.layers()
            .iter()
            .any(|there| layer.descriptor.is_covered_by(there))
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn image_of(manifest: Manifest) -> Self {
        let image = manifest.to_image().ok();
        Self {
            manifest: Some(manifest),
            image,
            version: Condition::Always,
        }
    }

    pub(super) fn image(&self) -> Option<&ImageManifest> {
        self.image.as_ref()
    }

    pub(super) fn layers(&self) -> &[Descriptor] {
        self.image
            .as_ref()
            .map(ImageManifest::layers)
            .unwrap_or_default()
    }
}
