//! Registries that speak HTTP/2, one stream at a time (`spec/faults.md`, case
//! 71): what they refuse to begin is asked for again.

use axum::http::Version;

use crate::support::front::{Fate, Front};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Registry, Settings, Switch, When};
use crate::support::signer::{Outcome, Signer};

/// One request of each kind.
const REQUESTS: [(&str, &str); 4] = [
    ("GET", "/manifests/v1"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", ".sig"),
];

fn image() -> Image {
    Image::recorded("no-sbom-layer")
}

fn seeded() -> Registry {
    let registry = Registry::with(Settings {
        tls: Switch::On,
        http2: Switch::On,
        ..Settings::default()
    });
    image().seed(&registry);
    registry
}

/// A run that ends well, over HTTP/2 alone, and writes once.
#[track_caller]
fn signs(registry: &Registry, host: &str) -> Outcome {
    let image = image();
    let signer = Signer::of(&image, host).key("p256-n32768-cosign-header");
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, registry.authority()).unwrap();
    let run = signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .environment("SSL_CERT_DIR", "/nowhere")
        .environment("CNB_LOG_LEVEL", "debug")
        .run()
        .succeeded();
    let place = attachment(registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.expect("a signature").layers.len(), 1);
    let all = registry.exchanges();
    assert!(all.iter().all(|e| e.version == Version::HTTP_2), "{all:?}");
    let written = all.of("PUT", ".sig").filter(|e| e.status == Some(201));
    assert_eq!(written.len(), 1, "{all:?}");
    // A session whose grant was lost on its way is known to nobody.
    let lost = run.stdout.lines().filter(|line| is_lost_grant(line));
    let (open, lost) = (registry.open_uploads(), lost.count());
    assert!(open <= lost, "{open} {lost} {all:?}{}", run.stdout);
    run
}

/// Whether a line of the log is about a request for a session that broke. One
/// that waits for its stream may be sent and yet be given up by the HTTP library
/// (hyper 1.12) when GOAWAY comes in that moment.
fn is_lost_grant(line: &str) -> bool {
    line.starts_with("POST ") && line.contains("/blobs/uploads/ failed (")
}

/// Case 71: requests that run at the same time elsewhere wait for each other.
#[test]
fn case_71_one_stream_at_a_time_is_enough() {
    let registry = seeded();
    let run = signs(&registry, registry.host());
    assert_eq!(registry.open_uploads(), 0);
    assert!(run.warnings().is_empty(), "{}", run.stdout);
}

/// Case 71: once, which the HTTP library repeats by itself, and more often than
/// it does.
#[test]
fn case_71_a_stream_that_is_refused_is_asked_for_again() {
    for times in [1, 5] {
        for (method, part) in REQUESTS {
            let registry = seeded();
            let when = When::first(method, part).times(times);
            registry.inject(when, Action::RefuseStream);
            signs(&registry, registry.host());
            // A refused stream was not begun.
            assert_eq!(registry.open_uploads(), 0);
            let all = registry.exchanges();
            let refused = all.of(method, part).filter(|e| e.status.is_none());
            assert_eq!(refused.len(), times, "{method} {part}: {all:?}");
        }
    }
}

/// Case 71: GOAWAY.
#[test]
fn case_71_a_connection_that_the_registry_winds_up_is_followed_by_another() {
    for (method, part) in REQUESTS {
        let registry = seeded();
        registry.inject(When::first(method, part), Action::WindUp);
        let undisturbed = seeded();
        let connections = [&registry, &undisturbed].map(|registry| {
            let front = Front::start("127.0.0.1:0", registry.host(), |_| Fate::Passed);
            signs(registry, &front.host());
            front.connections()
        });
        assert!(connections[0] > connections[1], "{method}: {connections:?}");
    }
}
