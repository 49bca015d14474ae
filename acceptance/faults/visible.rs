//! Whether others may see a change, where an answer does not tell: the exit code
//! says so, and the next run finds out.

use std::time::Duration;

use super::redirects::asks_for;
use super::tokens::{ROBOT, bearer};
use super::{KEY, seeded, signatures, tls};
use crate::support::front::{Fate, Front};
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Settings, Switch, When};
use crate::support::signer::{Config, Signer};

/// SIG-18: the registry stores the manifest, and its answer is too long to read.
#[test]
fn a_manifest_that_is_stored_with_an_unreadable_answer_is_published_in_part() {
    for (format, part) in [("legacy", ".sig"), ("bundle", "/manifests/sha256:")] {
        let (registry, image, _) = seeded();
        registry.inject(
            When::first("PUT", part),
            Action::change(|answer| answer.body = vec![b' '; 100_000].into()),
        );
        let config = Config::key(KEY).set("format", format);
        let signer = Signer::of(&image, registry.host()).config(config);
        let run = signer.run();
        run.ended_with(117)
            .says(&["published in part"])
            .says(&["the answer cannot be read"]);
        registry.heal();
        registry.forget_exchanges();
        signer.run().succeeded();
        if format == "legacy" {
            registry.stored_nothing();
            assert_eq!(signatures(&registry, &image), 1);
        }
    }
}

/// SIG-18: before anything is written the registry is unreachable (111), after
/// it the signature is there (117), whichever status a server fails with.
#[test]
fn a_server_that_fails_is_unreachable_before_and_in_part_after_a_write() {
    for status in [501, 505, 507] {
        let (registry, image, signer) = seeded();
        let place = format!("/manifests/{}", image.attached("sig"));
        registry.inject(When::every("GET", place.clone()), Action::status(status));
        signer.run().ended_with(111);
        assert_eq!(signatures(&registry, &image), 0);
        registry.heal();
        registry.inject(When::every("GET", place).after(1), Action::status(status));
        signer.run().ended_with(117).says(&["published in part"]);
        assert_eq!(signatures(&registry, &image), 1);
    }
}

/// SIG-18: a manifest that was sent by an attempt which got no answer may be
/// there, although no further attempt reaches the registry.
#[test]
fn a_manifest_that_was_sent_once_counts_although_the_next_attempt_finds_nobody() {
    let (registry, image, _) = seeded();
    let part = "/manifests/sha256:";
    registry.inject(When::first("PUT", part), Action::HandleThenCut);
    registry.inject(When::every("PUT", part).after(1), Action::status(429));
    let config = Config::key(KEY).set("format", "bundle");
    let signer = Signer::of(&image, registry.host()).config(config);
    let signer = signer.arguments(&["-retry-budget", "2s"]);
    signer.run().ended_with(117).says(&["published in part"]);
}

/// SIG-18: the registry stores the manifest and says that it failed; from then on it lets
/// nobody in. The last refusal says nothing of the first attempt.
#[test]
fn a_manifest_that_was_stored_once_counts_although_the_next_attempt_is_refused() {
    let (registry, image, _) = seeded();
    let part = "/manifests/sha256:";
    let failing = Action::change(|answer| answer.status = 503);
    registry.inject(When::first("PUT", part), failing);
    let refusal = Action::error(401, "UNAUTHORIZED");
    registry.inject(When::every("PUT", part).after(1), refusal);
    let config = Config::key(KEY).set("format", "bundle");
    let signer = Signer::of(&image, registry.host()).config(config);
    let run = signer.run().ended_with(117);
    run.says(&["published in part", "access denied", "UNAUTHORIZED"]);
}

/// SIG-18: the manifest is refused for want of a token, and the token service gives
/// none any more. Its failure says nothing of the manifest.
#[test]
fn a_manifest_that_waits_for_a_token_was_not_stored() {
    for failure in [Action::status(503), Action::Cut, Action::HandleThenCut] {
        let image = Image::recorded("no-sbom-layer");
        let registry = bearer(&image);
        let expired = asks_for(&format!("http://{}/token", registry.host()));
        registry.inject(When::every("PUT", ".sig"), expired);
        registry.inject(When::every("GET", "/token").after(1), failure);
        let signer = Signer::of(&image, registry.host()).key(KEY);
        let signer = signer.credential(registry.host(), ROBOT);
        let signer = signer.arguments(&["-retry-budget", "1s"]);
        let run = signer.run().ended_with(111);
        run.does_not_say(&["published in part"]);
        assert_eq!(signatures(&registry, &image), 0);
    }
}

/// SIG-18, WIRE-51: the registry stores the manifest and answers with a status that
/// leaves that open; then it is not there any more.
#[test]
fn a_manifest_that_is_stored_counts_whichever_status_leaves_that_open() {
    for status in [408, 425, 499, 503] {
        let (registry, image, signer) = seeded();
        let place = format!("/manifests/{}", image.attached("sig"));
        registry.inject(
            When::first("PUT", place.clone()),
            Action::change(move |answer| answer.status = status),
        );
        registry.inject(When::every("GET", place).after(1), Action::status(501));
        let run = signer.run();
        assert_eq!(run.code, Some(117), "{status}: {}", run.stdout);
        assert_eq!(signatures(&registry, &image), 1);
    }
}

/// SIG-61, WIRE-51: the registry stores the manifest, and a fatal alert comes in place of
/// its answer.
#[test]
fn a_manifest_that_is_stored_before_a_tls_alert_is_read_back() {
    for http2 in [Switch::Off, Switch::On] {
        let (registry, image) = tls::with(Settings {
            tls: Switch::On,
            http2,
            ..Settings::default()
        });
        let front = Front::start("127.0.0.1:0", registry.host(), |_| Fate::Passed);
        let host = front.host();
        // The alert needs a moment to arrive before the answer.
        let alert = Action::after(move || {
            front.spoil();
            std::thread::sleep(Duration::from_secs(1));
        });
        registry.inject(When::first("PUT", ".sig"), alert);
        let signer = tls::trusting(&registry, &image, &host);
        let run = signer.arguments(&["-log-level=debug"]).run().succeeded();
        run.says(&["broke"]);
        assert_eq!(signatures(&registry, &image), 1);
        assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 1);
    }
}

/// SIG-18: a registry that wants to be left alone has refused the manifest for now.
#[test]
fn a_manifest_that_is_wanted_in_an_hour_was_not_stored() {
    let (registry, image, signer) = seeded();
    let later = Answer::new(429).with("retry-after", "3600");
    registry.inject(When::every("PUT", ".sig"), Action::Answer(later));
    signer.run().ended_with(111).says(&["asks to wait 3600 s"]);
    assert_eq!(signatures(&registry, &image), 0);
}
