//! `sigstore-kms-pkcs11`, with a token in software: by sigstore's protocol, and as
//! both majors of cosign call it.

mod signer;

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::services::verifies;
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::needs::{Need, TOKEN_PROGRAM, is_here};
use crate::support::registry::Registry;
use crate::support::services::pair::{Hash, Kind, Pair};
use crate::support::services::soft_hsm::SoftHsm;
use crate::support::signer::run_within;

const MESSAGE: &[u8] = b"what is signed";
const TIMEOUT: Duration = Duration::from_secs(60);

/// The program's answer.
struct Answered {
    json: Value,
    stderr: String,
}

impl Answered {
    #[track_caller]
    fn bytes(&self, member: &str) -> Vec<u8> {
        let value = self.json.pointer(member).and_then(Value::as_str);
        let text = value.unwrap_or_else(|| panic!("{}\n{}", self.json, self.stderr));
        STANDARD.decode(text).unwrap()
    }

    /// # Panics
    /// If it is no error with these words, or shows the PIN.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let error = self.json["errorMessage"].as_str();
        let error = error.unwrap_or_else(|| panic!("{}", self.json));
        for words in words {
            assert!(error.contains(words), "no `{words}` in: {error}");
        }
        let all = format!("{error}{}", self.stderr);
        assert!(!all.contains(SoftHsm::PIN), "{all}");
    }
}

/// The program, as a caller starts it.
struct Plugin<'a> {
    hsm: &'a SoftHsm,
    pin: Option<&'a str>,
}

impl<'a> Plugin<'a> {
    fn of(hsm: &'a SoftHsm) -> Self {
        let pin = Some(SoftHsm::PIN);
        Self { hsm, pin }
    }

    fn command(&self, uri: &str, method: &str, more: &Value) -> Command {
        let resource = uri.strip_prefix("pkcs11:").unwrap_or(uri);
        let mut request = json!({
            "initOptions": {"protocolVersion": "v1", "keyResourceID": resource, "hashFunc": 5},
            "methodName": method,
        });
        request[method] = more.clone();
        let mut command = Command::new(TOKEN_PROGRAM.unwrap());
        command
            .args(["v1", &request.to_string()])
            .env_clear()
            .env("SOFTHSM2_CONF", self.hsm.settings())
            .stdin(Stdio::null());
        if let Some(pin) = self.pin {
            command.env("COSIGN_PKCS11_PIN", pin);
        }
        command
    }

    fn ask_of(&self, uri: &str, method: &str, more: &Value, message: &[u8]) -> Answered {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(message).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let mut command = self.command(uri, method, more);
        command.stdin(file);
        let output = run_within(command, TIMEOUT);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let json: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}"));
        let is_good = json.get("errorMessage").is_none();
        assert_eq!(output.status.success(), is_good, "{json}");
        Answered {
            json,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn public_key(&self, uri: &str) -> Answered {
        self.ask_of(uri, "publicKey", &json!({}), b"")
    }

    fn sign(&self, uri: &str, digest: Option<&[u8]>, message: &[u8]) -> Answered {
        let digest = digest.map(|digest| STANDARD.encode(digest));
        let more = json!({"signOptions": {"messageOptions": {"digest": digest}}});
        self.ask_of(uri, "signMessage", &more, message)
    }

    fn verify(&self, uri: &str, signature: &[u8], message: &[u8]) -> Answered {
        let more = json!({"signature": STANDARD.encode(signature), "verifyOptions": {}});
        self.ask_of(uri, "verifySignature", &more, message)
    }
}

/// TOK-6, TOK-7. Imported keys say their point in another way than made ones.
#[test]
fn keys_of_every_kind_sign_what_their_public_key_verifies() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let plugin = Plugin::of(&hsm);
        for (number, kind) in (10..).zip(Kind::ALL) {
            let pair = Pair::generate(kind);
            let (imported, made) = (number.to_string(), format!("aa{number}"));
            hsm.import(&pair, &imported, "imported");
            hsm.generate(kind, &made, "made");
            let uri = hsm.uri(&imported);
            let pem = plugin.public_key(&uri).bytes("/publicKey/publicKeyPEM");
            assert_eq!(String::from_utf8(pem).unwrap(), pair.public(), "{kind:?}");
            let digest = Hash::Sha256.of(MESSAGE);
            for digest in [None, Some(&*digest)] {
                let signed = plugin.sign(&uri, digest, MESSAGE);
                let signature = signed.bytes("/signMessage/signature");
                assert!(
                    verifies(&pair, Hash::Sha256, MESSAGE, &signature),
                    "{kind:?}"
                );
            }
            let uri = hsm.uri(&made);
            let signature = plugin
                .sign(&uri, None, MESSAGE)
                .bytes("/signMessage/signature");
            let verified = plugin.verify(&uri, &signature, MESSAGE).json;
            assert_eq!(verified, json!({"verifySignature": {}}), "{kind:?}");
            let other = plugin.verify(&uri, &signature, b"something else");
            other.refused(&["the signature is not right"]);
        }
    }
}

/// TOK-6
#[test]
fn both_cosigns_sign_with_a_token_under_another_name_than_their_own() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let programs = tempfile::tempdir().unwrap();
        symlink(
            TOKEN_PROGRAM.unwrap(),
            programs.path().join("sigstore-kms-p11"),
        )
        .unwrap();
        let path = format!("{}:/usr/bin:/bin", programs.path().display());
        let settings = hsm.settings().display().to_string();
        let environment = [
            ("PATH", &*path),
            ("SOFTHSM2_CONF", &settings),
            ("COSIGN_PKCS11_PIN", SoftHsm::PIN),
        ];
        let public = programs.path().join("cosign.pub").display().to_string();
        for (kind, id) in Kind::ALL.into_iter().zip(["01", "02", "03", "04", "05"]) {
            hsm.generate(kind, id, "made");
            let uri = hsm.uri(id).replace("pkcs11:", "p11://");
            for cosign in BOTH {
                let shown = cosign.run(&["public-key", "--key", &uri], &environment);
                std::fs::write(&public, shown.accepted().stdout).unwrap();
                let registry = Registry::start();
                let image = Image::recorded("no-sbom-layer");
                image.seed(&registry);
                let reference = image.reference(registry.host());
                let signed = cosign.sign_by(&uri, &reference, &environment);
                if cosign == Cosign::V3 && ![Kind::P256, Kind::Rsa2048].contains(&kind) {
                    // It asks for a digest that nobody verifies.
                    let refused = signed.refused();
                    assert!(refused.stderr.contains("sign with cosign 2.6"), "{kind:?}");
                    continue;
                }
                signed.accepted();
                for verifier in BOTH {
                    verifier.verify_by(&public, &reference, &[]).accepted();
                }
                cosign.verify_by(&uri, &reference, &environment).accepted();
            }
        }
        // cosign takes this scheme for its own code, which its releases lack.
        let uri = hsm.uri("01").replace("pkcs11:", "pkcs11://");
        for cosign in BOTH {
            let refused = cosign.run(&["public-key", "--key", &uri], &environment);
            let refused = refused.refused();
            assert!(
                refused.stderr.contains("parsing pkcs11 uri"),
                "{}",
                refused.stderr
            );
        }
    }
}

/// TOK-2, TOK-5
#[test]
fn the_public_key_needs_no_pin_and_a_wrong_one_is_named_as_such() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        hsm.generate(Kind::P256, "01", "made");
        let uri = hsm.uri("01");
        let without = Plugin {
            hsm: &hsm,
            pin: None,
        };
        without.public_key(&uri).bytes("/publicKey/publicKeyPEM");
        without
            .sign(&uri, None, MESSAGE)
            .refused(&["COSIGN_PKCS11_PIN"]);
        let wrong = Plugin {
            hsm: &hsm,
            pin: Some("wrong-pin-canary"),
        };
        // The question that comes first finds it, before many signatures would.
        for refused in [wrong.public_key(&uri), wrong.sign(&uri, None, MESSAGE)] {
            refused.refused(&["CKR_PIN_INCORRECT", "do not run again with this PIN"]);
            assert!(!format!("{}{}", refused.json, refused.stderr).contains("canary"));
        }
    }
}

/// TOK-2
#[test]
fn a_pin_in_the_uri_is_used_and_warned_of_and_one_in_a_file_is_not() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        hsm.generate(Kind::P256, "01", "made");
        let plugin = Plugin {
            hsm: &hsm,
            pin: None,
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\n", SoftHsm::PIN)).unwrap();
        for (attribute, warns) in [
            (format!("&pin-value={}", SoftHsm::PIN), true),
            (format!("&pin-source={}", file.path().display()), false),
        ] {
            let uri = hsm.uri("01") + &attribute;
            let signed = plugin.sign(&uri, None, MESSAGE);
            signed.bytes("/signMessage/signature");
            assert_eq!(
                signed.stderr.contains("warning: "),
                warns,
                "{}",
                signed.stderr
            );
            assert!(!signed.stderr.contains(SoftHsm::PIN), "{}", signed.stderr);
            let unknown = uri.replace("%01", "%02");
            plugin
                .sign(&unknown, None, MESSAGE)
                .refused(&["no such private key"]);
        }
        let nowhere = hsm.uri("01") + "&pin-source=/nonexistent/pin";
        let refused = plugin.sign(&nowhere, None, MESSAGE);
        refused.refused(&["cannot read the PIN from `/nonexistent/pin`"]);
    }
}

/// TOK-3
#[test]
fn of_several_keys_none_is_taken_until_one_is_named() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let plugin = Plugin::of(&hsm);
        hsm.generate(Kind::P256, "01", "same");
        let named = |attribute: &str| hsm.uri("01").replace("id=%01", attribute);
        plugin
            .sign(&named("object=same"), None, MESSAGE)
            .bytes("/signMessage/signature");
        hsm.generate(Kind::P256, "02", "same");
        let words = ["several keys", "`%01`", "`%02`", "name the key by `id`"];
        plugin.public_key(&named("object=same")).refused(&words);
        plugin
            .sign(&named("object=same"), None, MESSAGE)
            .refused(&words);
        for id in ["%01", "%02"] {
            let uri = named(&format!("object=same;id={id}"));
            plugin
                .sign(&uri, None, MESSAGE)
                .bytes("/signMessage/signature");
        }
        let other = named("object=another;id=%01");
        let words = ["no such private key", "`same`"];
        plugin.sign(&other, None, MESSAGE).refused(&words);
        // Two private keys and one public key.
        let delete = ["--delete-object", "--type", "pubkey", "--id", "02"];
        hsm.tool(&delete).accepted();
        plugin
            .public_key(&named("object=same"))
            .bytes("/publicKey/publicKeyPEM");
        plugin
            .sign(&named("object=same"), None, MESSAGE)
            .refused(&["several keys"]);
    }
}

/// TOK-3
#[test]
fn a_token_that_is_not_there_is_told_from_those_that_are() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        hsm.generate(Kind::P256, "01", "made");
        let plugin = Plugin::of(&hsm);
        let uri = |attribute: &str| hsm.uri("01").replace("token=acceptance", attribute);
        for missing in ["token=other", "token=acceptance;serial=0", "slot-id=12345"] {
            let refused = plugin.public_key(&uri(missing));
            refused.refused(&["no such token", "`acceptance`", "--list-slots"]);
        }
        plugin
            .public_key(&uri(
                "manufacturer=SoftHSM%20project;model=SoftHSM%20v2;token=acceptance",
            ))
            .bytes("/publicKey/publicKeyPEM");
    }
}

/// TOK-4
#[test]
fn a_library_that_cannot_be_loaded_is_named() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let plugin = Plugin::of(&hsm);
        let (path, query) = ("token=acceptance;id=%01", "?module-path=");
        let at = |module: &str| plugin.public_key(&format!("{path}{query}{module}"));
        at("/nonexistent.so").refused(&["`/nonexistent.so`, is no file", "softhsm"]);
        at("/usr/lib").refused(&["`/usr/lib`, is no file"]);
        at("/etc/passwd").refused(&["`/etc/passwd`, cannot be loaded", "ELF"]);
        at("relative.so").refused(&["`module-path` of the URI is no absolute path"]);
        plugin
            .public_key(path)
            .refused(&["COSIGN_PKCS11_MODULE_PATH"]);
        hsm.generate(Kind::P256, "01", "made");
        let mut command = plugin.command(path, "publicKey", &json!({}));
        command.env("COSIGN_PKCS11_MODULE_PATH", SoftHsm::module().unwrap());
        assert!(run_within(command, TIMEOUT).status.success());
    }
}

/// TOK-3
#[test]
fn a_certificate_stands_in_for_the_public_key() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let plugin = Plugin::of(&hsm);
        let pair = Pair::generate(Kind::P256);
        hsm.import(&pair, "01", "imported");
        hsm.tool(&["--delete-object", "--type", "pubkey", "--id", "01"])
            .accepted();
        let uri = hsm.uri("01");
        plugin
            .public_key(&uri)
            .refused(&["no public half", "certificate"]);
        let key = rcgen::KeyPair::from_pem(&pair.private()).unwrap();
        let parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), parameters.self_signed(&key).unwrap().der()).unwrap();
        let path = file.path().display().to_string();
        hsm.tool(&["--write-object", &path, "--type", "cert", "--id", "01"])
            .accepted();
        let signature = plugin
            .sign(&uri, None, MESSAGE)
            .bytes("/signMessage/signature");
        assert!(verifies(&pair, Hash::Sha256, MESSAGE, &signature));
    }
}

/// TOK-6
#[test]
fn keys_that_do_not_belong_together_give_no_signature() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        for id in ["01", "02"] {
            hsm.generate(Kind::P256, id, id);
        }
        for (kind, id) in [("pubkey", "01"), ("privkey", "02")] {
            hsm.tool(&["--delete-object", "--type", kind, "--id", id])
                .accepted();
        }
        hsm.tool(&["--set-id", "02", "--type", "privkey", "--id", "01"])
            .accepted();
        let signed = Plugin::of(&hsm).sign(&hsm.uri("02"), None, MESSAGE);
        signed.refused(&["is not that of its public key", "do not belong together"]);
    }
}

/// TOK-5
#[test]
fn a_key_that_wants_its_pin_each_time_is_refused_as_such() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let make = [
            "--keypairgen",
            "--usage-sign",
            "--always-auth",
            "--id",
            "01",
        ];
        hsm.tool(&[&make[..], &["--key-type", "EC:prime256v1"]].concat())
            .accepted();
        let signed = Plugin::of(&hsm).sign(&hsm.uri("01"), None, MESSAGE);
        signed.refused(&["wants the PIN for each signature", "--pin-policy once"]);
    }
}

/// TOK-7
#[test]
fn a_digest_is_signed_without_waiting_for_the_message() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        hsm.generate(Kind::P256, "01", "made");
        let digest = STANDARD.encode(Hash::Sha256.of(MESSAGE));
        let more = json!({"signOptions": {"messageOptions": {"digest": digest}}});
        let mut command = Plugin::of(&hsm).command(&hsm.uri("01"), "signMessage", &more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let open = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(open);
        assert!(output.status.success() && began.elapsed() < TIMEOUT);
    }
}

/// TOK-7
#[test]
fn requests_that_no_token_can_answer_are_answered_in_words() {
    if is_here(Need::Tokens) {
        let hsm = SoftHsm::new();
        let plugin = Plugin::of(&hsm);
        let ask = |method: &str, more: Value| plugin.ask_of("", method, &more, b"");
        ask("createKey", json!({"algorithm": "x"})).refused(&["not made by this program"]);
        ask("publicKey", json!({})).refused(&["names no token", "token=NAME;object=KEY"]);
        ask("nothing", json!({})).refused(&["method of the request is unknown"]);
        let sha512 = json!({"signOptions": {"messageOptions": {"hashFunc": 7}}});
        ask("signMessage", sha512).refused(&["only SHA-256"]);
        let default = ask("defaultAlgorithm", json!({})).json;
        let default = &default["defaultAlgorithm"]["defaultAlgorithm"];
        let all = ask("supportedAlgorithms", json!({})).json;
        let all = all["supportedAlgorithms"]["supportedAlgorithms"].as_array();
        assert!(all.unwrap().contains(default));
        let mut bare = Command::new(TOKEN_PROGRAM.unwrap());
        bare.stdin(Stdio::null());
        let output = run_within(bare, TIMEOUT);
        assert_eq!((output.status.code(), output.stdout), (Some(2), Vec::new()));
    }
}
