//! The fate of the image's SBOM: attestations, an attachment, or nothing.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::{Document, Image, gzip};
use crate::support::objects::{Attachment, Layer, RecordedObjects, SIGNATURE, attachment};
use crate::support::registry::{Registry, sha256};
use crate::support::signer::{Config, Outcome, Signer};

const CYCLONEDX: &str = "application/vnd.cyclonedx+json";

fn seeded(image: &Image) -> Registry {
    let registry = Registry::start();
    image.seed(&registry);
    registry
}

fn attached(registry: &Registry, image: &Image, suffix: &str) -> Option<Attachment> {
    attachment(registry, image.repository(), &image.attached(suffix))
}

fn attach(image: &Image, registry: &Registry) -> Outcome {
    let config = Config::key("p256-cosign3").set("export-sbom", "attachment");
    Signer::of(image, registry.host()).config(config).run()
}

/// 116, and nothing was stored.
#[track_caller]
fn refused(image: &Image, config: Config) -> Outcome {
    let registry = seeded(image);
    let run = Signer::of(image, registry.host())
        .config(config)
        .run()
        .ended_with(116);
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0);
    run
}

/// The predicate types and predicates of the layers, sorted.
fn predicates<'a>(layers: impl Iterator<Item = &'a Layer>) -> Vec<(String, String)> {
    let mut list: Vec<_> = layers
        .map(|layer| {
            let envelope = layer.envelope();
            let predicate_type = envelope.statement["predicateType"]
                .as_str()
                .unwrap()
                .to_owned();
            assert_eq!(layer.annotations["predicateType"], predicate_type);
            (predicate_type, envelope.predicate)
        })
        .collect();
    list.sort();
    list
}

/// The [`predicates`] that these documents must have.
fn expected(documents: &[Document]) -> Vec<(String, String)> {
    let mut list: Vec<_> = documents
        .iter()
        .map(|document| {
            let text = String::from_utf8(document.bytes.clone()).unwrap();
            (
                document.predicate_type().unwrap().to_owned(),
                text.trim().to_owned(),
            )
        })
        .collect();
    // The same document at two paths is one attestation.
    list.sort();
    list.dedup();
    list
}

/// SIG-28, WIRE-30, WIRE-31
#[test]
fn every_document_is_attested_by_every_key_with_its_own_bytes() {
    for name in [
        "platform-api-0.8",
        "platform-api-0.15",
        "buildpack-level-document",
        "rebased",
    ] {
        let image = Image::recorded(name);
        let registry = seeded(&image);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        signer.key("rsa2048-imported-cosign3").run().succeeded();
        let documents = expected(&image.standard_documents());
        assert!(!documents.is_empty());
        let attestations = attached(&registry, &image, "att").unwrap();
        let (by_first, by_second) = attestations.layers.split_at(documents.len());
        assert_eq!(predicates(by_first.iter()), documents, "{name}");
        assert_eq!(predicates(by_second.iter()), documents, "{name}");
    }
}

/// WIRE-30, WIRE-31, WIRE-32, WIRE-33
#[test]
fn an_attestation_has_the_form_that_cosign_gives_it() {
    let image = Image::recorded("one-document");
    let registry = seeded(&image);
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .succeeded();
    let ours = attached(&registry, &image, "att").unwrap();
    let layer = &ours.layers[0];
    assert_eq!(layer.media_type, "application/vnd.dsse.envelope.v1+json");
    let annotations = json!({ SIGNATURE: "", "predicateType": "https://spdx.dev/Document" });
    assert_eq!(json!(layer.annotations), annotations);
    let envelope = layer.envelope();
    assert_eq!(envelope.payload_type, "application/vnd.in-toto+json");
    assert_eq!(envelope.signatures.len(), 1);
    assert_eq!(
        envelope.statement["_type"],
        "https://in-toto.io/Statement/v0.1"
    );
    let name = format!("{}/{}", registry.host(), image.repository());
    let hex = image.digest().strip_prefix("sha256:").unwrap();
    assert_eq!(
        envelope.statement["subject"],
        json!([{ "name": name, "digest": { "sha256": hex } }])
    );

    let theirs = RecordedObjects::folder("attestations-cosign2");
    let signed = Image::recorded("oci-media-types");
    let theirs = attachment(&theirs, "", &signed.attached("att")).unwrap();
    assert_eq!(envelope.fields, theirs.layers[0].envelope().fields);
}

/// SIG-28, WIRE-30
#[test]
fn numbers_and_spaces_of_a_document_are_not_touched() {
    let text = "{ \"bomFormat\": \"CycloneDX\",\n\t\"n\": [12345678901234567890, 1.0, 1e3, 0.10],\n  \"s\": \"<&> \\u00e9 é \\/\" }";
    let image = Image::with_documents(&[Document::new("bp/layer/sbom.cdx.json", text)]);
    let registry = seeded(&image);
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .succeeded();
    let attestations = attached(&registry, &image, "att").unwrap();
    assert_eq!(attestations.layers[0].envelope().predicate, text);
    for cosign in BOTH {
        let reference = image.reference(registry.host());
        cosign
            .verify_attestation("p256-cosign3", "cyclonedx", &reference)
            .accepted();
    }
}

#[test]
fn a_number_beyond_float64_is_embedded_and_warned_of_once() {
    let text = r#"{"bomFormat":"CycloneDX","n":1e400,"m":-1e999}"#;
    let image = Image::with_documents(&[Document::new("a/sbom.cdx.json", text)]);
    let registry = seeded(&image);
    let run = Signer::of(&image, registry.host())
        .arguments(&["-no-color"])
        .key("p256-cosign3")
        .key("p256-cosign2")
        .run()
        .succeeded();
    assert_eq!(run.warnings().len(), 1, "{}", run.stdout);
    let attestations = attached(&registry, &image, "att").unwrap();
    assert!(
        attestations.layers[0]
            .envelope()
            .predicate
            .contains("1e400")
    );
    Cosign::V3
        .download("attestation", &image.reference(registry.host()))
        .accepted();
}

/// SIG-34, WIRE-41
#[test]
fn attestations_of_others_stay() {
    let image = Image::recorded("one-document");
    let registry = seeded(&image);
    let key = crate::support::testdata("keys/p256-cosign2.key")
        .display()
        .to_string();
    let password = std::fs::read_to_string(crate::support::testdata("keys/password")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let predicate = folder.path().join("predicate.json");
    std::fs::write(&predicate, r#"{"theirs":true}"#).unwrap();
    let reference = image.reference(registry.host());
    let attest = [
        "attest",
        "--yes",
        "--tlog-upload=false",
        "--key",
        &key,
        "--type",
        "spdxjson",
        "--predicate",
        predicate.to_str().unwrap(),
        "--allow-insecure-registry",
        &reference,
    ];
    Cosign::V2
        .run(&attest, &[("COSIGN_PASSWORD", &password)])
        .accepted();
    let theirs = attached(&registry, &image, "att").unwrap();
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .succeeded();
    let both = attached(&registry, &image, "att").unwrap();
    assert_eq!(both.layers.len(), 2);
    assert_eq!(both.layers[0], theirs.layers[0]);
    for key in ["p256-cosign2", "p256-cosign3"] {
        Cosign::V2
            .verify_attestation(key, "spdxjson", &reference)
            .accepted();
    }
}

/// SIG-30
#[test]
fn none_writes_no_attestation_and_reads_no_document() {
    let image = Image::recorded("platform-api-0.15");
    let registry = seeded(&image);
    Signer::of(&image, registry.host())
        .key_without_sbom("p256-cosign3")
        .run()
        .succeeded();
    assert!(attached(&registry, &image, "sig").is_some());
    assert_eq!(registry.tags(image.repository()).len(), 3);
    assert!(
        registry.exchanges().of("GET", "/blobs/").is_empty(),
        "{:?}",
        registry.exchanges()
    );
}

/// SIG-31
#[test]
fn case_55_an_image_without_standard_documents_is_signed_and_one_line_says_so() {
    for name in [
        "no-sbom-layer",
        "only-legacy-null",
        "platform-api-0.7",
        "index",
    ] {
        for export in ["attestation", "attachment"] {
            let image = Image::recorded(name);
            let registry = seeded(&image);
            let config = Config::key("p256-cosign3").set("export-sbom", export);
            let run = Signer::of(&image, registry.host())
                .config(config)
                .run()
                .succeeded();
            let lines = run
                .stdout
                .lines()
                .filter(|line| line.contains("SBOM"))
                .count();
            assert_eq!(lines, 1, "{name}: {}", run.stdout);
            assert!(attached(&registry, &image, "sig").is_some());
            assert!(attached(&registry, &image, "att").is_none());
            assert!(attached(&registry, &image, "sbom").is_none());
        }
    }
}

#[test]
fn each_key_exports_as_its_own_config_says() {
    let image = Image::recorded("one-document");
    let registry = seeded(&image);
    let config = |key: &str, export: &str| Config::key(key).set("export-sbom", export);
    Signer::of(&image, registry.host())
        .config(config("p256-cosign2", "attestation"))
        .config(config("p256-cosign3", "none"))
        .config(config("rsa2048-imported-cosign3", "attachment"))
        .run()
        .succeeded();
    assert_eq!(attached(&registry, &image, "sig").unwrap().layers.len(), 3);
    assert_eq!(attached(&registry, &image, "att").unwrap().layers.len(), 1);
    assert_eq!(attached(&registry, &image, "sbom").unwrap().layers.len(), 1);
    let reference = image.reference(registry.host());
    Cosign::V3
        .verify_attestation("p256-cosign2", "spdxjson", &reference)
        .accepted();
    Cosign::V3
        .verify_attestation("p256-cosign3", "spdxjson", &reference)
        .refused();
}

/// SIG-29
#[test]
fn one_document_is_attached_as_it_is() {
    let image = Image::recorded("one-document");
    let registry = seeded(&image);
    attach(&image, &registry).succeeded();
    let ours = attached(&registry, &image, "sbom").unwrap();
    assert_eq!(ours.layers.len(), 1);
    assert_eq!(ours.layers[0].bytes, image.standard_documents()[0].bytes);
    assert_eq!(ours.layers[0].media_type, "text/spdx+json");
    assert!(ours.layers[0].annotations.is_empty());
    for cosign in BOTH {
        let sbom = cosign
            .download("sbom", &image.reference(registry.host()))
            .accepted();
        assert_eq!(
            sbom.stdout.trim_end().as_bytes(),
            ours.layers[0].bytes.trim_ascii_end()
        );
    }
}

/// A CycloneDX document, attached by cosign, and the same one attached by us.
/// SIG-29, WIRE-40
#[test]
fn the_manifest_of_an_attachment_is_cosign_s_byte_for_byte() {
    let signed = Image::recorded("oci-media-types");
    let theirs = RecordedObjects::folder("attached-sbom-cosign2");
    let theirs = attachment(&theirs, "", &signed.attached("sbom")).unwrap();
    let document = Document::new("bp/layer/sbom.cdx.json", theirs.layers[0].bytes.to_vec());
    let image = Image::with_documents(&[document]);
    let registry = seeded(&image);
    attach(&image, &registry).succeeded();
    let ours = attached(&registry, &image, "sbom").unwrap();
    assert_eq!(ours.manifest, theirs.manifest);
    assert_eq!(ours.config, theirs.config);
}

/// SIG-29, SBOM-8
#[test]
fn several_cyclonedx_documents_become_one() {
    for (name, others) in [("only-cyclonedx", false), ("platform-api-0.15", true)] {
        let image = Image::recorded(name);
        let registry = seeded(&image);
        let run = attach(&image, &registry).succeeded();
        let ours = attached(&registry, &image, "sbom").unwrap();
        assert_eq!(ours.layers.len(), 1);
        assert_eq!(ours.layers[0].media_type, CYCLONEDX);
        let merged = ours.layers[0].json();
        assert_eq!(merged["bomFormat"], "CycloneDX");
        let names = |bom: &Value| {
            let components = bom["components"].as_array().cloned().unwrap_or_default();
            components
                .iter()
                .map(|c| c["name"].to_string())
                .collect::<Vec<_>>()
        };
        let merged = names(&merged);
        let documents = image.standard_documents();
        for document in documents.iter().filter(|d| d.path.ends_with("cdx.json")) {
            let document: Value = serde_json::from_slice(&document.bytes).unwrap();
            for name in names(&document) {
                assert!(merged.contains(&name), "{name}");
            }
        }
        // The formats that were left out are named.
        assert_eq!(run.stdout.contains("spdx.json"), others, "{}", run.stdout);
        Cosign::V3
            .download("sbom", &image.reference(registry.host()))
            .accepted();
    }
}

/// SIG-29
#[test]
fn documents_that_cannot_be_one_attachment_are_refused_with_the_way_out() {
    let image = Image::with_documents(&[
        Document::new("a/sbom.spdx.json", r#"{"spdxVersion":"SPDX-2.3"}"#),
        Document::new("a/sbom.syft.json", r#"{"artifacts":[]}"#),
    ]);
    let config = Config::key("p256-cosign3").set("export-sbom", "attachment");
    refused(&image, config).says(&["attestation"]);
}

/// WIRE-44
#[test]
fn another_attachment_is_replaced_and_its_digest_named() {
    let image = Image::recorded("one-document");
    let registry = seeded(&image);
    let folder = tempfile::tempdir().unwrap();
    let sbom = folder.path().join("sbom.json");
    std::fs::write(&sbom, r#"{"spdxVersion":"theirs"}"#).unwrap();
    let reference = image.reference(registry.host());
    let command = [
        "attach",
        "sbom",
        "--allow-insecure-registry",
        "--sbom",
        sbom.to_str().unwrap(),
        &reference,
    ];
    Cosign::V2.run(&command, &[]).accepted();
    let before = attached(&registry, &image, "sbom")
        .unwrap()
        .manifest
        .digest();
    let config = Config::key("p256-cosign3").set("export-sbom", "attachment");
    let signer = Signer::of(&image, registry.host()).config(config);
    let receipt = signer.folder().join("receipt.toml");
    let signer = signer.arguments(&["-receipt", receipt.to_str().unwrap()]);
    signer.run().succeeded();
    let receipt = std::fs::read_to_string(receipt).unwrap();
    assert!(
        receipt.contains(&format!("replaced = \"{before}\"")),
        "{receipt}"
    );
    let ours = attached(&registry, &image, "sbom").unwrap();
    assert_eq!(ours.layers[0].bytes, image.standard_documents()[0].bytes);

    registry.forget_exchanges();
    attach(&image, &registry).succeeded();
    registry.stored_nothing();
}

/// SIG-31
#[test]
fn case_55_a_label_that_points_nowhere_is_an_error() {
    let layer = gzip(b"no tar");
    let image = Image::with_layer(&sha256(b"something else"), layer);
    refused(&image, Config::key("p256-cosign3"));
}

/// SIG-31
#[test]
fn case_56_a_damaged_sbom_layer_is_an_error_unless_nothing_is_exported() {
    let whole = Image::with_documents(&[Document::new("a/sbom.cdx.json", r#"{"a":1}"#)]);
    let tar = vec![0u8; 4096];
    let cut = gzip(&tar)[..20].to_vec();
    let wrong = gzip(b"another content");
    for image in [
        Image::with_layer(&sha256(&tar), cut),
        Image::with_layer(&sha256(&tar), wrong),
    ] {
        refused(&image, Config::key("p256-cosign3"));
        let registry = seeded(&image);
        Signer::of(&image, registry.host())
            .key_without_sbom("p256-cosign3")
            .run()
            .succeeded();
    }
    let registry = seeded(&whole);
    for blob in registry
        .manifest(whole.repository(), whole.digest())
        .unwrap()
        .json()["layers"]
        .as_array()
        .unwrap()
    {
        registry.remove(whole.repository(), blob["digest"].as_str().unwrap());
    }
    Signer::of(&whole, registry.host())
        .key("p256-cosign3")
        .run()
        .ended_with(116);
    registry.stored_nothing();
}

/// SBOM-7
#[test]
fn case_58_a_document_that_is_no_json_object_is_named() {
    for text in [
        "",
        "not JSON",
        "[1]",
        "\"text\"",
        "{\"a\":NaN}",
        "{\"a\":1} x",
        "\u{feff}{}",
    ] {
        let image = Image::with_documents(&[
            Document::new("good/sbom.spdx.json", "{}"),
            Document::new("bad/sbom.cdx.json", text),
        ]);
        refused(&image, Config::key("p256-cosign3")).says(&["bad/sbom.cdx.json"]);
    }
}

/// SBOM-5
#[test]
fn case_56_a_bomb_is_no_sbom() {
    let tar = vec![0u8; 256 << 20];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&tar).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(tar.len() / bomb.len() > 500);
    let image = Image::with_layer(&sha256(&tar), bomb);
    refused(&image, Config::key("p256-cosign3"));
}
