//! The media types of signatures, of signed payloads, and of documents. They stand here
//! and not in `oci`, which knows no signature.

use crate::oci::MediaType;

/// A cosign signature's payload (`cosign` specs/SIGNATURE_SPEC.md).
pub const SIMPLE_SIGNING: MediaType =
    MediaType::known("application/vnd.dev.cosign.simplesigning.v1+json");
/// A DSSE envelope, a layer of a `.att` tag.
pub const DSSE_ENVELOPE: MediaType = MediaType::known("application/vnd.dsse.envelope.v1+json");
/// A sigstore bundle v0.3 (protobuf-specs `sigstore_bundle.proto`): the oldest version
/// that cosign accepts for images.
pub const SIGSTORE_BUNDLE: MediaType =
    MediaType::known("application/vnd.dev.sigstore.bundle.v0.3+json");
pub const CYCLONEDX_JSON: MediaType = MediaType::known("application/vnd.cyclonedx+json");
/// SPDX as `cosign attach sbom --input-format json` names it.
pub const SPDX_JSON: MediaType = MediaType::known("text/spdx+json");
pub const SYFT_JSON: MediaType = MediaType::known("application/vnd.syft+json");
