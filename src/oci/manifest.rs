//! Manifests: the exact bytes that a registry serves, and their meaning.
//!
//! Reading follows image-spec v1.1 `manifest.md` and Docker schema 2. Bytes are
//! kept beside their meaning, so that the signer can write back a manifest of
//! others unchanged, unknown fields included; a manifest may have megabytes,
//! and its meaning shares them.

mod fields;
mod readable;
mod standing;
mod subject;

use std::collections::HashSet;

pub use standing::Reading;
pub use subject::Signable;

use bytes::Bytes;

use fields::{ManifestFields, NewField};

use super::bounded::Bounded;
use super::descriptor::Descriptor;
use super::digest::Digest;
use super::media_type::MediaType;

/// The most layers of an image or tag, since cosign reads no more (`maxLayers`);
/// and the most manifests that an index lists (WIRE-78).
pub const MAX_LAYERS: usize = 1000;

/// A manifest of any kind: exact bytes, their digest and their media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    media_type: MediaType,
    bytes: Bytes,
    digest: Digest,
}

/// Bytes that are no manifest that the signer can work with.
#[derive(thiserror::Error)]
pub enum ManifestError {
    #[error("it is no JSON object that can be used")]
    Json(#[source] serde_json::Error),
    #[error("its `{0}` stands twice")]
    Twice(String),
    #[error("cosign and other readers can take nothing of it: {0}")]
    Unreadable(String),
    #[error("it has no media type, neither inside nor as `Content-Type`")]
    NoMediaType,
    #[error("its media type is `{inside}`, but the registry serves it as `{served}`")]
    MediaTypeDiffers {
        inside: MediaType,
        served: MediaType,
    },
    #[error("it is a `{0}`, not an image manifest")]
    NotAnImage(MediaType),
    #[error("it is a `{0}`, not an OCI image index")]
    NotAnIndex(MediaType),
    #[error("it is a `{0}`, neither an image manifest nor an index")]
    NotASubject(MediaType),
    #[error("it has `{0}`, so that readers may take it for another kind of manifest")]
    Ambiguous(&'static str),
    #[error("its schema version is not 2")]
    SchemaVersion,
    #[error("it has no `{0}`")]
    Missing(&'static str),
    #[error("its `{field}` cannot be read")]
    Field {
        field: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("it has {0} layers; at most {MAX_LAYERS} are accepted")]
    TooManyLayers(usize),
    #[error("it lists {0} manifests; at most {MAX_LAYERS} are accepted")]
    TooManyManifests(usize),
}

debug_as_display!(ManifestError);

impl Manifest {
    /// Reads bytes that were served with `content_type`.
    ///
    /// # Errors
    /// On bytes that are no JSON object, and on a `mediaType` inside that is
    /// not the one they were served with.
    pub fn parse(content_type: Option<MediaType>, bytes: Bytes) -> Result<Self, ManifestError> {
        let fields = ManifestFields::parse(&bytes)?;
        let inside: Option<String> = fields.read_optional("mediaType")?;
        let media_type = match (inside.map(MediaType::new), content_type) {
            (Some(inside), Some(served)) if inside != served => {
                return Err(ManifestError::MediaTypeDiffers { inside, served });
            }
            (Some(media_type), _) | (None, Some(media_type)) => media_type,
            (None, None) => return Err(ManifestError::NoMediaType),
        };
        Ok(Self::new(media_type, bytes))
    }

    /// A manifest that was built here.
    pub fn new(media_type: MediaType, bytes: Bytes) -> Self {
        Self {
            digest: Digest::of(&bytes),
            media_type,
            bytes,
        }
    }

    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Reads the manifest as one of a single image.
    ///
    /// # Errors
    /// On an index, another schema version, a descriptor that cannot be read,
    /// and more than [`MAX_LAYERS`] layers.
    pub fn to_image(&self) -> Result<ImageManifest, ManifestError> {
        if !self.media_type.is_image_manifest() {
            return Err(ManifestError::NotAnImage(self.media_type.clone()));
        }
        self.image(self.fields()?)
    }

    fn image(&self, fields: ManifestFields) -> Result<ImageManifest, ManifestError> {
        let config = fields.read("config")?;
        let Some(raw_layers) = fields.read_items("layers")? else {
            return Err(ManifestError::Missing("layers"));
        };
        if raw_layers.count > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers(raw_layers.count));
        }
        let raw_layers = raw_layers.items;
        let layers = layers(&raw_layers)?;
        Ok(ImageManifest {
            media_type: self.media_type.clone(),
            config,
            layers,
            raw_layers,
            fields,
        })
    }

    /// Reads the manifest as an OCI image index. Docker's manifest list is
    /// none: go-containerregistry does not take it for a list of referrers.
    ///
    /// # Errors
    /// On a manifest of another kind, and on another schema version.
    pub fn to_index(&self) -> Result<IndexManifest, ManifestError> {
        if self.media_type != MediaType::OCI_INDEX {
            return Err(ManifestError::NotAnIndex(self.media_type.clone()));
        }
        self.index(self.fields()?)
    }

    fn index(&self, fields: ManifestFields) -> Result<IndexManifest, ManifestError> {
        // Go writes a list without entries that was never made as `null`, and
        // others leave it out.
        let raw_entries = match fields.find("manifests") {
            Some(_) => fields.read_items("manifests")?.unwrap_or_default(),
            None => Bounded::default(),
        };
        let entries = raw_entries.items.iter();
        Ok(IndexManifest {
            entries: entries
                .map(|raw| serde_json::from_slice(raw).ok())
                .collect(),
            raw_entries,
            fields,
        })
    }

    fn fields(&self) -> Result<ManifestFields, ManifestError> {
        let fields = ManifestFields::parse(&self.bytes)?;
        match fields.read_optional::<u64>("schemaVersion")? {
            Some(2) => Ok(fields),
            _ => Err(ManifestError::SchemaVersion),
        }
    }
}

fn layers(raw: &[Bytes]) -> Result<Vec<Descriptor>, ManifestError> {
    let layers = raw.iter().map(|raw| serde_json::from_slice(raw));
    layers
        .collect::<Result<_, _>>()
        .map_err(|source| ManifestError::Field {
            field: "layers",
            source,
        })
}

/// A manifest of one image, with every field as it was written.
#[derive(Clone)]
pub struct ImageManifest {
    media_type: MediaType,
    config: Descriptor,
    layers: Vec<Descriptor>,
    raw_layers: Vec<Bytes>,
    fields: ManifestFields,
}

impl ImageManifest {
    /// A new manifest without layers yet.
    pub fn empty(media_type: MediaType, config: Descriptor) -> Self {
        Self {
            media_type,
            config,
            layers: Vec::new(),
            raw_layers: Vec::new(),
            fields: ManifestFields(Vec::new()),
        }
    }

    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    pub fn config(&self) -> &Descriptor {
        &self.config
    }

    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// This manifest without the layers that are `gone`.
    pub fn without(mut self, gone: &[Descriptor]) -> Self {
        let is_kept: Vec<bool> = self.layers.iter().map(|it| !gone.contains(it)).collect();
        let mut kept = is_kept.iter();
        self.layers.retain(|_| kept.next() != Some(&false));
        let mut kept = is_kept.iter();
        self.raw_layers.retain(|_| kept.next() != Some(&false));
        self
    }

    /// This manifest with `added` layers at its end and another config.
    /// Everything else keeps its bytes and its order; a new manifest is written
    /// in the field order of go-containerregistry.
    ///
    /// # Errors
    /// On a value that JSON cannot hold (none that a descriptor has).
    pub fn append(
        &self,
        added: &[Descriptor],
        config: &Descriptor,
    ) -> serde_json::Result<Manifest> {
        let mut layers = self.raw_layers.clone();
        for descriptor in added {
            layers.push(serde_json::to_vec(descriptor)?.into());
        }
        let config = serde_json::to_vec(config)?.into();
        let changed = [
            ("config", NewField::Value(config)),
            ("layers", NewField::List(layers)),
        ];
        let bytes = self.fields.written_with(&self.media_type, &changed)?;
        Ok(Manifest::new(self.media_type.clone(), bytes))
    }
}

/// A list of manifests, with every field as it was written.
#[derive(Clone)]
pub struct IndexManifest {
    /// None: an entry of others that the signer cannot read.
    entries: Vec<Option<Descriptor>>,
    raw_entries: Bounded<Bytes, MAX_LAYERS>,
    fields: ManifestFields,
}

impl IndexManifest {
    /// A new index without entries yet.
    pub fn empty() -> Self {
        Self {
            entries: Vec::new(),
            raw_entries: Bounded::default(),
            fields: ManifestFields(Vec::new()),
        }
    }

    /// The entries that can be read, of the first [`MAX_LAYERS`].
    pub fn entries(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().flatten()
    }

    /// How many entries there are, readable or not.
    pub fn count(&self) -> usize {
        self.raw_entries.count
    }

    /// Whether the index has no more than [`MAX_LAYERS`] entries.
    pub fn is_whole(&self) -> bool {
        self.raw_entries.count == self.raw_entries.items.len()
    }

    /// This index with `ours` at its end, which replace its entries of the same
    /// digests, and without the entries `gone`. Everything else keeps its bytes
    /// and its order.
    ///
    /// # Errors
    /// On more than [`MAX_LAYERS`] entries.
    pub fn with(&self, ours: &[Descriptor], gone: &[Digest]) -> Result<Manifest, ManifestError> {
        let ours_listed = ours.iter().map(|our| &our.digest);
        let mut entries = self.without(&gone.iter().chain(ours_listed).collect());
        for descriptor in ours {
            let written = serde_json::to_vec(descriptor).map_err(ManifestError::Json)?;
            entries.push(written.into());
        }
        let count = self.count() - self.raw_entries.items.len() + entries.len();
        if count > MAX_LAYERS {
            return Err(ManifestError::TooManyManifests(count));
        }
        let changed = [("manifests", NewField::List(entries))];
        let bytes = self.fields.written_with(&MediaType::OCI_INDEX, &changed);
        let bytes = bytes.map_err(ManifestError::Json)?;
        Ok(Manifest::new(MediaType::OCI_INDEX, bytes))
    }

    /// The entries as they were written, but for those of the digests.
    fn without(&self, left_out: &HashSet<&Digest>) -> Vec<Bytes> {
        let is_left_out = |there: &Descriptor| left_out.contains(&there.digest);
        let there = self.entries.iter().zip(&self.raw_entries.items);
        let kept = there.filter(|(there, _)| !there.as_ref().is_some_and(is_left_out));
        kept.map(|(_, raw)| raw.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
