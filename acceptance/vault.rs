//! Keys of HashiCorp Vault and OpenBao: every kind, each form, and what goes
//! wrong.

mod real;
mod settings;
mod transit;

use serde_json::json;

use crate::support::elsewhere::{FORMATS, seeded, verified, without_canaries};
use crate::support::images::{Document, Image};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::pair::Kind;
use crate::support::services::stand_in::{StandIn, Transport};
use crate::support::signer::{Config, Signer};
use transit::{TOKEN, Transit, refuse};

fn signer(registry: &Registry, image: &Image, vault: &str, config: Config) -> Signer {
    Signer::of(image, registry.host())
        .config(config)
        .environment("VAULT_ADDR", vault)
        .environment("VAULT_TOKEN", TOKEN)
}

fn key(name: &str) -> Config {
    Config::none().set("key", &format!("hashivault://{name}"))
}

/// KEY-60, KEY-61, KEY-62, KEY-63, KEY-64, KEY-115
#[test]
fn every_kind_of_key_signs_each_form_with_two_requests_and_none_again() {
    for kind in Kind::ALL {
        for format in FORMATS {
            let (registry, image) = seeded();
            let (transit, service) = Transit::serving("k", kind);
            let signer = signer(
                &registry,
                &image,
                &service.url(),
                key("k").set("format", format),
            );
            signer
                .run()
                .succeeded()
                .says(&["key hashivault://k", ", version 1"]);
            verified(&registry, &image, &transit.public_key("k", 1), format, None);
            let asked = service.recorded();
            assert_eq!(asked.len(), 2, "{kind:?} {format}: {asked:?}");
            let batch = asked[1].json()["batch_input"].as_array().unwrap().len();
            // The image's payload, and in a bundle its statement; two documents.
            assert_eq!(batch, if format == "both" { 4 } else { 3 });
            assert_eq!(asked[1].json()["key_version"], 1);
            assert_eq!(asked[1].path(), "/v1/transit/sign/k/sha2-256");
            service.forget();
            registry.forget_exchanges();
            signer.run().succeeded();
            assert_eq!(service.recorded().len(), 1, "{kind:?} {format}");
            assert!(registry.exchanges().puts().is_empty(), "{kind:?} {format}");
        }
    }
}

/// KEY-62
#[test]
fn a_rotation_after_the_check_changes_nothing_and_the_next_run_adds_one() {
    let (registry, image) = seeded();
    let (transit, service) = Transit::serving("k", Kind::P256);
    let rotating = transit.clone();
    let rotate = Action::before(move || rotating.rotate("k"));
    service.inject(When::first("POST", "/sign/"), rotate);
    let signer = signer(&registry, &image, &service.url(), key("k"));
    signer.run().succeeded().says(&[", version 1"]);
    verified(
        &registry,
        &image,
        &transit.public_key("k", 1),
        "legacy",
        None,
    );
    service.forget();
    signer.run().succeeded().says(&[", version 2"]);
    assert_eq!(service.recorded().len(), 2);
    for version in [1, 2] {
        verified(
            &registry,
            &image,
            &transit.public_key("k", version),
            "legacy",
            None,
        );
    }
    registry.forget_exchanges();
    service.forget();
    signer.run().succeeded();
    assert_eq!(service.recorded().len(), 1);
    assert!(registry.exchanges().puts().is_empty());
}

/// KEY-61, KEY-67, SIG-11, SIG-15
#[test]
fn what_vault_refuses_has_its_code_its_remedy_and_no_effect() {
    let policies = "`read` on `transit/keys/k` and `update` on `transit/sign/k/*`";
    let denied = "1 error occurred:\n\t* permission denied\n\n";
    let invalid =
        format!("2 errors occurred:\n\t* permission denied\n\t* invalid token {TOKEN}\n\n");
    let (get, sign) = ("GET", "POST");
    let aes = json!({ "data": {
        "type": "aes256-gcm96", "latest_version": 1, "supports_signing": false,
        "keys": { "1": 1_795_695_067 },
    }});
    let short = json!({ "data": { "batch_results": [] } });
    let entry = json!({ "error": "the disk is full" });
    let failing = json!({ "data": { "batch_results": [entry, entry, entry] } });
    for (method, answer, code, words) in [
        (get, refuse(403, denied), 113, policies),
        (sign, refuse(403, denied), 113, policies),
        (
            get,
            refuse(403, &invalid),
            113,
            "set `VAULT_TOKEN` to a new one",
        ),
        (
            sign,
            refuse(403, &invalid),
            113,
            "set `VAULT_TOKEN` to a new one",
        ),
        (
            get,
            Answer::json(404, &json!({ "errors": [] })),
            115,
            "vault write -f transit/keys/k",
        ),
        (
            get,
            refuse(404, "no handler for route \"transit/keys/k\"."),
            115,
            "TRANSIT_SECRET_ENGINE_PATH",
        ),
        (
            get,
            Answer::json(200, &aes),
            115,
            "`aes256-gcm96` does not sign",
        ),
        (
            sign,
            refuse(400, "key type aes does not support signing"),
            115,
            "`ecdsa-p256`",
        ),
        (
            sign,
            refuse(400, "signing key not found"),
            115,
            "vault write",
        ),
        (
            sign,
            refuse(500, "JSON string value exceeds allowed length"),
            112,
            "exceeds allowed",
        ),
        (
            sign,
            refuse(500, "requested version for signing is higher"),
            112,
            "is higher",
        ),
        (
            sign,
            refuse(400, "something else"),
            112,
            "unexpected status 400",
        ),
        (
            sign,
            Answer::json(200, &short),
            112,
            "another number of signatures",
        ),
        (sign, Answer::json(200, &failing), 112, "the disk is full"),
        (
            get,
            Answer::json(200, &json!([])),
            112,
            "not the JSON of a key",
        ),
        (
            get,
            Answer::new(200).body("text/html", "<p>"),
            112,
            "not the JSON of a key",
        ),
        (get, refuse(503, "Vault is sealed"), 111, "have it unsealed"),
    ] {
        let (registry, image) = seeded();
        let (_, service) = Transit::serving("k", Kind::P256);
        service.inject(When::every(method, "/v1/"), Action::Answer(answer));
        let run =
            signer(&registry, &image, &service.url(), key("k")).arguments(&["-retry-budget", "1s"]);
        let host = service.host().to_owned();
        without_canaries(run, &[TOKEN])
            .0
            .ended_with(code)
            .says(&[words, &host, "hashivault://k"]);
        registry.stored_nothing();
        assert_eq!(registry.open_uploads(), 0);
        if code != 111 {
            assert!(service.recorded().len() <= 2, "{:?}", service.recorded());
        }
    }
}

/// KEY-67
#[test]
fn a_vault_that_is_busy_or_lags_is_asked_again() {
    for answer in [
        refuse(429, "request path \"transit\": rate limit quota exceeded"),
        refuse(412, "required index state not present"),
        refuse(500, "internal error"),
        refuse(503, "Vault is sealed"),
    ] {
        for method in ["GET", "POST"] {
            let (registry, image) = seeded();
            let (_, service) = Transit::serving("k", Kind::P256);
            let when = When::first(method, "/v1/").times(2);
            service.inject(when, Action::Answer(answer.clone()));
            signer(&registry, &image, &service.url(), key("k"))
                .run()
                .succeeded();
            assert_eq!(service.recorded().len(), 4);
        }
    }
}

/// KEY-63
#[test]
fn a_signature_of_another_version_or_key_is_discarded() {
    for what in ["version", "key", "digest"] {
        let (registry, image) = seeded();
        let (transit, service) = Transit::serving("k", Kind::P256);
        let change = match what {
            "version" => Action::change(|answer| {
                let text = String::from_utf8_lossy(&answer.body).replace("vault:v1:", "vault:v2:");
                answer.body = text.into();
            }),
            "key" => Action::before(move || transit.create("k", Kind::P256)),
            _ => Action::change(|answer| {
                let mut body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                body["data"]["batch_results"]
                    .as_array_mut()
                    .unwrap()
                    .reverse();
                answer.body = body.to_string().into();
            }),
        };
        service.inject(When::first("POST", "/sign/"), change);
        let words = match what {
            "version" => "another version of the key",
            _ => "does not accept the signature",
        };
        signer(&registry, &image, &service.url(), key("k"))
            .run()
            .ended_with(112)
            .says(&[words]);
        registry.stored_nothing();
    }
}

/// KEY-64
#[test]
fn an_ed25519_key_is_not_sent_what_vault_would_not_take() {
    let registry = Registry::start();
    let document = |length: usize| {
        let head = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","x":""#;
        format!("{head}{}\"}}", "x".repeat(length))
    };
    let image = |lengths: &[usize]| {
        let documents: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(n, length)| {
                Document::new(
                    &format!("layers/sbom/launch/{n}/sbom.cdx.json"),
                    document(*length),
                )
            })
            .collect();
        let image = Image::with_documents(&documents);
        image.seed(&registry);
        image
    };
    let (transit, service) = Transit::serving("k", Kind::Ed25519);
    let large = image(&[800_000]);
    signer(&registry, &large, &service.url(), key("k"))
        .run()
        .ended_with(112)
        .says(&["longer than the 786432 bytes", "use an ECDSA or RSA key"]);
    registry.stored_nothing();
    assert!(service.asked("POST", "/").is_empty());
    service.forget();
    // 21 MiB of base64 in all.
    let many = image(&[700_000 - 1; 23].map(|length| length + fastrand::usize(..1000)));
    signer(&registry, &many, &service.url(), key("k"))
        .run()
        .succeeded();
    assert_eq!(service.asked("POST", "/sign/").len(), 2);
    verified(
        &registry,
        &many,
        &transit.public_key("k", 1),
        "legacy",
        None,
    );
}

/// KEY-68
#[test]
fn a_standby_is_followed_once_and_over_https_alone() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let active = transit.serve(Transport::Https(&[]));
    let standby = |to: &str, behind: &'static str| {
        let to = to.to_owned();
        StandIn::by(Transport::Https(&[]), move |asked| {
            let path = if behind.is_empty() { "" } else { &asked.target };
            Answer::new(307).with("location", format!("{to}{path}"))
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ca.pem");
    let run = |standby: &StandIn| {
        let both = format!("{}{}", standby.authority(), active.authority());
        std::fs::write(&bundle, both).unwrap();
        signer(&registry, &image, &standby.url(), key("k"))
            .environment("VAULT_CACERT", bundle.to_str().unwrap())
    };
    let redirecting = standby(&active.url(), "the same path");
    run(&redirecting).run().succeeded();
    assert_eq!(redirecting.recorded().len(), 2);
    let asked = active.recorded();
    assert_eq!([&*asked[0].method, &*asked[1].method], ["GET", "POST"]);
    assert!(
        asked
            .iter()
            .all(|one| one.header("x-vault-token") == Some(TOKEN))
    );
    registry.forget_exchanges();
    for to in [
        "http://127.0.0.1:9/v1/transit/keys/k",
        "file:///etc/passwd",
        "/v1/again",
        "",
    ] {
        let standby = standby(to, "");
        run(&standby)
            .run()
            .ended_with(111)
            .says(&["redirects to", "`api_addr`"]);
        assert!(standby.recorded().len() <= 2);
    }
    registry.stored_nothing();
}

/// KEY-61
#[test]
fn another_mount_and_two_keys_of_one_vault() {
    let (registry, image) = seeded();
    let (transit, service) = Transit::serving("a", Kind::P256);
    transit.create("b", Kind::Ed25519);
    let receipt = tempfile::tempdir().unwrap();
    let receipt = receipt.path().join("receipt.toml");
    signer(&registry, &image, &service.url(), key("a"))
        .config(Config::none().set("key", "openbao://b"))
        .arguments(&["-receipt", receipt.to_str().unwrap()])
        .run()
        .succeeded();
    assert_eq!(service.recorded().len(), 4);
    for key in ["a", "b"] {
        verified(
            &registry,
            &image,
            &transit.public_key(key, 1),
            "legacy",
            None,
        );
    }
    let receipt = std::fs::read_to_string(receipt).unwrap();
    for line in [
        "key = \"hashivault://a\"",
        "key = \"openbao://b\"",
        "key-version = \"1\"",
    ] {
        assert!(receipt.contains(line), "{receipt}");
    }
    signer(&registry, &image, &service.url(), key("a"))
        .environment("TRANSIT_SECRET_ENGINE_PATH", "team/transit")
        .run()
        .ended_with(115)
        .says(&["no engine is mounted at `team/transit`"]);
}
