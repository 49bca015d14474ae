//! The manifest around a sigstore bundle, byte for byte as cosign v3 writes it
//! (`pkg/oci/remote/write.go`, v3.1.2), but for the time.

use bytes::Bytes;
use jiff::Timestamp;
use oci_distribution::annotations::ORG_OPENCONTAINERS_IMAGE_CREATED as CREATED;
use serde::Serialize;

use super::layer::{Layer, Referrer};
use crate::oci::{Annotations, Descriptor, Manifest, MediaType};

/// The kind of the bundle's content. Bundles of message signatures exist as
/// well, but not for images.
const CONTENT: (&str, &str) = ("dev.sigstore.bundle.content", "dsse-envelope");
/// `cosign tree` and `load` find bundles by it; entries of lists repeat it.
pub const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
/// How the media type of a bundle begins, of whatever version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// The members of a referrer beside its bundle.
#[derive(Clone, Debug)]
pub struct ReferrerMembers {
    /// The image, as its registry describes it: media type and size are part of the
    /// manifest's bytes, and of its digest (WIRE-72).
    pub subject: Descriptor,
    /// The time of creation that the referrer states. Without it the same
    /// bundle is the same manifest in every run.
    pub created: Option<Timestamp>,
}

/// In the field order of go-containerregistry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact<'a> {
    schema_version: u8,
    media_type: &'a str,
    config: &'a Descriptor,
    layers: [&'a Descriptor; 1],
    annotations: &'a Annotations,
    subject: &'a Descriptor,
    artifact_type: &'a str,
}

/// `bundle` as a referrer of an image (WIRE-72): a manifest with an empty config, both of
/// which have to be uploaded.
///
/// # Errors
/// On a value that JSON cannot hold (none that a descriptor has).
pub(super) fn referrer(
    members: &ReferrerMembers,
    bundle: Layer,
    predicate_type: &str,
) -> serde_json::Result<Referrer> {
    let ReferrerMembers { subject, created } = members;
    let artifact_type = bundle.descriptor.media_type.to_string();
    let nothing = Bytes::from_static(b"{}");
    // `cosign clean` looks for the type here, a place that image-spec does not know.
    let config = Descriptor {
        artifact_type: Some(artifact_type.clone()),
        ..Descriptor::of(MediaType::OCI_EMPTY, &nothing)
    };
    let created = created.map(|time| (CREATED, time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    let annotations: Annotations = [
        (CONTENT.0, CONTENT.1.to_owned()),
        (PREDICATE_TYPE, predicate_type.to_owned()),
    ]
    .into_iter()
    .chain(created)
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let bytes = serde_json::to_vec(&Artifact {
        schema_version: 2,
        media_type: MediaType::OCI_MANIFEST.as_str(),
        config: &config,
        layers: [&bundle.descriptor],
        annotations: &annotations,
        subject,
        artifact_type: &artifact_type,
    })?;
    let manifest = Manifest::new(MediaType::OCI_MANIFEST, bytes.into());
    // Lists of referrers show both (image-spec v1.1, "Pushing Manifests with
    // Subject").
    let descriptor = Descriptor {
        annotations,
        artifact_type: Some(artifact_type),
        ..manifest.descriptor()
    };
    let config = Layer {
        descriptor: config,
        content: nothing.into(),
    };
    Ok(Referrer {
        descriptor,
        manifest,
        blobs: vec![config, bundle],
    })
}

/// Whether a layer of this type is a bundle, of whatever version (cosign v3.1.2
/// `pkg/oci/remote/signatures.go`). cosign parses the layer then, and passes over one
/// that it cannot parse.
pub(super) fn is_bundle(media_type: &MediaType) -> bool {
    media_type.as_str().starts_with(BUNDLE)
}

/// Whether an entry of a list of referrers is a bundle, as far as it says (SIG-85,
/// `spec/decisions/0025`). cosign looks into each of them; some registries list the type
/// of the config in place of the artifact's, or none.
pub fn may_be_bundle(entry: &Descriptor) -> bool {
    match &entry.artifact_type {
        Some(kind) if kind.starts_with(BUNDLE) => true,
        Some(kind) => kind == MediaType::OCI_EMPTY.as_str(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::media_type;
    use super::*;
    use crate::oci::Digest;

    /// SIG-85
    #[test]
    fn an_entry_is_a_bundle_by_its_type_or_where_its_list_names_none() {
        for (kind, is_bundle) in [
            (Some("application/vnd.dev.sigstore.bundle.v0.3+json"), true),
            (Some("application/vnd.dev.sigstore.bundle.v0.1+json"), true),
            (Some("application/vnd.oci.empty.v1+json"), true),
            (None, true),
            (Some("application/spdx+json"), false),
            (
                Some("application/vnd.dev.cosign.artifact.sig.v1+json"),
                false,
            ),
            (Some(""), false),
        ] {
            let entry = Descriptor {
                artifact_type: kind.map(str::to_owned),
                ..Descriptor::of(MediaType::OCI_MANIFEST, b"{}")
            };
            assert_eq!(may_be_bundle(&entry), is_bundle, "{kind:?}");
        }
    }

    #[test]
    fn referrers_equal_those_of_cosign_three() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/objects/");
        for (object, manifest, predicate_type, created) in [
            (
                "bundle-one-key-cosign3",
                "486b6618239567310a53e348777a0975731bc06857559d9834ddd0902ee0472a",
                "https://sigstore.dev/cosign/sign/v1",
                "2026-11-21T06:43:04Z",
            ),
            (
                "bundle-attestation-cosign3",
                "f3127c4769dab9ad1b1ab2e44e18c3e3a54872bded2f6f557f1ea7dfd9e04002",
                "https://cyclonedx.org/bom",
                "2026-11-21T06:43:05Z",
            ),
        ] {
            let blob = |hex: &str| {
                Bytes::from(std::fs::read(format!("{folder}{object}/blobs/sha256/{hex}")).unwrap())
            };
            let recorded = blob(manifest);
            let json: serde_json::Value = serde_json::from_slice(&recorded).unwrap();
            let subject: Descriptor = serde_json::from_value(json["subject"].clone()).unwrap();
            let bundle = &json["layers"][0]["digest"];
            let bundle: Digest = bundle.as_str().unwrap().parse().unwrap();
            let bundle = blob(bundle.hex());
            let descriptor = Descriptor::of(media_type::SIGSTORE_BUNDLE, &bundle);
            let layer = Layer {
                descriptor,
                content: bundle.into(),
            };
            let mut members = ReferrerMembers {
                subject,
                created: Some(created.parse().unwrap()),
            };
            let ours = referrer(&members, layer.clone(), predicate_type).unwrap();
            assert_eq!(*ours.manifest.bytes(), recorded, "{object}");
            members.created = None;
            let timeless = referrer(&members, layer, predicate_type).unwrap();
            let timeless = timeless.manifest.bytes().to_vec();
            let timeless = String::from_utf8(timeless).unwrap();
            let with_time = format!(r#","{CREATED}":"{created}""#);
            let recorded = String::from_utf8(recorded.to_vec()).unwrap();
            assert_eq!(timeless, recorded.replace(&with_time, ""), "{object}");
        }
    }
}
