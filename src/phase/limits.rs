//! How much of an image is read (`spec/limits.md`).

use crate::sbom;
use crate::store::registry::MAX_MANIFEST;

/// The most that is read of each thing that a registry serves; more ends the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a manifest, of an image or at a place.
    pub manifest: u64,
    /// Bytes of an image's config.
    pub image_config: u64,
    pub sbom: sbom::LayerLimits,
}

const MAX_IMAGE_CONFIG: u64 = 16 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest: MAX_MANIFEST,
            image_config: MAX_IMAGE_CONFIG,
            sbom: sbom::LayerLimits::default(),
        }
    }
}
