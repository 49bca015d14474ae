//! Canaries: nothing that is secret comes out, whatever the log level and
//! however the run ends; nothing is sent to hosts that nobody named.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::images::Image;
use crate::support::registry::{
    Account, Action, Auth, Registry, Settings, Switch, TOKEN_PREFIX, When,
};
use crate::support::signer::{Config, Outcome, Signer};

const PASSWORD: &str = "canary-registry-password";
const IDENTITY: &str = "canary-identity-token";

/// The secrets that must not be in any output: the registry's credentials in every form,
/// tokens, the key's password, and the private key's file.
fn canaries() -> Vec<String> {
    let keys = crate::support::testdata("keys");
    let key_password = std::fs::read_to_string(keys.join("password")).unwrap();
    let key = std::fs::read_to_string(keys.join("p256-cosign3.key")).unwrap();
    let body = key
        .lines()
        .find(|line| line.len() == 64)
        .unwrap()
        .to_owned();
    vec![
        PASSWORD.to_owned(),
        STANDARD.encode(format!("robot:{PASSWORD}")),
        IDENTITY.to_owned(),
        TOKEN_PREFIX.to_owned(),
        key_password,
        body,
    ]
}

#[track_caller]
fn no_canary(run: &Outcome, receipt: &str) {
    for canary in canaries() {
        for text in [&run.stdout, &run.stderr, receipt] {
            assert!(!text.contains(&canary), "`{canary}` in:\n{text}");
        }
    }
}

fn account() -> Account {
    Account {
        user: "robot".to_owned(),
        password: PASSWORD.to_owned(),
        identity: Some(IDENTITY.to_owned()),
    }
}

fn bearer() -> Auth {
    Auth::Bearer {
        account: account(),
        lifetime: std::time::Duration::from_secs(300),
    }
}

/// Runs at debug level with a receipt; gives the receipt's text.
fn run(signer: Signer) -> (Outcome, String) {
    let path = signer.folder().join("receipt.toml");
    let signer = signer.arguments(&["-log-level", "debug", "-receipt", path.to_str().unwrap()]);
    let run = signer.run();
    let receipt = std::fs::read_to_string(&path).unwrap_or_default();
    (run, receipt)
}

/// SIG-15
#[test]
fn a_run_shows_no_secret_at_debug_level_nor_in_its_receipt() {
    let basic = format!("Basic {}", account().basic());
    let identity = format!("X-Identity {IDENTITY}");
    for (auth, credential) in [
        (Auth::Basic(account()), &basic),
        (bearer(), &basic),
        (bearer(), &identity),
    ] {
        let registry = Registry::with(Settings {
            auth,
            ..Settings::default()
        });
        let image = Image::recorded("one-document");
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let (run, receipt) = run(signer.credential(registry.host(), credential));
        let run = run.succeeded();
        assert!(receipt.contains(image.digest()), "{receipt}");
        no_canary(&run, &receipt);
    }
}

/// SIG-15
#[test]
fn a_failed_run_shows_no_secret_either() {
    let basic = format!("Basic {}", account().basic());
    for (method, part, action) in [
        ("*", "/token", Action::error(403, "DENIED")),
        ("*", "/v2/", Action::error(403, "DENIED")),
        (
            "POST",
            "/blobs/uploads/",
            Action::error(401, "UNAUTHORIZED"),
        ),
        ("PUT", "/manifests/", Action::error(400, "MANIFEST_INVALID")),
        (
            "*",
            "/token",
            Action::change(|answer| answer.body = "canary-token-1 {\"token\":".into()),
        ),
    ] {
        let registry = Registry::with(Settings {
            auth: bearer(),
            ..Settings::default()
        });
        let image = Image::recorded("one-document");
        image.seed(&registry);
        registry.inject(When::every(method, part), action);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let (run, receipt) = run(signer.credential(registry.host(), &basic));
        assert_ne!(run.code, Some(0));
        no_canary(&run, &receipt);
    }
}

/// SIG-11, CFG-11
#[test]
fn inputs_that_hold_secrets_in_the_wrong_place_are_not_quoted() {
    let image = Image::recorded("one-document");
    let registry = Registry::start();
    for settings in [
        format!("[[configs]]\nkey = \"{PASSWORD}\n"),
        format!("[[configs]]\nkey = \"x\"\npassword-data = \"{PASSWORD}\"\n"),
        format!("[[configs]]\nkey = \"x\"\npassword = {{ value = \"{PASSWORD}\" }}\n"),
        format!("[[configs]]\nkey = \"x\"\nrepository = \"u:{PASSWORD}@shared.example.com/x\"\n"),
        format!("[[configs]]\nkey = \"x\"\nrepository = \"u:{PASSWORD}@sha256:0a@r.io/x\"\n"),
    ] {
        let signer = Signer::of(&image, registry.host()).settings(&settings);
        let (run, receipt) = run(signer);
        no_canary(&run.ended_with(3), &receipt);
    }
    for auth in [
        format!("{{\"a\": \"Basic {PASSWORD}\""),
        PASSWORD.to_owned(),
        format!("{{\"{}\": \"Unknown {PASSWORD}\"}}", registry.host()),
        format!("{{\"{}\": \"Basic {PASSWORD}\"}}", registry.host()),
        format!("{{\"{}\": [\"{PASSWORD}\"]}}", registry.host()),
    ] {
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let (run, receipt) = run(signer.environment("CNB_REGISTRY_AUTH", &auth));
        assert_ne!(run.code, Some(0), "{auth}");
        no_canary(&run, &receipt);
    }
}

/// SIG-62
#[test]
fn a_password_in_place_of_its_path_is_not_quoted() {
    let image = Image::recorded("one-document");
    let registry = Registry::start();
    for password in [
        PASSWORD.to_owned(),
        format!("{PASSWORD}{}", "x".repeat(300)),
        format!("/{PASSWORD}"),
        format!("a/b/{PASSWORD}/c+d=="),
        // Behind a file.
        format!("cosign.key/{PASSWORD}"),
        format!("{PASSWORD}://x"),
    ] {
        let settings = format!("[[configs]]\nkey = \"cosign.key\"\npassword = \"{password}\"\n");
        let signer = Signer::of(&image, registry.host()).settings(&settings);
        let (run, receipt) = run(signer);
        assert!(matches!(run.code, Some(3 | 115)), "{}", run.stdout);
        let run = run.says(&["`password`", "hint:"]);
        no_canary(&run, &receipt);
    }
}

/// SIG-62. As text, and as numbers.
#[test]
fn a_private_key_among_the_roots_is_not_quoted() {
    let registry = Registry::with(Settings {
        tls: Switch::On,
        ..Settings::default()
    });
    let image = Image::recorded("one-document");
    let key = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    for line_break in ["\\n", " ", "\r", ""] {
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let file = signer.folder().join("tls.pem");
        let text = format!(
            "-----BEGIN PRIVATE KEY-----{line_break}{key}{line_break}-----END PRIVATE KEY-----"
        );
        std::fs::write(&file, text).unwrap();
        let (run, receipt) = run(signer
            .environment("SSL_CERT_FILE", file.to_str().unwrap())
            .environment("SSL_CERT_DIR", "/nowhere"));
        let run = run.ended_with(113).says(&["tls.pem"]);
        let run = run.does_not_say(&[key, &key[..12], "77, 73, 71", "45, 45, 45"]);
        no_canary(&run, &receipt);
    }
}

/// SIG-62
#[test]
fn values_of_json_are_not_quoted() {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    for (part, body) in [
        (
            "/manifests/",
            format!("{{\"schemaVersion\": \"{PASSWORD}\"}}"),
        ),
        (
            "/manifests/",
            format!("{{\"schemaVersion\": 2, \"layers\": \"{PASSWORD}\"}}"),
        ),
        ("/manifests/", format!("\"{PASSWORD}\"")),
        (
            ".sig",
            format!("{{\"schemaVersion\": 2, \"layers\": [\"{PASSWORD}\"]}}"),
        ),
    ] {
        let registry = Registry::start();
        image.seed(&registry);
        registry.inject(
            When::every("GET", part),
            Action::change(move |answer| {
                answer.status = 200;
                answer.body = body.clone().into();
            }),
        );
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let (run, receipt) = run(signer);
        assert_ne!(run.code, Some(0));
        no_canary(&run, &receipt);
    }
}

/// SIG-15, KEY-41
#[test]
fn a_wrong_key_password_is_not_shown() {
    let image = Image::recorded("one-document");
    let registry = Registry::start();
    image.seed(&registry);
    let key = crate::support::testdata("keys/rsa2048-imported-cosign3.key");
    let signer = Signer::of(&image, registry.host()).config(Config::key_file(&key));
    let (run, receipt) = run(signer.environment("COSIGN_PASSWORD", PASSWORD));
    no_canary(&run.ended_with(115), &receipt);
}

/// WIRE-10
#[test]
fn a_redirect_to_another_host_is_followed_without_credentials() {
    let basic = format!("Basic {}", account().basic());
    for auth in [Auth::Basic(account()), bearer()] {
        let registry = Registry::with(Settings {
            auth,
            ..Settings::default()
        });
        let storage = Registry::start();
        let image = Image::recorded("one-document");
        image.seed(&registry);
        image.seed(&storage);
        let host = storage.host().to_owned();
        let repository = image.repository().to_owned();
        registry.inject(
            When::every("GET", "/blobs/sha256"),
            Action::change(move |answer| {
                if answer.status == 200 {
                    let digest = answer.header("docker-content-digest").unwrap().to_owned();
                    answer.status = 307;
                    answer.set(
                        "location",
                        format!("http://{host}/v2/{repository}/blobs/{digest}"),
                    );
                }
            }),
        );
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        signer.credential(registry.host(), &basic).run().succeeded();
        let there = storage.exchanges();
        assert_eq!(there.len(), 2, "{there:?}");
        assert!(there.iter().all(|e| e.authorization.is_none()), "{there:?}");
    }
}

/// WIRE-10
#[test]
fn an_upload_elsewhere_is_made_without_credentials() {
    let basic = format!("Basic {}", account().basic());
    let registry = Registry::with(Settings {
        auth: bearer(),
        ..Settings::default()
    });
    let elsewhere = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let host = elsewhere.host().to_owned();
    registry.inject(
        When::every("POST", "/blobs/uploads/"),
        Action::change(move |answer| {
            if answer.status == 202 {
                answer.set(
                    "location",
                    format!("http://{host}/v2/x/blobs/uploads/session?a=b"),
                );
            }
        }),
    );
    let signer = Signer::of(&image, registry.host()).key_without_sbom("p256-cosign3");
    signer.credential(registry.host(), &basic).run();
    let there = elsewhere.exchanges();
    assert!(!there.is_empty());
    assert!(there.iter().all(|e| e.authorization.is_none()), "{there:?}");
}

/// WIRE-6
#[test]
fn only_the_registries_that_were_named_are_asked() {
    let (registry, proxy) = (Registry::start(), Registry::start());
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let address = format!("http://{}", proxy.host());
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .environment("HTTPS_PROXY", &address)
        .environment("HTTP_PROXY", &address)
        .environment("NO_PROXY", "127.0.0.1")
        .run()
        .succeeded();
    proxy.was_not_asked();
}

#[test]
fn an_unknown_certificate_authority_is_an_error_and_a_known_one_is_not() {
    let settings = Settings {
        auth: Auth::Basic(account()),
        tls: Switch::On,
        ..Settings::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let basic = format!("Basic {}", account().basic());
    let signer = || {
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        signer.credential(registry.host(), &basic)
    };
    let refused = signer().run().ended_with(113);
    assert!(refused.took.as_secs() < 10, "{:?}", refused.took);
    registry.was_not_asked();
    let trusting = signer();
    let authority = trusting.folder().join("ca.pem");
    std::fs::write(&authority, registry.authority()).unwrap();
    trusting
        .environment("SSL_CERT_FILE", authority.to_str().unwrap())
        .run()
        .succeeded();
}
