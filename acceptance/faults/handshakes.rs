//! Certificates of registries that the signer accepts, and its words for TLS alerts
//! (`spec/faults.md`).

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::tls::{is_signed, trusting, with};
use crate::support::images::Image;
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{Auth, PUBLIC_NAME, Registry, Settings, Shape, Switch};
use crate::support::signer::{Outcome, Signer};

fn of_shape(certificate: Shape) -> (Registry, Image) {
    with(Settings {
        tls: Switch::On,
        certificate,
        ..Settings::default()
    })
}

/// SIG-60
#[test]
fn a_certificate_that_is_its_own_authority_is_accepted() {
    let (registry, image) = of_shape(Shape::Own);
    trusting(&registry, &image, registry.host())
        .run()
        .succeeded();
    is_signed(&registry, &image);
}

/// SIG-60
#[test]
fn a_certificate_of_an_authority_and_one_for_anything_are_accepted() {
    for shape in [Shape::Authority, Shape::ForAnything] {
        let (registry, image) = of_shape(shape);
        trusting(&registry, &image, registry.host())
            .run()
            .succeeded();
        is_signed(&registry, &image);
    }
}

/// SIG-60
#[test]
fn a_certificate_that_is_its_own_authority_must_be_good_otherwise() {
    let refused = |run: Outcome, words: &[&str]| {
        run.ended_with(113).says(&["is not trusted"]).says(words);
    };
    let (registry, image) = of_shape(Shape::OwnExpired);
    refused(
        trusting(&registry, &image, registry.host()).run(),
        &["xpired"],
    );
    let (registry, image) = of_shape(Shape::OwnForClients);
    refused(
        trusting(&registry, &image, registry.host()).run(),
        &["client"],
    );
    // Not listed.
    let (registry, image) = of_shape(Shape::Own);
    let (other, _) = of_shape(Shape::Own);
    refused(
        trusting(&other, &image, registry.host()).run(),
        &["root certificates in"],
    );
    // Another name.
    let proxy = Proxy::to(registry.host(), Manner::Open);
    let signer = trusting(&registry, &image, "stranger.example");
    let run = signer.environment("HTTPS_PROXY", &proxy.url()).run();
    refused(run, &["stranger.example", PUBLIC_NAME]);
    registry.was_not_asked();
}

/// Answers every connection that begins with TLS by an alert, and every other
/// one by a manifest that would do.
struct Alerting {
    host: String,
    plain: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Alerting {
    fn with(alert: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (plain, connections) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (of_plain, of_all) = (plain.clone(), connections.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                of_all.fetch_add(1, Ordering::SeqCst);
                let mut first = [0; 4096];
                let length = socket.read(&mut first).unwrap_or(0);
                let answer: &[u8] = if first[..length].first() == Some(&0x16) {
                    &[0x15, 3, 3, 0, 2, 2, alert]
                } else {
                    of_plain.fetch_add(1, Ordering::SeqCst);
                    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 46\r\nconnection: close\r\n\r\n\
                      Client sent an HTTP request to an HTTPS server"
                };
                let _gone = socket.write_all(answer);
                let _drained = socket.read(&mut first);
            }
        });
        Self {
            host,
            plain,
            connections,
        }
    }
}

/// SIG-61
#[test]
fn an_alert_is_named_at_once_and_nothing_is_said_in_plain_http() {
    for (code, name, exit, hint) in [
        (40, "handshake_failure", 111, "cipher"),
        (42, "bad_certificate", 113, "client certificate"),
        (48, "unknown_ca", 113, "client certificate"),
        (49, "access_denied", 113, "client certificate"),
        (70, "protocol_version", 111, "TLS 1.2"),
        (71, "insufficient_security", 111, "cipher"),
        (80, "internal_error", 111, "log"),
        (112, "unrecognized_name", 111, "name"),
        (116, "certificate_required", 113, "client certificate"),
    ] {
        let server = Alerting::with(code);
        let image = Image::recorded("no-sbom-layer");
        // Through a proxy under a public name, which is only asked by TLS; and
        // by its own address, where plain HTTP comes first.
        let proxy = Proxy::to(&server.host, Manner::Open);
        for (host, variable) in [(PUBLIC_NAME, "HTTPS_PROXY"), (&server.host, "UNUSED_PROXY")] {
            let signer = Signer::of(&image, host).key("p256-n32768-cosign-header");
            let run = signer.environment(variable, &proxy.url()).run();
            let run = run.ended_with(exit);
            let run = run.says(&[name, hint, "hint:"]);
            let run = run.does_not_say(&["-insecure-registry"]);
            assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
        }
        let (plain, all) = (&server.plain, &server.connections);
        assert!(plain.load(Ordering::SeqCst) <= 5, "{name}");
        assert!(all.load(Ordering::SeqCst) <= 15, "{name}");
    }
}

/// SIG-61. A private address, which may speak plain HTTP otherwise.
#[test]
fn a_private_registry_is_not_asked_in_plain_http_after_an_alert() {
    let server = Alerting::with(116);
    let image = Image::recorded("no-sbom-layer");
    let (secure, plain) = (
        Proxy::to(&server.host, Manner::Open),
        Proxy::to(&server.host, Manner::Open),
    );
    let signer = Signer::of(&image, "10.255.255.1:5000").key("p256-n32768-cosign-header");
    let signer = signer
        .environment("HTTPS_PROXY", &secure.url())
        .environment("HTTP_PROXY", &plain.url());
    let run = signer.run().ended_with(113);
    run.says(&["certificate_required"]);
    assert!(!secure.asked().is_empty());
    assert_eq!(plain.asked(), [""; 0]);
}

/// SIG-61. TLS 1.3 says so only after the request was sent.
#[test]
fn a_registry_that_wants_a_client_certificate_ends_the_run_at_once() {
    for http2 in [Switch::Off, Switch::On] {
        let (registry, image) = with(Settings {
            auth: Auth::basic("pass"),
            tls: Switch::On,
            http2,
            wants_certificate: Switch::On,
            ..Settings::default()
        });
        let run = trusting(&registry, &image, registry.host()).run();
        let run = run.ended_with(113);
        let run = run.says(&["certificate_required", "client certificate"]);
        assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
        registry.was_not_asked();
    }
}
