//! Runs with keys that sign elsewhere, and what verifiers say of them.

use serde_json::Value;
use tempfile::TempDir;

use super::cosign::BOTH;
use super::images::{Document, Image};
use super::registry::{Registry, Settings, Switch};
use super::signer::{Outcome, Signer};

pub const FORMATS: [&str; 3] = ["legacy", "bundle", "both"];

/// A registry of its own with an image of two documents.
pub fn seeded() -> (Registry, Image) {
    let registry = Registry::with(Settings {
        referrers: Switch::On,
        ranges: Switch::On,
        ..Settings::default()
    });
    let bom = |n: u32| format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":{n}}}"#);
    let image = Image::with_documents(&[
        Document::new("layers/sbom/launch/sbom.cdx.json", bom(1)),
        Document::new("layers/sbom/launch/a/sbom.cdx.json", bom(2)),
    ]);
    image.seed(&registry);
    (registry, image)
}

/// The messages of [`seeded`] in this format: the image's payload, and in a bundle
/// its statement; two documents.
pub fn messages(format: &str) -> usize {
    match format {
        "both" => 4,
        _ => 3,
    }
}

/// A key's public half in a folder of its own.
pub struct PublicFile(TempDir);

impl PublicFile {
    pub fn new(pem: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("cosign.pub"), pem).expect("a folder of our own");
        Self(folder)
    }

    pub fn path(&self) -> String {
        self.0.path().join("cosign.pub").display().to_string()
    }
}

/// Both cosigns accept what hangs there in this form, by the public key; `hash` is
/// what the flag says that a key needs whose service signs no SHA-256 digests.
///
/// # Panics
/// If one does not.
#[track_caller]
pub fn verified(registry: &Registry, image: &Image, pem: &str, format: &str, hash: Option<&str>) {
    let key = PublicFile::new(pem);
    let reference = image.reference(registry.host());
    let majors = match format {
        "bundle" => &BOTH[1..],
        _ => &BOTH[..],
    };
    for cosign in majors {
        cosign
            .verify_hash("verify", &key.path(), hash, format, &reference)
            .accepted();
    }
    if format == "legacy" {
        for cosign in BOTH {
            let command = "verify-attestation";
            cosign
                .verify_hash(command, &key.path(), hash, format, &reference)
                .accepted();
        }
    }
}

/// Runs at debug level with a receipt, and gives both.
///
/// # Panics
/// If one of the canaries is in any output.
#[track_caller]
pub fn without_canaries(signer: Signer, canaries: &[&str]) -> (Outcome, String) {
    let receipt = signer.folder().join("receipt.toml");
    let path = receipt.display().to_string();
    let signer = signer.arguments(&["-log-level", "debug", "-receipt", &path]);
    let run = signer.run();
    let receipt = std::fs::read_to_string(receipt).unwrap_or_default();
    assert!(run.code != Some(0) || !receipt.is_empty());
    for canary in canaries {
        for text in [&run.stdout, &run.stderr, &receipt] {
            assert!(!text.contains(canary), "`{canary}` in:\n{text}");
        }
    }
    (run, receipt)
}

/// A text of a member of JSON; empty if it is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
