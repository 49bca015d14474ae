//! What passes is waited for, within the budget; what does not is said at once
//! (`spec/faults.md`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::front::{Fate, Front, Opening};
use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, Switch, When};
use crate::support::signer::{Config, Signer};

const KEY: &str = "p256-n32768-cosign-header";

/// An image that is signed with one key, SBOM and all.
fn seeded(image: Image, settings: Settings) -> (Registry, Image, Signer) {
    let registry = Registry::with(settings);
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    (registry, image, signer)
}

/// The smallest run: one image, one key, no SBOM.
fn plain() -> (Registry, Image, Signer) {
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
fn is_signed_once(registry: &Registry, image: &Image) {
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.expect("a signature").layers.len(), 1);
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

fn passed(_: Opening) -> Fate {
    Fate::Passed
}

/// Case 1, F. SIG-39
#[test]
fn a_registry_that_is_not_there_is_tried_for_the_budget_and_no_longer() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, &host).key(KEY);
    let run = signer.arguments(&["-retry-budget", "2s"]).run();
    let run = run
        .ended_with(111)
        .says(&["cannot connect to", &host, "hint:"]);
    assert!(run.took > Duration::from_millis(400), "{:?}", run.took);
    assert!(run.took < Duration::from_secs(8), "{:?}", run.took);
}

/// Case 1: a budget of nothing is no second attempt.
#[test]
fn without_a_budget_nothing_is_asked_twice() {
    let (registry, _, signer) = plain();
    registry.inject(When::every("GET", "/manifests/v1"), Action::status(503));
    let run = signer.arguments(&["-retry-budget=0"]).run().ended_with(111);
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 1);
    assert!(run.stdout.contains("503"), "{}", run.stdout);
}

/// Case 1: it comes up while it is waited for.
#[test]
fn a_registry_that_starts_late_is_waited_for() {
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
fn a_host_without_an_address_is_named() {
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, "registry.invalid").key(KEY);
    let signer = signer.arguments(&["-retry-budget=1s", "-timeout=30s"]);
    let run = signer.run().ended_with(111);
    run.says(&["registry.invalid", "cannot find the host", "hint:"]);
}

/// Case 3, F: bounded by the run's time. SIG-40
#[test]
fn a_registry_that_says_nothing_costs_no_more_than_the_time_given() {
    let front = Front::start("127.0.0.1:0", "", |_| Fate::Silent);
    let image = Image::recorded("no-sbom-layer");
    let signer = Signer::of(&image, &front.host()).key(KEY);
    let run = signer.arguments(&["-timeout=2s"]).run().ended_with(111);
    let run = run.says(&["the run's time of 2 s was over", "-timeout"]);
    assert!(run.took < Duration::from_secs(8), "{:?}", run.took);
}

/// Cases 3 and 4: after half a minute a connection is given up, and the
/// request made anew.
#[test]
fn silence_and_a_trickle_end_after_half_a_minute_and_are_tried_again() {
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
            run.took
        });
        for took in [silence.join().unwrap(), trickle.join().unwrap()] {
            let expected = Duration::from_secs(29)..Duration::from_secs(50);
            assert!(expected.contains(&took), "{took:?}");
        }
    });
}

/// Case 4, F: bounded by the run's time. SIG-40
#[test]
fn a_body_that_trickles_costs_no_more_than_the_time_given() {
    let (registry, _, signer) = plain();
    let trickle = Action::Trickle(Duration::from_millis(500));
    registry.inject(When::every("GET", "/manifests/v1"), trickle);
    let run = signer.arguments(&["-timeout=3s"]).run().ended_with(111);
    assert!(run.took < Duration::from_secs(9), "{:?}", run.took);
    assert!(registry.exchanges().puts().is_empty());
}

/// Case 4: a streamed upload that the registry does not read. SIG-40
#[test]
fn an_upload_that_is_not_read_costs_no_more_than_the_time_given() {
    let (registry, image, signer) = large();
    let stall = Action::Stall(Duration::from_secs(40));
    registry.inject(When::every("PUT", "/blobs/uploads/"), stall);
    let run = signer.arguments(&["-timeout=4s"]).run().ended_with(111);
    assert!(run.took < Duration::from_secs(12), "{:?}", run.took);
    assert_eq!(registry.tags(image.repository()), ["v1"]);
}

/// Case 4: what may have been written is 117, not 111. SIG-40
#[test]
fn time_that_is_over_while_a_manifest_is_written_may_have_published_it() {
    let (registry, _, signer) = plain();
    registry.inject(
        When::every("PUT", ".sig"),
        Action::Delay(Duration::from_secs(40)),
    );
    let run = signer.arguments(&["-timeout=4s"]).run().ended_with(117);
    assert!(run.took < Duration::from_secs(12), "{:?}", run.took);
}

/// SIG-40: sessions are cancelled after the time is over.
#[test]
fn sessions_are_cancelled_although_the_time_is_over() {
    let (registry, _, signer) = plain();
    let delay = Action::Delay(Duration::from_secs(40));
    registry.inject(When::every("GET", ".sig"), delay);
    signer.arguments(&["-timeout=3s"]).run().ended_with(111);
    assert_eq!(
        registry.exchanges().of("DELETE", "/blobs/uploads/").len(),
        2
    );
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

/// Case 5.
#[test]
fn a_reset_during_the_tls_handshake_is_survived() {
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
fn an_upload_that_breaks_anywhere_is_made_whole() {
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
fn an_upload_whose_answer_is_lost_is_made_at_most_once_more() {
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
fn a_manifest_whose_answer_is_lost_is_read_before_it_is_written_again() {
    let (registry, image, signer) = plain();
    registry.inject(When::first("PUT", ".sig"), Action::HandleThenCut);
    signer.run().succeeded();
    let all = registry.exchanges();
    assert_eq!(all.of("PUT", ".sig").len(), 1, "{all:?}");
    is_signed_once(&registry, &image);
}

/// Case 11: each status once to each kind of request, all in one run.
#[test]
fn a_status_that_passes_is_survived_by_every_kind_of_request() {
    const STATUSES: [u16; 11] = [408, 425, 499, 500, 502, 503, 504, 520, 521, 522, 524];
    let each = |status: u16| {
        let auth = Auth::bearer("pass");
        let settings = Settings {
            auth,
            ..Settings::default()
        };
        let (registry, image, signer) = seeded(Image::recorded("one-document"), settings);
        for (method, part, after) in [
            ("GET", "/token", 0),
            ("GET", "/manifests/v1", 0),
            ("GET", "/manifests/v1", 1),
            ("GET", "/blobs/sha256", 0),
            ("POST", "/blobs/uploads/", 0),
            ("PUT", "/blobs/uploads/", 0),
            ("PUT", ".sig", 0),
            ("PUT", ".att", 0),
            ("GET", ".sig", 0),
            ("GET", ".sig", 1),
        ] {
            let when = When::first(method, part).after(after);
            registry.inject(when, Action::status(status));
        }
        let signer = signer.credential(registry.host(), "Basic cm9ib3Q6cGFzcw==");
        let run = signer.run();
        assert_eq!(run.code, Some(0), "{status}: {}", run.stdout);
        is_signed_once(&registry, &image);
        let place = attachment(&registry, image.repository(), &image.attached("att"));
        assert_eq!(place.unwrap().layers.len(), 1);
    };
    thread::scope(|scope| {
        let runs = STATUSES.map(|status| scope.spawn(move || each(status)));
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

/// Case 14.
#[test]
fn a_429_without_a_time_is_survived_by_every_kind_of_request() {
    for (method, part) in [
        ("GET", "/manifests/v1"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", ".sig"),
    ] {
        let (registry, image, signer) = plain();
        registry.inject(When::first(method, part), Action::status(429));
        let run = signer.run().succeeded();
        assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
        is_signed_once(&registry, &image);
    }
}

/// Statuses that no later attempt changes.
#[test]
fn a_status_that_does_not_pass_is_not_asked_for_again() {
    for (status, code) in [
        (400, 114),
        (403, 113),
        (405, 114),
        (412, 114),
        (415, 114),
        (451, 114),
    ] {
        let (registry, _, signer) = plain();
        let part = "/manifests/v1";
        registry.inject(When::every("GET", part), Action::error(status, "MINE"));
        signer.run().ended_with(code).says(&["MINE"]);
        let asked = registry.exchanges().of("GET", part);
        assert_eq!(asked.len(), 1, "{asked:?}");
    }
}

/// Case 12.
#[test]
fn a_503_three_times_in_a_row_on_the_manifest_is_survived() {
    let (registry, image, signer) = plain();
    registry.inject(When::first("PUT", ".sig").times(3), Action::status(503));
    signer.run().succeeded();
    is_signed_once(&registry, &image);
}

/// Case 13, F.
#[test]
fn a_503_that_stays_is_given_up_with_its_words() {
    let (registry, _, signer) = plain();
    let answer = Answer::new(503).body("text/plain", format!("closed {}", "x".repeat(5000)));
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer
        .arguments(&["-retry-budget=2s"])
        .run()
        .ended_with(111);
    let run = run.says(&["answered 503 to each of", "attempts", "`closed xxx"]);
    assert!(run.took < Duration::from_secs(8), "{:?}", run.took);
    assert!(run.stdout.len() < 3000, "{}", run.stdout);
}

/// Case 15. SIG-39
#[test]
fn a_time_asked_for_is_waited_for_by_requests_to_that_host_alone() {
    let (busy, image, signer) = plain();
    let other = Registry::start();
    let [asked, opened] = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
    let noting = |list: &Arc<Mutex<Vec<Instant>>>| {
        let list = list.clone();
        Action::before(move || list.lock().unwrap().push(Instant::now()))
    };
    busy.inject(When::every("GET", "/manifests/v1"), noting(&asked));
    other.inject(When::every("POST", "/blobs/uploads/"), noting(&opened));
    let answer = Answer::new(429).with("retry-after", "2");
    busy.inject(
        When::first("GET", "/manifests/v1").times(3),
        Action::Answer(answer),
    );
    let config = Config::key("p256-cosign2").set("repository", &format!("{}/s", other.host()));
    signer.config(config).run().succeeded();
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    for pair in asked.windows(2) {
        let waited = pair[1] - pair[0];
        assert!(waited >= Duration::from_millis(1990), "{waited:?}");
    }
    for opened in opened.lock().unwrap().iter() {
        assert!(*opened < asked[1], "the other host had to wait");
    }
    is_signed_once(&busy, &image);
}

/// Case 15: the time is not charged to the budget.
#[test]
fn a_time_asked_for_does_not_use_up_the_budget() {
    let (registry, _, signer) = plain();
    let answer = Answer::new(503).with("retry-after", "2");
    registry.inject(
        When::first("GET", "/manifests/v1").times(2),
        Action::Answer(answer),
    );
    signer.arguments(&["-retry-budget=1s"]).run().succeeded();
}

/// Case 16, F.
#[test]
fn a_time_asked_for_that_does_not_fit_is_an_error_at_once() {
    let (registry, _, signer) = plain();
    let answer = Answer::new(429).with("retry-after", "3600");
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer.arguments(&["-timeout=60s"]).run().ended_with(111);
    let run = run.says(&["asks to wait 3600 s"]);
    assert!(run.took < Duration::from_secs(5), "{:?}", run.took);
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 1);
}

/// Case 17.
#[test]
fn a_time_that_cannot_be_meant_is_ignored() {
    for value in [
        "-1",
        "soon",
        "",
        "0",
        "1e3",
        "Thu, 01 Jan 1970 00:00:00 GMT",
    ] {
        let (registry, _, signer) = plain();
        let answer = Answer::new(429).with("retry-after", value);
        registry.inject(When::first("GET", "/manifests/v1"), Action::Answer(answer));
        let run = signer.run().succeeded();
        assert!(
            run.took < Duration::from_secs(10),
            "{value}: {:?}",
            run.took
        );
    }
}

/// Case 17: no time is too long to be understood.
#[test]
fn an_endless_time_is_an_error_at_once() {
    for value in [
        "1000000000000000000",
        "99999999999999999999999999",
        "Thu, 31 Dec 2099 23:59:59 GMT",
    ] {
        let (registry, _, signer) = plain();
        let answer = Answer::new(429).with("retry-after", value);
        registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
        let run = signer.run().ended_with(111).says(&["asks to wait"]);
        assert!(run.took < Duration::from_secs(5), "{value}: {:?}", run.took);
    }
}

/// Case 17: a date.
#[test]
fn a_time_asked_for_as_a_date_is_waited_for() {
    let (registry, _, signer) = plain();
    let time = jiff::Timestamp::now() + Duration::from_secs(4);
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    let date = printer.timestamp_to_rfc9110_string(&time);
    let answer = Answer::new(503).with("retry-after", date.unwrap());
    registry.inject(When::first("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer.run().succeeded();
    assert!(run.took > Duration::from_secs(2), "{:?}", run.took);
}

/// Case 18: more than ten requests in a second are turned away, without a word
/// about when to come back.
#[test]
fn a_registry_that_takes_ten_requests_a_second_gets_hardly_more() {
    let documents: Vec<_> = (0..45)
        .map(|number| {
            let text = format!(r#"{{"bomFormat":"CycloneDX","serialNumber":"{number}"}}"#);
            Document::new(&format!("{number}/sbom.cdx.json"), text)
        })
        .collect();
    let (registry, image, signer) = seeded(Image::with_documents(&documents), Settings::default());
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let taken = Mutex::new(Vec::<Instant>::new());
    let noted = outcomes.clone();
    // Before the request is handled: a request that is turned away does nothing.
    registry.inject(
        When::every("*", "/v2/"),
        Action::unless(move || {
            let mut taken = taken.lock().unwrap();
            let now = Instant::now();
            taken.retain(|earlier| now - *earlier < Duration::from_secs(1));
            let is_taken = taken.len() < 10;
            if is_taken {
                taken.push(now);
            }
            noted.lock().unwrap().push(is_taken);
            (!is_taken).then(|| Answer::error(429, "TOOMANYREQUESTS", "slow down"))
        }),
    );
    signer.run().succeeded();
    let place = attachment(&registry, image.repository(), &image.attached("att"));
    assert_eq!(place.unwrap().layers.len(), 45);
    let outcomes = outcomes.lock().unwrap();
    let after = &outcomes[40..];
    let rejected = after.iter().filter(|is_taken| !**is_taken).count();
    assert!(after.len() > 60, "{}", after.len());
    assert!(
        rejected * 20 < after.len(),
        "{rejected} of {}: {outcomes:?}",
        after.len()
    );
}
