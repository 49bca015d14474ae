//! Images as the real exporter pushed them (`testdata/images`), and images that
//! a test builds around an SBOM layer of its own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::registry::{Registry, Stored};
use super::remote::Remote;
use super::testdata;

/// Where the images and objects were recorded.
pub const RECORDED_HOST: &str = "127.0.0.1:5055";
const LIFECYCLE_LABEL: &str = "io.buildpacks.lifecycle.metadata";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Every folder of `testdata/images`.
pub const RECORDED: [&str; 18] = [
    "buildpack-level-document",
    "index",
    "no-sbom-layer",
    "oci-media-types",
    "one-document",
    "only-cyclonedx",
    "only-legacy-null",
    "platform-api-0.10",
    "platform-api-0.11",
    "platform-api-0.12",
    "platform-api-0.13",
    "platform-api-0.14",
    "platform-api-0.15",
    "platform-api-0.7",
    "platform-api-0.8",
    "platform-api-0.9",
    "rebased",
    "two-repositories",
];

/// An image with everything that belongs to it.
#[derive(Clone)]
pub struct Image {
    blobs: BTreeMap<String, Bytes>,
    /// Children of an index come before it.
    manifests: Vec<Stored>,
    digest: String,
    /// `<repository>:<tag>`, as the report names them after the host.
    names: Vec<String>,
    /// With `{host}` for the registry.
    report: String,
}

/// A document of the SBOM layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub path: String,
    pub bytes: Vec<u8>,
}

impl Document {
    pub fn new(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.to_owned(),
            bytes: bytes.into(),
        }
    }

    /// The predicate type of its attestation; none for other files.
    pub fn predicate_type(&self) -> Option<&'static str> {
        [
            ("sbom.cdx.json", "https://cyclonedx.org/bom"),
            ("sbom.spdx.json", "https://spdx.dev/Document"),
            ("sbom.syft.json", "https://syft.dev/bom"),
        ]
        .into_iter()
        .find_map(|(end, predicate)| self.path.ends_with(end).then_some(predicate))
    }
}

impl Image {
    /// A folder of `testdata/images`.
    pub fn recorded(folder: &str) -> Self {
        let folder = testdata("images").join(folder);
        let report = std::fs::read_to_string(folder.join("report.toml")).expect("a report");
        let read = |digest: &str| {
            let hex = digest.strip_prefix("sha256:").expect("a SHA-256 digest");
            let bytes = std::fs::read(folder.join("layout/blobs/sha256").join(hex));
            Bytes::from(bytes.unwrap_or_else(|error| panic!("blob {digest}: {error}")))
        };
        let parsed: toml::Table = report.parse().expect("TOML");
        let digest = parsed["image"]["digest"].as_str().expect("a digest");
        let tags = parsed["image"]["tags"].as_array().expect("tags");
        let name = |tag: &toml::Value| {
            let tag = tag.as_str().expect("a tag");
            let name = tag.strip_prefix(RECORDED_HOST).expect("the recorded host");
            name.trim_start_matches('/').to_owned()
        };
        let mut image = Self {
            blobs: BTreeMap::new(),
            manifests: Vec::new(),
            digest: digest.to_owned(),
            names: tags.iter().map(name).collect(),
            report: report.replace(RECORDED_HOST, "{host}"),
        };
        image.collect(digest, &read);
        image
    }

    fn collect(&mut self, digest: &str, read: &dyn Fn(&str) -> Bytes) {
        let bytes = read(digest);
        let manifest: Value = serde_json::from_slice(&bytes).expect("a manifest");
        let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
        for child in list("manifests") {
            self.collect(child["digest"].as_str().expect("a digest"), read);
        }
        for blob in manifest
            .get("config")
            .cloned()
            .into_iter()
            .chain(list("layers"))
        {
            let digest = blob["digest"].as_str().expect("a digest");
            self.blobs.insert(digest.to_owned(), read(digest));
        }
        let media_type = manifest["mediaType"]
            .as_str()
            .expect("a media type")
            .to_owned();
        self.manifests.push(Stored { media_type, bytes });
    }

    /// An image `app/built:v1` whose SBOM layer holds `documents`, their paths
    /// below `/layers/sbom/launch/`.
    pub fn with_documents(documents: &[Document]) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        for document in documents {
            let mut header = tar::Header::new_ustar();
            header.set_size(document.bytes.len() as u64);
            header.set_mode(0o644);
            // `tar` refuses absolute paths, which the lifecycle writes.
            let path = format!("/layers/sbom/launch/{}", document.path);
            header.as_ustar_mut().expect("ustar").name[..path.len()]
                .copy_from_slice(path.as_bytes());
            header.set_cksum();
            tar.append(&header, document.bytes.as_slice())
                .expect("in memory");
        }
        let tar = tar.into_inner().expect("in memory");
        Self::with_layer(&super::registry::sha256(&tar), gzip(&tar))
    }

    /// An image whose label names `diff_id`, and whose only layer is `blob`.
    pub fn with_layer(diff_id: &str, blob: Vec<u8>) -> Self {
        let label = json!({ "sbom": { "sha": diff_id } }).to_string();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Labels": { LIFECYCLE_LABEL: label }, "Env": ["CNB_LAYERS_DIR=/layers"] },
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        });
        Self::from_parts(&config, vec![blob])
    }

    fn from_parts(config: &Value, layers: Vec<Vec<u8>>) -> Self {
        let mut blobs = BTreeMap::new();
        let mut describe = |media_type: &str, bytes: Vec<u8>| {
            let digest = super::registry::sha256(&bytes);
            let descriptor =
                json!({ "mediaType": media_type, "size": bytes.len(), "digest": digest });
            blobs.insert(digest, Bytes::from(bytes));
            descriptor
        };
        let config = describe(DOCKER_CONFIG, config.to_string().into_bytes());
        let layers: Vec<_> = layers
            .into_iter()
            .map(|layer| describe(DOCKER_LAYER, layer))
            .collect();
        let manifest = json!({ "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers });
        let stored = Stored {
            media_type: DOCKER_MANIFEST.to_owned(),
            bytes: manifest.to_string().into(),
        };
        let digest = stored.digest();
        Self {
            blobs,
            manifests: vec![stored],
            report: format!("[image]\ntags = [\"{{host}}/app/built:v1\"]\ndigest = \"{digest}\"\n"),
            digest,
            names: vec!["app/built:v1".to_owned()],
        }
    }

    /// The same image under other names (`<repository>:<tag>`), with a report of
    /// its own.
    pub fn named(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        let tags: Vec<_> = names
            .iter()
            .map(|name| format!("\"{{host}}/{name}\""))
            .collect();
        self.report = format!(
            "[image]\ntags = [{}]\ndigest = \"{}\"\n",
            tags.join(", "),
            self.digest
        );
        self
    }

    /// The same image, with descriptors that say that its blobs lie below `url`
    /// too.
    pub fn with_urls(mut self, url: &str) -> Self {
        let mut manifest = self.manifest().json();
        let add = |descriptor: &mut Value| {
            let digest = descriptor["digest"].as_str().expect("a digest");
            descriptor["urls"] = json!([format!("{url}/{digest}")]);
        };
        add(&mut manifest["config"]);
        let layers = manifest["layers"].as_array_mut().expect("layers");
        layers.iter_mut().for_each(add);
        let stored = self.manifests.last_mut().expect("at least one manifest");
        stored.bytes = manifest.to_string().into();
        let digest = stored.digest();
        self.report = self.report.replace(&self.digest, &digest);
        self.digest = digest;
        self
    }

    /// The image's own digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The repositories of the report, each once, in its order.
    pub fn repositories(&self) -> Vec<&str> {
        let mut repositories = Vec::new();
        for (repository, _) in self.tags() {
            if !repositories.contains(&repository) {
                repositories.push(repository);
            }
        }
        repositories
    }

    /// The first repository of the report.
    pub fn repository(&self) -> &str {
        self.repositories()[0]
    }

    /// Repository and tag of each name of the report.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names
            .iter()
            .map(|name| name.rsplit_once(':').unwrap_or((name, "latest")))
    }

    /// `<host>/<repository>@<digest>`, in the first repository.
    pub fn reference(&self, host: &str) -> String {
        format!("{host}/{}@{}", self.repository(), self.digest)
    }

    /// The tag that lists the image's referrers.
    pub fn fallback(&self) -> String {
        self.digest.replacen(':', "-", 1)
    }

    /// The tag that hangs on the image: `sig`, `att` or `sbom`.
    pub fn attached(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.digest.replace(':', "-"))
    }

    /// The report, as if the image had been pushed to `host`.
    pub fn report(&self, host: &str) -> String {
        self.report.replace("{host}", host)
    }

    /// Puts the image into a registry of ours, without a request.
    pub fn seed(&self, registry: &Registry) {
        for repository in self.repositories() {
            for bytes in self.blobs.values() {
                registry.store_blob(repository, bytes.clone());
            }
            for manifest in &self.manifests {
                registry.store_manifest(repository, manifest.clone());
            }
        }
        for (repository, tag) in self.tags() {
            registry.tag(repository, tag, &self.digest);
        }
    }

    /// Pushes the image to any registry.
    pub fn push(&self, remote: &Remote) {
        for repository in self.repositories() {
            for bytes in self.blobs.values() {
                remote.put_blob(repository, bytes);
            }
            for manifest in &self.manifests {
                remote.put_manifest(repository, &manifest.digest(), manifest);
            }
        }
        let manifest = self.manifests.last().expect("at least one manifest");
        for (repository, tag) in self.tags() {
            remote.put_manifest(repository, tag, manifest);
        }
    }

    /// The image's manifest.
    pub fn manifest(&self) -> &Stored {
        self.manifests.last().expect("at least one manifest")
    }

    /// The files below `sbom/launch/` of the SBOM layer, as this test's own
    /// reader finds them: none without a label.
    pub fn documents(&self) -> Vec<Document> {
        let manifest = self.manifest().json();
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().expect("a digest");
            self.blobs[digest].clone()
        };
        let Some(config) = manifest.get("config") else {
            return Vec::new();
        };
        let config: Value = serde_json::from_slice(&blob(config)).expect("a config");
        let Some(label) = config["config"]["Labels"][LIFECYCLE_LABEL].as_str() else {
            return Vec::new();
        };
        let label: Value = serde_json::from_str(label).expect("JSON in the label");
        let Some(wanted) = label["sbom"]["sha"].as_str() else {
            return Vec::new();
        };
        let diff_ids = config["rootfs"]["diff_ids"].as_array().expect("diff_ids");
        let place = diff_ids
            .iter()
            .position(|id| id == wanted)
            .expect("the SBOM layer");
        let layer = blob(&manifest["layers"][place]);
        let mut archive = tar::Archive::new(GzDecoder::new(layer.as_ref()));
        let mut documents = Vec::new();
        for entry in archive.entries().expect("a tar") {
            let mut entry = entry.expect("an entry");
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let Some((_, path)) = path.split_once("sbom/launch/") else {
                continue;
            };
            if entry.header().entry_type().is_file() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("a file");
                documents.push(Document::new(path, bytes));
            }
        }
        documents
    }

    /// The documents that are attested: those of a standard format.
    pub fn standard_documents(&self) -> Vec<Document> {
        let mut documents = self.documents();
        documents.retain(|document| document.predicate_type().is_some());
        documents
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}
