//! Registries that take a moment to show what was just pushed: they are looked
//! at again for up to five seconds, and no registry that shows it at once is.

use std::process::Command;
use std::time::{Duration, Instant};

use super::holding;
use super::signatures;
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Outcome, Signer};

/// For how long these registries lag behind.
const LAG: Duration = Duration::from_millis(1500);

fn seeded(name: &str) -> (Registry, Image, Signer) {
    holding(Image::recorded(name))
}

/// From its first request on, `answer` is what a registry says until it has
/// caught up.
fn lags(registry: &Registry, method: &str, part: &str, answer: &Answer) {
    let (first, answer) = (std::sync::OnceLock::new(), answer.clone());
    let reply = move || {
        let first = *first.get_or_init(Instant::now);
        (first.elapsed() < LAG).then(|| answer.clone())
    };
    registry.inject(When::every(method, part), Action::unless(reply));
}

fn absent() -> Answer {
    Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown")
}

/// Another image of the same repository, as a registry shows it.
fn another(registry: &Registry, image: &Image, name: &str) -> Answer {
    let other = Image::recorded(name).named(&[&format!("{}:before", image.repository())]);
    other.seed(registry);
    let stored = other.manifest();
    Answer::new(200)
        .with("docker-content-digest", stored.digest())
        .body(&stored.media_type, stored.bytes.clone())
}

#[track_caller]
fn refused(registry: &Registry, run: Outcome) -> Outcome {
    let run = run.ended_with(114);
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0);
    run
}

/// SIG-20, SIG-66
#[test]
fn a_tag_that_is_not_shown_yet_is_waited_for() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    lags(&registry, "GET", "/manifests/v1", &absent());
    let run = signer.run().succeeded();
    assert!((LAG..LAG * 3).contains(&run.took), "{:?}", run.took);
    assert_eq!(signatures(&registry, &image), 1);
}

/// SIG-20, SIG-66
#[test]
fn a_tag_that_shows_the_build_before_is_waited_for() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let before = another(&registry, &image, "oci-media-types");
    lags(&registry, "GET", "/manifests/v1", &before);
    signer.run().succeeded();
    assert_eq!(signatures(&registry, &image), 1);
}

/// SIG-20, SIG-66
#[test]
fn further_tags_are_waited_for_alike() {
    for shows_before in [false, true] {
        let (registry, image, signer) = seeded("platform-api-0.15");
        let lagging = match shows_before {
            true => another(&registry, &image, "oci-media-types"),
            false => absent(),
        };
        for method in ["HEAD", "GET"] {
            lags(&registry, method, "/manifests/latest", &lagging);
        }
        signer.run().succeeded();
        assert_eq!(signatures(&registry, &image), 1);
    }
}

/// The config first, then the layer.
/// SIG-66
#[test]
fn blobs_of_the_image_are_waited_for_alike() {
    let (registry, image, signer) = seeded("one-document");
    let gone = Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
    let manifest = image.manifest().json();
    let layers = manifest["layers"].as_array().unwrap().clone();
    for blob in layers.iter().chain([&manifest["config"]]) {
        let part = format!("/blobs/{}", blob["digest"].as_str().unwrap());
        lags(&registry, "GET", &part, &gone);
    }
    signer.run().succeeded();
    assert!(
        registry
            .manifest(image.repository(), &image.attached("att"))
            .is_some()
    );
}

/// SIG-21, SIG-66
#[test]
fn permanent_absence_is_the_answer_after_five_seconds() {
    let (registry, image, signer) = seeded("platform-api-0.15");
    for (repository, tag) in image.tags() {
        registry.remove(repository, tag);
    }
    let run = refused(&registry, signer.run());
    let five = Duration::from_secs(5);
    assert!((five..five * 2).contains(&run.took), "{:?}", run.took);
    let looks = registry.exchanges().of("GET", "/manifests/v1").len();
    assert!((5..=25).contains(&looks), "{looks}");
}

/// SIG-21, SIG-66
#[test]
fn a_tag_that_shows_two_other_images_is_moved_by_somebody_and_not_waited_for() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let after = another(&registry, &image, "one-document");
    let before = another(&registry, &image, "oci-media-types");
    let part = "/manifests/v1";
    registry.inject(When::first("GET", part).times(2), Action::Answer(before));
    registry.inject(
        When::every("GET", part).after(2),
        Action::Answer(after.clone()),
    );
    let run = refused(&registry, signer.run());
    assert!(run.took < Duration::from_secs(3), "{:?}", run.took);
    run.says(&[after.header("docker-content-digest").unwrap()]);
    assert_eq!(registry.exchanges().of("GET", part).len(), 3);
}

/// SIG-66
#[test]
fn waiting_takes_no_longer_than_a_failing_registry_or_the_run_may() {
    for (argument, most) in [("-retry-budget=0", 2), ("-timeout=2s", 2)] {
        let (registry, image, signer) = seeded("no-sbom-layer");
        registry.remove(image.repository(), "v1");
        let run = refused(&registry, signer.arguments(&[argument]).run());
        assert!(run.took < Duration::from_secs(most), "{:?}", run.took);
    }
}

/// SIG-66
#[test]
fn a_signal_ends_the_waiting() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    registry.remove(image.repository(), "v1");
    let mut child = signer.start();
    while registry.exchanges().of("GET", "/manifests/v1").len() < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let signalled = Instant::now();
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(signalled.elapsed() < Duration::from_secs(2));
}

/// SIG-66
#[test]
fn a_registry_that_shows_everything_at_once_is_asked_nothing_twice() {
    let (registry, _, signer) = seeded("platform-api-0.15");
    signer.arguments(&["-settle=0"]).run().succeeded();
    let seen = registry.exchanges();
    assert_eq!(seen.of("GET", "/manifests/v1").len(), 1, "{seen:?}");
    assert_eq!(seen.of("HEAD", "/manifests/latest").len(), 1, "{seen:?}");
    assert_eq!(seen.of("GET", "/blobs/").len(), 2, "{seen:?}");
}
