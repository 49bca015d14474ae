//! Keys of HashiCorp Vault and OpenBao: every kind, each form, and what goes
//! wrong.

mod transit;

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::json;

use crate::support::cosign::BOTH;
use crate::support::elsewhere::{FORMATS, seeded, verified, without_canaries};
use crate::support::images::{Document, Image};
use crate::support::needs::{Need, is_here};
use crate::support::proxy::{Manner, Proxy};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::Service;
use crate::support::services::pair::Kind;
use crate::support::services::stand_in::{StandIn, Transport};
use crate::support::services::vault::{Vault, policy};
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

/// KEY-61, KEY-62, KEY-63
#[test]
fn the_real_vault_signs_with_every_kind_of_key_under_the_policy_of_cosign() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        for kind in [
            "ecdsa-p256",
            "ecdsa-p384",
            "ecdsa-p521",
            "rsa-2048",
            "rsa-3072",
            "rsa-4096",
            "ed25519",
        ] {
            vault.create_key(kind, kind);
            vault.rotate(kind);
            let token = vault.token_with(&policy(kind));
            for format in FORMATS {
                let (registry, image) = seeded();
                let config = key(kind).set("format", format);
                let signer = signer(&registry, &image, &vault.address(), config)
                    .environment("VAULT_TOKEN", &token);
                signer.run().succeeded().says(&[", version 2"]);
                verified(
                    &registry,
                    &image,
                    &pem(&vault.public_key(kind, 2)),
                    format,
                    None,
                );
                registry.forget_exchanges();
                signer.run().succeeded();
                assert!(registry.exchanges().puts().is_empty(), "{kind} {format}");
            }
        }
    }
}

/// Of Ed25519 Vault gives the 32 bytes alone.
fn pem(public: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    if public.starts_with("-----") {
        return public.to_owned();
    }
    let mut der = STANDARD.decode("MCowBQYDK2VwAyEA").unwrap();
    der.extend(STANDARD.decode(public).unwrap());
    let line = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n")
}

#[test]
fn both_cosigns_verify_by_the_uri_what_the_real_vault_signed() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        for kind in ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] {
            vault.create_key(kind, kind);
            let (registry, image) = seeded();
            signer(&registry, &image, &vault.address(), key(kind))
                .environment("VAULT_TOKEN", vault.token())
                .run()
                .succeeded();
            let reference = image.reference(registry.host());
            let address = vault.address();
            let environment = [("VAULT_ADDR", &*address), ("VAULT_TOKEN", vault.token())];
            for cosign in BOTH {
                let uri = format!("hashivault://{kind}");
                cosign.verify_by(&uri, &reference, &environment).accepted();
            }
        }
    }
}

/// KEY-65, KEY-67
#[test]
fn the_real_vault_revokes_limits_and_seals_and_the_run_says_so() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        vault.create_key("k", "ecdsa-p256");
        vault.create_key("aes", "aes256-gcm96");
        let (registry, image) = seeded();
        let with = |name: &str, token: &str| {
            signer(&registry, &image, &vault.address(), key(name))
                .environment("VAULT_TOKEN", token)
                .arguments(&["-retry-budget", "5s"])
                .run()
        };
        let token = vault.token_with(&policy("k"));
        with("aes", &token)
            .ended_with(113)
            .says(&["permission denied", "`update` on `transit/sign/aes/*`"]);
        with("aes", vault.token())
            .ended_with(115)
            .says(&["`aes256-gcm96` does not sign"]);
        with("absent", vault.token())
            .ended_with(115)
            .says(&["not found", "type=ecdsa-p256"]);
        let short = signer(&registry, &image, &vault.address(), key("k"))
            .environment("VAULT_TOKEN", vault.token())
            .environment("TRANSIT_SECRET_ENGINE_PATH", "elsewhere");
        short
            .run()
            .ended_with(115)
            .says(&["no engine is mounted at `elsewhere`"]);
        registry.stored_nothing();
        vault.limit(1);
        with("k", &token).succeeded();
        vault.limit(0);
        vault.revoke(&token);
        with("k", &token)
            .ended_with(113)
            .says(&["invalid token", "was revoked"]);
        vault.seal();
        with("k", vault.token())
            .ended_with(111)
            .says(&["have it unsealed"]);
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

/// KEY-66
#[test]
fn the_settings_of_vault_s_users_count() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let mutual = transit.serve(Transport::Mutual(&["vault.test"]));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = file("ca.pem", mutual.authority());
    let [certificate, private] = mutual.client();
    let (certificate, private) = (file("client.pem", certificate), file("client.key", private));
    let base = || {
        let address = format!("{}/prefix/", mutual.url());
        signer(&registry, &image, &address, key("k"))
            .environment("VAULT_CLIENT_CERT", &certificate)
            .environment("VAULT_CLIENT_KEY", &private)
    };
    base()
        .environment("VAULT_CACERT", &authority)
        .environment("VAULT_NAMESPACE", "team/a")
        .environment("VAULT_TLS_SERVER_NAME", "vault.test")
        .environment("VAULT_HEADERS", r#"{"X-Front": "canary-of-a-header"}"#)
        .run()
        .succeeded();
    for asked in mutual.recorded() {
        assert_eq!(asked.header("x-vault-namespace"), Some("team/a"));
        assert_eq!(asked.header("x-front"), Some("canary-of-a-header"));
        assert!(asked.path().starts_with("/prefix/v1/transit/"));
    }
    let again = |name: &str, value: &str| base().environment(name, value).run();
    again("VAULT_CACERT_BYTES", mutual.authority()).succeeded();
    let folder_of_one = tempfile::tempdir().unwrap();
    std::fs::copy(&authority, folder_of_one.path().join("a.pem")).unwrap();
    again("VAULT_CAPATH", folder_of_one.path().to_str().unwrap()).succeeded();
    again("VAULT_SKIP_VERIFY", "true")
        .succeeded()
        .says(&["without verifying its certificate"]);
    again("VAULT_TLS_SERVER_NAME", "other.test").ended_with(113);
    base().run().ended_with(113).says(&["`VAULT_CACERT`"]);
    signer(&registry, &image, &mutual.url(), key("k"))
        .environment("VAULT_CACERT", &authority)
        .run()
        .ended_with(113)
        .says(&["`VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`"]);
}

/// KEY-66
#[test]
fn a_proxy_of_vault_s_own_comes_before_the_machine_s() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let service = transit.serve(Transport::Https(&["vault.test"]));
    let proxy = Proxy::to(service.host(), Manner::Open);
    for name in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
        signer(&registry, &image, "https://vault.test", key("k"))
            .environment("VAULT_CACERT_BYTES", service.authority())
            .environment(name, &proxy.url())
            .environment("HTTPS_PROXY", "http://127.0.0.1:9")
            .run()
            .succeeded();
    }
    assert_eq!(service.recorded().len(), 3);
    assert!(proxy.asked().iter().all(|host| host == "vault.test:443"));
}

/// KEY-66, SIG-64
#[test]
fn a_proxy_that_is_none_has_the_code_of_whose_it_is() {
    let (registry, image) = seeded();
    let run = |name, value| {
        let signer = signer(&registry, &image, "https://vault.test", key("k"));
        signer.environment(name, value).run().says(&[name])
    };
    for value in ["ftp://user:canary@127.0.0.1:1", "canary://127.0.0.1:1"] {
        for name in ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"] {
            let run = run(name, value).ended_with(115);
            run.says(&[&format!("hint: write `{name}` as `http://<host>:<port>`")])
                .does_not_say(&["canary"]);
        }
        // Vault's own is read before anything is sent.
        assert!(registry.exchanges().is_empty());
    }
    let run = run("HTTPS_PROXY", "ftp://user:canary@127.0.0.1:1").ended_with(3);
    run.says(&["hint: set `HTTPS_PROXY` to `http://<host>:<port>`"])
        .does_not_say(&["canary"]);
}

/// A file in the home of the signer's user.
fn home_file(signer: &Signer, name: &str, text: &str) -> PathBuf {
    let path = signer.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// KEY-65
#[test]
fn the_token_is_looked_for_where_cosign_looks() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    let bare =
        || signer(&registry, &image, &service.url(), key("k")).without_environment("VAULT_TOKEN");
    bare()
        .environment("BAO_TOKEN", TOKEN)
        .environment("BAO_ADDR", &service.url())
        .without_environment("VAULT_ADDR")
        .run()
        .succeeded();
    let from_file = bare();
    home_file(&from_file, ".vault-token", &format!("{TOKEN}\n"));
    from_file.run().succeeded();
    let helped = bare();
    home_file(&helped, ".vault-token", "stale");
    let script = format!("#!/bin/sh\ntest \"$1\" = get && echo {TOKEN}\n");
    let helper = home_file(&helped, "helper", &script);
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    home_file(
        &helped,
        ".vault",
        &format!("token_helper = \"{}\"\n", helper.display()),
    );
    without_canaries(helped, &[TOKEN]).0.succeeded();
    let failing = bare();
    let helper = home_file(&failing, "helper", "#!/bin/sh\necho no agent >&2; exit 1\n");
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    home_file(
        &failing,
        ".vault",
        &format!("token_helper = \"{}\"\n", helper.display()),
    );
    failing.run().ended_with(115).says(&[
        "its token helper failed",
        "no agent",
        "~/.vault-token (not there)",
    ]);
    service.forget();
    bare()
        .run()
        .ended_with(115)
        .says(&["no credentials were found; looked at VAULT_TOKEN (not set), BAO_TOKEN (not set), ~/.vault (not there), ~/.vault-token (not there)", "`vault login`"]);
    assert!(service.recorded().is_empty());
}

/// A file names a program that cannot be run, and one that says too much: the
/// token is in `~/.vault-token`, or nowhere.
///
/// KEY-65
#[test]
fn a_helper_that_does_not_run_well_leaves_the_turn_to_the_file() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    for (script, mode, words) in [
        ("#!/absent/interpreter\n", 0o755, "cannot be run"),
        ("#!/bin/sh\nyes\n", 0o755, "printed more than"),
        ("#!/bin/sh\n", 0o644, "cannot be run"),
    ] {
        let helped = || {
            let signer = signer(&registry, &image, &service.url(), key("k"));
            let signer = signer.without_environment("VAULT_TOKEN");
            let helper = home_file(&signer, "helper", script);
            std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(mode)).unwrap();
            let names = format!("token_helper = \"{}\"\n", helper.display());
            let config = home_file(&signer, "vault.hcl", &names);
            signer.environment("VAULT_CONFIG_PATH", config.to_str().unwrap())
        };
        helped()
            .run()
            .ended_with(115)
            .says(&["VAULT_CONFIG_PATH (its token helper", words])
            .does_not_say(&["~/.vault ("]);
        let with = helped();
        home_file(&with, ".vault-token", TOKEN);
        with.run().succeeded();
    }
}

/// KEY-66
#[test]
fn of_a_folder_with_certificates_none_is_passed_over() {
    let (registry, image) = seeded();
    let transit = Transit::new();
    transit.create("k", Kind::P256);
    let service = transit.serve(Transport::Https(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = |number: usize, text: &str| {
        let path = folder.path().join(format!("{number:05}.pem"));
        std::fs::write(path, text).unwrap();
    };
    let run = || {
        signer(&registry, &image, &service.url(), key("k"))
            .environment("VAULT_CAPATH", folder.path().to_str().unwrap())
            .run()
    };
    for number in 0..1000 {
        file(number, service.authority());
    }
    run().succeeded();
    file(1000, service.authority());
    run()
        .ended_with(115)
        .says(&["`VAULT_CAPATH` cannot be used: there are more than 1000 files in it"]);
}

/// KEY-60, KEY-66
#[test]
fn what_is_set_wrong_is_named_before_anything_is_sent() {
    let (registry, image) = seeded();
    let (_, service) = Transit::serving("k", Kind::P256);
    for (name, value, words) in [
        ("VAULT_ADDR", "", "set `VAULT_ADDR`"),
        (
            "VAULT_ADDR",
            "vault.test:8200",
            "`VAULT_ADDR` cannot be used",
        ),
        ("VAULT_ADDR", "unix:///run/vault.sock", "sockets"),
        (
            "VAULT_ADDR",
            "https://u:canary-p@h",
            "more than a host and a path",
        ),
        ("VAULT_TOKEN", "a b", "holds no token"),
        ("VAULT_HEADERS", "[]", "no JSON object"),
        (
            "VAULT_HEADERS",
            r#"{"x-vault-token": "canary-t"}"#,
            "Vault's own",
        ),
        ("VAULT_CACERT", "/absent", "cannot read `/absent`"),
        ("VAULT_CACERT_BYTES", "no PEM", "no certificate"),
        ("VAULT_CAPATH", "/absent", "no readable folder"),
        (
            "VAULT_CLIENT_CERT",
            "/absent",
            "`VAULT_CLIENT_KEY` is not set",
        ),
        (
            "TRANSIT_SECRET_ENGINE_PATH",
            "a/../b",
            "no path of a secret engine",
        ),
    ] {
        let signer = signer(&registry, &image, &service.url(), key("k")).environment(name, value);
        without_canaries(signer, &["canary-p", "canary-t"])
            .0
            .ended_with(115)
            .says(&[words, "hashivault://k"]);
    }
    for (uri, words) in [
        ("hashivault://", "it names no key"),
        ("openbao://transit/k", "write `openbao://KEY`"),
        ("hashivault:///k", "no slash"),
    ] {
        signer(
            &registry,
            &image,
            &service.url(),
            Config::none().set("key", uri),
        )
        .run()
        .ended_with(3)
        .says(&[words]);
    }
    signer(
        &registry,
        &image,
        &service.url(),
        key("k").set("password", "p"),
    )
    .run()
    .ended_with(3)
    .says(&["is not opened by a `password`"]);
    assert!(service.recorded().is_empty());
    registry.was_not_asked();
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
