//! Answers and connections that fail once: every one of them ends well.

use std::thread;
use std::time::Duration;

use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, When};
use crate::support::signer::Signer;

/// Every kind of request of a run: method, part of the target, and how many of
/// them come before the one that fails.
const REQUESTS: [(&str, &str, usize); 10] = [
    ("GET", "/token", 0),
    ("GET", "/manifests/v1", 1),
    ("GET", "/blobs/sha256", 0),
    ("GET", "/blobs/sha256", 1),
    ("GET", ".sig", 0),
    ("GET", ".sig", 1),
    ("POST", "/blobs/uploads/", 0),
    ("PUT", "/blobs/uploads/", 0),
    ("PUT", ".sig", 0),
    ("PUT", ".att", 0),
];

/// The action happens once to each kind of request, one run for each; all end
/// with 0, with one signature and one attestation.
fn ends_well(times: usize, action: &Action) {
    thread::scope(|scope| {
        for (method, part, after) in REQUESTS {
            scope.spawn(move || {
                let (registry, image) = bearer();
                registry.inject(
                    When::first(method, part).after(after).times(times),
                    action.clone(),
                );
                let run = signer(&registry, &image).run();
                assert_eq!(run.code, Some(0), "{method} {part} {after}: {}", run.stdout);
                for suffix in ["sig", "att"] {
                    let place = attachment(&registry, image.repository(), &image.attached(suffix));
                    assert_eq!(place.unwrap().layers.len(), 1, "{method} {part} {after}");
                }
            });
        }
    });
}

#[test]
fn case_15_a_429_with_a_time_is_waited_for_exactly_as_long() {
    let answer = Answer::new(429).with("retry-after", "1");
    ends_well(1, &Action::Answer(answer));
    let (registry, image, signer) = super::seeded();
    let answer = Answer::new(429).with("retry-after", "2");
    registry.inject(When::first("PUT", ".sig"), Action::Answer(answer));
    let run = signer.run().succeeded();
    assert!(run.took >= Duration::from_secs(2), "{:?}", run.took);
    assert_eq!(super::signatures(&registry, &image), 1);
}

#[test]
fn case_12_a_503_three_times_is_tried_again() {
    ends_well(3, &Action::error(503, "UNAVAILABLE"));
}

#[test]
fn case_08_a_connection_that_breaks_before_the_registry_acts_is_tried_again() {
    ends_well(1, &Action::Cut);
}

#[test]
fn case_09_10_a_connection_that_breaks_after_the_registry_acted_doubles_nothing() {
    ends_well(1, &Action::HandleThenCut);
}

/// WIRE-51
#[test]
fn case_10_a_manifest_that_may_have_been_stored_is_looked_for_before_it_is_put_again() {
    for (action, puts) in [
        (Action::HandleThenCut, 1),
        (Action::Cut, 2),
        (Action::status(502), 2),
    ] {
        let (registry, image, signer) = super::seeded();
        registry.inject(When::first("PUT", ".sig"), action);
        signer.run().succeeded();
        assert_eq!(super::signatures(&registry, &image), 1);
        let all = registry.exchanges();
        assert_eq!(all.of("PUT", ".sig").len(), puts, "{all:?}");
        let first = all.position("PUT", ".sig").unwrap();
        let next = all
            .iter()
            .skip(first + 1)
            .find(|e| e.target.contains(".sig"))
            .unwrap();
        assert!(["GET", "HEAD"].contains(&next.method.as_str()), "{all:?}");
    }
}

#[test]
fn case_42_an_answer_that_breaks_off_is_never_taken_for_whole() {
    ends_well(1, &Action::Truncate);
}

fn bearer() -> (Registry, Image) {
    let registry = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    let image = Image::recorded("one-document");
    image.seed(&registry);
    (registry, image)
}

fn signer(registry: &Registry, image: &Image) -> Signer {
    Signer::of(image, registry.host())
        .credential(registry.host(), "Basic cm9ib3Q6cGFzcw==")
        .key("p256-n32768-cosign-header")
}
