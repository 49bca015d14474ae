//! Where registries may send the signer, and what it takes along
//! (`spec/faults.md`).

use std::time::Duration;

use super::KEY;
use crate::support::front::{Fate, Front};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{
    Action, Answer, Auth, PUBLIC_NAME, Registry, Settings, Switch, When,
};
use crate::support::signer::{Outcome, Signer};

const ROBOT: &str = "Basic cm9ib3Q6cGFzcw==";

fn with(name: &str, auth: Auth) -> (Registry, Image, Signer) {
    let registry = Registry::with(Settings {
        auth,
        ..Settings::default()
    });
    let image = Image::recorded(name);
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(KEY);
    let signer = signer.credential(registry.host(), ROBOT);
    (registry, image, signer)
}

/// A registry that the run reaches by a public name.
fn public(change: impl Fn(&Registry)) -> (Registry, Outcome) {
    let settings = Settings {
        tls: Switch::On,
        ..Settings::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("one-document");
    image.seed(&registry);
    change(&registry);
    let proxy = Proxy::to(registry.host(), Manner::Open);
    let signer = Signer::of(&image, PUBLIC_NAME)
        .key(KEY)
        .credential(PUBLIC_NAME, ROBOT);
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, registry.authority()).unwrap();
    let signer = signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .environment("HTTPS_PROXY", &proxy.url())
        .arguments(&["-timeout=20s"]);
    (registry.clone(), signer.run())
}

pub(super) fn asks_for(realm: &str) -> Action {
    let answer = Answer::error(401, "UNAUTHORIZED", "who are you?");
    Action::Answer(answer.with(
        "www-authenticate",
        format!(r#"Bearer realm="{realm}",service="x""#),
    ))
}

fn sends_to(location: &str) -> Action {
    Action::Answer(Answer::new(307).with("location", location))
}

/// Case 26, F. WIRE-12
#[test]
fn case_26_credentials_are_not_shown_to_a_token_service_inside_the_network() {
    let inside = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    let here = format!("https://{}/token", inside.host());
    for realm in [
        here.as_str(),
        "https://localhost/token",
        "https://10.0.0.1/token",
        "https://[::1]/token",
        "https://[::ffff:7f00:1]/token",
        "https://169.254.169.254/token",
        "http://registry.example/token",
        "file:///etc/passwd",
    ] {
        let (registry, run) =
            public(|registry| registry.inject(When::every("*", "/v2/"), asks_for(realm)));
        let run = run
            .ended_with(113)
            .says(&["must not be shown credentials", realm]);
        assert!(
            run.took < Duration::from_secs(25),
            "{realm}: {:?}",
            run.took
        );
        let shown = registry.exchanges().filter(|e| e.authorization.is_some());
        assert!(shown.is_empty(), "{shown:?}");
    }
    inside.was_not_asked();
}

/// Case 26, F: a registry inside the network sends nobody to the address where
/// clouds serve a machine's own credentials.
#[test]
fn case_26_no_registry_sends_the_signer_to_a_link_local_address() {
    let (registry, _, signer) = with("no-sbom-layer", Auth::None);
    registry.inject(
        When::every("*", "/v2/"),
        asks_for("http://169.254.169.254/latest"),
    );
    signer.run().ended_with(113).says(&["link-local"]);
    let (registry, _, signer) = with("no-sbom-layer", Auth::None);
    let when = When::every("GET", "/manifests/v1");
    registry.inject(when, sends_to("http://169.254.169.254/latest"));
    signer.run().ended_with(111).says(&["link-local"]);
}

/// Case 27, F. WIRE-12
#[test]
fn case_27_a_token_service_that_sends_elsewhere_is_not_followed() {
    let (registry, _, signer) = with("no-sbom-layer", Auth::bearer("pass"));
    let thief = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    let target = format!("http://{}/token", thief.host());
    registry.inject(When::every("GET", "/token"), sends_to(&target));
    signer.run().ended_with(111).says(&["gave no token", "307"]);
    thief.was_not_asked();
}

/// Case 30. WIRE-10
#[test]
fn case_30_a_blob_that_lies_elsewhere_is_fetched_without_credentials() {
    for auth in [Auth::basic("pass"), Auth::bearer("pass")] {
        let (registry, image, signer) = with("one-document", auth);
        let store = Registry::start();
        image.seed(&store);
        let (elsewhere, repository) = (store.host().to_owned(), image.repository().to_owned());
        registry.inject(When::every("GET", "/blobs/sha256"), Action::change(move |answer| {
            if let Some(digest) = answer.header("docker-content-digest").map(str::to_owned) {
                *answer = Answer::new(307)
                    .with("location", format!("http://{elsewhere}/v2/{repository}/blobs/{digest}?X-Amz-Signature=canary"));
            }
        }));
        let run = signer.arguments(&["-log-level=debug"]).run().succeeded();
        run.does_not_say(&["canary"]);
        assert_eq!(
            store.exchanges().of("GET", "/blobs/").len(),
            2,
            "{:?}",
            store.exchanges()
        );
        let shown = store.exchanges().filter(|e| e.authorization.is_some());
        assert!(shown.is_empty(), "{shown:?}");
        assert!(attachment(&registry, image.repository(), &image.attached("att")).is_some());
    }
}

/// Case 30, F: the digest is checked wherever the bytes came from.
#[test]
fn case_30_a_blob_that_lies_elsewhere_is_hashed() {
    let (registry, image, signer) = with("one-document", Auth::None);
    let store = Registry::start();
    image.seed(&store);
    store.inject(
        When::every("GET", "/blobs/"),
        Action::change(|answer| {
            let mut bytes = answer.body.to_vec();
            bytes[0] ^= 1;
            answer.body = bytes.into();
        }),
    );
    let (elsewhere, repository) = (store.host().to_owned(), image.repository().to_owned());
    registry.inject(
        When::every("GET", "/blobs/sha256"),
        Action::change(move |answer| {
            let digest = answer
                .header("docker-content-digest")
                .unwrap_or_default()
                .to_owned();
            *answer = Answer::new(307).with(
                "location",
                format!("http://{elsewhere}/v2/{repository}/blobs/{digest}"),
            );
        }),
    );
    let run = signer.run();
    assert!(matches!(run.code, Some(114 | 116)), "{}", run.stdout);
    run.says(&["the bytes have digest"]);
    registry.stored_nothing();
}

/// Case 31, F.
#[test]
fn case_31_redirects_in_a_circle_end_after_five() {
    let (registry, image, signer) = with("no-sbom-layer", Auth::None);
    let target = format!("/v2/{}/manifests/v1", image.repository());
    registry.inject(When::every("GET", "/manifests/v1"), sends_to(&target));
    signer.run().ended_with(111).says(&["redirects too often"]);
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 6);
}

/// Case 31, F: targets that no redirect may have.
#[test]
fn case_31_redirects_that_weaken_a_request_are_refused() {
    let inside = Registry::start();
    let here = format!("https://{}/x", inside.host());
    for (target, reason) in [
        ("http://registry.example/x", "from HTTPS to plain HTTP"),
        (here.as_str(), "into a private network"),
        ("https://192.168.0.1/x", "into a private network"),
        ("https://169.254.169.254/x", "link-local"),
        ("file:///etc/passwd", "not HTTP"),
        ("https://[", "no URL"),
    ] {
        for part in ["/manifests/v1", "/blobs/sha256"] {
            let (registry, run) =
                public(|registry| registry.inject(When::every("GET", part), sends_to(target)));
            run.ended_with(111)
                .says(&["redirects where it must not", reason]);
            registry.stored_nothing();
        }
    }
    inside.was_not_asked();
}

/// Case 31: what writes is not sent to another host.
#[test]
fn case_31_a_write_is_not_redirected() {
    for (method, part, code) in [
        ("PUT", ".sig", 118),
        ("PUT", "/blobs/uploads/", 118),
        ("POST", "/blobs/uploads/", 113),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let (registry, image, signer) = with("no-sbom-layer", Auth::None);
            let other = Registry::start();
            let target = format!("http://{}/v2/{}/x", other.host(), image.repository());
            let answer = Answer::new(status).with("location", target);
            registry.inject(When::every(method, part), Action::Answer(answer));
            let run = signer.run().ended_with(code);
            // 303 may follow a request that was carried out (WIRE-51).
            let is_open = status == 303 && part == ".sig";
            let said = run.stdout.contains("published in part");
            assert_eq!(said, is_open, "{method} {status}: {}", run.stdout);
            other.was_not_asked();
        }
    }
}

/// As registries with a name of their own send what writes on. WIRE-16
#[test]
fn a_write_that_is_redirected_within_its_origin_is_sent_again_there() {
    for status in [307, 308] {
        let (registry, image, signer) = with("no-sbom-layer", Auth::bearer("pass"));
        // Sessions are opened ahead, and one of them is not used.
        for method in ["POST", "PUT", "DELETE"] {
            for part in ["/blobs/uploads/", "/manifests/"] {
                // The same again.
                let answer = Answer::new(status).with("location", "#again");
                registry.inject(When::first(method, part).after(1), Action::Answer(answer));
            }
        }
        let first = Answer::new(status).with("location", "#again");
        registry.inject(When::first("PUT", ".sig"), Action::Answer(first));
        signer.run().succeeded();
        let place = attachment(&registry, image.repository(), &image.attached("sig"));
        assert_eq!(place.unwrap().layers.len(), 1);
        let all = registry.exchanges();
        let redirected = all.filter(|e| e.status == Some(status));
        assert!(redirected.len() >= 3, "{all:?}");
        let shown = redirected.filter(|e| e.authorization.is_none());
        assert!(shown.is_empty(), "{all:?}");
        assert_eq!(registry.open_uploads(), 0, "{all:?}");
    }
}

/// A service that takes what it is shown, and a storage host that asks for it.
fn thief() -> (Registry, Registry, Action) {
    let thief = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    let storage = Registry::start();
    let asks = asks_for(&format!("http://{}/token", thief.host()));
    (thief, storage, asks)
}

/// A challenge of a host that the registry only leads to. WIRE-10
#[test]
fn the_challenge_of_another_host_gets_nothing() {
    for auth in [Auth::None, Auth::basic("pass"), Auth::bearer("pass")] {
        for (method, part) in [
            ("GET", "/manifests/v1"),
            ("GET", "/blobs/sha256"),
            ("GET", ".sig"),
        ] {
            let (registry, _, signer) = with("one-document", auth.clone());
            let (thief, storage, asks) = thief();
            storage.inject(When::every("*", "/"), asks);
            let to = format!("http://{}/x?X-Amz-Signature=canary", storage.host());
            let lead = Action::change(move |answer| {
                if answer.status != 401 {
                    *answer = Answer::new(307).with("location", to.clone());
                }
            });
            registry.inject(When::every(method, part), lead);
            let run = signer.run().ended_with(113);
            run.says(&[
                "access denied",
                "401",
                &format!("http://{}", storage.host()),
            ])
            .says(&["who are you?"])
            .does_not_say(&["canary", "CNB_REGISTRY_AUTH"]);
            thief.was_not_asked();
            assert_eq!(storage.exchanges().len(), 1, "{:?}", storage.exchanges());
            let shown = storage.exchanges().filter(|e| e.authorization.is_some());
            assert!(shown.is_empty(), "{shown:?}");
        }
    }
}

/// Likewise of a host that takes the uploads.
#[test]
fn the_challenge_of_an_upload_host_gets_nothing() {
    for status in [401, 403] {
        let (registry, _, signer) = with("no-sbom-layer", Auth::bearer("pass"));
        let (thief, storage, _) = thief();
        let refusal = Answer::error(status, "AccessDenied", "who are you?").with(
            "www-authenticate",
            format!(r#"Bearer realm="http://{}/token""#, thief.host()),
        );
        storage.inject(When::every("*", "/"), Action::Answer(refusal));
        let to = format!("http://{}/session", storage.host());
        let lead = Action::change(move |answer| {
            if answer.status == 202 {
                answer.set("location", to.clone());
            }
        });
        registry.inject(When::every("POST", "/blobs/uploads/"), lead);
        let run = signer.run().ended_with(113);
        run.says(&[&format!("http://{}", storage.host()), &status.to_string()]);
        thief.was_not_asked();
        let shown = storage.exchanges().filter(|e| e.authorization.is_some());
        assert!(shown.is_empty(), "{shown:?}");
        assert_eq!(registry.exchanges().of("GET", "/token").len(), 1);
    }
}

/// The registry's own challenge is the one that counts for the rest of the run.
#[test]
fn the_challenge_of_another_host_does_not_replace_the_registry_s() {
    let (registry, image, signer) = with("no-sbom-layer", Auth::basic("pass"));
    let (thief, storage, asks) = thief();
    storage.inject(When::every("*", "/"), asks);
    let to = format!("http://{}/x", storage.host());
    // The look at a place that is read again if it says anything.
    registry.inject(When::every("HEAD", "/manifests/"), sends_to(&to));
    signer.run().succeeded();
    assert!(attachment(&registry, image.repository(), &image.attached("sig")).is_some());
    thief.was_not_asked();
    assert!(!storage.exchanges().is_empty());
}

/// WIRE-12: in plain HTTP credentials stay with the registry's own host.
#[test]
fn a_realm_in_plain_http_on_another_host_gets_nothing() {
    for realm in [
        "http://attacker.example/token",
        "http://10.0.0.1/token",
        "http://registry.example:5000/token",
    ] {
        let proxy = Proxy::to("127.0.0.1:1", Manner::Lost);
        let (registry, _, signer) = with("no-sbom-layer", Auth::None);
        registry.inject(When::every("*", "/v2/"), asks_for(realm));
        let run = signer.environment("HTTP_PROXY", &proxy.url()).run();
        run.ended_with(113).says(&[
            "must not be shown credentials",
            "in plain HTTP to another host",
            realm,
        ]);
        assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
    }
}

/// WIRE-12: other ports and names of the machine itself are the same host.
#[test]
fn a_realm_in_plain_http_on_the_registry_s_own_host_is_asked() {
    for name in ["127.0.0.1", "localhost"] {
        let (registry, image, signer) = with("no-sbom-layer", Auth::bearer("pass"));
        let service = Front::start("127.0.0.1:0", registry.host(), |_| Fate::Passed);
        let port = service.host();
        let port = port.rsplit_once(':').unwrap().1;
        let challenge = format!(r#"Bearer realm="http://{name}:{port}/token",service="x""#);
        let elsewhere = Action::change(move |answer| {
            if answer.status == 401 {
                answer.set("www-authenticate", challenge.clone());
            }
        });
        registry.inject(When::every("*", "/v2/"), elsewhere);
        signer.run().succeeded();
        assert!(service.connections() > 0);
        assert!(attachment(&registry, image.repository(), &image.attached("sig")).is_some());
    }
}

/// Registries that serve by GET what they deny by HEAD (Nexus), and storage that
/// lets nobody look at what may be fetched. WIRE-17
#[test]
fn a_head_that_is_refused_is_confirmed_by_reading() {
    for status in [400, 401, 403, 404, 405, 501] {
        let registry = Registry::start();
        let image = Image::recorded("no-sbom-layer").named(&["team/app:v1", "team/app:v2"]);
        image.seed(&registry);
        registry.inject(
            When::every("HEAD", "/manifests/"),
            Action::Answer(Answer::new(status)),
        );
        let run = Signer::of(&image, registry.host()).key(KEY).run();
        let run = run.succeeded();
        assert!(run.warnings().is_empty(), "{:?}", run.warnings());
        assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 1);
    }
}

/// A manifest that was not there when it was read needs no second proof of that.
/// WIRE-17
#[test]
fn a_head_that_finds_nothing_where_nothing_was_is_believed() {
    let (registry, _, signer) = with("no-sbom-layer", Auth::bearer("pass"));
    signer.run().succeeded();
    let all = registry.exchanges();
    let looks = all.of("HEAD", ".sig").filter(|e| e.status == Some(404));
    assert!(!looks.is_empty(), "{all:?}");
    // Read once, proved once, settled once.
    assert!(all.of("GET", ".sig").len() <= 2, "{all:?}");
}
