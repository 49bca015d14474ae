//! The image of both architectures (image-spec v1.1): no shell, no C library,
//! no certificates of its own, an unprivileged user.

use std::io;

use serde_json::{Map, Value, json};
use signer::oci::{Descriptor, Digest, Manifest, MediaType};

use super::archive::{self, Entry};

/// A user without rights, as most builders name theirs.
const USER: &str = "1000:1000";
/// Where the signer looks for roots if nothing names another place.
const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";
/// As the lifecycle's own bill of materials lies in its app images, so that the
/// signer, `pack sbom download` and scanners find it.
const SBOM: &str = "layers/sbom/launch/cnb_signer/sbom.cdx.json";

/// The platform of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Amd64,
    Arm64,
}

pub const ARCHITECTURES: [Architecture; 2] = [Architecture::Amd64, Architecture::Arm64];

impl Architecture {
    /// As OCI writes it.
    pub fn oci(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As the lifecycle's file names and tags do.
    pub fn lifecycle(self) -> &'static str {
        match self {
            Self::Amd64 => "x86-64",
            Self::Arm64 => "arm64",
        }
    }
}

/// The facts that are the same in all of a release.
#[derive(Clone, Debug)]
pub struct Release {
    pub version: String,
    /// The commit.
    pub revision: String,
    /// The commit's Unix time (`SOURCE_DATE_EPOCH`).
    pub time: u64,
    /// Root certificates to put into the image. Usually none: whom to trust is
    /// the platform operator's to say.
    pub roots: Option<Vec<u8>>,
}

/// One architecture's part.
#[derive(Clone, Debug)]
pub struct Program {
    pub architecture: Architecture,
    pub bytes: Vec<u8>,
    /// CycloneDX, in JSON.
    pub sbom: Vec<u8>,
}

/// A manifest and the blobs that it names.
pub struct Image {
    pub architecture: Architecture,
    pub manifest: Manifest,
    pub blobs: Vec<Blob>,
}

pub struct Blob {
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

struct Layer {
    diff_id: Digest,
    blob: Vec<u8>,
    made_by: &'static str,
}

impl Release {
    /// The image of one program.
    ///
    /// # Errors
    /// None that memory does not give.
    pub fn image(&self, program: &Program) -> io::Result<Image> {
        let layers = self.layers(program)?;
        let config = self.config(program, &layers).to_string().into_bytes();
        let config_descriptor = Descriptor::of(MediaType::OCI_CONFIG, &config);
        let layer_type = MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip");
        let descriptors: Vec<_> = layers
            .iter()
            .map(|layer| Descriptor::of(layer_type.clone(), &layer.blob))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST.as_str(),
            "config": config_descriptor,
            "layers": descriptors,
            "annotations": self.labels(),
        });
        let blobs = layers.into_iter().map(|layer| layer.blob);
        Ok(Image {
            architecture: program.architecture,
            manifest: Manifest::new(
                MediaType::OCI_MANIFEST,
                manifest.to_string().into_bytes().into(),
            ),
            blobs: std::iter::once(config).chain(blobs).map(Blob::of).collect(),
        })
    }

    /// The index of the images.
    pub fn index(&self, images: &[Image]) -> Manifest {
        let entries: Vec<_> = images.iter().map(Image::entry).collect();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX.as_str(),
            "manifests": entries,
            "annotations": self.labels(),
        });
        Manifest::new(MediaType::OCI_INDEX, index.to_string().into_bytes().into())
    }

    fn layers(&self, program: &Program) -> io::Result<Vec<Layer>> {
        let descriptor = super::descriptor::lifecycle_toml(&self.version);
        let signer = [
            Entry::folder("cnb"),
            Entry::folder("cnb/lifecycle"),
            Entry::program("cnb/lifecycle/signer", &program.bytes),
            Entry::file("cnb/lifecycle.toml", descriptor.as_bytes()),
            Entry::link("cnb/signer", "lifecycle/signer"),
        ];
        let sbom = with_parents(Entry::file(SBOM, &program.sbom));
        let roots = self.roots.as_ref();
        let roots = roots.map(|bytes| with_parents(Entry::file(ROOTS, bytes)));
        let mut layers = vec![
            self.layer(&signer, "signer")?,
            self.layer(&sbom, "bill of materials of the signer")?,
        ];
        if let Some(roots) = roots {
            layers.push(self.layer(&roots, "root certificates")?);
        }
        Ok(layers)
    }

    fn layer(&self, entries: &[Entry], made_by: &'static str) -> io::Result<Layer> {
        let tar = archive::tar(entries, self.time)?;
        Ok(Layer {
            diff_id: Digest::of(&tar),
            blob: archive::gzip(&tar)?,
            made_by,
        })
    }

    fn config(&self, program: &Program, layers: &[Layer]) -> Value {
        let created = self.created();
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|layer| layer.diff_id.to_string())
            .collect();
        let history: Vec<_> = layers
            .iter()
            .map(|layer| json!({ "created": created, "created_by": layer.made_by }))
            .collect();
        let mut labels = self.labels();
        let sbom = json!({ "sbom": { "sha": diff_ids.get(1) } }).to_string();
        labels.insert("io.buildpacks.lifecycle.metadata".to_owned(), sbom.into());
        json!({
            "created": created,
            "architecture": program.architecture.oci(),
            "os": "linux",
            "config": {
                "User": USER,
                "Env": ["PATH=/cnb/lifecycle:/usr/local/bin:/usr/bin:/bin"],
                "Entrypoint": ["/cnb/lifecycle/signer"],
                "WorkingDir": "/layers",
                "Labels": labels,
            },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        })
    }

    fn labels(&self) -> Map<String, Value> {
        let created = self.created();
        let labels = [
            ("created", created.as_str()),
            ("description", env!("CARGO_PKG_DESCRIPTION")),
            ("licenses", env!("CARGO_PKG_LICENSE")),
            ("revision", &self.revision),
            ("title", "signer"),
            ("version", &self.version),
        ];
        let name = |label| format!("org.opencontainers.image.{label}");
        let labels = labels.map(|(label, text)| (name(label), text.into()));
        labels.into_iter().collect()
    }

    fn created(&self) -> String {
        let seconds = i64::try_from(self.time).unwrap_or_default();
        jiff::Timestamp::from_second(seconds)
            .unwrap_or_default()
            .to_string()
    }
}

impl Image {
    /// The descriptor in the index.
    fn entry(&self) -> Value {
        json!({
            "mediaType": self.manifest.media_type().as_str(),
            "size": self.manifest.bytes().len(),
            "digest": self.manifest.digest().to_string(),
            "platform": { "architecture": self.architecture.oci(), "os": "linux" },
        })
    }
}

impl Blob {
    fn of(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { digest, bytes }
    }
}

/// The entry behind all folders that lead to it.
fn with_parents(entry: Entry) -> Vec<Entry> {
    let slashes = entry.path.match_indices('/').map(|(place, _)| place);
    let folders = slashes.filter_map(|place| entry.path.get(..place));
    let mut entries: Vec<_> = folders.map(Entry::folder).collect();
    entries.push(entry);
    entries
}
