//! The harness itself: real cosign must accept our registry, and our registry
//! must refuse what real ones refuse.

use std::time::Duration;

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::{Document, Image, RECORDED};
use crate::support::objects::attachment;
use crate::support::package;
use crate::support::real::RealRegistry;
use crate::support::registry::{Action, Registry, Settings, Stored, Switch, When, sha256};
use crate::support::remote::Remote;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[test]
fn every_recorded_image_is_listed() {
    let folders = std::fs::read_dir(crate::support::testdata("images")).unwrap();
    let mut names: Vec<_> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, RECORDED);
}

#[test]
fn recorded_images_are_pushed_to_every_registry() {
    let (ours, distribution) = (Registry::start(), RealRegistry::distribution());
    let referrers = RealRegistry::with_referrers();
    for name in RECORDED {
        let image = Image::recorded(name);
        for host in [ours.host(), distribution.host(), referrers.host()] {
            let remote = Remote::new(host);
            image.push(&remote);
            for (repository, tag) in image.tags() {
                let stored = remote.manifest(repository, tag).unwrap();
                assert_eq!(stored.digest(), image.digest(), "{name} {tag}");
            }
        }
    }
}

#[test]
fn both_cosigns_sign_into_our_registry_and_verify() {
    let registry = Registry::start();
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let reference = image.reference(registry.host());
    Cosign::V2
        .sign("p256-cosign2", &reference, &[("env", "prod")])
        .accepted();
    Cosign::V3
        .sign("rsa2048-imported-cosign3", &reference, &[])
        .accepted();
    for cosign in BOTH {
        cosign
            .verify("p256-cosign2", &reference, &[("env", "prod")])
            .accepted();
        cosign
            .verify("p256-cosign2", &reference, &[("env", "test")])
            .refused();
        cosign
            .verify("rsa2048-imported-cosign3", &reference, &[])
            .accepted();
        cosign.verify("p256-cosign3", &reference, &[]).refused();
    }
    let signatures = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
    assert_eq!(signatures.layers.len(), 2);
    assert_eq!(registry.open_uploads(), 0);
}

#[test]
fn the_test_s_own_reader_finds_the_documents_that_the_exporter_stored() {
    let count = |name| Image::recorded(name).standard_documents().len();
    assert_eq!(count("platform-api-0.7"), 0);
    assert_eq!(count("platform-api-0.8"), 6);
    assert_eq!(count("platform-api-0.15"), 9);
    assert_eq!(count("one-document"), 1);
    assert_eq!(count("only-cyclonedx"), 2);
    assert_eq!(count("only-legacy-null"), 0);
    let built = [
        Document::new("a/sbom.cdx.json", "{}"),
        Document::new("b/x", "y"),
    ];
    assert_eq!(Image::with_documents(&built).documents(), built);
}

#[test]
fn a_manifest_whose_blobs_are_absent_is_refused() {
    let registry = Registry::start();
    let remote = Remote::new(registry.host());
    let config = remote.manifest("a", "b");
    assert!(config.is_none());
    let missing =
        serde_json::json!({ "mediaType": OCI_MANIFEST, "digest": sha256(b"x"), "size": 1 });
    let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": missing, "layers": [] });
    let stored = Stored {
        media_type: OCI_MANIFEST.to_owned(),
        bytes: manifest.to_string().into(),
    };
    assert_eq!(remote.try_put_manifest("a", "b", &stored), 400);
    registry.store_blob("a", "x");
    remote.put_manifest("a", "b", &stored);
}

#[test]
fn faults_strike_when_they_were_asked_to() {
    let registry = Registry::start();
    let remote = Remote::new(registry.host());
    registry.inject(
        When::first("GET", "/v2/").after(1).times(2),
        Action::status(503),
    );
    let ready: Vec<_> = (0..4).map(|_| remote.is_ready()).collect();
    assert_eq!(ready, [true, false, false, true]);
    registry.inject(When::first("GET", "/v2/"), Action::Cut);
    registry.inject(When::first("GET", "/v2/"), Action::Truncate);
    assert!(!remote.is_ready());
    assert!(
        registry
            .exchanges()
            .of("GET", "/v2/")
            .iter()
            .any(|e| e.status.is_none())
    );
}

#[test]
fn round_trips_are_counted_however_many_requests_share_them() {
    let registry = Registry::start();
    let slow = Action::Delay(Duration::from_millis(100));
    registry.inject(When::every("*", "/v2/"), slow);
    let ask = || assert!(Remote::new(registry.host()).is_ready());
    for together in [1, 3] {
        std::thread::scope(|scope| {
            (0..together).for_each(|_| drop(scope.spawn(ask)));
        });
    }
    assert_eq!(registry.exchanges().len(), 4);
    assert_eq!(registry.exchanges().longest_chain(), 2);
}

#[test]
fn a_registry_with_referrers_lists_what_real_cosign_attached() {
    let settings = Settings {
        referrers: Switch::On,
        ..Settings::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let reference = image.reference(registry.host());
    let key = crate::support::testdata("keys/p256-cosign3.key")
        .display()
        .to_string();
    let password = std::fs::read_to_string(crate::support::testdata("keys/password")).unwrap();
    let arguments = [
        "sign",
        "--yes",
        "--key",
        &key,
        "--tlog-upload=false",
        "--use-signing-config=false",
        &reference,
    ];
    Cosign::V3
        .run(&arguments, &[("COSIGN_PASSWORD", &password)])
        .accepted();
    Cosign::V3
        .verify("p256-cosign3", &reference, &[])
        .accepted();
    assert_eq!(registry.tags(image.repository()), ["v1"]);
}

/// The modules of a file, and those that the table in its head names.
fn modules(file: &str) -> [Vec<String>; 2] {
    let text = std::fs::read_to_string(package("acceptance").join(file)).unwrap();
    let declared = text
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let rows = text.lines().filter(|line| line.starts_with("//! | "));
    let named = rows.filter_map(|row| row.strip_suffix("` |")?.rsplit('`').next());
    [declared.collect(), named.collect()].map(|names: Vec<&str>| {
        let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
        names.sort();
        names
    })
}

#[test]
fn every_file_stands_in_the_map_with_its_question() {
    for (file, no_tests) in [("main.rs", &["release", "support"][..]), ("faults.rs", &[])] {
        let [mut declared, named] = modules(file);
        declared.retain(|name| !no_tests.contains(&name.as_str()));
        assert_eq!(declared, named, "{file}");
        assert!(named.len() > 10, "{file}");
    }
}
