//! Passing failures are waited out, within the budget; lasting ones are said at once
//! (`spec/faults.md`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::KEY;
use crate::support::front::{Fate, Front, Opening};
use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Registry, Settings, Switch, When};
use crate::support::signer::Signer;

/// An image that is signed with one key, SBOM and all.
pub(super) fn seeded(image: Image, settings: Settings) -> (Registry, Image, Signer) {
    let registry = Registry::with(settings);
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    (registry, image, signer)
}

/// The smallest run: one image, one key, no SBOM.
pub(super) fn plain() -> (Registry, Image, Signer) {
    seeded(Image::recorded("no-sbom-layer"), Settings::default())
}

/// An image whose envelope is too large to be sent in one piece.
fn large() -> (Registry, Image, Signer) {
    let text = format!(
        r#"{{"bomFormat":"CycloneDX","x":"{}"}}"#,
        "x".repeat(3 << 20)
    );
    let image = Image::with_documents(&[Document::new("a/sbom.cdx.json", text)]);
    seeded(image, Settings::default())
}

#[track_caller]
pub(super) fn is_signed_once(registry: &Registry, image: &Image) {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.expect("a signature").layers.len(), 1);
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

fn passed(_: Opening) -> Fate {
    Fate::Passed
}

/// Case 1, F. SIG-45
#[test]
fn case_01_a_registry_that_is_not_there_is_tried_for_the_budget_and_no_longer() {
    // A port that is free now may be another test's in a moment; this is nobody's.
    let host = "127.0.0.1:1";
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, host).key(KEY);
    let run = signer.arguments(&["-retry-budget", "2s"]).run();
    let run = run
        .ended_with(111)
        .says(&["cannot connect to", host, "hint:"]);
    assert!(run.took > Duration::from_millis(400), "{:?}", run.took);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
}

/// Case 1: a budget of nothing is no second attempt.
#[test]
fn case_01_without_a_budget_nothing_is_asked_twice() {
    let (registry, _, signer) = plain();
    registry.inject(When::every("GET", "/manifests/v1"), Action::status(503));
    let run = signer.arguments(&["-retry-budget=0"]).run().ended_with(111);
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 1);
    assert!(run.stdout.contains("503"), "{}", run.stdout);
}

/// Case 1: it comes up while it is waited for.
#[test]
fn case_01_a_registry_that_starts_late_is_waited_for() {
    let (registry, image, _) = plain();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = port.local_addr().unwrap().to_string();
    drop(port);
    let (bind, target) = (host.clone(), registry.host().to_owned());
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_millis(1200));
        Front::start(&bind, &target, passed)
    });
    let signer = Signer::of(&image, &host).key(KEY);
    signer.arguments(&["-retry-budget=20s"]).run().succeeded();
    assert!(late.join().unwrap().connections() > 0);
    is_signed_once(&registry, &image);
}

/// Case 2, F.
#[test]
fn case_02_a_host_without_an_address_is_named() {
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, "registry.invalid").key(KEY);
    let signer = signer.arguments(&["-retry-budget=1s", "-timeout=30s"]);
    let run = signer.run().ended_with(111);
    run.says(&["registry.invalid", "cannot find the host", "hint:"]);
}

/// Case 3, F: bounded by the run's time. SIG-46
#[test]
fn case_03_a_registry_that_says_nothing_costs_no_more_than_the_time_given() {
    let front = Front::start("127.0.0.1:0", "", |_| Fate::Silent);
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, &front.host()).key(KEY);
    let run = signer.arguments(&["-timeout=2s"]).run().ended_with(111);
    let run = run.says(&["the run's time of 2 s was over", "-timeout"]);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
}

/// D16, F. SIG-45, SIG-80: one budget for all requests that wait for the same
/// registry, and for each way to reach it; the log says what is waited for.
#[test]
fn a_registry_that_says_nothing_costs_the_budget_and_one_silence_however_many_wait() {
    let front = Front::start("127.0.0.1:0", "", |_| Fate::Silent);
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, &front.host()).key(KEY);
    let run = signer
        .arguments(&["-retry-budget=5s"])
        .run()
        .ended_with(111);
    let run = run.says(&["did not answer within 30 s", "hint:"]);
    assert!(run.took < Duration::from_secs(45), "{:?}", run.took);
    let waiting = format!(
        "Waiting for http://{} for 10 s: no answer to GET /v2/",
        front.host()
    );
    run.says(&[&waiting, "giving up after another 25 s at most"]);
}

/// F. SIG-45: the time of a request that is not repeated counts, so that nobody
/// asks after it where the budget is spent.
#[test]
fn a_registry_that_falls_silent_while_a_manifest_is_written_costs_one_silence() {
    let (registry, _, signer) = plain();
    let silence = Action::Delay(Duration::from_secs(300));
    registry.inject(When::every("PUT", ".sig"), silence.clone());
    let was_put = |registry: &Registry| !registry.exchanges().of("PUT", ".sig").is_empty();
    registry.inject(When::every("HEAD", ".sig"), silence.clone());
    registry.inject(When::every("GET", ".sig").after(1), silence);
    let signer = signer.arguments(&["-retry-budget=5s", "-settle=0"]);
    let run = signer.run().ended_with(117);
    assert!(was_put(&registry));
    assert!(run.took < Duration::from_secs(50), "{:?}", run.took);
}

/// SIG-80: other requests are answered meanwhile, those that watch the place.
#[test]
fn a_registry_that_takes_long_for_one_request_is_named_although_it_answers_others() {
    let (registry, image, signer) = plain();
    let slow = Action::Delay(Duration::from_secs(13));
    registry.inject(When::first("PUT", ".sig"), slow);
    let run = signer.run().succeeded();
    let words = format!("Waiting for http://{} for 10 s", registry.host());
    run.says(&[&words, ": no answer to PUT /v2/app/no-sbom/manifests/"]);
    assert!(!registry.exchanges().of("HEAD", ".sig").is_empty());
    is_signed_once(&registry, &image);
}

/// SIG-80
#[test]
fn a_registry_that_asks_to_be_left_alone_is_named_while_it_is_waited_for() {
    let (registry, image, signer) = plain();
    let answer = Answer::new(429).with("retry-after", "12");
    registry.inject(When::first("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer.run().succeeded();
    let words = format!("http://{} asks to be left alone: GET /v2/", registry.host());
    run.says(&[&words, "waits for another 2 s"]);
    is_signed_once(&registry, &image);
}

/// Cases 3 and 4: after half a minute a connection is given up, and the
/// request made anew.
#[test]
fn case_03_04_silence_and_a_trickle_end_after_half_a_minute_and_are_tried_again() {
    thread::scope(|scope| {
        let silence = scope.spawn(|| {
            let (registry, image, _) = plain();
            let first = AtomicBool::new(true);
            let front = Front::start("127.0.0.1:0", registry.host(), move |_| {
                match first.swap(false, Ordering::SeqCst) {
                    true => Fate::Silent,
                    false => Fate::Passed,
                }
            });
            // The other way to ask a registry on loopback is tried as well.
            let run = Signer::of(&image, &front.host()).key(KEY).run().succeeded();
            is_signed_once(&registry, &image);
            run.took
        });
        let trickle = scope.spawn(|| {
            let (registry, image, signer) = plain();
            let when = When::first("GET", "/manifests/v1");
            registry.inject(when, Action::Trickle(Duration::from_secs(1)));
            let run = signer.run().succeeded();
            is_signed_once(&registry, &image);
            // A byte each second: the answer is told from silence.
            run.says(&["Read 1", " bytes of 1.4 kB from http://"])
                .does_not_say(&["Waiting for"])
                .took
        });
        for took in [silence.join().unwrap(), trickle.join().unwrap()] {
            let expected = Duration::from_secs(29)..Duration::from_secs(80);
            assert!(expected.contains(&took), "{took:?}");
        }
    });
}

/// Case 4, F: bounded by the run's time. SIG-46
#[test]
fn case_04_a_body_that_trickles_costs_no_more_than_the_time_given() {
    let (registry, _, signer) = plain();
    let trickle = Action::Trickle(Duration::from_millis(500));
    registry.inject(When::every("GET", "/manifests/v1"), trickle);
    let run = signer.arguments(&["-timeout=3s"]).run().ended_with(111);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
    registry.stored_nothing();
}

/// Case 4: a streamed upload that the registry does not read. SIG-46
#[test]
fn case_04_an_upload_that_is_not_read_costs_no_more_than_the_time_given() {
    let (registry, image, signer) = large();
    let stall = Action::Stall(Duration::from_secs(40));
    registry.inject(When::every("PUT", "/blobs/uploads/"), stall);
    let run = signer.arguments(&["-timeout=4s"]).run().ended_with(111);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    assert_eq!(registry.tags(image.repository()), ["v1"]);
}

/// Case 4: what may have been written is 117, not 111. SIG-46
#[test]
fn case_04_time_that_is_over_while_a_manifest_is_written_may_have_published_it() {
    let (registry, _, signer) = plain();
    registry.inject(
        When::every("PUT", ".sig"),
        Action::Delay(Duration::from_secs(40)),
    );
    // A busy machine takes its time to get there.
    let run = signer.arguments(&["-timeout=12s"]).run().ended_with(117);
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
}

/// SIG-46: sessions are cancelled after the time is over.
#[test]
fn case_04_sessions_are_cancelled_although_the_time_is_over() {
    let (registry, _, signer) = plain();
    let delay = Action::Delay(Duration::from_secs(40));
    registry.inject(When::every("GET", ".sig"), delay);
    signer.arguments(&["-timeout=6s"]).run().ended_with(111);
    assert_eq!(
        registry.exchanges().of("DELETE", "/blobs/uploads/").len(),
        2
    );
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

/// Case 5.
#[test]
fn case_05_a_reset_during_the_tls_handshake_is_survived() {
    let tls = Settings {
        tls: Switch::On,
        ..Settings::default()
    };
    let (registry, image, _) = seeded(Image::recorded("no-sbom-layer"), tls);
    let resets = Arc::new(AtomicUsize::new(0));
    let counted = resets.clone();
    let front = Front::start("127.0.0.1:0", registry.host(), move |opening| {
        let is_first = opening == Opening::Tls && counted.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { Fate::Reset } else { Fate::Passed }
    });
    let signer = Signer::of(&image, &front.host()).key(KEY);
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, registry.authority()).unwrap();
    signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .run()
        .succeeded();
    assert!(
        resets.load(Ordering::SeqCst) > 1,
        "there was no second handshake"
    );
    is_signed_once(&registry, &image);
}

/// Cases 8 and 9.
#[test]
fn case_08_09_an_upload_that_breaks_anywhere_is_made_whole() {
    let ways = [
        Action::CutEarly,
        Action::Cut,
        Action::KeepHalf,
        Action::HandleThenCut,
    ];
    for make in [plain, large] {
        for action in &ways {
            let (registry, image, signer) = make();
            registry.inject(
                When::first("PUT", "/blobs/uploads/").times(2),
                action.clone(),
            );
            signer.run().succeeded();
            // Every blob that a manifest names is read and there.
            is_signed_once(&registry, &image);
        }
    }
}

/// Case 9: the blob that was stored is not uploaded for ever.
#[test]
fn case_09_an_upload_whose_answer_is_lost_is_made_at_most_once_more() {
    let (registry, image, signer) = plain();
    let when = When::first("PUT", "/blobs/uploads/").times(2);
    registry.inject(when, Action::HandleThenCut);
    signer.run().succeeded();
    // Two lost, twice told that the session is gone, two in new sessions.
    let puts = registry.exchanges().of("PUT", "/blobs/uploads/");
    assert_eq!(puts.len(), 6, "{puts:?}");
    is_signed_once(&registry, &image);
}

/// Case 10. WIRE-51
#[test]
fn case_10_a_manifest_whose_answer_is_lost_is_read_before_it_is_written_again() {
    let (registry, image, signer) = plain();
    registry.inject(When::first("PUT", ".sig"), Action::HandleThenCut);
    signer.run().succeeded();
    let all = registry.exchanges();
    assert_eq!(all.of("PUT", ".sig").len(), 1, "{all:?}");
    is_signed_once(&registry, &image);
}
