//! Which requests a run sends, how many and in which order, against a registry
//! with Bearer tokens and two-step uploads.

use crate::support::images::{Document, Image};
use crate::support::registry::{Auth, Exchanges, Registry, Settings};
use crate::support::signer::Signer;

const KEYS: [&str; 3] = ["p256-cosign3", "p256-cosign2", "ed25519-imported-cosign3"];

fn bearer(image: &Image) -> Registry {
    let registry = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    image.seed(&registry);
    registry
}

fn signer(image: &Image, registry: &Registry) -> Signer {
    Signer::of(image, registry.host()).credential(registry.host(), "Basic cm9ib3Q6cGFzcw==")
}

fn three_documents() -> Image {
    Image::with_documents(&[
        Document::new("a/sbom.cdx.json", r#"{"bomFormat":"CycloneDX"}"#),
        Document::new("a/sbom.spdx.json", r#"{"spdxVersion":"SPDX-2.3"}"#),
        Document::new("a/sbom.syft.json", r#"{"artifacts":[]}"#),
    ])
}

#[track_caller]
fn count(exchanges: &Exchanges, expected: usize) {
    assert_eq!(exchanges.len(), expected, "{exchanges:?}");
}

/// WIRE-7
#[test]
fn one_image_and_one_key_are_ten_requests() {
    let image = Image::recorded("oci-media-types");
    let registry = bearer(&image);
    let signer = signer(&image, &registry).key_without_sbom(KEYS[0]);
    signer.arguments(&["-settle", "0"]).run().succeeded();
    let all = registry.exchanges();
    count(&all, 10);
    count(&all.of("GET", "/token"), 1);
    count(&all.of("POST", "/blobs/uploads/"), 2);
    count(&all.of("PUT", "/blobs/uploads/"), 2);
    count(&all.of("PUT", "/manifests/"), 1);
}

/// WIRE-7
#[test]
fn three_keys_are_as_many_requests_as_one() {
    let image = Image::recorded("oci-media-types");
    let registry = bearer(&image);
    let signer = KEYS
        .into_iter()
        .fold(signer(&image, &registry), Signer::key_without_sbom);
    signer.arguments(&["-settle", "0"]).run().succeeded();
    count(&registry.exchanges(), 10);
}

/// WIRE-3, WIRE-8
#[test]
fn three_keys_and_three_documents_are_at_most_thirty_five_requests() {
    let image = three_documents();
    let registry = bearer(&image);
    let signer = KEYS
        .into_iter()
        .fold(signer(&image, &registry), Signer::key);
    signer.arguments(&["-settle", "0"]).run().succeeded();
    let all = registry.exchanges();
    assert!(all.len() <= 35, "{all:?}");
    count(&all.of("PUT", "/manifests/"), 2);
}

/// WIRE-53
#[test]
fn keeping_signers_apart_costs_at_most_two_requests_per_place() {
    let image = Image::recorded("oci-media-types");
    let registry = bearer(&image);
    signer(&image, &registry)
        .key_without_sbom(KEYS[0])
        .run()
        .succeeded();
    let all = registry.exchanges();
    assert!(all.len() <= 12, "{all:?}");
}

/// WIRE-4, WIRE-5, WIRE-9
#[test]
fn a_rerun_reads_at_most_seven_times() {
    let image = three_documents();
    let registry = bearer(&image);
    let signer = signer(&image, &registry).key(KEYS[0]);
    signer.run().succeeded();
    registry.forget_exchanges();
    signer.run().succeeded();
    let all = registry.exchanges();
    count(&all.puts(), 0);
    let sessions = all.filter(|e| e.is_write());
    assert!(all.len() - sessions.len() <= 7, "{all:?}");
    count(&sessions.of("POST", ""), sessions.of("DELETE", "").len());
}

/// WIRE-11
#[test]
fn one_token_does_for_reading_and_writing() {
    let image = three_documents();
    let registry = bearer(&image);
    signer(&image, &registry).key(KEYS[0]).run().succeeded();
    let all = registry.exchanges();
    let tokens = all.of("GET", "/token");
    count(&tokens, 1);
    let scope = &tokens.iter().next().unwrap().target;
    assert!(
        scope.contains("app%2Fbuilt") || scope.contains("app/built"),
        "{scope}"
    );
    assert!(scope.contains("pull") && scope.contains("push"), "{scope}");
    count(&all.filter(|e| e.status == Some(401)), 1);
}

/// WIRE-11
#[test]
fn a_repository_that_is_only_read_is_asked_with_a_pull_token_only() {
    let image = Image::recorded("oci-media-types");
    let registry = bearer(&image);
    let place = format!("{}/signatures", registry.host());
    let config = crate::support::signer::Config::key(KEYS[0]).set("repository", &place);
    signer(&image, &registry).config(config).run().succeeded();
    let tokens = registry.exchanges().of("GET", "/token");
    for token in tokens.iter() {
        let reads_image = token.target.contains(image.repository())
            || token
                .target
                .contains(&image.repository().replace('/', "%2F"));
        let pushes = token.target.contains("push");
        assert!(!(reads_image && pushes), "{token}");
    }
}

/// SIG-23, SIG-24, SIG-32, WIRE-1
#[test]
fn nothing_is_stored_before_every_check_has_passed() {
    let image = Image::recorded("two-repositories");
    let registry = bearer(&image);
    signer(&image, &registry).key(KEYS[0]).run().succeeded();
    let all = registry.exchanges();
    let first_put = all.iter().position(|e| e.method == "PUT").unwrap();
    for repository in image.repositories() {
        let session = all
            .position("POST", &format!("/v2/{repository}/blobs/uploads/"))
            .unwrap();
        assert!(session < first_put, "{all:?}");
        let place = format!("/v2/{repository}/manifests/{}", image.attached("sig"));
        assert!(all.position("GET", &place).unwrap() < first_put, "{all:?}");
    }
    for (repository, tag) in image.tags() {
        let read = all
            .iter()
            .position(|e| e.path() == format!("/v2/{repository}/manifests/{tag}"));
        assert!(read.unwrap() < first_put, "{all:?}");
    }
}

/// SIG-35, WIRE-50
#[test]
fn blobs_come_before_manifests_and_every_place_is_read_back() {
    let image = three_documents();
    let registry = bearer(&image);
    signer(&image, &registry).key(KEYS[0]).run().succeeded();
    let all = registry.exchanges();
    let first_manifest = all.position("PUT", "/manifests/").unwrap();
    let blobs = all
        .iter()
        .enumerate()
        .filter(|(_, e)| e.method == "PUT" && e.target.contains("/blobs/"));
    for (place, blob) in blobs {
        assert!(place < first_manifest, "{blob} in {all:?}");
    }
    for suffix in ["sig", "att"] {
        let tag = image.attached(suffix);
        let put = all.position("PUT", &tag).unwrap();
        let back = all
            .iter()
            .rposition(|e| e.method == "GET" && e.target.contains(&tag))
            .unwrap();
        assert!(put < back, "{all:?}");
    }
}

/// SIG-33, WIRE-2
#[test]
fn the_image_s_own_tags_are_never_written() {
    let image = Image::recorded("two-repositories");
    let registry = bearer(&image);
    signer(&image, &registry).key(KEYS[0]).run().succeeded();
    let all = registry.exchanges();
    for write in all.of("PUT", "/manifests/").iter() {
        assert!(
            [".sig", ".att"]
                .iter()
                .any(|end| write.path().ends_with(end)),
            "{write}"
        );
    }
    count(&all.of("DELETE", "/manifests/"), 0);
    count(&all.of("PATCH", ""), 0);
}

#[test]
fn there_is_no_ping_and_no_look_for_blobs() {
    let image = Image::recorded("oci-media-types");
    let registry = bearer(&image);
    signer(&image, &registry).key(KEYS[0]).run().succeeded();
    let all = registry.exchanges();
    assert!(all.iter().all(|e| e.path() != "/v2/"), "{all:?}");
    count(&all.of("HEAD", "/blobs/"), 0);
    assert!(
        all.iter().all(|e| e
            .user_agent
            .as_deref()
            .is_some_and(|u| u.contains("signer"))),
        "{all:?}"
    );
}

#[test]
fn registries_without_authentication_and_with_basic_are_not_asked_for_tokens() {
    for (auth, requests) in [(Auth::None, 8), (Auth::basic("pass"), 9)] {
        let image = Image::recorded("oci-media-types");
        let registry = Registry::with(Settings {
            auth,
            ..Settings::default()
        });
        image.seed(&registry);
        let signer = signer(&image, &registry).key_without_sbom(KEYS[0]);
        signer.arguments(&["-settle", "0"]).run().succeeded();
        count(&registry.exchanges(), requests);
    }
}
