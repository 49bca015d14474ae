//! The services that hold keys: ours record and answer as they are told, and real
//! cosign signs with those that are real.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Value, json};

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::kms::{Emulator, Kms};
use crate::support::services::kubernetes::Kubernetes;
use crate::support::services::moto::Moto;
use crate::support::services::pair::{Hash, Kind, Pair};
use crate::support::services::plugin::Plugin;
use crate::support::services::soft_hsm::SoftHsm;
use crate::support::services::stand_in::{Recorded, StandIn, Transport};
use crate::support::services::vault::{Vault, policy};
use crate::support::services::{Caller, Service};
use crate::support::testdata;

/// Repeats what it was asked.
fn echo(request: &Recorded) -> Answer {
    let body = json!({ "path": request.path(), "host": request.host() });
    Answer::json(200, &body)
}

#[test]
fn a_stand_in_records_requests_whole_and_answers_by_a_function() {
    let service = StandIn::start(echo);
    let caller = Caller::of(&service.url()).showing("X-Vault-Token", "t");
    let body = json!({ "input": "aGk=" });
    let answer = caller.must("PUT", "/v1/transit/sign/k?a=b%20c", &body);
    assert_eq!(
        answer,
        json!({ "path": "/v1/transit/sign/k", "host": "127.0.0.1" })
    );
    caller
        .call("POST", "/token", "grant_type=a%3Ab&x=")
        .unwrap();
    let recorded = service.recorded();
    assert_eq!(recorded.len(), 2);
    assert_eq!(
        (&*recorded[0].method, recorded[0].target.as_str()),
        ("PUT", "/v1/transit/sign/k?a=b%20c")
    );
    assert_eq!(recorded[0].query()["a"], "b c");
    assert_eq!(recorded[0].header("x-vault-token"), Some("t"));
    assert_eq!(recorded[0].json(), body);
    assert_eq!(recorded[0].status, Some(200));
    assert!(recorded[0].ended.unwrap() >= recorded[0].began);
    assert_eq!(recorded[1].form()["grant_type"], "a:b");
    assert_eq!(recorded[1].text(), "grant_type=a%3Ab&x=");
    assert_eq!(recorded[1].json(), Value::Null);
    service.forget();
    assert!(service.recorded().is_empty());
}

#[test]
fn a_stand_in_can_be_any_host_of_a_private_authority() {
    let service = StandIn::by(Transport::Https(&["*.vault.azure.net"]), echo);
    let caller = || Caller::of(&service.url());
    assert_eq!(caller().ask("GET", "/", &Value::Null), None);
    let trusting = caller().trusting(service.authority());
    trusting.must("GET", "/", &Value::Null);
    let mutual = StandIn::by(Transport::Mutual(&[]), echo);
    let trusting = || Caller::of(&mutual.url()).trusting(mutual.authority());
    assert_eq!(trusting().ask("GET", "/", &Value::Null), None);
    let known = trusting().identified_by(mutual.client());
    known.must("GET", "/", &Value::Null);
    assert_eq!(mutual.recorded().len(), 1);
}

#[test]
fn a_stand_in_s_faults_strike_when_they_were_asked_to() {
    let service = StandIn::start(echo);
    let caller = Caller::of(&service.url()).showing("X-Amz-Target", "TrentService.Sign");
    let status = || Some(caller.call("POST", "/", "{}")?.0);
    let throttled = Answer::json(400, &json!({ "__type": "ThrottlingException" }));
    service.inject(
        When::first("POST", "TrentService.Sign").after(1),
        Action::Answer(throttled.with("retry-after", "1")),
    );
    assert_eq!([status(), status(), status()], [200, 400, 200].map(Some));
    service.inject(When::first("*", "/"), Action::Cut);
    let second = When::first("*", "/").after(1);
    service.inject(second, Action::HandleThenCut);
    assert_eq!([status(), status(), status()], [None, None, Some(200)]);
    service.inject(When::first("*", "/"), Action::Truncate);
    assert_eq!(status(), None);
    service.inject(
        When::every("*", "/"),
        Action::Delay(Duration::from_millis(100)),
    );
    let start = Instant::now();
    assert_eq!(status(), Some(200));
    assert!(start.elapsed() >= Duration::from_millis(100));
    service.heal();
    assert_eq!(service.asked("POST", "TrentService.Sign").len(), 8);
    assert!(service.asked("GET", "TrentService").is_empty());
    assert!(service.asked("*", "TrentService.GetPublicKey").is_empty());
}

#[test]
fn pairs_of_every_kind_sign_what_their_public_key_verifies() {
    for kind in Kind::ALL {
        let pair = Pair::generate(kind);
        assert_eq!(pair.kind(), kind);
        let public = pair.public();
        let public = pem_rfc7468::decode_vec(public.as_bytes()).unwrap();
        assert_eq!(public, ("PUBLIC KEY", pair.public_der().to_vec()));
        assert!(pair.private().starts_with("-----BEGIN PRIVATE KEY-----"));
        let hashes = match kind {
            Kind::P384 => &[Hash::Sha256, Hash::Sha384][..],
            Kind::Rsa2048 | Kind::P521 => &[Hash::Sha256, Hash::Sha512],
            Kind::P256 | Kind::Ed25519 => &[Hash::Sha256],
        };
        for &hash in hashes {
            let signature = pair.sign_message(hash, b"message");
            let verify = |message: &[u8]| verifies(&pair, hash, message, &signature);
            assert!(verify(b"message"), "{kind:?} {hash:?}");
            assert!(!verify(b"another"), "{kind:?} {hash:?}");
        }
    }
}

pub fn verifies(pair: &Pair, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let algorithm: &dyn VerificationAlgorithm = match (pair.kind(), hash) {
        (Kind::P256, _) => &signature::ECDSA_P256_SHA256_ASN1,
        (Kind::P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Kind::P384, _) => &signature::ECDSA_P384_SHA384_ASN1,
        (Kind::P521, Hash::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Kind::P521, _) => &signature::ECDSA_P521_SHA512_ASN1,
        (Kind::Rsa2048, Hash::Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (Kind::Rsa2048, _) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (Kind::Ed25519, _) => &signature::ED25519,
    };
    let key = UnparsedPublicKey::new(algorithm, pair.public_der());
    key.verify(message, signature).is_ok()
}

/// Both cosigns sign with the key, and verify what both signed by its URI and by
/// its public key.
fn both_cosigns_use(uri: &str, environment: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("cosign.pub").display().to_string();
    let asked = Cosign::V2.run(&["public-key", "--key", uri], environment);
    std::fs::write(&public, asked.accepted().stdout).unwrap();
    let image = Image::recorded("oci-media-types");
    for signer in BOTH {
        let registry = Registry::start();
        image.seed(&registry);
        let reference = image.reference(registry.host());
        signer.sign_by(uri, &reference, environment).accepted();
        for verifier in BOTH {
            verifier.verify_by(uri, &reference, environment).accepted();
            verifier.verify_by(&public, &reference, &[]).accepted();
        }
    }
}

#[test]
fn both_cosigns_sign_with_the_real_vault() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        vault.create_key("k", "ecdsa-p256");
        // Verifying by URI asks the service too, which signing need not.
        let verifying = "path \"transit/verify/k/*\" { capabilities = [\"update\"] }";
        let token = vault.token_with(&(policy("k") + verifying));
        let address = vault.address();
        let environment = [("VAULT_ADDR", &*address), ("VAULT_TOKEN", &token)];
        both_cosigns_use("hashivault://k", &environment);
    }
}

#[test]
fn the_real_vault_rotates_limits_revokes_and_seals() {
    if is_here(Need::Service(Service::Vault)) {
        let vault = Vault::start();
        vault.create_key("k", "ecdsa-p256");
        vault.create_key("e", "ed25519");
        assert_eq!(vault.public_key("e", 1).len(), 44);
        let first = vault.public_key("k", 1);
        assert!(first.starts_with("-----BEGIN PUBLIC KEY-----"), "{first}");
        vault.rotate("k");
        assert_ne!(vault.public_key("k", 2), first);
        let token = vault.token_with(&policy("k"));
        let caller = Caller::of(&vault.address()).showing("X-Vault-Token", &token);
        let status = |method, path: &str, body: &Value| {
            let answer = caller.ask(method, &format!("/v1/transit/{path}"), body);
            answer.unwrap().0
        };
        let input = json!({ "input": "aGk=" });
        assert_eq!(status("PUT", "sign/k/sha2-256", &input), 200);
        assert_eq!(status("PUT", "sign/k", &input), 403);
        assert_eq!(status("PUT", "sign/e/sha2-256", &input), 403);
        vault.limit(1);
        let read = || status("GET", "keys/k", &Value::Null);
        assert_eq!([read(), read()], [200, 429]);
        vault.limit(0);
        assert_eq!(read(), 200);
        vault.revoke(&token);
        assert_eq!(read(), 403);
        let root = || vault.root().ask("GET", "/v1/transit/keys/k", &Value::Null);
        vault.seal();
        assert_eq!(root().unwrap().0, 503);
        vault.unseal();
        assert_eq!(root().unwrap().0, 200);
        assert!(vault.token().len() > 10);
    }
}

#[test]
fn both_cosigns_sign_with_both_emulators_of_aws() {
    for emulator in Emulator::ALL {
        if is_here(Need::Service(emulator.service())) {
            let kms = Kms::start(emulator);
            let key = kms.create_key("ECC_NIST_P256");
            kms.create_alias("k", &key);
            assert_eq!(kms.public_key(&key).len(), 91);
            let environment = kms.environment();
            both_cosigns_use("awskms:///alias/k", &borrowed(&environment));
            kms.disable(&key);
            let described = kms.must("DescribeKey", &json!({ "KeyId": key }));
            assert_eq!(described["KeyMetadata"]["KeyState"], "Disabled");
            let made = kms.create(&json!({ "KeyUsage": "ENCRYPT_DECRYPT" }));
            assert_ne!(made, key);
        }
    }
}

/// The arguments and variables that a service is used with, as `run` wants them.
fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let pairs = environment.iter();
    pairs.map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn moto_judges_the_signatures_of_requests() {
    if is_here(Need::Service(Service::Moto)) {
        let moto = Moto::start();
        let user = moto.user("robot");
        let role = moto.role("signer");
        assert!(
            role.starts_with("arn:aws:iam::123456789012:role/"),
            "{role}"
        );
        let uri = format!("awskms:///{}", moto.create_key("ECC_NIST_P256"));
        moto.judge();
        let ask = |user: &[String; 2]| {
            let environment = moto.environment(user);
            Cosign::V3.run(&["public-key", "--key", &uri], &borrowed(&environment))
        };
        ask(&user).accepted();
        let [id, _] = &user;
        ask(&[id.clone(), "wrong".to_owned()]).refused();
    }
}

#[test]
fn both_cosigns_sign_with_a_plugin_by_sigstore_s_handler() {
    if is_here(Need::Service(Service::Plugin)) {
        let plugin = Plugin::new();
        let path = plugin.search_path();
        for kind in [Kind::P256, Kind::Rsa2048] {
            let uri = plugin.add("key", &Pair::generate(kind));
            both_cosigns_use(&uri, &[("PATH", &path)]);
        }
    }
}

#[test]
fn a_token_in_software_signs_with_keys_of_every_kind() {
    if is_here(Need::Service(Service::SoftHsm)) {
        let hsm = SoftHsm::new();
        let folder = tempfile::tempdir().unwrap();
        let [digest, message, signature] =
            ["digest", "message", "signature"].map(|name| folder.path().join(name));
        std::fs::write(&message, "message").unwrap();
        std::fs::write(&digest, Hash::Sha256.of(b"message")).unwrap();
        let path = |path: &Path| path.display().to_string();
        for (number, kind) in (10..).zip(Kind::ALL) {
            let (mechanism, input) = match kind {
                Kind::Rsa2048 => ("SHA256-RSA-PKCS", &message),
                Kind::Ed25519 => ("EDDSA", &message),
                _ => ("ECDSA", &digest),
            };
            let (input, output) = (path(input), path(&signature));
            let sign = |id: &str| {
                let files = ["--input-file", &input, "--output-file", &output];
                let how = ["--sign", "--mechanism", mechanism, "--id", id];
                let format = ["--signature-format", "openssl"];
                hsm.tool(&[&how[..], &files, &format].concat()).accepted();
                std::fs::read(&signature).unwrap()
            };
            let pair = Pair::generate(kind);
            let id = number.to_string();
            hsm.import(&pair, &id, "imported");
            let made = sign(&id);
            assert!(verifies(&pair, Hash::Sha256, b"message", &made), "{kind:?}");
            hsm.generate(kind, &format!("aa{id}"), "made");
            assert_ne!(sign(&format!("aa{id}")), made, "{kind:?}");
        }
        let uri = hsm.uri("a10f");
        assert!(uri.starts_with("pkcs11:token=acceptance;id=%a1%0f?module-path=/"));
    }
}

#[test]
fn both_cosigns_sign_with_a_key_in_a_real_kubernetes() {
    if is_here(Need::Service(Service::Kubernetes)) {
        let kubernetes = Kubernetes::start();
        let read = |name| std::fs::read(testdata("keys").join(name)).unwrap();
        let data = [
            ("cosign.key", read("p256-cosign3.key")),
            ("cosign.pub", read("p256-cosign3.pub")),
            ("cosign.password", read("password")),
        ];
        let data = data.each_ref().map(|(key, value)| (*key, &**value));
        kubernetes.create_secret("build", "keys", &data);
        kubernetes.create_secret("build", "others", &data);
        let token = kubernetes.token("build", "keys");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, kubernetes.config(&json!({ "token": token }))).unwrap();
        let file = file.display().to_string();
        both_cosigns_use("k8s://build/keys", &[("KUBECONFIG", &file)]);
        let path = |name| format!("/api/v1/namespaces/build/secrets/{name}");
        let caller = || Caller::of(&kubernetes.url()).trusting(kubernetes.authority());
        let shown = format!("Bearer {token}");
        let account = caller().showing("Authorization", &shown);
        let client = caller().identified_by(kubernetes.client("build", "keys"));
        let unknown = caller().showing("Authorization", "Bearer unknown");
        for (caller, status) in [(&account, 200), (&client, 200), (&unknown, 401)] {
            let answer = caller.ask("GET", &path("keys"), &Value::Null).unwrap();
            assert_eq!(answer.0, status, "{}", answer.1);
        }
        for caller in [&account, &client] {
            let answer = caller.ask("GET", &path("others"), &Value::Null).unwrap();
            assert_eq!((answer.0, &answer.1["reason"]), (403, &json!("Forbidden")));
        }
        let missing = kubernetes.root().ask("GET", &path("none"), &Value::Null);
        assert_eq!(missing.unwrap().0, 404);
        assert!(kubernetes.url().ends_with(&kubernetes.port().to_string()));
    }
}
