//! `format = "bundle"` and `"both"`: sigstore bundles as referrers of the image,
//! read by real cosign and compared with what it writes itself.

use serde_json::{Value, json};

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::{Document, Image};
use crate::support::objects::{Bundle, Source, bundles, of_fallback, of_list};
use crate::support::real::RealRegistry;
use crate::support::registry::{Registry, Settings, Switch};
use crate::support::signer::{Config, Signer};

const KEYS: [&str; 5] = [
    "p256-cosign3",
    "p384-imported-cosign3",
    "p521-imported-cosign3",
    "rsa2048-imported-cosign3",
    "ed25519-imported-cosign3",
];
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
const CYCLONEDX: &str = "https://cyclonedx.org/bom";

fn in_format(key: &str, format: &str) -> Config {
    Config::key(key).set("format", format)
}

fn listing() -> Registry {
    Registry::with(Settings {
        referrers: Switch::On,
        ..Settings::default()
    })
}

/// As written: numbers, spaces and order are kept.
fn document() -> Document {
    Document::new(
        "a/sbom.cdx.json",
        "{ \"bomFormat\" : \"CycloneDX\", \"z\":1.0e3, \"a\":\"<&>\" }",
    )
}

fn of_type<'a>(bundles: &'a [Bundle], predicate_type: &'a str) -> Vec<&'a Bundle> {
    let of_type = |bundle: &&Bundle| bundle.statement["predicateType"] == predicate_type;
    bundles.iter().filter(of_type).collect()
}

/// SIG-50, WIRE-70, WIRE-71
#[test]
fn cosign_three_verifies_bundles_of_every_kind_of_key() {
    for registry in [
        RealRegistry::distribution(),
        RealRegistry::with_referrers(),
        RealRegistry::ferro(),
    ] {
        let image = Image::with_documents(&[document()]);
        image.push(registry.remote());
        let signer = Signer::of(&image, registry.host()).annotation("env", "prod");
        let signer = KEYS.into_iter().fold(signer, |signer, key| {
            signer.config(in_format(key, "bundle"))
        });
        signer.run().succeeded();
        let reference = image.reference(registry.host());
        for key in KEYS {
            Cosign::V3
                .verify(key, &reference, &[("env", "prod")])
                .accepted();
            Cosign::V3
                .verify(key, &reference, &[("env", "test")])
                .refused();
            Cosign::V3
                .verify_attestation(key, "cyclonedx", &reference)
                .accepted();
        }
        Cosign::V3.verify("p256-cosign2", &reference, &[]).refused();
        signer.run().succeeded().says(&["Nothing to write"]);
    }
}

/// SIG-51
#[test]
fn both_forms_of_one_key_are_verified_by_both_majors() {
    let registry = RealRegistry::distribution();
    let image = Image::with_documents(&[document()]);
    image.push(registry.remote());
    let keys = [KEYS[0], KEYS[4]];
    let signer = Signer::of(&image, registry.host());
    let signer = keys
        .into_iter()
        .fold(signer, |signer, key| signer.config(in_format(key, "both")));
    signer.run().succeeded();
    let reference = image.reference(registry.host());
    for key in keys {
        for cosign in BOTH {
            cosign.verify_both(key, &reference).accepted();
        }
    }
}

/// WIRE-72: testdata/objects/bundle-one-key-cosign3 is of the same key, image
/// and annotation; ECDSA signatures of cosign are random, and it writes the
/// time.
#[test]
fn a_bundle_is_that_of_cosign_but_for_the_signature_and_the_time() {
    let image = Image::recorded("platform-api-0.15");
    let registry = Registry::start();
    image.seed(&registry);
    let config = in_format(KEYS[0], "bundle").set("export-sbom", "none");
    let signer = Signer::of(&image, registry.host()).annotation("env", "prod");
    signer.config(config).run().succeeded();
    let repository = image.repository();
    let ours = bundles(&registry, repository, &of_fallback(&registry, &image));
    let [ours] = ours.as_slice() else {
        panic!("{ours:?}")
    };
    let hex = image.digest().trim_start_matches("sha256:");
    assert_eq!(
        ours.payload,
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}},"annotations":{{"env":"prod"}}}}],"predicateType":"{SIGN}","predicate":{{}}}}"#
        )
    );
    let theirs = crate::support::objects::RecordedObjects::folder("bundle-one-key-cosign3");
    let theirs = theirs
        .manifest(
            "",
            "sha256:486b6618239567310a53e348777a0975731bc06857559d9834ddd0902ee0472a",
        )
        .unwrap();
    let mut theirs: Value = theirs.json();
    theirs["annotations"]
        .as_object_mut()
        .unwrap()
        .remove("org.opencontainers.image.created");
    let mut manifest = ours.manifest.json();
    // Another image, another signature.
    for field in ["subject", "layers"] {
        theirs[field] = Value::Null;
        manifest[field] = Value::Null;
    }
    assert_eq!(manifest, theirs);
    let stored = image.manifest();
    assert_eq!(
        ours.manifest.json()["subject"],
        json!({ "mediaType": stored.media_type, "size": stored.bytes.len(), "digest": image.digest() })
    );
}

/// WIRE-73
#[test]
fn the_source_date_epoch_is_the_only_clock() {
    let image = Image::recorded("no-sbom-layer");
    let mut manifests = Vec::new();
    for epoch in [None, None, Some("0")] {
        let registry = Registry::start();
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).config(in_format(KEYS[0], "bundle"));
        let signer = match epoch {
            Some(epoch) => signer.environment("SOURCE_DATE_EPOCH", epoch),
            None => signer,
        };
        signer.run().succeeded();
        manifests.push(of_fallback(&registry, &image));
    }
    assert_eq!(manifests[0], manifests[1]);
    let created = &manifests[2][0]["annotations"]["org.opencontainers.image.created"];
    assert_eq!(*created, "1970-01-01T00:00:00Z");
    assert!(manifests[0][0]["annotations"]["org.opencontainers.image.created"].is_null());
}

/// SIG-52: an attestation says the same in both forms, under the same signature.
#[test]
fn documents_are_embedded_unchanged_in_both_forms() {
    let image = Image::with_documents(&[document()]);
    let registry = listing();
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).config(in_format(KEYS[0], "both"));
    signer.run().succeeded();
    let repository = image.repository();
    let all = bundles(&registry, repository, &of_list(&registry, &image));
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(of_type(&all, SIGN).len(), 1);
    let attested = of_type(&all, CYCLONEDX);
    assert!(
        attested[0]
            .payload
            .contains("{ \"bomFormat\" : \"CycloneDX\", \"z\":1.0e3, \"a\":\"<&>\" }")
    );
    let place = crate::support::objects::attachment(&registry, repository, &image.attached("att"));
    let envelope = place.unwrap().layers[0].json();
    assert_eq!(envelope["payload"], attested[0].envelope["payload"]);
    assert_eq!(
        envelope["signatures"][0]["sig"],
        attested[0].envelope["signatures"][0]["sig"]
    );
    assert!(
        registry
            .manifest(repository, &image.attached("sig"))
            .is_some()
    );
}

/// SIG-53
#[test]
fn an_attachment_stays_at_its_tag() {
    let image = Image::with_documents(&[document()]);
    let registry = listing();
    image.seed(&registry);
    let config = in_format(KEYS[0], "bundle").set("export-sbom", "attachment");
    Signer::of(&image, registry.host())
        .config(config)
        .run()
        .succeeded();
    let sbom = image.attached("sbom");
    assert_eq!(registry.tags(image.repository()), [&sbom, "v1"]);
    assert_eq!(of_list(&registry, &image).len(), 1);
}

/// CFG-20, SIG-54
#[test]
fn a_signature_that_another_one_would_hide_is_refused_before_anything_is_sent() {
    let registry = listing();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    for (formats, elsewhere, code) in [
        (["legacy", "bundle"], false, 3),
        (["both", "legacy"], false, 3),
        (["legacy", "bundle"], true, 0),
        (["bundle", "both"], false, 0),
        (["legacy", "legacy"], false, 0),
    ] {
        registry.forget_exchanges();
        let [first, second] = formats;
        let mut config = in_format(KEYS[3], second);
        if elsewhere {
            let repository = format!("{}/app/signatures", registry.host());
            config = config.set("repository", &repository);
        }
        let signer = Signer::of(&image, registry.host())
            .config(in_format(KEYS[0], first))
            .config(config);
        let outcome = signer.run().ended_with(code);
        if code == 3 {
            outcome.says(&["`format`", "both"]);
            assert!(registry.exchanges().is_empty(), "{formats:?}");
        }
    }
}

/// CFG-21
#[test]
fn an_unknown_format_is_refused_with_its_line_and_a_suggestion() {
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, "localhost:1").config(in_format(KEYS[0], "bundel"));
    signer
        .run()
        .ended_with(3)
        .says(&["cosign.toml:4", "did you mean `bundle`"]);
}

/// SIG-55: `legacy` alone asks for no referrers.
#[test]
fn a_run_that_is_all_legacy_does_not_ask_for_referrers() {
    let image = Image::recorded("no-sbom-layer");
    let registry = listing();
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEYS[0]);
    signer.run().succeeded();
    assert!(registry.exchanges().of("GET", "/referrers/").is_empty());
}

/// WIRE-74: as cosign 3.0.3 and later read it with `COSIGN_REPOSITORY`.
#[test]
fn another_repository_holds_the_bundles_and_their_list() {
    for registry in [RealRegistry::distribution(), RealRegistry::with_referrers()] {
        let image = Image::recorded("no-sbom-layer");
        image.push(registry.remote());
        let elsewhere = format!("{}/app/signatures", registry.host());
        let config = in_format(KEYS[0], "bundle").set("repository", &elsewhere);
        Signer::of(&image, registry.host())
            .config(config)
            .run()
            .succeeded();
        let reference = image.reference(registry.host());
        Cosign::V3.verify(KEYS[0], &reference, &[]).refused();
        let environment = [("COSIGN_REPOSITORY", elsewhere.as_str())];
        Cosign::V3
            .verify_with(KEYS[0], &reference, &environment)
            .accepted();
    }
}

/// SIG-56
#[test]
fn the_receipt_names_bundles_and_what_was_there() {
    let image = Image::with_documents(&[document()]);
    let registry = listing();
    image.seed(&registry);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("receipt.toml");
    let signer = Signer::of(&image, registry.host())
        .config(in_format(KEYS[0], "bundle"))
        .arguments(&["-receipt", &path.display().to_string()]);
    for state in ["written", "already-there"] {
        signer.run().succeeded();
        let receipt: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let place = &receipt["places"][0];
        assert_eq!(place["kind"].as_str(), Some("referrers"));
        let name = format!(
            "{}/{}@{}",
            registry.host(),
            image.repository(),
            image.digest()
        );
        assert_eq!(place["reference"].as_str(), Some(name.as_str()));
        let layers = place["layers"].as_array().unwrap();
        let types: Vec<_> = layers
            .iter()
            .map(|l| l["predicate-type"].as_str())
            .collect();
        assert_eq!(types, [Some(SIGN), Some(CYCLONEDX)]);
        let listed = of_list(&registry, &image);
        for layer in layers {
            assert_eq!(layer["state"].as_str(), Some(state));
            let digest = layer["digest"].as_str();
            assert!(
                listed
                    .iter()
                    .any(|entry| entry["digest"].as_str() == digest)
            );
        }
    }
}
