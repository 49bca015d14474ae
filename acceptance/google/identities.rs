//! Identities for Google Cloud: each kind, its tokens, and what refuses them.

use serde_json::json;

use super::stand_in::{
    CLIENT_SECRET, Google, REFRESH_TOKEN, SUBJECT_TOKEN, TOKEN, refuse, refused,
};
use super::{FILE, key, signer, uri};
use crate::support::elsewhere::{messages, seeded, without_canaries};
use crate::support::registry::{Action, Answer, When};
use crate::support::services::pair::Kind;

/// KEY-94
#[test]
fn each_identity_signs_and_none_of_its_secrets_comes_out() {
    let (google, service) = Google::serving("k", Kind::P256);
    let (token_uri, sts) = (service.url() + "/token", service.url() + "/sts");
    let impersonate = service.url() + "/impersonate";
    let folder = tempfile::tempdir().unwrap();
    let subject = folder.path().join("subject.jwt");
    std::fs::write(&subject, format!("{SUBJECT_TOKEN}\n")).unwrap();
    let user = json!({
        "type": "authorized_user", "client_id": "client-1", "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN, "quota_project_id": "payer", "token_uri": token_uri,
    });
    let external = |source: serde_json::Value| {
        json!({
            "type": "external_account", "audience": "//iam.googleapis.com/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": sts, "credential_source": source,
        })
    };
    let mut both = external(json!({
        "url": service.url() + "/subject",
        "headers": { "Authorization": "Bearer canary-request-token-1" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    }));
    both["service_account_impersonation_url"] = json!(impersonate);
    let impersonated = json!({
        "type": "impersonated_service_account", "delegates": [],
        "service_account_impersonation_url": impersonate, "source_credentials": user,
    });
    let account = google.service_account(&token_uri);
    let private = account.split("\\n").nth(3).unwrap().to_owned();
    let file = external(json!({ "file": subject }));
    for (name, content, requests) in [
        ("account", account, 1),
        ("user", user.to_string(), 1),
        ("file", file.to_string(), 1),
        ("url and impersonation", both.to_string(), 3),
        ("impersonation", impersonated.to_string(), 2),
    ] {
        let (registry, image) = seeded();
        service.forget();
        let path = folder.path().join("credentials.json");
        std::fs::write(&path, content).unwrap();
        let signer = signer(&registry, &image, &service, key("k/versions/1"))
            .environment(FILE, path.to_str().unwrap());
        let canaries = [
            TOKEN,
            CLIENT_SECRET,
            REFRESH_TOKEN,
            SUBJECT_TOKEN,
            "canary-request-token",
            &private,
        ];
        let (run, receipt) = without_canaries(signer, &canaries);
        run.succeeded();
        assert!(receipt.contains(&uri("k/cryptoKeyVersions/1")), "{receipt}");
        let asked = service.recorded();
        assert_eq!(
            asked.len(),
            requests + 1 + messages("legacy"),
            "{name}: {asked:?}"
        );
        let billed = asked
            .iter()
            .filter_map(|asked| asked.header("x-goog-user-project"));
        let billed = billed.filter(|project| *project == "payer").count();
        let is_users = matches!(name, "user");
        assert_eq!(
            billed,
            if is_users { 1 + messages("legacy") } else { 0 },
            "{name}"
        );
    }
}

/// The token of another issuer is at a URL, and asked for with a secret in a
/// header that is not `Authorization`.
///
/// KEY-94
#[test]
fn the_headers_of_another_issuer_are_shown_to_it_alone_and_hidden() {
    let secret = "canary-of-a-custom-header-1";
    let (registry, image) = seeded();
    let (_, service) = Google::serving("k", Kind::P256);
    let (_, other) = Google::serving("k", Kind::P256);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    let file = json!({
        "type": "external_account", "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": service.url() + "/sts",
        "credential_source": {
            "url": service.url() + "/subject", "headers": { "X-Issuer-Secret": secret },
        },
    });
    std::fs::write(&path, file.to_string()).unwrap();
    let repeated = format!("who are you, {secret}?");
    for (answer, words) in [
        (
            Answer::new(302).with("location", other.url() + "/subject"),
            "unexpected status 302",
        ),
        (
            Answer::new(403).body("text/plain", repeated),
            "it says `who are you, …?`",
        ),
    ] {
        service.inject(When::every("GET", "/subject"), Action::Answer(answer));
        let signer =
            signer(&registry, &image, &service, key("k")).environment(FILE, path.to_str().unwrap());
        let (run, _) = without_canaries(signer, &[secret]);
        assert_ne!(run.code, Some(0));
        run.says(&[words]);
        service.heal();
    }
    for asked in service.asked("GET", "/subject") {
        assert_eq!(asked.header("x-issuer-secret"), Some(secret));
    }
    assert!(other.recorded().is_empty());
    registry.stored_nothing();
}

/// KEY-94
#[test]
fn two_keys_share_one_token() {
    let (registry, image) = seeded();
    let (google, service) = Google::serving("a", Kind::P256);
    google.add("b", 1, Kind::Rsa2048);
    signer(&registry, &image, &service, key("a"))
        .config(key("b"))
        .run()
        .succeeded();
    assert_eq!(service.asked("GET", "/computeMetadata/").len(), 1);
}

/// KEY-94
#[test]
fn a_token_that_is_refused_is_asked_for_again_once() {
    for part in ["/publicKey", ":asymmetricSign"] {
        let (registry, image) = seeded();
        let (google, service) = Google::serving("k", Kind::P256);
        let expiring = google.clone();
        let expire = Action::before(move || expiring.expire());
        service.inject(When::first("*", part), expire);
        let config = key("k/cryptoKeyVersions/1").set("export-sbom", "none");
        signer(&registry, &image, &service, config)
            .run()
            .succeeded();
        assert_eq!(service.asked("GET", "/computeMetadata/").len(), 2);
        assert_eq!(service.recorded().len(), 2 + 1 + 1 + 1);
    }
    let (registry, image) = seeded();
    let (_, service) = Google::serving("k", Kind::P256);
    let refusal = refuse(
        401,
        "UNAUTHENTICATED",
        &format!("token {TOKEN}0001 is over"),
    );
    service.inject(When::every("*", "/publicKey"), Action::Answer(refusal));
    let signer = signer(&registry, &image, &service, key("k/cryptoKeyVersions/1"));
    let (run, _) = without_canaries(signer, &[TOKEN]);
    run.ended_with(113).says(&["access denied"]);
    assert_eq!(service.asked("GET", "/publicKey").len(), 2);
    registry.stored_nothing();
}

/// KEY-94
#[test]
fn without_an_identity_every_place_is_named_that_was_looked_at() {
    let (registry, image) = seeded();
    let (_, service) = Google::serving("k", Kind::P256);
    signer(&registry, &image, &service, key("k"))
        .environment("GCE_METADATA_HOST", "127.0.0.1:9")
        .run()
        .ended_with(115)
        .says(&[
            "looked at GOOGLE_APPLICATION_CREDENTIALS (not set), \
             application_default_credentials.json (no such file), the metadata server (",
            "gcloud auth application-default login",
        ]);
    for (answer, words) in [
        (
            Answer::new(404).with("metadata-flavor", "Google"),
            "no service account",
        ),
        (
            Answer::new(200).body("text/html", "<p>log in"),
            "it is not Google's",
        ),
    ] {
        let when = When::every("GET", "/computeMetadata/");
        service.inject(when, Action::Answer(answer));
        signer(&registry, &image, &service, key("k"))
            .run()
            .ended_with(115)
            .says(&[words]);
        service.heal();
    }
    assert!(service.asked("*", "/v1/projects").is_empty());
    registry.stored_nothing();
}

/// KEY-94
#[test]
fn what_a_token_endpoint_refuses_has_its_code_and_its_remedy() {
    let jwt = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
               timeframe.";
    for (answer, code, words) in [
        (refused("invalid_grant", jwt), 113, "set the clock"),
        (
            refused("invalid_grant", "Token has been expired or revoked."),
            113,
            "are not known, or no more",
        ),
        (
            refused("invalid_client", CLIENT_SECRET),
            113,
            "may have been revoked",
        ),
        (Answer::json(200, &json!({})), 112, "holds no token"),
        (Answer::new(503), 111, "503"),
    ] {
        let (registry, image) = seeded();
        let (google, service) = Google::serving("k", Kind::P256);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        let account = google.service_account(&(service.url() + "/token"));
        std::fs::write(&path, account).unwrap();
        service.inject(When::every("POST", "/token"), Action::Answer(answer));
        let signer = signer(&registry, &image, &service, key("k"))
            .environment(FILE, path.to_str().unwrap())
            .arguments(&["-retry-budget", "1s"]);
        let (run, _) = without_canaries(signer, &[TOKEN]);
        run.ended_with(code).says(&[words]);
        registry.stored_nothing();
    }
}
