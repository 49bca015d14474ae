//! Keys of Google Cloud KMS: every kind, each form, each identity, and what goes
//! wrong.

mod identities;
mod stand_in;

use aws_lc_rs::rsa::KeySize;
use serde_json::json;

use crate::support::elsewhere::{FORMATS, messages, seeded, verified, without_canaries};
use crate::support::images::{Document, Image};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::pair::{Kind, Pair};
use crate::support::services::stand_in::StandIn;
use crate::support::signer::{Config, Signer};
use stand_in::{Google, RING, TOKEN, refuse};

const ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS";
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// The kinds of keys that Google has.
const KINDS: [Kind; 4] = [Kind::P256, Kind::P384, Kind::Rsa2048, Kind::Ed25519];

fn uri(key: &str) -> String {
    format!("gcpkms://{RING}/cryptoKeys/{key}")
}

fn key(key: &str) -> Config {
    Config::none().set("key", &uri(key))
}

/// On a machine of Google's.
fn signer(registry: &Registry, image: &Image, service: &StandIn, config: Config) -> Signer {
    Signer::of(image, registry.host())
        .config(config)
        .environment(ENDPOINT, &service.url())
        .environment("GCE_METADATA_HOST", service.host())
}

/// The flag that a verifier needs.
fn hash(kind: Kind) -> Option<&'static str> {
    (kind == Kind::P384).then_some("sha384")
}

/// KEY-90, KEY-91, KEY-92, KEY-93, KEY-115
#[test]
fn every_kind_of_key_signs_each_form_and_none_again() {
    for kind in KINDS {
        for format in FORMATS {
            let (registry, image) = seeded();
            let (google, service) = Google::serving("k", kind);
            let config = key("k/cryptoKeyVersions/1").set("format", format);
            let signer = signer(&registry, &image, &service, config);
            let run = signer.run().succeeded().says(&[", version 1"]);
            let warned = run
                .warnings()
                .iter()
                .filter(|line| line.contains("sha384"))
                .count();
            assert_eq!(warned, usize::from(kind == Kind::P384), "{}", run.stdout);
            let pem = google.public_key("k", 1);
            verified(&registry, &image, &pem, format, hash(kind));
            // A token, the public key, and one for each message.
            let asked = service.recorded();
            assert_eq!(
                asked.len(),
                2 + messages(format),
                "{kind:?} {format}: {asked:?}"
            );
            service.forget();
            registry.forget_exchanges();
            signer.run().succeeded();
            assert_eq!(service.recorded().len(), 2, "{kind:?} {format}");
            assert!(registry.exchanges().puts().is_empty(), "{kind:?} {format}");
        }
    }
}

/// KEY-92
#[test]
fn rsa_keys_of_every_size_sign_and_one_hash_needs_a_flag() {
    for (size, algorithm, hash) in [
        (KeySize::Rsa3072, "RSA_SIGN_PKCS1_3072_SHA256", None),
        (KeySize::Rsa4096, "RSA_SIGN_PKCS1_4096_SHA256", None),
        (
            KeySize::Rsa4096,
            "RSA_SIGN_PKCS1_4096_SHA512",
            Some("sha512"),
        ),
    ] {
        let (registry, image) = seeded();
        let (google, service) = Google::serving("other", Kind::P256);
        google.add_pair("k", 1, Pair::rsa(size), algorithm, "ENABLED");
        let run = signer(&registry, &image, &service, key("k"))
            .run()
            .succeeded();
        let flag = "--signature-digest-algorithm sha512";
        assert_eq!(run.stdout.contains(flag), hash.is_some(), "{}", run.stdout);
        let pem = google.public_key("k", 1);
        verified(&registry, &image, &pem, "legacy", hash);
    }
}

/// KEY-91
#[test]
fn without_a_version_the_greatest_by_number_signs() {
    let (registry, image) = seeded();
    let (google, service) = Google::serving("k", Kind::P256);
    for version in [2, 9, 10] {
        google.add("k", version, Kind::P256);
    }
    google.add_as("k", 11, Kind::P256, "EC_SIGN_P256_SHA256", "DISABLED");
    let signer = signer(&registry, &image, &service, key("k"));
    let (run, receipt) = without_canaries(signer, &[TOKEN]);
    run.succeeded().says(&[", version 10"]);
    assert!(receipt.contains("key-version = \"10\""), "{receipt}");
    verified(
        &registry,
        &image,
        &google.public_key("k", 10),
        "legacy",
        None,
    );
    assert_eq!(service.asked("GET", "/cryptoKeyVersions?").len(), 2);
    for asked in service.asked("POST", ":asymmetricSign") {
        assert!(
            asked
                .path()
                .ends_with("/cryptoKeyVersions/10:asymmetricSign")
        );
    }
}

/// KEY-91
#[test]
fn a_rotation_after_the_check_changes_nothing_and_the_next_run_adds_one() {
    let (registry, image) = seeded();
    let (google, service) = Google::serving("k", Kind::P256);
    let rotating = google.clone();
    let rotate = Action::before(move || rotating.add("k", 2, Kind::P256));
    service.inject(When::first("POST", ":asymmetricSign"), rotate);
    let signer = signer(&registry, &image, &service, key("k"));
    signer.run().succeeded().says(&[", version 1"]);
    signer.run().succeeded().says(&[", version 2"]);
    for version in [1, 2] {
        let pem = google.public_key("k", version);
        verified(&registry, &image, &pem, "legacy", None);
    }
    service.forget();
    registry.forget_exchanges();
    signer.run().succeeded();
    assert!(service.asked("POST", ":asymmetricSign").is_empty());
    assert!(registry.exchanges().puts().is_empty());
}

/// KEY-93, SIG-11
#[test]
fn what_google_refuses_has_its_code_its_remedy_and_no_effect() {
    let (get, sign) = ("/publicKey", ":asymmetricSign");
    let denied = refuse(
        403,
        "PERMISSION_DENIED",
        "Permission 'x' denied (or it may not exist).",
    );
    let disabled = "v is not enabled, current state is: DISABLED.";
    let disabled = refuse(400, "FAILED_PRECONDITION", disabled);
    let signature = json!({ "signature": "AAAA" });
    for (part, answer, code, words) in [
        (get, denied.clone(), 113, "roles/cloudkms.signerVerifier"),
        (sign, denied, 113, "roles/cloudkms.signerVerifier"),
        (
            get,
            refuse(404, "NOT_FOUND", "k not found."),
            115,
            "k not found.",
        ),
        (get, disabled.clone(), 115, "DISABLED"),
        (sign, disabled, 115, "its version enabled"),
        (
            get,
            Answer::json(200, &json!([])),
            112,
            "holds no public key",
        ),
        (
            get,
            Answer::new(200).body("text/html", "<p>"),
            112,
            "holds no public key",
        ),
        (
            sign,
            Answer::json(200, &json!({})),
            112,
            "holds no signature",
        ),
        (
            sign,
            Answer::json(200, &signature),
            112,
            "does not accept the signature",
        ),
        (
            sign,
            refuse(400, "INVALID_ARGUMENT", "bad digest"),
            112,
            "bad digest",
        ),
        (get, refuse(503, "UNAVAILABLE", "away"), 111, "away"),
        (
            sign,
            refuse(429, "RESOURCE_EXHAUSTED", "quota"),
            111,
            "quota",
        ),
    ] {
        let (registry, image) = seeded();
        let (_, service) = Google::serving("k", Kind::P256);
        service.inject(When::every("*", part), Action::Answer(answer));
        let signer = signer(&registry, &image, &service, key("k/cryptoKeyVersions/1"))
            .arguments(&["-retry-budget", "1s"]);
        let (run, _) = without_canaries(signer, &[TOKEN]);
        run.ended_with(code).says(&[words, &uri("k")]);
        registry.stored_nothing();
        assert_eq!(registry.open_uploads(), 0);
    }
}

/// KEY-92
#[test]
fn keys_that_cosign_would_not_verify_are_refused_by_their_algorithm() {
    for (algorithm, words) in [
        ("RSA_SIGN_PSS_2048_SHA256", "no verifier accepts"),
        ("RSA_SIGN_RAW_PKCS1_2048", "cosign does not verify"),
        ("EC_SIGN_SECP256K1_SHA256", "cosign does not verify"),
        ("RSA_DECRYPT_OAEP_2048_SHA256", "does not sign"),
        ("PQ_SIGN_ML_DSA_65", "cosign does not verify"),
    ] {
        let (registry, image) = seeded();
        let (google, service) = Google::serving("other", Kind::P256);
        google.add_as("k", 1, Kind::Rsa2048, algorithm, "ENABLED");
        signer(&registry, &image, &service, key("k"))
            .run()
            .ended_with(115)
            .says(&[algorithm, words, "asymmetric signing"]);
        assert!(service.asked("POST", ":asymmetricSign").is_empty());
        registry.stored_nothing();
    }
    // The name of the algorithm says another hash than the key is verified with.
    let (registry, image) = seeded();
    let (google, service) = Google::serving("other", Kind::P256);
    google.add_as("k", 1, Kind::P256, "EC_SIGN_P384_SHA384", "ENABLED");
    signer(&registry, &image, &service, key("k"))
        .run()
        .ended_with(115)
        .says(&["its service binds the key to sha384"])
        .does_not_say(&["generate-key-pair"]);
    let (registry, image) = seeded();
    let (google, service) = Google::serving("other", Kind::P256);
    google.add_as("k", 1, Kind::P256, "EC_SIGN_P256_SHA256", "DESTROYED");
    signer(&registry, &image, &service, key("k"))
        .run()
        .ended_with(115)
        .says(&["none of its versions is enabled"]);
}

/// KEY-93
#[test]
fn a_busy_service_is_asked_again() {
    for answer in [
        refuse(429, "RESOURCE_EXHAUSTED", "quota"),
        refuse(503, "UNAVAILABLE", "away"),
        refuse(504, "DEADLINE_EXCEEDED", "late"),
    ] {
        let (registry, image) = seeded();
        let (_, service) = Google::serving("k", Kind::P256);
        let when = When::first("*", "/v1/projects").times(2);
        service.inject(when, Action::Answer(answer));
        signer(&registry, &image, &service, key("k"))
            .run()
            .succeeded();
    }
}

/// KEY-114
#[test]
fn a_signature_by_another_key_is_discarded() {
    let (registry, image) = seeded();
    let (google, service) = Google::serving("k", Kind::P256);
    let other = Action::before(move || google.add("k", 1, Kind::P256));
    service.inject(When::first("POST", ":asymmetricSign"), other);
    signer(&registry, &image, &service, key("k"))
        .run()
        .ended_with(112)
        .says(&["does not accept the signature"]);
    registry.stored_nothing();
}

/// KEY-93
#[test]
fn an_ed25519_key_is_not_sent_what_google_would_not_take() {
    let registry = Registry::start();
    let long = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","x":"{}"}}"#,
        "x".repeat(66_000)
    );
    let image = Image::with_documents(&[Document::new("layers/sbom/launch/sbom.cdx.json", long)]);
    image.seed(&registry);
    let (_, service) = Google::serving("k", Kind::Ed25519);
    signer(&registry, &image, &service, key("k"))
        .run()
        .ended_with(112)
        .says(&["longer than the 65536 bytes", "EC or RSA key"]);
    assert!(service.asked("POST", "/").is_empty());
    registry.stored_nothing();
}

/// KEY-90, KEY-94
#[test]
fn what_is_set_wrong_is_named_before_anything_is_sent() {
    let (registry, image) = seeded();
    let (_, service) = Google::serving("k", Kind::P256);
    for (uri, words) in [
        (
            "gcpkms://projects/p/locations/l/cryptoKeys/k",
            "write `gcpkms://projects/P/",
        ),
        ("gcpkms://", "does not name project"),
        (
            &*uri("k/cryptoKeyVersions/latest"),
            "its version is no number",
        ),
    ] {
        let config = Config::none().set("key", uri);
        signer(&registry, &image, &service, config)
            .run()
            .ended_with(3)
            .says(&[words]);
    }
    let password = key("k").set("password", "p");
    signer(&registry, &image, &service, password)
        .run()
        .ended_with(3)
        .says(&["is not opened by a `password`"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(
        &path,
        r#"{"type":"gdch_service_account","k":"canary-of-a-file"}"#,
    )
    .unwrap();
    for (name, value, words) in [
        (FILE, "/absent.json", "cannot read `/absent.json`"),
        (
            FILE,
            path.to_str().unwrap(),
            "the type gdch_service_account in",
        ),
        (
            ENDPOINT,
            "cloudkms",
            "`CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS` cannot be used",
        ),
    ] {
        let signer = signer(&registry, &image, &service, key("k")).environment(name, value);
        let (run, _) = without_canaries(signer, &["canary-of-a-file"]);
        run.ended_with(115).says(&[words, &uri("k")]);
    }
    assert!(service.recorded().is_empty());
    registry.was_not_asked();
}
