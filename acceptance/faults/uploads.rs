//! Upload sessions and what registries make of them (`spec/faults.md`).

use std::time::Duration;

use super::KEY;
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, Switch, When};
use crate::support::signer::Signer;

const ROBOT: &str = "Basic cm9ib3Q6cGFzcw==";

fn plain() -> (Registry, Image, Signer) {
    with(Settings::default())
}

fn with(settings: Settings) -> (Registry, Image, Signer) {
    let registry = Registry::with(settings);
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    let signer = signer.credential(registry.host(), ROBOT);
    (registry, image, signer)
}

#[track_caller]
fn is_signed(registry: &Registry, image: &Image) {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.expect("a signature").layers.len(), 1);
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

/// The forms that a session's location may have.
fn located(registry: &Registry, form: impl Fn(&str, &str) -> String + Send + Sync + 'static) {
    let host = registry.host().to_owned();
    registry.inject(
        When::every("POST", "/blobs/uploads/"),
        Action::change(move |answer| {
            if let Some(location) = answer.header("location").map(str::to_owned) {
                answer.set("location", form(&host, &location));
            }
        }),
    );
}

/// Case 32.
#[test]
fn case_32_a_location_may_be_relative_or_absolute_and_keeps_its_query() {
    let forms: [fn(&str, &str) -> String; 5] = [
        |_, location| location.to_owned(),
        |host, location| format!("http://{host}{location}"),
        |_, location| location.rsplit_once('/').unwrap().1.to_owned(),
        |host, location| format!("//{host}{location}"),
        |_, location| format!("{location}&token=a%2Bb%2F&empty="),
    ];
    for form in forms {
        let (registry, image, signer) = plain();
        located(&registry, form);
        signer.run().succeeded();
        is_signed(&registry, &image);
        let puts = registry.exchanges().of("PUT", "/blobs/uploads/");
        for put in puts.iter() {
            // The registry itself refuses a session without its `_state`.
            let query = put.target.split_once('?').unwrap().1;
            let digest = query.rsplit('&').next().unwrap();
            assert!(digest.starts_with("digest=sha256"), "{put}");
            if query.contains("token=") {
                assert!(query.contains("token=a%2Bb%2F&empty="), "{put}");
            }
        }
    }
}

/// Case 32: another host gets the bytes, and nothing else.
#[test]
fn case_32_a_location_on_another_host_is_shown_no_credentials() {
    let settings = Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    };
    let (registry, _, signer) = with(settings);
    let other = Registry::start();
    other.inject(
        When::every("PUT", "/elsewhere/"),
        Action::Answer(Answer::new(201)),
    );
    let host = other.host().to_owned();
    located(&registry, move |_, _| {
        format!("http://{host}/elsewhere/1?sig=canary")
    });
    let run = signer.arguments(&["-log-level=debug"]).run();
    // The bytes never reach the registry, which says so.
    run.ended_with(111).does_not_say(&["canary"]);
    let puts = other.exchanges().of("PUT", "/elsewhere/");
    assert!((2..=10).contains(&puts.len()), "{puts:?}");
    assert!(
        puts.iter().all(|put| put.authorization.is_none()),
        "{puts:?}"
    );
}

/// Case 32, F.
#[test]
fn case_32_a_session_without_a_usable_location_is_an_error_before_anything_is_put() {
    for location in [
        None,
        Some(""),
        Some("http://["),
        Some("file:///x"),
        Some("http://169.254.169.254/x"),
    ] {
        let (registry, image, signer) = plain();
        registry.inject(
            When::every("POST", "/blobs/uploads/"),
            Action::change(move |answer| {
                answer.headers.retain(|(name, _)| name != "location");
                if let Some(location) = location {
                    answer.set("location", location);
                }
            }),
        );
        signer
            .run()
            .ended_with(111)
            .says(&["opening an upload session", image.repository()]);
        registry.stored_nothing();
    }
}

/// A registry behind a proxy that ends TLS for it and does not tell it so.
#[test]
fn a_location_in_plain_http_of_a_registry_in_https_is_refused_with_the_cause() {
    let (registry, _, signer) = with(Settings {
        tls: Switch::On,
        ..Settings::default()
    });
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, registry.authority()).unwrap();
    located(&registry, |host, location| {
        format!("http://{host}{location}&token=canary")
    });
    let run = signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .run();
    run.ended_with(111)
        .says(&[
            "opening an upload session",
            &format!("`http://{}/v2/", registry.host()),
            "from HTTPS to plain HTTP",
            "external URL",
            "X-Forwarded-Proto",
        ])
        .does_not_say(&["canary"]);
    registry.stored_nothing();
}

/// Case 33: the signer sends no single POST, whoever would take one.
#[test]
fn case_33_registries_that_would_take_more_are_asked_for_two_steps() {
    let (registry, image, signer) = with(Settings {
        single_post: Switch::On,
        mount: Switch::On,
        referrers: Switch::On,
        immutable_tags: Switch::On,
        ..Settings::default()
    });
    signer.run().succeeded();
    is_signed(&registry, &image);
    let posts = registry.exchanges().of("POST", "/blobs/uploads/");
    assert!(
        posts.iter().all(|post| !post.target.contains('?')),
        "{posts:?}"
    );
}

/// Case 33, F: a registry that grants no session.
#[test]
fn case_33_a_session_that_is_not_granted_is_an_error_with_the_registry_s_words() {
    for (status, code) in [
        (400, 113),
        (403, 113),
        (404, 113),
        (405, 113),
        (415, 113),
        (201, 113),
    ] {
        let (registry, image, signer) = plain();
        let when = When::every("POST", "/blobs/uploads/");
        registry.inject(when, Action::error(status, "MINE"));
        signer
            .run()
            .ended_with(code)
            .says(&["no write access to", image.repository(), "MINE"]);
        registry.stored_nothing();
    }
}

/// Case 34.
#[test]
fn case_34_a_session_that_is_lost_is_opened_anew() {
    for status in [404, 416] {
        let (registry, image, signer) = plain();
        let when = When::first("PUT", "/blobs/uploads/").times(2);
        registry.inject(when, Action::error(status, "BLOB_UPLOAD_UNKNOWN"));
        signer.run().succeeded();
        let place = attachment(&registry, image.repository(), &image.attached("sig"));
        assert_eq!(place.unwrap().layers.len(), 1);
    }
}

/// Case 34, WIRE-5: the registry still has the session.
#[test]
fn case_34_a_session_that_lost_count_is_cancelled() {
    let (registry, image, signer) = plain();
    let when = When::first("PUT", "/blobs/uploads/").times(2);
    registry.inject(when, Action::error(416, "RANGE_INVALID"));
    signer.run().succeeded();
    is_signed(&registry, &image);
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

/// Case 34: cancelling takes two seconds, and no upload waits for that.
#[test]
fn case_34_a_session_that_is_never_cancelled_keeps_nobody_waiting() {
    let (registry, image, signer) = plain();
    let when = When::first("PUT", "/blobs/uploads/").times(2);
    registry.inject(when, Action::error(416, "RANGE_INVALID"));
    let silence = Action::Delay(Duration::from_secs(300));
    registry.inject(When::every("DELETE", "/blobs/uploads/"), silence);
    let run = signer.run().succeeded();
    assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
    let place = attachment(&registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.unwrap().layers.len(), 1);
}

/// Case 34, F: but not for ever.
#[test]
fn case_34_a_session_that_is_always_lost_is_given_up() {
    let (registry, _, signer) = plain();
    let when = When::every("PUT", "/blobs/uploads/");
    registry.inject(when, Action::error(404, "BLOB_UPLOAD_UNKNOWN"));
    signer
        .run()
        .ended_with(111)
        .says(&["lost the upload session again and again"]);
    assert!(
        registry.exchanges().of("PUT", "").len() <= 8,
        "{:?}",
        registry.exchanges()
    );
}

/// A blob that the registry does not want is not uploaded again.
#[test]
fn case_34_a_blob_that_is_refused_is_not_uploaded_again() {
    let (registry, _, signer) = plain();
    let when = When::every("PUT", "/blobs/uploads/");
    registry.inject(when, Action::error(400, "DIGEST_INVALID"));
    signer.run().ended_with(118).says(&["DIGEST_INVALID"]);
    assert_eq!(
        registry.exchanges().of("PUT", "").len(),
        2,
        "{:?}",
        registry.exchanges()
    );
}

/// Case 35.
#[test]
fn case_35_blobs_that_the_registry_lost_are_uploaded_again() {
    for code in ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"] {
        let (registry, image, signer) = plain();
        registry.inject(When::first("PUT", ".sig"), Action::error(400, code));
        signer.run().succeeded();
        is_signed(&registry, &image);
        assert_eq!(registry.exchanges().of("PUT", "/blobs/uploads/").len(), 4);
    }
}

/// Case 35, F: but not for ever.
#[test]
fn case_35_blobs_that_the_registry_always_loses_are_given_up() {
    let (registry, _, signer) = plain();
    registry.inject(
        When::every("PUT", ".sig"),
        Action::error(400, "MANIFEST_BLOB_UNKNOWN"),
    );
    let run = signer.run().ended_with(111).says(&["does not know them"]);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
    assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 4);
}

/// Harbor opens a session, and finds out later that there is no room.
#[test]
fn a_quota_that_is_used_up_is_named_and_no_login_is_asked_for() {
    let words = "adding 1.1 KiB of storage resource, which when updated to current usage of \
                 1.0 GiB will exceed the configured upper limit of 1.0 GiB.";
    for (method, part) in [
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
    ] {
        let (registry, image, signer) = plain();
        let answer = Answer::error(403, "DENIED", words);
        registry.inject(When::every(method, part), Action::Answer(answer));
        let run = signer.run().ended_with(118);
        let run = run.says(&["hint: the storage quota is used up", "upper limit"]);
        run.does_not_say(&["CNB_REGISTRY_AUTH"]);
        assert_eq!(registry.tags(image.repository()), ["v1"]);
        assert_eq!(registry.open_uploads(), 0);
    }
}

/// Another 403 for a manifest is about access still.
#[test]
fn a_manifest_that_is_denied_without_a_word_of_room_is_about_access() {
    let (registry, _, signer) = plain();
    registry.inject(When::every("PUT", ".sig"), Action::error(403, "DENIED"));
    signer.run().ended_with(113);
    // With its condition, and without.
    assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 2);
}

/// Case 36, F.
#[test]
fn case_36_a_manifest_that_the_registry_calls_otherwise_is_an_error() {
    let (registry, _, signer) = plain();
    let wrong = format!("sha256:{}", "0".repeat(64));
    registry.inject(
        When::every("PUT", ".sig"),
        Action::change(move |answer| {
            answer.set("docker-content-digest", wrong.clone());
        }),
    );
    signer
        .run()
        .ended_with(117)
        .says(&["the bytes have digest"]);
}

/// Case 36: what an answer does not say is not held against it.
#[test]
fn case_36_a_201_without_a_location_or_digest_is_good_enough() {
    let (registry, image, signer) = plain();
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
    is_signed(&registry, &image);
}

/// Case 37.
#[test]
fn case_37_a_manifest_that_shows_late_is_waited_for() {
    let (registry, image, signer) = plain();
    let tag = format!("/manifests/{}", image.attached("sig"));
    let when = When::first("GET", tag).after(1).times(4);
    registry.inject(when, Action::error(404, "MANIFEST_UNKNOWN"));
    signer.run().succeeded();
    assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 1);
}

/// Case 37, F. SIG-35
#[test]
fn case_37_a_manifest_that_never_shows_is_not_called_published() {
    let (registry, image, signer) = plain();
    let tag = format!("/manifests/{}", image.attached("sig"));
    registry.inject(
        When::every("GET", tag).after(1),
        Action::error(404, "MANIFEST_UNKNOWN"),
    );
    let run = signer
        .run()
        .ended_with(117)
        .says(&["accepted", "does not show it"]);
    assert!(run.took > Duration::from_secs(4), "{:?}", run.took);
}

/// Case 42: an answer is whole, or it is no answer.
#[test]
fn case_42_a_length_that_is_too_large_is_a_broken_answer() {
    for part in ["/manifests/v1", ".sig"] {
        let (registry, image, signer) = plain();
        let after = usize::from(part == ".sig");
        registry.inject(
            When::first("GET", part).after(after),
            Action::change(|answer| {
                let length = answer.body.len() + 10;
                answer.set("content-length", length.to_string());
            }),
        );
        signer.run().succeeded();
        is_signed(&registry, &image);
    }
}

/// Case 42, F.
#[test]
fn case_42_a_length_that_is_too_small_is_another_manifest() {
    let (registry, _, signer) = plain();
    registry.inject(
        When::every("GET", "/manifests/"),
        Action::change(|answer| {
            let length = answer.body.len() - 10;
            answer.body.truncate(length);
        }),
    );
    signer.run().ended_with(114);
    registry.stored_nothing();
}

/// Case 42: bytes are hashed as they came; nothing is unpacked on the way.
#[test]
fn case_42_an_answer_that_was_packed_is_not_the_manifest() {
    let (registry, _, signer) = plain();
    registry.inject(
        When::every("GET", "/manifests/"),
        Action::change(|answer| {
            answer.body = crate::support::images::gzip(&answer.body).into();
            answer.set("content-encoding", "gzip");
        }),
    );
    signer.run().ended_with(114);
    registry.stored_nothing();
}
