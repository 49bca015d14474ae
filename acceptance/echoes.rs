//! Hosts that repeat what they were shown: whatever they say of it, wherever
//! and however they write it, the log and the receipt do not.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::images::Image;
use crate::support::registry::{
    Account, Action, Answer, Auth, Registry, Settings, TOKEN_PREFIX, When,
};
use crate::support::signer::{Outcome, Signer};

const USER: &str = "c4n4ry-robot";
const PASSWORD: &str = "c4n4ry/Pw+\"7Zq_wxyz";
const KEY: &str = "p256-n32768-cosign-header";

fn account(user: &str, password: &str) -> Account {
    Account {
        user: user.to_owned(),
        password: password.to_owned(),
        identity: None,
    }
}

fn bearer() -> Auth {
    Auth::Bearer {
        account: account(USER, PASSWORD),
        lifetime: std::time::Duration::from_secs(300),
    }
}

fn seeded(auth: Auth) -> (Registry, Image) {
    let registry = Registry::with(Settings {
        auth,
        ..Settings::default()
    });
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    (registry, image)
}

/// Everything that the registry was shown.
fn shown() -> Vec<String> {
    vec![
        PASSWORD.to_owned(),
        format!("Basic {}", account(USER, PASSWORD).basic()),
        format!("{TOKEN_PREFIX}1"),
    ]
}

/// Ways to write it, in printable ASCII.
fn written(secret: &str) -> Vec<String> {
    let unicode: String = secret.bytes().map(|b| format!("\\u{b:04x}")).collect();
    let percent: String = secret.bytes().map(|b| format!("%{b:02X}")).collect();
    let third = secret.len() / 3;
    vec![
        secret.to_owned(),
        json!(secret).to_string(),
        secret.replace('/', "\\/"),
        unicode,
        percent,
        STANDARD.encode(secret),
        STANDARD.encode(format!("x{secret}")),
        URL_SAFE_NO_PAD.encode(format!("xy{secret}")),
        hex::encode(secret),
        hex::encode_upper(secret),
        secret[..2 * third].to_owned(),
        secret[third..].to_owned(),
        secret[third / 2..2 * third].to_owned(),
    ]
}

fn everything() -> String {
    let all: Vec<String> = shown().iter().flat_map(|secret| written(secret)).collect();
    all.join(" ; ")
}

/// No eight bytes in a row of the login, in any form.
#[track_caller]
fn repeats_no_login(run: &Outcome, receipt: &str) {
    let login = account(USER, PASSWORD).basic();
    let user = STANDARD.encode(format!("{USER}:"));
    repeats_none_of(&[PASSWORD, &login[user.len() - 4..]], run, receipt);
}

/// Nor of the token.
#[track_caller]
fn repeats_nothing(run: &Outcome, receipt: &str) {
    repeats_no_login(run, receipt);
    repeats_none_of(&[&format!("{TOKEN_PREFIX}1")], run, receipt);
}

#[track_caller]
fn repeats_none_of(secrets: &[&str], run: &Outcome, receipt: &str) {
    let output = format!("{}\n{}\n{receipt}", run.stdout, run.stderr).to_lowercase();
    for secret in secrets {
        for form in written(secret).into_iter().take(10) {
            let form = form.to_lowercase();
            let length = (form.len() * 8).div_ceil(secret.len());
            for start in 0..=form.len() - length {
                let piece = &form[start..start + length];
                assert!(!output.contains(piece), "`{piece}` in:\n{output}");
            }
        }
    }
}

/// Runs at debug level with a receipt; gives both texts.
fn run(registry: &Registry, image: &Image) -> (Outcome, String) {
    let basic = format!("Basic {}", account(USER, PASSWORD).basic());
    let signer = Signer::of(image, registry.host()).key(KEY);
    let path = signer.folder().join("receipt.toml");
    let arguments = ["-log-level", "debug", "-retry-budget", "0", "-receipt"];
    let signer = signer.arguments(&arguments);
    let signer = signer.arguments(&[path.to_str().unwrap()]);
    let run = signer.credential(registry.host(), &basic).run();
    let receipt = std::fs::read_to_string(&path).unwrap_or_default();
    (run, receipt)
}

/// Errors as JSON and as text, each after more text than is shown.
fn errors(status: u16) -> Vec<Answer> {
    let everything = everything();
    let long = format!("{} {PASSWORD} {everything}", "no ".repeat(95));
    vec![
        Answer::error(status, "DENIED", &everything),
        Answer::error(status, &everything, "no"),
        Answer::new(status).body("text/html", everything.clone()),
        Answer::new(status).body("text/plain", long.clone()),
        Answer::error(status, "DENIED", &long),
    ]
}

/// SIG-15
#[test]
fn errors_of_a_registry_repeat_nothing() {
    for (method, part) in [
        ("GET", "/manifests/v1"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
    ] {
        // After a 500 nobody knows whether a manifest was written.
        let is_manifest = (method, part) == ("PUT", "/manifests/");
        let statuses = [400, 403, 500]
            .into_iter()
            .take(if is_manifest { 2 } else { 3 });
        for answer in statuses.flat_map(errors) {
            let (registry, image) = seeded(bearer());
            let action = match method {
                // Nothing is stored.
                "PUT" => Action::Answer(answer),
                _ => Action::change(move |normal| {
                    if normal.status != 401 {
                        *normal = answer.clone();
                    }
                }),
            };
            registry.inject(When::every(method, part), action);
            let (run, receipt) = run(&registry, &image);
            assert_ne!(run.code, Some(0));
            repeats_nothing(&run, &receipt);
        }
    }
}

/// SIG-15
#[test]
fn errors_of_a_token_service_repeat_nothing() {
    for answer in [400, 401, 403, 500].into_iter().flat_map(errors) {
        let (registry, image) = seeded(bearer());
        registry.inject(When::every("*", "/token"), Action::Answer(answer));
        let (run, receipt) = run(&registry, &image);
        assert_ne!(run.code, Some(0));
        // No token was given out, so that nobody knows it.
        repeats_no_login(&run, &receipt);
    }
}

/// SIG-15
#[test]
fn headers_of_a_registry_repeat_nothing() {
    let (registry, image) = seeded(bearer());
    registry.inject(
        When::every("*", "/v2/"),
        Action::change(|answer| {
            for secret in shown().iter().flat_map(|secret| written(secret)) {
                let quoted = secret.replace('\\', "\\\\").replace('"', "\\\"");
                let warning = format!("299 - \"{} {quoted}\"", "no ".repeat(96));
                answer.headers.push(("warning".to_owned(), warning));
            }
            answer.set("docker-upload-uuid", everything());
            answer.set("etag", format!("\"{PASSWORD}\""));
        }),
    );
    let (run, receipt) = run(&registry, &image);
    let run = run.succeeded().says(&["says: `no no"]);
    repeats_nothing(&run, &receipt);
}

/// SIG-15
#[test]
fn media_types_and_addresses_of_a_registry_repeat_nothing() {
    let login = format!("Basic {}", account(USER, PASSWORD).basic());
    let forms = [PASSWORD, &login].map(written).into_iter().flatten();
    for secret in forms {
        let path: String = secret
            .bytes()
            .map(|byte| match byte {
                b'"' | b' ' | b'\\' => format!("%{byte:02x}"),
                byte => char::from(byte).to_string(),
            })
            .collect();
        let (registry, image) = seeded(bearer());
        let media_type = format!("application/{secret}");
        registry.inject(
            When::every("GET", "/manifests/v1"),
            Action::change(move |answer| answer.set("content-type", media_type.clone())),
        );
        let (first, receipt) = run(&registry, &image);
        assert_ne!(first.code, Some(0));
        repeats_nothing(&first, &receipt);
        registry.heal();
        let location = format!("/v2/{}/blobs/uploads/{path}", image.repository());
        registry.inject(
            When::every("POST", "/blobs/uploads/"),
            Action::change(move |answer| answer.set("location", location.clone())),
        );
        let (second, receipt) = run(&registry, &image);
        repeats_nothing(&second, &receipt);
    }
}

/// DigitalOcean's registry takes a token as user and as password, others as the
/// user of an empty password.
/// SIG-15
#[test]
fn a_token_in_place_of_the_user_is_not_named() {
    let token = "c4n4ry-token-of-the-api";
    for (user, password) in [(token, token), (token, ""), (token, "x")] {
        for auth in [
            Auth::Basic(account("other", "other")),
            Auth::Bearer {
                account: account("other", "other"),
                lifetime: std::time::Duration::from_secs(300),
            },
        ] {
            let (registry, image) = seeded(auth);
            let echo = Answer::error(401, "UNAUTHORIZED", &format!("no user {token}"));
            registry.inject(When::every("GET", "/token"), Action::Answer(echo));
            let login = account(user, password).basic();
            let signer = Signer::of(&image, registry.host()).key(KEY);
            let run = signer
                .arguments(&["-log-level", "debug"])
                .credential(registry.host(), &format!("Basic {login}"))
                .run()
                .ended_with(113);
            let host = registry.host();
            let run = run.says(&[&format!("the password for `{host}` in CNB_REGISTRY_AUTH")]);
            run.does_not_say(&[token, &login, &token[..8]]);
        }
    }
}

/// A proxy may answer in the registry's place.
/// SIG-15
#[test]
fn a_proxy_repeats_nothing() {
    let proxy = Registry::start();
    let answer = Answer::error(403, "DENIED", &everything());
    proxy.inject(When::every("*", ""), Action::Answer(answer));
    let image = Image::recorded("no-sbom-layer");
    let percent: String = PASSWORD.bytes().map(|b| format!("%{b:02X}")).collect();
    let signer = Signer::of(&image, "registry.invalid").key(KEY);
    let run = signer
        .arguments(&["-log-level", "debug", "-retry-budget", "0"])
        .environment(
            "HTTP_PROXY",
            &format!("http://{USER}:{percent}@{}", proxy.host()),
        )
        .environment(
            "HTTPS_PROXY",
            &format!("http://{USER}:{percent}@{}", proxy.host()),
        )
        .run();
    assert_ne!(run.code, Some(0));
    assert!(!proxy.exchanges().is_empty());
    repeats_no_login(&run, "");
}
