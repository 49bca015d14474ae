//! Registries that have too much to do: what passes is waited for, as long as
//! they ask or the budget allows.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::retries::{is_signed_once, plain, seeded};
use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, When};
use crate::support::signer::Config;

/// Case 11: each status once to each kind of request, all in one run.
#[test]
fn case_11_a_status_that_passes_is_survived_by_every_kind_of_request() {
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
fn case_14_a_429_without_a_time_is_survived_by_every_kind_of_request() {
    for (method, part) in [
        ("GET", "/manifests/v1"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", ".sig"),
    ] {
        let (registry, image, signer) = plain();
        registry.inject(When::first(method, part), Action::status(429));
        let run = signer.run().succeeded();
        assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
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
fn case_12_a_503_three_times_in_a_row_on_the_manifest_is_survived() {
    let (registry, image, signer) = plain();
    registry.inject(When::first("PUT", ".sig").times(3), Action::status(503));
    signer.run().succeeded();
    is_signed_once(&registry, &image);
}

/// Case 13, F.
#[test]
fn case_13_a_503_that_stays_is_given_up_with_its_words() {
    let (registry, _, signer) = plain();
    let answer = Answer::new(503).body("text/plain", format!("closed {}", "x".repeat(5000)));
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer
        .arguments(&["-retry-budget=2s"])
        .run()
        .ended_with(111);
    let run = run.says(&["answered 503 to each of", "attempts", "`closed xxx"]);
    assert!(run.took < Duration::from_secs(25), "{:?}", run.took);
    assert!(run.stdout.len() < 3000, "{}", run.stdout);
}

/// Case 15. SIG-45
#[test]
fn case_15_a_time_asked_for_is_waited_for_by_requests_to_that_host_alone() {
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
fn case_15_a_time_asked_for_does_not_use_up_the_budget() {
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
fn case_16_a_time_asked_for_that_does_not_fit_is_an_error_at_once() {
    let (registry, _, signer) = plain();
    let answer = Answer::new(429).with("retry-after", "3600");
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    let run = signer.arguments(&["-timeout=60s"]).run().ended_with(111);
    let run = run.says(&["asks to wait 3600 s"]);
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 1);
}

/// Case 17.
#[test]
fn case_17_a_time_that_cannot_be_meant_is_ignored() {
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
            run.took < Duration::from_secs(25),
            "{value}: {:?}",
            run.took
        );
    }
}

/// Case 17: no time is too long to be understood.
#[test]
fn case_17_an_endless_time_is_an_error_at_once() {
    for value in [
        "1000000000000000000",
        "99999999999999999999999999",
        "Thu, 31 Dec 2099 23:59:59 GMT",
    ] {
        let (registry, _, signer) = plain();
        let answer = Answer::new(429).with("retry-after", value);
        registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
        let run = signer.run().ended_with(111).says(&["asks to wait"]);
        assert!(
            run.took < Duration::from_secs(20),
            "{value}: {:?}",
            run.took
        );
    }
}

/// Case 17: a date.
#[test]
fn case_17_a_time_asked_for_as_a_date_is_waited_for() {
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
fn case_18_a_registry_that_takes_ten_requests_a_second_gets_hardly_more() {
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
