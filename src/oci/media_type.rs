//! Media types, and those of the OCI and Docker specifications.

use std::borrow::Cow;
use std::fmt;

use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};

/// A media type, as it stands in a descriptor or a `Content-Type` header
/// (parameters removed by the reader of the header). Not checked, since types
/// of others may be anything; compared byte by byte, as readers written in Go
/// do.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Cow<'static, str>);

impl MediaType {
    pub const OCI_MANIFEST: Self = Self::known(OCI_IMAGE_MEDIA_TYPE);
    pub const OCI_INDEX: Self = Self::known(OCI_IMAGE_INDEX_MEDIA_TYPE);
    pub const OCI_CONFIG: Self = Self::known(IMAGE_CONFIG_MEDIA_TYPE);
    pub const DOCKER_MANIFEST: Self = Self::known(IMAGE_MANIFEST_MEDIA_TYPE);
    pub const DOCKER_LIST: Self = Self::known(IMAGE_MANIFEST_LIST_MEDIA_TYPE);
    pub const DOCKER_CONFIG: Self = Self::known(IMAGE_DOCKER_CONFIG_MEDIA_TYPE);
    /// `{}` as a config or layer without content (image-spec v1.1).
    pub const OCI_EMPTY: Self = Self::known("application/vnd.oci.empty.v1+json");
    /// A media type that is written in the code.
    pub const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a manifest of this type describes one image. Docker's schema 1
    /// is none: no cosign verifies it (`spec/faults.md`, B8c).
    pub fn is_image_manifest(&self) -> bool {
        *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST
    }

    /// Whether a manifest of this type lists other manifests. Docker's list can
    /// be signed, but is no [list of referrers](super::Manifest::to_index).
    pub fn is_index(&self) -> bool {
        *self == Self::OCI_INDEX || *self == Self::DOCKER_LIST
    }

    /// Whether a config of this type lists the diffIDs of the layers. Such a
    /// config follows from the layers and is written anew when some are
    /// appended (`spec/decisions/0006`); any other is left alone.
    pub fn is_image_config(&self) -> bool {
        *self == Self::OCI_CONFIG || *self == Self::DOCKER_CONFIG
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
