//! The requests that a run sends, how many and in which order, against a registry
//! with Bearer tokens and two-step uploads.

use std::time::Duration;

use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::registry::{Action, Auth, Exchange, Exchanges, Registry, Settings, When};
use crate::support::signer::Signer;

const KEYS: [&str; 3] = ["p256-cosign3", "p256-cosign2", "ed25519-imported-cosign3"];
/// The time that a slow registry takes for each request.
const ROUND_TRIP: Duration = Duration::from_millis(50);

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

#[track_caller]
fn at_most(registry: &Registry, most: usize) {
    let all = registry.exchanges();
    assert!(all.len() <= most, "{all:?}");
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
    for keys in [&KEYS[..1], &KEYS] {
        let image = Image::recorded("oci-media-types");
        let registry = bearer(&image);
        let signer = keys
            .iter()
            .fold(signer(&image, &registry), |s, key| s.key_without_sbom(key));
        signer.run().succeeded();
        at_most(&registry, 12);
    }
    // Two places.
    let image = three_documents();
    let registry = bearer(&image);
    let signer = KEYS
        .into_iter()
        .fold(signer(&image, &registry), Signer::key);
    signer.run().succeeded();
    at_most(&registry, 39);
}

/// WIRE-7, WIRE-11, WIRE-53
#[test]
fn ten_repositories_and_three_keys_are_at_most_ten_times_as_many_requests() {
    for (settle, most) in [(&["-settle", "0"][..], 100), (&[], 120)] {
        let names: Vec<_> = (0..10).map(|n| format!("app/built-{n}:v1")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let image = Image::recorded("oci-media-types").named(&names);
        let registry = bearer(&image);
        let signer = KEYS
            .into_iter()
            .fold(signer(&image, &registry), Signer::key_without_sbom);
        signer.arguments(settle).run().succeeded();
        at_most(&registry, most);
        for repository in image.repositories() {
            let place = attachment(&registry, repository, &image.attached("sig"));
            assert_eq!(place.unwrap().layers.len(), KEYS.len(), "{repository}");
        }
    }
}

/// Requests 3 to 6 of the floor run at the same time, and so do 7 and 8. The
/// chain of requests counts, not the time of the run: a busy machine shifts
/// requests of one round trip by less than the registry takes for each.
#[test]
fn one_image_and_one_key_are_six_round_trips() {
    let image = Image::recorded("oci-media-types");
    let registry = bearer(&image);
    registry.inject(When::every("*", "/"), Action::Delay(ROUND_TRIP));
    let signer = signer(&image, &registry).key_without_sbom("p256-n32768-cosign-header");
    signer.arguments(&["-settle", "0"]).run().succeeded();
    let all = registry.exchanges();
    count(&all, 10);
    assert_eq!(all.longest_chain(), 6, "{all:?}");
}

/// WIRE-4, WIRE-5, WIRE-9
#[test]
fn a_rerun_reads_at_most_seven_times_and_looks_for_its_blobs() {
    let image = three_documents();
    let registry = bearer(&image);
    let signer = signer(&image, &registry).key(KEYS[0]);
    signer.run().succeeded();
    registry.forget_exchanges();
    signer.run().succeeded();
    let all = registry.exchanges();
    count(&all.puts(), 0);
    let sessions = all.filter(|e| e.is_write());
    // A payload and three envelopes.
    let looks = all.of("HEAD", "/blobs/");
    count(&looks, 4);
    assert!(all.len() - sessions.len() - looks.len() <= 7, "{all:?}");
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

/// Where nothing hangs yet, the sessions for everything are opened while the keys
/// are unlocked, and none too many.
#[test]
fn the_sessions_of_attestations_are_open_before_the_first_upload() {
    let image = three_documents();
    let registry = bearer(&image);
    let signer = signer(&image, &registry).key(KEYS[0]);
    signer.arguments(&["-settle", "0"]).run().succeeded();
    let all = registry.exchanges();
    // A payload and a config; three envelopes and a config.
    let sessions = all.of("POST", "/blobs/uploads/");
    count(&sessions, 6);
    count(&all.of("DELETE", "/"), 0);
    let uploads = all.of("PUT", "/blobs/uploads/");
    let first = uploads.iter().map(|upload| upload.began).min().unwrap();
    assert!(sessions.iter().all(|s| s.ended.unwrap() <= first), "{all}");
}

/// Safe append, step 2: however much is uploaded, a place is looked at again only
/// when no more than twelve uploads are left.
#[test]
fn the_last_look_at_a_place_goes_out_with_the_last_uploads() {
    let document = |number| {
        let text = format!(r#"{{"bomFormat":"CycloneDX","version":{number}}}"#);
        Document::new(&format!("a{number}/sbom.cdx.json"), text)
    };
    let image = Image::with_documents(&(0..40).map(document).collect::<Vec<_>>());
    let registry = bearer(&image);
    signer(&image, &registry).key(KEYS[0]).run().succeeded();
    let all = registry.exchanges();
    let uploads = all.of("PUT", "/blobs/uploads/");
    count(&uploads, 43);
    for tag in [image.attached("sig"), image.attached("att")] {
        let looks = all.of("HEAD", &tag);
        count(&looks, 1);
        let look = looks.iter().next().unwrap();
        let is_over = |upload: &&Exchange| upload.ended.is_some_and(|ended| ended <= look.began);
        let over = uploads.iter().filter(is_over).count();
        assert!(over >= 43 - 12, "{tag}: {over}\n{all}");
    }
}
