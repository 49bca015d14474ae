//! Descriptors (image-spec v1.1 `descriptor.md`), written in the field order of
//! go-containerregistry `v1.Descriptor`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::annotations::Annotations;
use super::digest::Digest;
use super::media_type::MediaType;

/// The description of a blob in a manifest: type, size in bytes, digest,
/// annotations.
///
/// Of a descriptor of others, members that are not named here are lost: whoever
/// writes one back does so by its own bytes (`oci::manifest`). The order of the
/// fields is that of the members in stored manifests (WIRE-40, WIRE-72).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Descriptor {
    #[serde(
        rename = "mediaType",
        serialize_with = "as_text",
        deserialize_with = "media_type"
    )]
    pub media_type: MediaType,
    /// In bytes. Go reads an `int64`; a negative one is refused here.
    pub size: u64,
    #[serde(serialize_with = "as_text", deserialize_with = "digest")]
    pub digest: Digest,
    /// Empty ones are not written, as go-containerregistry leaves them out.
    #[serde(
        default,
        deserialize_with = "annotations",
        skip_serializing_if = "Annotations::is_empty"
    )]
    pub annotations: Annotations,
    /// Of a manifest: the kind of artifact that it is (image-spec v1.1).
    #[serde(
        rename = "artifactType",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// The descriptor of bytes in memory, without annotations.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self {
            media_type,
            size: bytes.len() as u64,
            digest: Digest::of(bytes),
            annotations: Annotations::default(),
            artifact_type: None,
        }
    }

    /// Whether `other` stands for the same blob and has every value of this
    /// one. An entry of an index may say more than ours: readers find a
    /// manifest by its digest, and the rest describes it.
    pub fn is_covered_by(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.size == other.size
            && self.media_type == other.media_type
            && (self.artifact_type.is_none() || self.artifact_type == other.artifact_type)
            && self
                .annotations
                .iter()
                .all(|(name, value)| other.annotations.get(name) == Some(value))
    }
}

fn as_text<S: Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn media_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MediaType, D::Error> {
    String::deserialize(deserializer).map(MediaType::new)
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

/// `null` counts as absent, as Go writes and reads it.
fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Annotations, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
