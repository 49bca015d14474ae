//! Blobs of ours that are gone, under manifests that stand.

use super::place::{Mends, and, edit};
use super::{ALL, KEY, OTHER, WITH_BUNDLES};
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, Settings, Switch, When};
use crate::support::signer::{Config, Signer};

/// WIRE-9: nobody has touched the manifests, so that nothing else is written.
#[test]
fn blobs_that_are_gone_are_uploaded_again_though_nothing_else_is_written() {
    let image = Image::recorded("one-document");
    for format in ["legacy", "bundle", "both"] {
        for referrers in [Switch::On, Switch::Off] {
            let registry = Registry::with(Settings {
                referrers,
                ..Settings::default()
            });
            image.seed(&registry);
            let config = Config::key(KEY).set("format", format);
            let signer = Signer::of(&image, registry.host()).config(config);
            let signer = signer.arguments(&["-settle", "0"]);
            let uploaded_before: Vec<String> = {
                signer.run().succeeded();
                let puts = registry.exchanges().of("PUT", "/blobs/");
                puts.iter()
                    .filter_map(|put| digest_of(&put.target))
                    .collect()
            };
            for digest in &uploaded_before {
                registry.remove(image.repository(), digest);
            }
            registry.forget_exchanges();
            signer.run().succeeded().says(&["has lost", "uploading"]);
            let puts = registry.exchanges().puts();
            assert_eq!(puts.of("PUT", "/manifests/").len(), 0, "{puts:?}");
            let readers = match format {
                "legacy" => ALL.as_slice(),
                _ => &WITH_BUNDLES,
            };
            for cosign in readers {
                for command in ["verify", "verify-attestation"] {
                    let image = image.reference(registry.host());
                    cosign.verify_any(command, KEY, &image).accepted();
                }
            }
            registry.forget_exchanges();
            signer.run().succeeded().does_not_say(&["has lost"]);
            assert!(registry.exchanges().puts().is_empty());
        }
    }
}

/// The digest that an upload ends with.
fn digest_of(target: &str) -> Option<String> {
    let (_, digest) = target.split_once("digest=")?;
    Some(digest.replace("%3A", ":"))
}

/// WIRE-9: some registries refuse `HEAD` of what they serve, and are not sent
/// anything again.
#[test]
fn blobs_that_are_gone_are_told_from_those_that_head_is_refused_for() {
    let (registry, image) = (Registry::start(), Image::recorded("no-sbom-layer"));
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    signer.run().succeeded();
    for status in [400, 403, 404, 405] {
        registry.heal();
        registry.inject(When::every("HEAD", "/blobs/"), Action::status(status));
        registry.forget_exchanges();
        signer.run().succeeded().does_not_say(&["has lost"]);
        assert!(registry.exchanges().puts().is_empty());
        // The payload's, and the image's config.
        assert_eq!(registry.exchanges().of("GET", "/blobs/").len(), 2);
    }
    registry.inject(When::every("GET", "/blobs/"), Action::status(500));
    let run = signer.arguments(&["-retry-budget", "1s"]).run();
    run.ended_with(111);
}

/// WIRE-9: the payload has some 230 bytes, and what a registry says of its absence may
/// have more.
#[test]
fn a_blob_that_is_gone_is_uploaded_again_however_many_words_say_so() {
    for length in [300, 100_000] {
        let (registry, image) = (Registry::start(), Image::recorded("no-sbom-layer"));
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).key(KEY);
        signer.run().succeeded();
        let payload = payload(&registry, &image);
        registry.remove(image.repository(), &payload);
        let answer = Answer::error(404, "BLOB_UNKNOWN", &"no such blob ".repeat(length / 13));
        let blob = format!("/blobs/{payload}");
        registry.inject(When::every("GET", blob), Action::Answer(answer));
        signer.run().succeeded().says(&["has lost", "uploading"]);
        assert!(registry.blob(image.repository(), &payload).is_some());
    }
}

/// The digest of the payload that was signed.
fn payload(registry: &Registry, image: &Image) -> String {
    let there = registry.manifest(image.repository(), &image.attached("sig"));
    let digest = there.expect("a signature").json()["layers"][0]["digest"].clone();
    digest.as_str().expect("a digest").to_owned()
}

/// WIRE-9: a page of a gateway has more bytes than the payload, too.
#[test]
fn a_gateway_that_fails_once_is_asked_again_for_a_blob() {
    let (registry, image) = (Registry::start(), Image::recorded("no-sbom-layer"));
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    signer.run().succeeded();
    let blob = format!("/blobs/{}", payload(&registry, &image));
    registry.inject(When::every("HEAD", blob.clone()), Action::status(405));
    let page = Answer::new(503).body("text/html", "<p>busy</p>".repeat(100));
    registry.inject(When::first("GET", blob.clone()), Action::Answer(page));
    registry.forget_exchanges();
    signer.run().succeeded().does_not_say(&["has lost"]);
    assert!(registry.exchanges().puts().is_empty());
    assert_eq!(registry.exchanges().of("GET", &blob).len(), 2);
}

/// At a place that is written again or added to.
#[test]
fn blobs_that_are_gone_are_uploaded_again_when_their_place_is_written() {
    let (registry, image) = (Registry::start(), Image::recorded("one-document"));
    image.seed(&registry);
    let signer = || Signer::of(&image, registry.host()).arguments(&["-settle", "0"]);
    signer().key(KEY).run().succeeded();
    let reference = image.reference(registry.host());
    let verified = |key| {
        for cosign in ALL {
            cosign.verify(key, &reference, &[]).accepted();
            cosign
                .verify_attestation(key, "spdxjson", &reference)
                .accepted();
        }
    };
    let remove = |suffix| {
        let there = registry.manifest(image.repository(), &image.attached(suffix));
        let there = there.expect("a place");
        let digest = there.json()["layers"][0]["digest"].clone();
        registry.remove(image.repository(), digest.as_str().expect("a digest"));
        there
    };
    // The registry refuses the manifest for a layer that hung there before.
    remove("att");
    signer().key(KEY).key(OTHER).run().succeeded();
    verified(KEY);
    verified(OTHER);
    let there = remove("sig");
    let text = String::from_utf8(there.bytes.to_vec()).expect("JSON");
    let hidden = edit("", and(&text, r#""Layers":[]"#), Mends).stored;
    let digest = registry.store_manifest(image.repository(), hidden);
    registry.tag(image.repository(), &image.attached("sig"), &digest);
    signer().key(KEY).key(OTHER).run().succeeded();
    verified(KEY);
    verified(OTHER);
}
