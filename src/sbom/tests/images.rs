use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::oci::{ImageManifest, Manifest};
use crate::sbom::{SbomFormat, locate};

/// An image of `testdata/images`.
struct Image {
    folder: String,
    digest: Digest,
    manifest: ImageManifest,
    config: Bytes,
}

impl Image {
    fn blob(&self, digest: &Digest) -> Bytes {
        blob(&self.folder, digest)
    }

    fn layer(&self) -> Option<SbomLayer> {
        locate(&self.config, &self.manifest).unwrap()
    }

    fn documents(&self) -> Option<Vec<Document>> {
        let layer = self.layer()?;
        let blob = self.blob(&layer.descriptor.digest);
        Some(read(&layer, blob, &LayerLimits::default()).unwrap())
    }
}

fn blob(folder: &str, digest: &Digest) -> Bytes {
    let file = format!("images/{folder}/layout/blobs/sha256/{}", digest.hex());
    fs::read(testdata(&file)).unwrap().into()
}

/// The image manifests that a layout's index lists, those in an index too.
fn images_of(folder: &str) -> Vec<Image> {
    let index = testdata(&format!("images/{folder}/layout/index.json"));
    let mut images = BTreeMap::new();
    for digest in listed(&fs::read(index).unwrap()) {
        let manifest = Manifest::parse(None, blob(folder, &digest)).unwrap();
        let Ok(manifest) = manifest.to_image() else {
            continue;
        };
        let image = Image {
            folder: folder.to_owned(),
            config: blob(folder, &manifest.config().digest),
            digest: digest.clone(),
            manifest,
        };
        images.insert(digest, image);
    }
    images.into_values().collect()
}

fn listed(index: &[u8]) -> Vec<Digest> {
    let index: serde_json::Value = serde_json::from_slice(index).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    let digest = |manifest: &serde_json::Value| manifest["digest"].as_str().unwrap().parse();
    manifests.iter().map(|m| digest(m).unwrap()).collect()
}

fn the_image(folder: &str) -> Image {
    images_of(folder).pop().unwrap()
}

pub(super) fn documents_of(folder: &str) -> Vec<Document> {
    the_image(folder).documents().unwrap()
}

/// SBOM-7
#[test]
fn every_document_of_every_image_is_found_and_has_the_bytes_that_tar_extracts() {
    let recorded = fs::read_to_string(testdata("sbom/images/documents.txt")).unwrap();
    let mut expected: Vec<String> = recorded.lines().map(str::to_owned).collect();
    let mut found = Vec::new();
    for folder in fs::read_dir(testdata("images")).unwrap() {
        let folder = folder.unwrap().file_name().into_string().unwrap();
        for image in images_of(&folder) {
            let of_image = format!("{folder} {}", image.digest);
            match image.documents().as_deref() {
                None => found.push(format!("{of_image} no-layer")),
                Some([]) => found.push(format!("{of_image} no-document")),
                Some(documents) => found.extend(documents.iter().map(|document| {
                    let (path, content) = (document.path(), document.content());
                    let digest = content.digest().unwrap();
                    format!("{of_image} {path} {} {digest}", content.length())
                })),
            }
        }
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn documents_come_sorted_with_their_formats() {
    let found: Vec<_> = documents_of("platform-api-0.15")
        .iter()
        .map(|document| (document.path().to_owned(), document.format()))
        .collect();
    use SbomFormat::{CycloneDx, Spdx, Syft};
    let launch = "/layers/sbom/launch";
    let mut expected = Vec::new();
    for folder in [
        "buildpacksio_lifecycle/launcher",
        "example_go.tools/crane",
        "example_node/modules",
    ] {
        for (name, format) in [("cdx", CycloneDx), ("spdx", Spdx), ("syft", Syft)] {
            expected.push((format!("{launch}/{folder}/sbom.{name}.json"), format));
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn formats_have_the_types_that_cosign_gives_them() {
    for (format, predicate_type, media_type) in [
        (
            SbomFormat::CycloneDx,
            "https://cyclonedx.org/bom",
            "application/vnd.cyclonedx+json",
        ),
        (
            SbomFormat::Spdx,
            "https://spdx.dev/Document",
            "text/spdx+json",
        ),
        (
            SbomFormat::Syft,
            "https://syft.dev/bom",
            "application/vnd.syft+json",
        ),
    ] {
        assert_eq!(format.predicate_type(), predicate_type);
        assert_eq!(format.media_type().as_str(), media_type);
    }
}

/// The config of a real image, changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> (Vec<u8>, Image) {
    let image = the_image("only-cyclonedx");
    let mut config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    change(&mut config);
    (serde_json::to_vec(&config).unwrap(), image)
}

fn located(change: impl FnOnce(&mut serde_json::Value)) -> Result<Option<SbomLayer>, SbomError> {
    let (config, image) = changed(change);
    locate(&config, &image.manifest)
}

fn with_label(label: &str) -> Result<Option<SbomLayer>, SbomError> {
    located(|config| config["config"]["Labels"]["io.buildpacks.lifecycle.metadata"] = label.into())
}

/// SBOM-1
#[test]
fn a_label_that_names_no_sbom_means_no_sbom() {
    for label in [
        "",
        "null",
        "{}",
        r#"{"sbom":null}"#,
        r#"{"sbom":{}}"#,
        r#"{"sbom":{"sha":null}}"#,
        r#"{"sbom":{"sha":""},"app":{"sha":"x"}}"#,
    ] {
        assert_eq!(with_label(label).unwrap(), None, "{label}");
    }
    for pointer in ["Labels", "Env"] {
        let layer = located(|config| config["config"][pointer] = serde_json::Value::Null);
        assert_eq!(layer.unwrap().is_none(), pointer == "Labels");
    }
    let image = the_image("only-cyclonedx");
    assert_eq!(locate(b"{}", &image.manifest).unwrap(), None);
    assert_eq!(
        locate(br#"{"config":null}"#, &image.manifest).unwrap(),
        None
    );
}

#[test]
fn the_shape_of_the_rest_of_an_old_label_does_not_matter() {
    let image = the_image("only-cyclonedx");
    let sha = image.layer().unwrap().diff_id;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for app in [r#"{"sha":"sha256:x"}"#, "[]", "7", "null", &deep] {
        let label = format!(r#"{{"app":{app},"sbom":{{"sha":"{sha}","x":{app}}},"stack":{app}}}"#);
        assert_eq!(with_label(&label).unwrap(), image.layer(), "{app:.40}");
    }
}

/// SBOM-2
#[test]
fn a_label_that_cannot_be_read_is_an_error() {
    for label in ["{", "[", "7", r#"{"sbom":7}"#, r#"{"sbom":{"sha":7}}"#] {
        assert!(
            matches!(with_label(label), Err(SbomError::Label(_))),
            "{label}"
        );
    }
    for sha in ["x", "sha256:00", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let label = format!(r#"{{"sbom":{{"sha":"{sha}"}}}}"#);
        let error = with_label(&label).unwrap_err();
        assert!(matches!(error, SbomError::LabelDigest(_)), "{sha}");
    }
    let image = the_image("only-cyclonedx");
    for config in ["", "[[[", "{\"config\":7}"] {
        let located = locate(config.as_bytes(), &image.manifest);
        assert!(matches!(located, Err(SbomError::Config(_))), "{config}");
    }
}

/// SBOM-2
#[test]
fn a_label_that_points_nowhere_is_an_error() {
    let nowhere = format!(r#"{{"sbom":{{"sha":"{}"}}}}"#, Digest::of(b"nowhere"));
    assert!(matches!(with_label(&nowhere), Err(SbomError::NotALayer(_))));
    let no_rootfs = located(|config| config["rootfs"] = serde_json::Value::Null);
    assert!(matches!(no_rootfs, Err(SbomError::NoDiffIds)));
    let one_more = located(|config| {
        let diff_ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
        diff_ids.push("sha256:x".into());
    });
    assert!(matches!(
        one_more,
        Err(SbomError::LayerCount {
            diff_ids: 9,
            layers: 8
        })
    ));
}

/// SBOM-2
#[test]
fn the_first_of_equal_diff_ids_counts() {
    let (config, image) = changed(|config| {
        let diff_ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
        diff_ids[1] = diff_ids[3].clone();
    });
    let layer = locate(&config, &image.manifest).unwrap().unwrap();
    assert_eq!(layer.descriptor, image.manifest.layers()[1]);
    assert_ne!(layer, image.layer().unwrap());
}

#[test]
fn the_layers_folder_is_that_of_the_environment() {
    for (variable, folder) in [
        ("CNB_LAYERS_DIR=/opt/x", "/opt/x"),
        ("CNB_LAYERS_DIR=", "/layers"),
        ("CNB_LAYERS_DIR=relative", "/layers"),
        ("CNB_LAYERS_DIR_2=/opt/x", "/layers"),
    ] {
        let layer = located(|config| config["config"]["Env"] = serde_json::json!([variable]));
        assert_eq!(layer.unwrap().unwrap().layers_dir, folder, "{variable}");
    }
}

/// SBOM-4
#[test]
fn a_layer_is_read_whatever_its_compression() {
    let image = the_image("only-cyclonedx");
    let mut layer = image.layer().unwrap();
    let expected: Vec<_> = image.documents().unwrap().iter().map(bytes).collect();
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(&*image.blob(&layer.descriptor.digest))
        .read_to_end(&mut archive)
        .unwrap();
    let (start, end) = archive.split_at(30_000);
    let zstd = |name: &str| fs::read(testdata(&format!("sbom/zstd/{name}.tar.zst"))).unwrap();
    let skippable_first = [
        b"\x51\x2a\x4d\x18\x01\0\0\0x".as_slice(),
        &zstd("one-frame"),
    ]
    .concat();
    for blob in [
        archive.clone(),
        gzip(&archive),
        [gzip(start), gzip(b""), gzip(end)].concat(),
        zstd("one-frame"),
        zstd("frames"),
        skippable_first,
    ] {
        layer.descriptor = Descriptor::of(MediaType::new("any"), &blob);
        let documents = read(&layer, blob.into(), &LayerLimits::default()).unwrap();
        let found: Vec<_> = documents.iter().map(bytes).collect();
        assert_eq!(found, expected);
    }
}
