//! The media types that the signer reads and writes.

use std::borrow::Cow;
use std::fmt;

/// A media type, as it stands in a descriptor or a `Content-Type` header
/// (parameters removed by the reader of the header).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Cow<'static, str>);

impl MediaType {
    pub const OCI_MANIFEST: Self = Self::known("application/vnd.oci.image.manifest.v1+json");
    pub const OCI_INDEX: Self = Self::known("application/vnd.oci.image.index.v1+json");
    pub const OCI_CONFIG: Self = Self::known("application/vnd.oci.image.config.v1+json");
    pub const DOCKER_MANIFEST: Self =
        Self::known("application/vnd.docker.distribution.manifest.v2+json");
    pub const DOCKER_LIST: Self =
        Self::known("application/vnd.docker.distribution.manifest.list.v2+json");
    pub const DOCKER_CONFIG: Self = Self::known("application/vnd.docker.container.image.v1+json");
    /// A cosign signature's payload (`cosign` specs/SIGNATURE_SPEC.md).
    pub const SIMPLE_SIGNING: Self =
        Self::known("application/vnd.dev.cosign.simplesigning.v1+json");
    /// A DSSE envelope, a layer of a `.att` tag.
    pub const DSSE_ENVELOPE: Self = Self::known("application/vnd.dsse.envelope.v1+json");
    /// `{}` as a config or layer that says nothing (image-spec v1.1).
    pub const OCI_EMPTY: Self = Self::known("application/vnd.oci.empty.v1+json");
    /// A sigstore bundle v0.3 (protobuf-specs `sigstore_bundle.proto`).
    pub const SIGSTORE_BUNDLE: Self = Self::known("application/vnd.dev.sigstore.bundle.v0.3+json");
    pub const CYCLONEDX_JSON: Self = Self::known("application/vnd.cyclonedx+json");
    /// SPDX as `cosign attach sbom --input-format json` names it.
    pub const SPDX_JSON: Self = Self::known("text/spdx+json");
    pub const SYFT_JSON: Self = Self::known("application/vnd.syft+json");

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    pub fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a manifest of this type describes one image.
    pub fn is_image_manifest(&self) -> bool {
        *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST
    }

    /// Whether a manifest of this type lists other manifests.
    pub fn is_index(&self) -> bool {
        *self == Self::OCI_INDEX || *self == Self::DOCKER_LIST
    }

    /// Whether a config of this type lists the diffIDs of the layers.
    pub fn is_image_config(&self) -> bool {
        *self == Self::OCI_CONFIG || *self == Self::DOCKER_CONFIG
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
