//! Registries and images that mean harm: every run ends with a code of the
//! phase, in little time, and stores nothing.

use super::{holding, refused, seeded};
use crate::support::images::{Image, gzip};
use crate::support::registry::{Stored, sha256};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Content under the `.sig` tag is not ours to replace.
/// WIRE-43
#[test]
fn case_47_objects_that_are_no_image_manifest_are_refused_under_a_place() {
    let descriptor = r#"{"mediaType":"m","digest":"sha256:00","size":-1}"#;
    for (media_type, text) in [
        (OCI_MANIFEST, "not JSON".to_owned()),
        (OCI_MANIFEST, "[".repeat(100_000)),
        (OCI_MANIFEST, "{\"a\":".repeat(100_000)),
        (OCI_MANIFEST, "null".to_owned()),
        (OCI_MANIFEST, "{}".to_owned()),
        (
            OCI_MANIFEST,
            format!(
                r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{descriptor},"layers":[]}}"#
            ),
        ),
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "{\"schemaVersion\":1}".to_owned(),
        ),
        ("text/html", "<html>".to_owned()),
    ] {
        let (registry, image, signer) = seeded();
        let stored = Stored {
            media_type: media_type.to_owned(),
            bytes: text.into(),
        };
        let digest = registry.store_manifest(image.repository(), stored);
        registry.tag(image.repository(), &image.attached("sig"), &digest);
        refused(&registry, signer.run(), &[118]);
    }
}

/// An SBOM layer of raw tar blocks.
fn layer(entries: &[(&str, tar::EntryType, &str, &[u8])]) -> Image {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, link, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        let ustar = header.as_ustar_mut().unwrap();
        ustar.name[..path.len()].copy_from_slice(path.as_bytes());
        ustar.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    Image::with_layer(&sha256(&tar), gzip(&tar))
}

/// SBOM-6
#[test]
fn case_57_links_in_the_place_of_documents_and_two_of_one_path_are_refused() {
    use tar::EntryType::{Link, Regular, Symlink};
    const PATH: &str = "/layers/sbom/launch/a/sbom.cdx.json";
    for image in [
        layer(&[(PATH, Symlink, "/etc/passwd", b"")]),
        layer(&[(PATH, Link, "/etc/passwd", b"")]),
        layer(&[
            (PATH, Regular, "", b"{\"a\":1}"),
            (PATH, Regular, "", b"{\"a\":2}"),
        ]),
    ] {
        let (registry, _, signer) = holding(image);
        refused(&registry, signer.run(), &[116]).does_not_say(&["root:"]);
    }
}

/// SBOM-6
#[test]
fn case_57_a_path_that_climbs_creates_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("sbom.cdx.json");
    let climbing = format!("/layers/sbom/launch/../../..{}", target.display());
    let image = layer(&[(&climbing, tar::EntryType::Regular, "", b"{}")]);
    let (_registry, _, signer) = holding(image);
    let run = signer.run();
    assert!(
        matches!(run.code, Some(0 | 116)),
        "{:?}\n{}",
        run.code,
        run.stdout
    );
    assert!(!target.exists());
}

/// SBOM-5
#[test]
fn case_57_a_layer_of_endless_entries_is_refused() {
    let mut tar = Vec::new();
    let mut header = tar::Header::new_ustar();
    header.set_path("layers/sbom/launch/x").unwrap();
    header.set_size(0);
    header.set_cksum();
    for _ in 0..20_000 {
        tar.extend_from_slice(header.as_bytes());
    }
    tar.extend_from_slice(&[0; 1024]);
    let image = Image::with_layer(&sha256(&tar), gzip(&tar));
    let (registry, _, signer) = holding(image);
    refused(&registry, signer.run(), &[116]);
}
