//! Answers that are odd but legal, and answers that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{seeded, signatures};
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, Settings, Switch, When};
use crate::support::signer::Signer;

#[test]
fn a_lost_upload_session_is_opened_anew() {
    let (registry, image, signer) = seeded();
    registry.inject(
        When::first("PUT", "/blobs/uploads/"),
        Action::error(404, "BLOB_UPLOAD_UNKNOWN"),
    );
    signer.run().succeeded();
    assert_eq!(signatures(&registry, &image), 1);
}

#[test]
fn blobs_that_the_registry_lost_are_uploaded_again() {
    let (registry, image, signer) = seeded();
    registry.inject(
        When::first("PUT", ".sig"),
        Action::error(400, "MANIFEST_BLOB_UNKNOWN"),
    );
    signer.run().succeeded();
    assert_eq!(signatures(&registry, &image), 1);
}

#[test]
fn a_registry_that_takes_a_second_to_show_a_manifest_is_waited_for() {
    let (registry, image, signer) = seeded();
    let tag = format!("/manifests/{}", image.attached("sig"));
    let when = When::first("GET", tag).after(1).times(2);
    registry.inject(when, Action::error(404, "MANIFEST_UNKNOWN"));
    signer.run().succeeded();
}

#[test]
fn a_manifest_that_is_stored_under_another_digest_is_an_error() {
    let (registry, _, signer) = seeded();
    let wrong = format!("sha256:{}", "0".repeat(64));
    registry.inject(
        When::every("PUT", ".sig"),
        Action::change(move |answer| answer.set("docker-content-digest", wrong.clone())),
    );
    signer.run().ended_with(117);
}

#[test]
fn an_upload_location_may_be_relative_or_absolute() {
    let forms: [fn(&str, &str) -> String; 3] = [
        |_, location| location.to_owned(),
        |host, location| format!("http://{host}{location}"),
        |_, location| location.rsplit_once('/').unwrap().1.to_owned(),
    ];
    for form in forms {
        let (registry, image, signer) = seeded();
        let host = registry.host().to_owned();
        registry.inject(
            When::every("POST", "/blobs/uploads/"),
            Action::change(move |answer| {
                let location = form(&host, answer.header("location").unwrap());
                answer.set("location", location);
            }),
        );
        signer.run().succeeded();
        assert_eq!(signatures(&registry, &image), 1);
    }
}

#[test]
fn an_upload_without_a_location_is_an_error_before_anything_is_stored() {
    for location in [None, Some(""), Some("http://["), Some("file:///etc/passwd")] {
        let (registry, _, signer) = seeded();
        registry.inject(
            When::every("POST", "/blobs/uploads/"),
            Action::change(move |answer| {
                answer.headers.retain(|(name, _)| name != "location");
                if let Some(location) = location {
                    answer.set("location", location);
                }
            }),
        );
        let run = signer.run();
        assert!(
            matches!(run.code, Some(111..=118)),
            "{location:?}: {:?}\n{}",
            run.code,
            run.stdout
        );
        assert!(registry.exchanges().of("PUT", "/manifests/").is_empty());
    }
}

#[test]
fn a_201_without_a_location_or_digest_is_good_enough() {
    let (registry, image, signer) = seeded();
    for part in ["/blobs/uploads/", "/manifests/"] {
        registry.inject(
            When::every("PUT", part),
            Action::change(|answer| {
                answer.headers.retain(|(name, _)| {
                    !["location", "docker-content-digest"].contains(&name.as_str())
                });
            }),
        );
    }
    signer.run().succeeded();
    assert_eq!(signatures(&registry, &image), 1);
}

#[test]
fn registries_with_single_post_mount_and_referrers_work_as_well() {
    let settings = Settings {
        single_post: Switch::On,
        mount: Switch::On,
        referrers: Switch::On,
        immutable_tags: Switch::On,
        ..Settings::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    Signer::of(&image, registry.host())
        .key("p256-n32768-cosign-header")
        .run()
        .succeeded();
    assert_eq!(signatures(&registry, &image), 1);
    assert_eq!(registry.open_uploads(), 0);
}

#[test]
fn a_policy_that_blocks_unsigned_images_is_named_and_not_tried_again() {
    let (registry, _, signer) = seeded();
    let answer = Answer::error(412, "PROJECTPOLICYVIOLATION", "the image is not signed");
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer.run();
    assert!(matches!(run.code, Some(111..=118)), "{:?}", run.code);
    assert!(
        run.stdout.contains("PROJECTPOLICYVIOLATION"),
        "{}",
        run.stdout
    );
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 1);
    assert!(registry.exchanges().puts().is_empty());
}

#[test]
fn redirects_in_a_circle_end() {
    let (registry, image, signer) = seeded();
    let target = format!("/v2/{}/manifests/v1", image.repository());
    let answer = Answer::new(307).with("location", target);
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer.run();
    assert!(matches!(run.code, Some(111..=118)), "{:?}", run.code);
    // Five redirects each, in plain HTTP and, on loopback, once more.
    assert!(
        registry.exchanges().of("GET", "/manifests/v1").len() <= 6,
        "{:?}",
        registry.exchanges()
    );
}

#[test]
fn a_registry_that_takes_few_requests_a_second_is_not_flooded() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    let rejected = Arc::new(AtomicUsize::new(0));
    let counted = rejected.clone();
    // Every third upload is turned away with a time.
    for after in [0, 3, 6] {
        let counted = counted.clone();
        registry.inject(
            When::first("PUT", "/blobs/uploads/").after(after),
            Action::change(move |answer| {
                counted.fetch_add(1, Ordering::Relaxed);
                *answer = Answer::new(429).with("retry-after", "1");
            }),
        );
    }
    let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    let run = signer.run().succeeded();
    assert!(run.took >= Duration::from_secs(1));
    assert_eq!(rejected.load(Ordering::Relaxed), 3);
    assert_eq!(signatures(&registry, &image), 1);
}
