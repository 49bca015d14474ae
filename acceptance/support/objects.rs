//! Reads back what hangs on an image, from any registry or recorded layout.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::images::Image;
use super::registry::{Registry, Stored};
use super::remote::Remote;
use super::testdata;

/// The annotation that holds a layer's signature.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// Where objects can be read from.
pub trait Source: Sync {
    fn manifest(&self, repository: &str, name: &str) -> Option<Stored>;
    fn blob(&self, repository: &str, digest: &str) -> Option<Bytes>;
}

impl Source for Registry {
    fn manifest(&self, repository: &str, name: &str) -> Option<Stored> {
        self.manifest(repository, name)
    }
    fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.blob(repository, digest)
    }
}

impl Source for Remote {
    fn manifest(&self, repository: &str, name: &str) -> Option<Stored> {
        self.manifest(repository, name)
    }
    fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.blob(repository, digest)
    }
}

/// A folder of `testdata/objects`: one repository as real cosign left it.
pub struct RecordedObjects(PathBuf);

impl RecordedObjects {
    pub fn folder(name: &str) -> Self {
        Self(testdata("objects").join(name))
    }
}

impl Source for RecordedObjects {
    fn manifest(&self, repository: &str, name: &str) -> Option<Stored> {
        let index = std::fs::read(self.0.join("index.json")).expect("an OCI layout");
        let index: Value = serde_json::from_slice(&index).expect("an OCI index");
        let entry = index["manifests"].as_array()?.iter().find(|entry| {
            entry["annotations"]["org.opencontainers.image.ref.name"] == name
                || entry["digest"] == name
        })?;
        Some(Stored {
            media_type: entry["mediaType"].as_str()?.to_owned(),
            bytes: self.blob(repository, entry["digest"].as_str()?)?,
        })
    }

    fn blob(&self, _repository: &str, digest: &str) -> Option<Bytes> {
        let hex = digest.strip_prefix("sha256:")?;
        let bytes = std::fs::read(self.0.join("blobs/sha256").join(hex)).ok()?;
        Some(bytes.into())
    }
}

/// The content of one tag.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub manifest: Stored,
    pub config: Bytes,
    pub layers: Vec<Layer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub media_type: String,
    pub digest: String,
    pub annotations: BTreeMap<String, String>,
    pub bytes: Bytes,
}

/// A DSSE envelope, opened.
#[derive(Debug)]
pub struct Envelope {
    pub payload_type: String,
    /// The fields of the statement, sorted.
    pub fields: Vec<String>,
    /// The statement without its predicate.
    pub statement: Value,
    /// The predicate exactly as it stands in the statement.
    pub predicate: String,
    pub signatures: Vec<Value>,
}

/// The manifest under a tag, if there is one.
pub fn attachment(source: &dyn Source, repository: &str, tag: &str) -> Option<Attachment> {
    let manifest = source.manifest(repository, tag)?;
    let json = manifest.json();
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("a digest");
        let bytes = source.blob(repository, digest);
        bytes.unwrap_or_else(|| panic!("{tag} names {digest}, which is not there"))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let layers = json["layers"].as_array().expect("layers").iter();
    let layers = layers
        .map(|layer| Layer {
            media_type: text(&layer["mediaType"]),
            digest: text(&layer["digest"]),
            annotations: serde_json::from_value(layer["annotations"].clone()).unwrap_or_default(),
            bytes: blob(layer),
        })
        .collect();
    Some(Attachment {
        config: blob(&json["config"]),
        layers,
        manifest,
    })
}

impl Layer {
    /// The signature in its annotation.
    pub fn signature(&self) -> &str {
        self.annotations.get(SIGNATURE).map_or("", String::as_str)
    }

    /// The layer's JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }

    pub fn envelope(&self) -> Envelope {
        let envelope = self.json();
        let payload = envelope["payload"].as_str().expect("a payload");
        let payload = STANDARD.decode(payload).expect("base64");
        // A predicate may hold what `Value` cannot: it is left as it is.
        let mut statement: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(&payload).expect("a statement");
        let fields = statement.keys().cloned().collect();
        let predicate = statement.remove("predicate").expect("a predicate");
        Envelope {
            payload_type: envelope["payloadType"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            fields,
            statement: serde_json::to_value(statement).expect("JSON"),
            predicate: predicate.get().to_owned(),
            signatures: envelope["signatures"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        }
    }
}

/// A referrer that is a sigstore bundle, opened.
#[derive(Debug)]
pub struct Bundle {
    pub manifest: Stored,
    pub envelope: Value,
    /// The signed payload, as it was written.
    pub payload: String,
    pub statement: Value,
}

/// The bundles that entries of a list name.
pub fn bundles(source: &dyn Source, repository: &str, entries: &[Value]) -> Vec<Bundle> {
    let digest = |descriptor: &Value| descriptor["digest"].as_str().expect("a digest").to_owned();
    let open = |entry: &Value| {
        let manifest = source.manifest(repository, &digest(entry));
        let manifest = manifest.expect("a manifest that is listed");
        let layer = digest(&manifest.json()["layers"][0]);
        let bytes = source.blob(repository, &layer).expect("a bundle");
        let bundle: Value = serde_json::from_slice(&bytes).expect("JSON");
        let envelope = bundle["dsseEnvelope"].clone();
        let payload = STANDARD.decode(envelope["payload"].as_str().expect("a payload"));
        let payload = String::from_utf8(payload.expect("base64")).expect("UTF-8");
        Bundle {
            manifest,
            statement: serde_json::from_str(&payload).expect("a statement"),
            envelope,
            payload,
        }
    };
    entries.iter().map(open).collect()
}

/// The entries of the tag that lists an image's referrers.
pub fn of_fallback(source: &dyn Source, image: &Image) -> Vec<Value> {
    let index = source.manifest(image.repository(), &image.fallback());
    let index = index.map_or(Value::Null, |index| index.json());
    index["manifests"].as_array().cloned().unwrap_or_default()
}

/// The entries of a registry's own list of an image's referrers.
pub fn of_list(registry: &Registry, image: &Image) -> Vec<Value> {
    registry.referrers(image.repository(), image.digest())
}
