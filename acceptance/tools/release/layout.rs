//! An OCI image layout (image-spec v1.1 `image-layout.md`) in a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use signer::oci::{Digest, Manifest, MediaType};

use super::image::{ARCHITECTURES, Architecture, Blob, Image};

/// An index and its images.
pub struct Layout {
    pub index: Manifest,
    pub images: Vec<Image>,
}

impl Layout {
    /// Writes the layout; `version` names the index in it.
    ///
    /// # Errors
    /// On a folder that cannot be written.
    pub fn write(&self, folder: &Path, version: &str) -> Result<()> {
        let write = |path: &str, bytes: &[u8]| {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))
        };
        let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        for image in &self.images {
            for Blob { digest, bytes } in &image.blobs {
                write(&blob(digest), bytes)?;
            }
            write(&blob(image.manifest.digest()), image.manifest.bytes())?;
        }
        write(&blob(self.index.digest()), self.index.bytes())?;
        let entry = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX.as_str(),
            "manifests": [{
                "mediaType": MediaType::OCI_INDEX.as_str(),
                "size": self.index.bytes().len(),
                "digest": self.index.digest().to_string(),
                "annotations": { "org.opencontainers.image.ref.name": version },
            }],
        });
        write("index.json", entry.to_string().as_bytes())?;
        write("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    /// Reads what [`write`](Self::write) wrote, and the version.
    ///
    /// # Errors
    /// On bytes that are not what their digests say, and on a layout of other
    /// contents.
    pub fn read(folder: &Path) -> Result<(Self, String)> {
        let entry = fs::read(folder.join("index.json"))
            .with_context(|| format!("there is no image in `{}`", folder.display()))?;
        let entry: Value = serde_json::from_slice(&entry)?;
        let entry = entry.pointer("/manifests/0").context("an empty layout")?;
        let version = entry.pointer("/annotations/org.opencontainers.image.ref.name");
        let version = version.and_then(Value::as_str).context("a version")?;
        let index = read_blob(folder, entry)?;
        let json: Value = serde_json::from_slice(&index.bytes)?;
        let images = list(&json, "manifests").map(|child| read_image(folder, child));
        let images = images.collect::<Result<Vec<_>>>()?;
        let index = Manifest::new(MediaType::OCI_INDEX, index.bytes.into());
        Ok((Self { index, images }, version.to_owned()))
    }
}

fn read_image(folder: &Path, entry: &Value) -> Result<Image> {
    let manifest = read_blob(folder, entry)?;
    let json: Value = serde_json::from_slice(&manifest.bytes)?;
    let named = entry.pointer("/platform/architecture");
    let is_named = |known: &Architecture| named.and_then(Value::as_str) == Some(known.oci());
    let architecture = ARCHITECTURES.into_iter().find(is_named);
    let blobs = json.get("config").into_iter().chain(list(&json, "layers"));
    let blobs = blobs.map(|blob| read_blob(folder, blob));
    Ok(Image {
        architecture: architecture.context("an architecture")?,
        blobs: blobs.collect::<Result<_>>()?,
        manifest: Manifest::new(MediaType::OCI_MANIFEST, manifest.bytes.into()),
    })
}

fn read_blob(folder: &Path, descriptor: &Value) -> Result<Blob> {
    let digest = descriptor.get("digest").and_then(Value::as_str);
    let digest: Digest = digest.context("a digest")?.parse()?;
    let path = folder.join("blobs/sha256").join(digest.hex());
    let bytes = fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
    ensure!(digest.matches(&bytes), "`{}` is damaged", path.display());
    Ok(Blob { digest, bytes })
}

fn list<'a>(json: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    json.get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
