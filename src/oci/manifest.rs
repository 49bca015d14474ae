//! Manifests: the exact bytes a registry serves, and what they mean.
//!
//! Reading follows image-spec v1.1 `manifest.md` and Docker schema 2. Bytes are
//! kept beside their meaning, so that what others wrote can be written back
//! unchanged, unknown fields included.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::bounded::Bounded;
use super::descriptor::Descriptor;
use super::digest::Digest;
use super::media_type::MediaType;

/// The most layers that an image or an attached tag may have, and the most
/// manifests that an index may list.
pub const MAX_LAYERS: usize = 1000;

/// The most fields that a manifest may have; image-spec v1.1 knows eight.
const MAX_FIELDS: usize = 1000;

/// A manifest of any kind: exact bytes, their digest and their media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    media_type: MediaType,
    bytes: Bytes,
    digest: Digest,
}

/// Bytes that are no manifest that the signer can work with.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("it is not a JSON object")]
    Json(#[source] serde_json::Error),
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

impl Manifest {
    /// Reads bytes that were served with `content_type`.
    ///
    /// # Errors
    /// On bytes that are no JSON object, and on a `mediaType` inside that is
    /// not the one they were served with.
    pub fn parse(content_type: Option<MediaType>, bytes: Bytes) -> Result<Self, ManifestError> {
        let fields: Fields = serde_json::from_slice(&bytes).map_err(ManifestError::Json)?;
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
        let fields = self.fields()?;
        let config = fields.read("config")?;
        let raw_layers: Bounded<Box<RawValue>> = fields.read("layers")?;
        if raw_layers.count > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers(raw_layers.count));
        }
        let raw_layers = raw_layers.items;
        let layers = raw_layers
            .iter()
            .map(|raw| serde_json::from_str(raw.get()))
            .collect::<Result<_, _>>()
            .map_err(|source| ManifestError::Field {
                field: "layers",
                source,
            })?;
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
        let fields = self.fields()?;
        // Go writes a list without entries that was never made as `null`.
        let raw_entries: Option<Bounded<Box<RawValue>>> = fields.read("manifests")?;
        let raw_entries = raw_entries.unwrap_or_default();
        let entries = raw_entries.items.iter();
        Ok(IndexManifest {
            entries: entries
                .map(|raw| serde_json::from_str(raw.get()).ok())
                .collect(),
            raw_entries,
            fields,
        })
    }

    fn fields(&self) -> Result<Fields, ManifestError> {
        let fields: Fields = serde_json::from_slice(&self.bytes).map_err(ManifestError::Json)?;
        match fields.read_optional::<u64>("schemaVersion")? {
            Some(2) => Ok(fields),
            _ => Err(ManifestError::SchemaVersion),
        }
    }
}

/// A manifest of one image, with every field as it was written.
#[derive(Clone)]
pub struct ImageManifest {
    media_type: MediaType,
    config: Descriptor,
    layers: Vec<Descriptor>,
    raw_layers: Vec<Box<RawValue>>,
    fields: Fields,
}

impl ImageManifest {
    /// A new manifest without layers yet.
    pub fn empty(media_type: MediaType, config: Descriptor) -> Self {
        Self {
            media_type,
            config,
            layers: Vec::new(),
            raw_layers: Vec::new(),
            fields: Fields(Vec::new()),
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
        let layers = self
            .raw_layers
            .iter()
            .map(|raw| Ok(raw.get().to_owned()))
            .chain(added.iter().map(serde_json::to_string))
            .collect::<serde_json::Result<Vec<_>>>()?;
        let changed = [
            ("config", serde_json::to_string(config)?),
            ("layers", format!("[{}]", layers.join(","))),
        ];
        let bytes = self.fields.written_with(&self.media_type, &changed)?;
        Ok(Manifest::new(self.media_type.clone(), bytes))
    }
}

/// A list of manifests, with every field as it was written.
#[derive(Clone)]
pub struct IndexManifest {
    /// None: what others wrote and nobody here can read.
    entries: Vec<Option<Descriptor>>,
    raw_entries: Bounded<Box<RawValue>>,
    fields: Fields,
}

impl IndexManifest {
    /// A new index without entries yet.
    pub fn empty() -> Self {
        Self {
            entries: Vec::new(),
            raw_entries: Bounded::default(),
            fields: Fields(Vec::new()),
        }
    }

    /// The entries that can be read, of the first [`MAX_LAYERS`].
    pub fn entries(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().flatten()
    }

    /// How many entries there are, whether read or not.
    pub fn count(&self) -> usize {
        self.raw_entries.count
    }

    /// Whether no more than [`MAX_LAYERS`] are there.
    pub fn is_whole(&self) -> bool {
        self.raw_entries.count == self.raw_entries.items.len()
    }

    /// This index with `ours` at its end, instead of what it said of the same
    /// digests, and without what is `gone`. Everything else keeps its bytes and
    /// its order.
    ///
    /// # Errors
    /// On more than [`MAX_LAYERS`] entries.
    pub fn with(&self, ours: &[Descriptor], gone: &[Digest]) -> Result<Manifest, ManifestError> {
        let written = |descriptor: &Descriptor| {
            serde_json::to_string(descriptor).map_err(ManifestError::Json)
        };
        let is_left_out = |there: &Descriptor| {
            gone.contains(&there.digest) || ours.iter().any(|our| our.digest == there.digest)
        };
        let mut entries = Vec::new();
        let there = self.entries.iter().zip(&self.raw_entries.items);
        for (descriptor, raw) in there {
            if !descriptor.as_ref().is_some_and(is_left_out) {
                entries.push(raw.get().to_owned());
            }
        }
        for descriptor in ours {
            entries.push(written(descriptor)?);
        }
        let count = self.count() - self.raw_entries.items.len() + entries.len();
        if count > MAX_LAYERS {
            return Err(ManifestError::TooManyManifests(count));
        }
        let changed = [("manifests", format!("[{}]", entries.join(",")))];
        let bytes = self.fields.written_with(&MediaType::OCI_INDEX, &changed);
        let bytes = bytes.map_err(ManifestError::Json)?;
        Ok(Manifest::new(MediaType::OCI_INDEX, bytes))
    }
}

/// A JSON object's fields in their order, each value as it was written.
#[derive(Clone)]
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    fn read_optional<'a, T: Deserialize<'a>>(
        &'a self,
        field: &'static str,
    ) -> Result<Option<T>, ManifestError> {
        match self.0.iter().find(|(name, _)| name == field) {
            None => Ok(None),
            Some((_, raw)) => serde_json::from_str(raw.get())
                .map_err(|source| ManifestError::Field { field, source }),
        }
    }

    fn read<'a, T: Deserialize<'a>>(&'a self, field: &'static str) -> Result<T, ManifestError> {
        self.read_optional(field)?
            .ok_or(ManifestError::Missing(field))
    }

    /// All fields with `changed` values. Where there were none, the schema
    /// version and the media type come first.
    fn written_with(
        &self,
        media_type: &MediaType,
        changed: &[(&str, String)],
    ) -> serde_json::Result<Bytes> {
        let mut members = Vec::new();
        if self.0.is_empty() {
            let media_type = serde_json::to_string(media_type.as_str())?;
            members.push(format!(r#""schemaVersion":2,"mediaType":{media_type}"#));
            members.extend(
                changed
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}")),
            );
        }
        for (name, value) in &self.0 {
            let change = changed.iter().find(|(changed, _)| changed == name);
            let value = change.map_or(value.get(), |(_, value)| value);
            members.push(format!("{}:{value}", serde_json::to_string(name)?));
        }
        Ok(format!("{{{}}}", members.join(",")).into_bytes().into())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    /// A name that stands twice is refused: two readers could understand two
    /// different things.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(serde::de::Error::custom(format!("`{name}` stands twice")));
            }
            if fields.len() == MAX_FIELDS {
                return Err(serde::de::Error::custom("it has too many fields"));
            }
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(text: &str) -> Descriptor {
        Descriptor::of(MediaType::SIMPLE_SIGNING, text.as_bytes())
    }

    fn image(text: &str) -> Result<ImageManifest, ManifestError> {
        Manifest::parse(None, Bytes::copy_from_slice(text.as_bytes()))?.to_image()
    }

    #[test]
    fn appending_keeps_what_others_wrote_byte_for_byte() {
        let layer = serde_json::to_string(&descriptor("theirs")).unwrap();
        let foreign = layer.replace('}', r#", "x":  1.0e3 ,"data":"AA=="}"#);
        let config = serde_json::to_string(&descriptor("c")).unwrap();
        let text = format!(
            r#"{{ "zzz" : {{"b":1,"a":2}}, "schemaVersion":2, "mediaType":"application/vnd.oci.image.manifest.v1+json", "layers": [ {foreign} ], "config":{config}, "annotations":{{"k":"v"}}}}"#
        );
        let appended = image(&text)
            .unwrap()
            .append(&[descriptor("ours")], &descriptor("c2"))
            .unwrap();
        let text = std::str::from_utf8(appended.bytes()).unwrap();
        assert!(text.contains(&foreign), "{text}");
        assert!(
            text.starts_with(r#"{"zzz":{"b":1,"a":2},"schemaVersion":2"#),
            "{text}"
        );
        assert!(text.ends_with(r#""annotations":{"k":"v"}}"#), "{text}");
        let read = appended.to_image().unwrap();
        assert_eq!(read.layers()[1], descriptor("ours"));
        assert_eq!(*read.config(), descriptor("c2"));
    }

    fn many_fields(count: usize) -> String {
        (0..count).map(|index| format!("\"f{index}\":0,")).collect()
    }

    /// As many as fit into what is read of a registry. Judged pair by pair,
    /// their names would take minutes.
    #[test]
    fn half_a_million_fields_are_refused_at_once() {
        let started = std::time::Instant::now();
        let text = format!("{{{}\"z\":0}}", many_fields(500_000));
        assert!(image(&text).is_err());
        assert!(started.elapsed().as_secs() < 5);
    }

    #[test]
    fn hostile_manifests_are_refused() {
        let config = serde_json::to_string(&descriptor("c")).unwrap();
        let with = |layers: &str| {
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":{layers}}}"#
            )
        };
        assert!(image(&with("[]")).is_ok());
        let one = serde_json::to_string(&descriptor("x")).unwrap();
        for text in [
            "",
            "[]",
            "null",
            "{}",
            &"[".repeat(200_000),
            &with("{}"),
            &with(r#"[{"mediaType":"a","size":-1,"digest":"sha256:00"}]"#),
            &with(&one.replace(r#""size":1"#, r#""size":99999999999999999999"#)).to_string(),
            &with(&format!(
                "[{}]",
                vec![one.clone(); MAX_LAYERS + 1].join(",")
            )),
            &with("[]").replacen("\"schemaVersion\":2", "\"schemaVersion\":1", 1),
            &with("[]").replacen('{', "{\"layers\":[],", 1),
            &with("[]").replace("oci.image.manifest", "oci.image.index"),
            &with("[]").replacen('{', &format!("{{{}", many_fields(MAX_FIELDS)), 1),
        ] {
            assert!(
                image(text).is_err(),
                "{}",
                text.chars().take(200).collect::<String>()
            );
        }
    }

    #[test]
    fn a_media_type_other_than_the_served_one_is_refused() {
        let bytes =
            Bytes::from_static(br#"{"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#);
        let served = Some(MediaType::DOCKER_MANIFEST);
        assert!(matches!(
            Manifest::parse(served, bytes),
            Err(ManifestError::MediaTypeDiffers { .. })
        ));
    }
}
