//! Running again: nothing is written twice, nothing of others is lost.

use serde_json::json;

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Registry, Settings, Stored, Switch};
use crate::support::signer::Signer;

fn seeded(name: &str) -> (Registry, Image) {
    let registry = Registry::start();
    let image = Image::recorded(name);
    image.seed(&registry);
    (registry, image)
}

/// Runs, and nothing is stored.
#[track_caller]
fn writes_nothing(registry: &Registry, signer: &Signer) {
    registry.forget_exchanges();
    signer.run().succeeded();
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

/// SIG-37, WIRE-4, WIRE-42
#[test]
fn a_second_run_writes_nothing() {
    let (registry, image) = seeded("platform-api-0.15");
    let signer = Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .key("p384-imported-cosign3")
        .key("p521-imported-cosign3")
        .key("rsa2048-imported-cosign3")
        .key("ed25519-imported-cosign3")
        .annotation("env", "prod");
    signer.run().succeeded();
    writes_nothing(&registry, &signer);
}

/// Case 25. SIG-37, WIRE-4
#[test]
fn case_25_an_immutable_tag_that_is_complete_is_left_alone() {
    let registry = Registry::with(Settings {
        immutable_tags: Switch::On,
        ..Settings::default()
    });
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    signer.run().succeeded();
    writes_nothing(&registry, &signer);
}

/// SIG-37, WIRE-4, WIRE-42
#[test]
fn a_second_run_after_another_signer_writes_nothing_and_keeps_it() {
    let (registry, image) = seeded("one-document");
    let reference = image.reference(registry.host());
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    signer.run().succeeded();
    Cosign::V2.sign("p256-cosign2", &reference, &[]).accepted();
    writes_nothing(&registry, &signer);
    for key in ["p256-cosign2", "p256-cosign3"] {
        for cosign in BOTH {
            cosign.verify(key, &reference, &[]).accepted();
        }
    }
}

/// SIG-25, WIRE-42
#[test]
fn other_annotations_are_another_claim() {
    let (registry, image) = seeded("no-sbom-layer");
    let signer = |build| {
        Signer::of(&image, registry.host())
            .key("p256-cosign3")
            .annotation("build", build)
    };
    signer("1").run().succeeded();
    signer("2").run().succeeded();
    writes_nothing(&registry, &signer("1"));
    let signatures = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
    let builds: Vec<_> = signatures
        .layers
        .iter()
        .map(|layer| layer.json()["optional"]["build"].clone())
        .collect();
    assert_eq!(builds, ["1", "2"]);
    for cosign in BOTH {
        cosign
            .verify(
                "p256-cosign3",
                &image.reference(registry.host()),
                &[("build", "1")],
            )
            .accepted();
    }
}

/// SIG-37
#[test]
fn case_66_what_is_missing_is_added_and_only_that() {
    let (registry, image) = seeded("one-document");
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    signer.run().succeeded();
    registry.remove(image.repository(), &image.attached("att"));
    registry.forget_exchanges();
    signer.run().succeeded();
    let manifests = registry.exchanges().of("PUT", "/manifests/");
    assert_eq!(manifests.len(), 1, "{:?}", registry.exchanges());
    assert_eq!(manifests.of("PUT", ".att").len(), 1);
    assert!(attachment(&registry, image.repository(), &image.attached("att")).is_some());
}

/// Stores a `.sig` of `count` layers that are not ours.
fn crowd(registry: &Registry, image: &Image, count: usize) {
    let repository = image.repository();
    let size = 1;
    let config = registry.store_blob(repository, "{}");
    let layer = registry.store_blob(repository, "x");
    let layers: Vec<_> = (0..count)
        .map(|number| {
            json!({
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "size": size,
                "digest": layer,
                "annotations": { "dev.cosignproject.cosign/signature": number.to_string() },
            })
        })
        .collect();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": config });
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
    let stored = Stored {
        media_type: media_type.to_owned(),
        bytes: manifest.to_string().into(),
    };
    let digest = registry.store_manifest(repository, stored);
    registry.tag(repository, &image.attached("sig"), &digest);
}

/// WIRE-43
#[test]
fn a_place_that_fills_up_is_warned_of() {
    for (count, warned) in [(10, false), (90, true)] {
        let (registry, image) = seeded("no-sbom-layer");
        crowd(&registry, &image, count);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let run = signer.arguments(&["-no-color"]).run().succeeded();
        assert_eq!(run.warnings().len(), usize::from(warned), "{}", run.stdout);
        let signatures = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
        assert_eq!(signatures.layers.len(), count + 1);
    }
}

/// WIRE-43
#[test]
fn case_47_a_full_place_is_refused_before_anything_is_stored() {
    let (registry, image) = seeded("no-sbom-layer");
    crowd(&registry, &image, 1000);
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .ended_with(118)
        .says(&["1000"]);
    registry.stored_nothing();
}
