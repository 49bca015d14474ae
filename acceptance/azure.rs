//! Keys of Azure Key Vault: every kind, each form, each identity, and what goes
//! wrong.

mod identities;
mod stand_in;

use aws_lc_rs::rsa::KeySize;
use serde_json::json;

use crate::support::elsewhere::{FORMATS, messages, seeded, verified, without_canaries};
use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::pair::{Kind, Pair};
use crate::support::services::stand_in::StandIn;
use crate::support::signer::{Config, Signer};
use stand_in::{ASSERTION, Azure, HEADER, SECRET, TENANT, TOKEN, refuse};

/// The kinds of keys that Azure has.
const KINDS: [Kind; 4] = [Kind::P256, Kind::P384, Kind::P521, Kind::Rsa2048];
const CANARIES: [&str; 4] = [TOKEN, SECRET, ASSERTION, HEADER];

fn uri(service: &StandIn, key: &str) -> String {
    format!("azurekms://{}/{key}", service.host())
}

/// Without an identity yet.
fn bare(registry: &Registry, image: &Image, service: &StandIn, config: Config) -> Signer {
    let signer = Signer::of(image, registry.host()).config(config);
    let roots = signer.folder().join("roots.pem");
    std::fs::write(&roots, service.authority()).unwrap();
    signer
        .environment("SSL_CERT_FILE", roots.to_str().unwrap())
        .environment("AZURE_AUTHORITY_HOST", &service.url())
}

/// As an application with a secret.
fn signer(registry: &Registry, image: &Image, service: &StandIn, config: Config) -> Signer {
    bare(registry, image, service, config)
        .environment("AZURE_TENANT_ID", TENANT)
        .environment("AZURE_CLIENT_ID", "client-2")
        .environment("AZURE_CLIENT_SECRET", SECRET)
}

fn key(service: &StandIn, key: &str) -> Config {
    Config::none().set("key", &uri(service, key))
}

/// The flag that a verifier needs.
fn hash(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::P384 => Some("sha384"),
        Kind::P521 => Some("sha512"),
        _ => None,
    }
}

/// KEY-100, KEY-101, KEY-103, KEY-115
#[test]
fn every_kind_of_key_signs_each_form_and_none_again() {
    for kind in KINDS {
        for format in FORMATS {
            let (registry, image) = seeded();
            let (azure, service) = Azure::serving("k", kind);
            let config = key(&service, "k").set("format", format);
            let signer = signer(&registry, &image, &service, config);
            let run = signer.run().succeeded().says(&[", version v1"]);
            let flag = "--signature-digest-algorithm";
            let warned = run
                .warnings()
                .iter()
                .filter(|line| line.contains(flag))
                .count();
            assert_eq!(warned, usize::from(hash(kind).is_some()), "{}", run.stdout);
            verified(
                &registry,
                &image,
                &azure.public_key("k", "v1"),
                format,
                hash(kind),
            );
            // The challenge, a token, the key, and one for each message.
            let asked = service.recorded();
            assert_eq!(
                asked.len(),
                3 + messages(format),
                "{kind:?} {format}: {asked:?}"
            );
            assert_eq!(asked[0].header("authorization"), None);
            service.forget();
            registry.forget_exchanges();
            signer.run().succeeded();
            assert_eq!(service.recorded().len(), 3, "{kind:?} {format}");
            assert!(registry.exchanges().puts().is_empty(), "{kind:?} {format}");
        }
    }
}

/// KEY-103
#[test]
fn rsa_keys_of_every_size_sign_by_sha_256() {
    for size in [KeySize::Rsa3072, KeySize::Rsa4096] {
        let (registry, image) = seeded();
        let (azure, service) = Azure::serving("other", Kind::P256);
        azure.add_pair("k", "v1", Pair::rsa(size));
        let signer = signer(&registry, &image, &service, key(&service, "k"));
        signer.run().succeeded();
        for asked in service.asked("POST", "/sign") {
            assert_eq!(asked.json()["alg"], "RS256");
        }
        let pem = azure.public_key("k", "v1");
        verified(&registry, &image, &pem, "legacy", None);
    }
}

/// KEY-101
#[test]
fn a_rotation_after_the_check_changes_nothing_and_the_next_run_adds_one() {
    let (registry, image) = seeded();
    let (azure, service) = Azure::serving("k", Kind::P256);
    let rotating = azure.clone();
    let rotate = Action::before(move || rotating.add("k", "v2", Kind::P256));
    service.inject(When::first("POST", "/sign"), rotate);
    let latest = signer(&registry, &image, &service, key(&service, "k"));
    let (run, receipt) = without_canaries(latest, &CANARIES);
    run.succeeded().says(&[", version v1"]);
    assert!(receipt.contains("key-version = \"v1\""), "{receipt}");
    let latest = signer(&registry, &image, &service, key(&service, "k"));
    latest.run().succeeded().says(&[", version v2"]);
    for version in ["v1", "v2"] {
        let pem = azure.public_key("k", version);
        verified(&registry, &image, &pem, "legacy", None);
    }
    let pinned = signer(&registry, &image, &service, key(&service, "k/v1"));
    service.forget();
    registry.forget_exchanges();
    pinned.run().succeeded().says(&[", version v1"]);
    assert!(service.asked("POST", "/sign").is_empty());
    assert!(registry.exchanges().puts().is_empty());
}

/// KEY-101
#[test]
fn a_kid_of_another_vault_is_not_asked() {
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    let change = Action::change(|answer| {
        let text = String::from_utf8_lossy(&answer.body).replace("127.0.0.1", "127.0.0.2");
        answer.body = text.into();
    });
    service.inject(When::every("GET", "/keys/"), change);
    signer(&registry, &image, &service, key(&service, "k"))
        .run()
        .ended_with(112)
        .says(&["`kid` is of another key"]);
    registry.stored_nothing();
}

/// KEY-103, SIG-11
#[test]
fn what_azure_refuses_has_its_code_its_remedy_and_no_effect() {
    let (get, sign, login) = ("/keys/k?", "/sign", "/oauth2/");
    let forbidden = refuse(
        403,
        "Forbidden",
        "Caller is not authorized",
        "ForbiddenByRbac",
    );
    let disabled = refuse(
        403,
        "Forbidden",
        "not allowed on a disabled key",
        "KeyDisabled",
    );
    let expired = json!({
        "error": "invalid_client",
        "error_description": "AADSTS7000222: The provided client secret keys are expired.",
    });
    for (part, answer, code, words) in [
        (get, forbidden.clone(), 113, "`get` and `sign`"),
        (sign, forbidden, 113, "Caller is not authorized"),
        (
            get,
            refuse(404, "KeyNotFound", "k was not found", ""),
            115,
            "k was not found",
        ),
        (sign, disabled, 115, "disabled key"),
        (get, Answer::json(200, &json!([])), 112, "it holds no key"),
        (
            get,
            Answer::new(200).body("text/html", "<p>"),
            112,
            "it holds no key",
        ),
        (get, Answer::new(401), 112, "does not say who vouches"),
        (
            sign,
            Answer::json(200, &json!({ "value": "AAAA" })),
            112,
            "it holds no signature",
        ),
        (
            sign,
            refuse(400, "BadParameter", "bad digest", ""),
            112,
            "bad digest",
        ),
        (
            sign,
            refuse(429, "Throttled", "too many", ""),
            111,
            "too many",
        ),
        (get, refuse(503, "Unavailable", "away", ""), 111, "away"),
        (login, Answer::json(401, &expired), 113, "get a new one"),
        (
            login,
            Answer::json(200, &json!({})),
            112,
            "it holds no token",
        ),
    ] {
        let (registry, image) = seeded();
        let (_, service) = Azure::serving("k", Kind::P256);
        service.inject(When::every("*", part), Action::Answer(answer));
        let signer = signer(&registry, &image, &service, key(&service, "k"))
            .arguments(&["-retry-budget", "1s"]);
        let (run, _) = without_canaries(signer, &CANARIES);
        run.ended_with(code).says(&[words, &uri(&service, "k")]);
        registry.stored_nothing();
        assert_eq!(registry.open_uploads(), 0);
    }
}

/// KEY-103
#[test]
fn keys_that_do_not_sign_are_refused() {
    let enabled = json!({ "enabled": true });
    for (attributes, operations, words) in [
        (
            json!({ "enabled": false }),
            json!(["sign"]),
            "it is disabled",
        ),
        (json!({ "exp": 1000 }), json!(["sign"]), "it has expired"),
        (
            json!({ "nbf": 9_999_999_999_u64 }),
            json!(["sign"]),
            "not valid yet",
        ),
        (
            enabled,
            json!(["encrypt", "wrapKey"]),
            "`sign` is none of its operations",
        ),
    ] {
        let (registry, image) = seeded();
        let (azure, service) = Azure::serving("k", Kind::P256);
        azure.restrict(attributes, operations);
        signer(&registry, &image, &service, key(&service, "k"))
            .run()
            .ended_with(115)
            .says(&[words, "`sign` among its operations"]);
        registry.stored_nothing();
    }
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::Ed25519);
    signer(&registry, &image, &service, key(&service, "k"))
        .run()
        .ended_with(115)
        .says(&["its type is `oct-HSM`"]);
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    let change = Action::change(|answer| {
        let text = String::from_utf8_lossy(&answer.body).replace("P-256", "P-256K");
        answer.body = text.into();
    });
    service.inject(When::every("GET", "/keys/"), change);
    signer(&registry, &image, &service, key(&service, "k"))
        .run()
        .ended_with(115)
        .says(&["its curve is `P-256K`"]);
    registry.stored_nothing();
}

/// KEY-103
#[test]
fn a_busy_vault_is_asked_again() {
    for answer in [
        refuse(429, "Throttled", "too many", "").with("retry-after", "1"),
        refuse(503, "Unavailable", "away", ""),
    ] {
        let (registry, image) = seeded();
        let (_, service) = Azure::serving("k", Kind::P256);
        let when = When::first("*", "/keys/").times(2);
        service.inject(when, Action::Answer(answer));
        signer(&registry, &image, &service, key(&service, "k"))
            .run()
            .succeeded();
    }
}

/// KEY-114
#[test]
fn a_signature_by_another_key_is_discarded() {
    let (registry, image) = seeded();
    let (azure, service) = Azure::serving("k", Kind::P256);
    let other = Action::before(move || azure.add("k", "v1", Kind::P256));
    service.inject(When::first("POST", "/sign"), other);
    signer(&registry, &image, &service, key(&service, "k"))
        .run()
        .ended_with(112)
        .says(&["does not accept the signature"]);
    registry.stored_nothing();
}

/// KEY-100, KEY-104
#[test]
fn what_is_set_wrong_is_named_before_anything_is_sent() {
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    for (uri, words) in [
        ("azurekms://v.vault.azure.net", "it names no key"),
        (
            "azurekms:///k",
            "write `azurekms://VAULT.vault.azure.net/KEY",
        ),
        ("azurekms://u@v/k", "it names no vault"),
    ] {
        let config = Config::none().set("key", uri);
        signer(&registry, &image, &service, config)
            .run()
            .ended_with(3)
            .says(&[words]);
    }
    for (name, value, words) in [
        (
            "AZURE_AUTHORITY_HOST",
            "http://login.example",
            "not sent there without TLS",
        ),
        ("AZURE_TENANT_ID", "a/b", "it is no tenant"),
        ("AZURE_ENVIRONMENT", "Mooncake", "no such cloud"),
    ] {
        let run = signer(&registry, &image, &service, key(&service, "k"));
        let run = match name {
            "AZURE_ENVIRONMENT" => run.without_environment("AZURE_AUTHORITY_HOST"),
            _ => run,
        };
        let run = run.environment(name, value);
        let (run, _) = without_canaries(run, &CANARIES);
        run.ended_with(115).says(&[words, &uri(&service, "k")]);
    }
    signer(&registry, &image, &service, key(&service, "k"))
        .without_environment("AZURE_CLIENT_SECRET")
        .environment("AZURE_FEDERATED_TOKEN_FILE", "/absent")
        .run()
        .ended_with(115)
        .says(&["cannot read `/absent`"]);
    assert!(service.recorded().is_empty());
    registry.was_not_asked();
}
