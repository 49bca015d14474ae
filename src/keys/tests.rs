//! The MUSTs of `spec/keys.md`, against keys and signatures of the real tools.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::signature as other;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};

use super::*;
use crate::oci::Reread;
use crate::secret::Secret;

/// Every usable key of `testdata/keys` that has the password of
/// `testdata/keys/password`, and how it signs.
const KEYS: [(&str, Algorithm); 11] = [
    ("p256-cosign2", Algorithm::EcdsaP256),
    ("p256-cosign3", Algorithm::EcdsaP256),
    ("p256-imported-cosign3", Algorithm::EcdsaP256),
    ("p256-n32768-cosign-header", Algorithm::EcdsaP256),
    ("p256-n131072-sigstore-header", Algorithm::EcdsaP256),
    ("p384-imported-cosign3", Algorithm::EcdsaP384),
    ("p521-imported-cosign3", Algorithm::EcdsaP521),
    ("rsa2048-imported-cosign3", Algorithm::Rsa2048),
    ("rsa3072-imported-cosign3", Algorithm::Rsa3072),
    ("rsa4096-imported-cosign3", Algorithm::Rsa4096),
    ("ed25519-imported-cosign3", Algorithm::Ed25519),
];

static SIGNERS: LazyLock<Vec<(&str, Signer)>> = LazyLock::new(|| {
    let unlocked = |(name, _): &(&'static str, Algorithm)| (*name, Signer::from(unlocked(name)));
    KEYS.iter().map(unlocked).collect()
});

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(path)
}

fn read(path: &str) -> Vec<u8> {
    fs::read(testdata(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn key_file(name: &str) -> KeyFile {
    KeyFile::parse(&Secret::new(read(&format!("keys/{name}.key")))).unwrap()
}

fn password() -> Vec<u8> {
    read("keys/password")
}

fn from_file(bytes: &[u8]) -> Password {
    Password {
        bytes: Secret::new(bytes.to_vec()),
        origin: Origin::File("/keys/password".into()),
    }
}

fn unlocked(name: &str) -> LocalKey {
    unlock(&key_file(name), &from_file(&password())).unwrap()
}

fn signer(name: &str) -> &'static Signer {
    let (_, signer) = SIGNERS.iter().find(|(known, _)| *known == name).unwrap();
    signer
}

/// The DER that the `.pub` file beside a key holds.
fn public_file(name: &str) -> Vec<u8> {
    let text = read(&format!("keys/{name}.pub"));
    let (label, der) = pem_rfc7468::decode_vec(&text).unwrap();
    assert_eq!(label, "PUBLIC KEY");
    der
}

fn parse(text: &str) -> Result<KeyFile, KeyError> {
    KeyFile::parse(&Secret::new(text.as_bytes().to_vec()))
}

/// The JSON inside a real key.
fn real_json() -> Value {
    let text = read("keys/p256-cosign3.key");
    let (_, json) = pem_rfc7468::decode_vec(&text).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let body = STANDARD.encode(bytes);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn cosign_pem(json: &str) -> String {
    pem("ENCRYPTED SIGSTORE PRIVATE KEY", json.as_bytes())
}

fn parse_json(json: &Value) -> Result<KeyFile, KeyError> {
    parse(&cosign_pem(&json.to_string()))
}

/// A second implementation's opinion on a signature.
fn aws_lc_accepts(signer: &Signer, message: &[u8], signature: &Signature) -> bool {
    let spki = signer.public_key().as_der();
    let algorithm: &dyn other::VerificationAlgorithm = match signer.algorithm() {
        Algorithm::EcdsaP256 => &other::ECDSA_P256_SHA256_ASN1,
        Algorithm::EcdsaP384 => &other::ECDSA_P384_SHA256_ASN1,
        Algorithm::EcdsaP521 => &other::ECDSA_P521_SHA256_ASN1,
        Algorithm::Ed25519 => &other::ED25519,
        _ => &other::RSA_PKCS1_2048_8192_SHA256,
    };
    algorithm
        .verify_sig(spki, message, signature.as_bytes())
        .is_ok()
}

// --- The file ---------------------------------------------------------------

/// KEY-1, KEY-8
#[test]
fn a_key_file_over_64_kib_is_refused() {
    let mut text = read("keys/p256-cosign3.key");
    text.resize(MAX_LENGTH, b'\n');
    assert!(KeyFile::parse(&Secret::new(text.clone())).is_ok());
    text.push(b'\n');
    let error = KeyFile::parse(&Secret::new(text)).unwrap_err();
    assert_eq!(error, KeyError::TooLong);
}

/// KEY-2
#[test]
fn the_first_pem_block_counts() {
    let key = String::from_utf8(read("keys/p256-cosign3.key")).unwrap();
    let public = String::from_utf8(read("keys/p256-cosign3.pub")).unwrap();
    assert!(parse(&format!("# a comment\n\n{key}{public}")).is_ok());
    assert!(parse(&key.replace('\n', "\r\n")).is_ok());
    let with_header = key.replacen("-----\n", "-----\nComment: mine\n\n", 1);
    assert!(parse(&with_header).is_ok());
    assert_eq!(
        parse(&format!("{public}{key}")).unwrap_err(),
        KeyError::PemType("PUBLIC KEY".to_owned())
    );
}

/// KEY-2
#[test]
fn a_file_without_a_whole_pem_block_is_refused() {
    let key = String::from_utf8(read("keys/p256-cosign3.key")).unwrap();
    assert_eq!(parse("").unwrap_err(), KeyError::NoPem);
    assert_eq!(parse("secret-text").unwrap_err(), KeyError::NoPem);
    let (half, _) = key.split_at(key.len() / 2);
    assert_eq!(parse(half).unwrap_err(), KeyError::Truncated);
    let changed = key.replacen("eyJ", "e*J", 1);
    assert_eq!(parse(&changed).unwrap_err(), KeyError::NotBase64);
}

/// KEY-3
#[test]
fn keys_that_cosign_did_not_write_are_refused_by_their_pem_type() {
    let labels = [
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "RSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PUBLIC KEY",
        "RSA PUBLIC KEY",
        "CERTIFICATE",
        "OPENSSH PRIVATE KEY",
        "encrypted sigstore private key",
        "",
    ];
    for label in labels {
        let error = parse(&pem(label, b"0123")).unwrap_err();
        assert_eq!(error, KeyError::PemType(label.to_owned()));
        assert_eq!(error.to_string(), format!("unsupported pem type `{label}`"));
    }
}

/// KEY-3. Real ones, where OpenSSL is installed.
#[test]
fn keys_of_openssl_are_refused() {
    let pbes2 = ["-aes-256-cbc", "-pass", "pass:x"];
    for (arguments, label) in [
        (&["genpkey", "-algorithm", "ed25519"][..], "PRIVATE KEY"),
        (
            &["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
            "EC PRIVATE KEY",
        ),
        (
            &[&["genpkey", "-algorithm", "ed25519"], &pbes2[..]].concat(),
            "ENCRYPTED PRIVATE KEY",
        ),
    ] {
        let Ok(output) = Command::new("openssl").args(arguments).output() else {
            return;
        };
        assert!(output.status.success(), "{output:?}");
        let error = KeyFile::parse(&Secret::new(output.stdout)).unwrap_err();
        assert_eq!(error, KeyError::PemType(label.to_owned()));
    }
}

/// KEY-3, KEY-41
#[test]
fn names_from_the_file_are_shown_short_and_on_one_line() {
    let long = "x".repeat(10_000);
    let KeyError::PemType(shown) = parse(&pem(&long, b"")).unwrap_err() else {
        panic!()
    };
    assert_eq!(shown.len(), 64);
    let mut json = real_json();
    json["kdf"]["name"] = json!("a\nb\u{1b}[31m");
    let error = parse_json(&json).unwrap_err();
    assert_eq!(error.to_string(), "unknown kdf name `a\\nb\\u{1b}[31m`");
}

/// KEY-4
#[test]
fn unknown_fields_are_ignored() {
    let mut json = real_json();
    json["comment"] = json!("mine");
    json["kdf"]["params"]["x"] = json!(1);
    let key = parse_json(&json).unwrap();
    let public = key.unlock(&Secret::new(password())).unwrap();
    assert_eq!(public.public_key().as_der(), public_file("p256-cosign3"));
}

/// KEY-4, KEY-41
#[test]
fn broken_json_is_refused_without_quoting_it() {
    let json = real_json().to_string();
    let (half, _) = json.split_at(json.len() / 2);
    assert_eq!(parse(&cosign_pem("")).unwrap_err(), KeyError::JsonTruncated);
    assert_eq!(
        parse(&cosign_pem(half)).unwrap_err(),
        KeyError::JsonTruncated
    );
    for text in [
        "hush",
        "\"hush\"",
        r#"{"kdf":"hush"}"#,
        r#"{"kdf":{"params":{"N":"hush"}}}"#,
        r#"{"kdf":{"params":{"N":-1}}}"#,
        r#"{"kdf":{"params":{"N":1e300}}}"#,
        &format!("{json}{json}"),
    ] {
        let error = parse(&cosign_pem(text)).unwrap_err();
        assert!(matches!(error, KeyError::Json { .. }), "{text}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
    for field in ["/kdf/salt", "/cipher/nonce", "/ciphertext"] {
        let mut json = real_json();
        *json.pointer_mut(field).unwrap() = json!("h*sh");
        let error = parse_json(&json).unwrap_err();
        let name = field.trim_start_matches('/').replace('/', ".");
        assert_eq!(
            error.to_string(),
            format!("`{name}` in the key file is not base64")
        );
    }
}

/// KEY-5. Files that cosign refuses with the same words.
#[test]
fn other_algorithms_are_refused_by_name() {
    for (name, error) in [
        ("kdf-argon2", KeyError::Kdf("argon2id".to_owned())),
        ("cipher-aes", KeyError::Cipher("aes-gcm".to_owned())),
    ] {
        let bytes = read(&format!("keys/refused/{name}.key"));
        assert_eq!(KeyFile::parse(&Secret::new(bytes)).unwrap_err(), error);
    }
    assert_eq!(
        parse(&cosign_pem("{}")).unwrap_err(),
        KeyError::Kdf(String::new())
    );
}

/// KEY-6
#[test]
fn other_scrypt_parameters_are_refused() {
    for (name, n, r) in [("n16384", 16384, 8), ("r16", 32768, 16)] {
        let bytes = read(&format!("keys/refused/{name}.key"));
        let error = KeyFile::parse(&Secret::new(bytes)).unwrap_err();
        assert_eq!(error, KeyError::ScryptParameters { n, r, p: 1 });
    }
    for (n, r, p) in [
        (0, 8, 1),
        (1, 8, 1),
        (65535, 8, 1),
        (262_144, 8, 1),
        (65536, 0, 1),
        (65536, 8, 0),
        (65536, 8, 2),
        (65536, 1 << 40, 1),
    ] {
        let mut json = real_json();
        json["kdf"]["params"] = json!({"N": n, "r": r, "p": p});
        let error = parse_json(&json).unwrap_err();
        assert_eq!(error, KeyError::ScryptParameters { n, r, p });
    }
}

/// KEY-6. With N=2^30 scrypt would take a terabyte; the process would not live
/// to report it.
#[test]
fn scrypt_parameters_are_refused_before_any_memory_is_taken() {
    for n in [1u64 << 30, 1 << 40, 1 << 63, u64::MAX] {
        let mut json = real_json();
        json["kdf"]["params"]["N"] = json!(n);
        let error = parse_json(&json).unwrap_err();
        assert_eq!(error, KeyError::ScryptParameters { n, r: 8, p: 1 });
    }
}

/// KEY-10. RFC 7914, section 12, the vector with r = 8 and p = 1 that needs less
/// than a gigabyte.
#[test]
fn scrypt_gives_what_the_specification_says() {
    let parameters = scrypt::Params::new(14, 8, 1).unwrap();
    let mut derived = [0; 64];
    scrypt::scrypt(
        b"pleaseletmein",
        b"SodiumChloride",
        &parameters,
        &mut derived,
    )
    .unwrap();
    assert_eq!(
        hex::encode(derived),
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2\
         d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    );
}

/// KEY-7
#[test]
fn a_salt_may_have_any_length() {
    for length in [0, 1, 8, 33, 4096] {
        let salt: Vec<u8> = (0..=255).cycle().take(length).collect();
        let key = sealed_by_test(&ed25519_pkcs8(), b"secret", &salt);
        assert!(unlock(&key, &from_file(b"secret")).is_ok(), "{length}");
    }
}

/// KEY-7
#[test]
fn a_nonce_or_ciphertext_of_impossible_length_is_refused() {
    for length in [0, 23, 25] {
        let mut json = real_json();
        json["cipher"]["nonce"] = json!(STANDARD.encode(vec![0; length]));
        let error = parse_json(&json).unwrap_err();
        assert_eq!(error, KeyError::NonceLength(length));
    }
    let mut json = real_json();
    json["ciphertext"] = json!(STANDARD.encode([0; 15]));
    assert_eq!(
        parse_json(&json).unwrap_err(),
        KeyError::CiphertextLength(15)
    );
}

// --- Unlocking --------------------------------------------------------------

/// KEY-10, KEY-20, KEY-21, KEY-22, KEY-23
#[test]
fn every_key_of_cosign_opens_and_has_the_public_key_that_cosign_prints() {
    for ((name, signer), (_, algorithm)) in SIGNERS.iter().zip(KEYS) {
        assert_eq!(signer.algorithm(), algorithm, "{name}");
        assert_eq!(signer.public_key().as_der(), public_file(name), "{name}");
    }
}

/// KEY-10, KEY-12, KEY-14
#[test]
fn a_wrong_password_is_named_as_such() {
    let key = key_file("p256-cosign3");
    for wrong in [&b"wrong"[..], b"", b"\n", b" ", &[0xff; 64]] {
        let error = unlock(&key, &from_file(wrong)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "wrong password or damaged key; the password was read from `/keys/password`"
        );
    }
    let error = key.unlock(&Secret::new(b"wrong".to_vec())).unwrap_err();
    assert_eq!(error.to_string(), "wrong password or damaged key");
}

/// KEY-10
#[test]
fn a_changed_ciphertext_nonce_or_salt_does_not_open() {
    for field in ["/ciphertext", "/cipher/nonce", "/kdf/salt"] {
        let mut json = real_json();
        let text = json.pointer_mut(field).unwrap();
        let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
        bytes[3] ^= 1;
        *text = json!(STANDARD.encode(bytes));
        let key = parse_json(&json).unwrap();
        let error = key.unlock(&Secret::new(password())).unwrap_err();
        assert_eq!(error, KeyError::Locked, "{field}");
    }
}

/// KEY-11
#[test]
fn a_password_over_64_kib_is_refused() {
    let key = key_file("p256-cosign3");
    let error = unlock(&key, &from_file(&vec![b'x'; MAX_LENGTH + 1])).unwrap_err();
    assert_eq!(error, KeyError::PasswordTooLong);
}

/// KEY-12
#[test]
fn one_newline_at_the_end_of_a_password_file_is_ignored() {
    let key = key_file("p256-n32768-cosign-header");
    let with = |end: &str| from_file(&[&password(), end.as_bytes()].concat());
    for end in ["", "\n", "\r\n"] {
        assert!(unlock(&key, &with(end)).is_ok(), "{end:?}");
    }
    for end in ["\n\n", "\r", " ", "\n ", "\n\r", "\r\n\n"] {
        assert!(unlock(&key, &with(end)).is_err(), "{end:?}");
    }
}

/// KEY-12
#[test]
fn a_newline_that_belongs_to_the_password_is_kept() {
    let file = sealed_by_test(&ed25519_pkcs8(), b"secret\n", &[1; 32]);
    assert!(unlock(&file, &from_file(b"secret\n")).is_ok());
    assert!(unlock(&file, &from_file(b"secret\n\n")).is_ok());
    assert!(unlock(&file, &from_file(b"secret")).is_err());
}

/// KEY-13, KEY-14
#[test]
fn cosign_password_is_taken_as_it_is() {
    let key = key_file("p256-n32768-cosign-header");
    let from_environment = |bytes: Vec<u8>| Password {
        bytes: Secret::new(bytes),
        origin: Origin::Environment,
    };
    assert!(unlock(&key, &from_environment(password())).is_ok());
    let error = unlock(&key, &from_environment([&password()[..], b"\n"].concat())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "wrong password or damaged key; the password was that of COSIGN_PASSWORD"
    );
}

/// KEY-14
#[test]
fn without_a_configured_password_the_error_says_so() {
    let error = unlock(&key_file("p256-cosign3"), &Password::empty()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "wrong password or damaged key; the password was the empty one, \
         because neither `password` nor COSIGN_PASSWORD was given"
    );
}

/// KEY-15
#[test]
fn the_empty_password_is_a_password() {
    let name = "p256-cosign3-empty-password";
    let key = unlock(&key_file(name), &Password::empty()).unwrap();
    assert_eq!(key.public_key().as_der(), public_file(name));
    assert!(unlock(&key_file(name), &from_file(b"")).is_ok());
    assert!(unlock(&key_file(name), &from_file(b"\n")).is_ok());
    assert!(unlock(&key_file(name), &from_file(b" ")).is_err());
}

// --- The key ----------------------------------------------------------------

/// KEY-20, KEY-21. Keys that decrypt well and that cosign refuses.
#[test]
fn keys_of_other_curves_and_sizes_are_refused() {
    for (name, error) in [
        ("secp256k1", KeyError::Curve("secp256k1".to_owned())),
        ("rsa1024", KeyError::RsaSize(1024)),
    ] {
        let file = key_file(&format!("refused/{name}"));
        assert_eq!(unlock(&file, &from_file(&password())).unwrap_err(), error);
    }
}

/// KEY-20, KEY-21, KEY-22
#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    // X25519 (RFC 8410), with the same form as Ed25519.
    let mut x25519 = ed25519_pkcs8();
    let oid = x25519
        .windows(3)
        .position(|w| w == [0x2b, 0x65, 0x70])
        .unwrap();
    x25519[oid + 2] = 0x6e;
    assert_eq!(
        LocalKey::from_pkcs8(&x25519).unwrap_err(),
        KeyError::KeyType("1.3.101.110".to_owned())
    );
    let brainpool = ["EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"];
    let Some(brainpool) = openssl_pkcs8(&brainpool) else {
        return;
    };
    assert_eq!(
        LocalKey::from_pkcs8(&brainpool).unwrap_err(),
        KeyError::Curve("1.3.36.3.3.2.8.1.1.7".to_owned())
    );
}

/// A new PKCS#8 key of `openssl genpkey -algorithm …`, if OpenSSL is installed.
fn openssl_pkcs8(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("openssl")
        .args(["genpkey", "-algorithm"])
        .args(arguments)
        .output()
        .ok()?;
    assert!(output.status.success(), "{output:?}");
    let (label, der) = pem_rfc7468::decode_vec(&output.stdout).unwrap();
    assert_eq!(label, "PRIVATE KEY");
    Some(der)
}

/// KEY-21. 2560 bits is a size that aws-lc itself takes; 2047 rounds to 2048.
#[test]
fn rsa_sizes_are_counted_in_bits() {
    for bits in [2560, 2047] {
        let Some(key) = openssl_pkcs8(&["RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")])
        else {
            return;
        };
        assert_eq!(
            LocalKey::from_pkcs8(&key).unwrap_err(),
            KeyError::RsaSize(bits)
        );
    }
}

/// KEY-20
#[test]
fn damaged_keys_are_refused_and_never_panic() {
    assert_eq!(LocalKey::from_pkcs8(b"").unwrap_err(), KeyError::NotPkcs8);
    assert_eq!(
        LocalKey::from_pkcs8(b"hush").unwrap_err(),
        KeyError::NotPkcs8
    );
    for der in [p256_pkcs8(), ed25519_pkcs8()] {
        assert!(LocalKey::from_pkcs8(&der).is_ok());
        for length in 0..der.len() {
            assert!(LocalKey::from_pkcs8(&der[..length]).is_err());
        }
        for index in 0..der.len() {
            let mut changed = der.clone();
            changed[index] ^= 0xff;
            // Some changes give another good key; none may panic.
            let _ = LocalKey::from_pkcs8(&changed);
        }
    }
    // A scalar of zero.
    let mut zero = p256_pkcs8();
    let scalar = zero.windows(2).position(|w| w == [0x04, 0x20]).unwrap() + 2;
    zero[scalar..scalar + 32].fill(0);
    assert_eq!(LocalKey::from_pkcs8(&zero).unwrap_err(), KeyError::Damaged);
}

// --- Signing ----------------------------------------------------------------

/// KEY-30, KEY-31, KEY-32, KEY-36
#[test]
fn signatures_of_every_key_verify_elsewhere() {
    for message in [&b""[..], b"x", &[0xa5; 200_000]] {
        for (name, signer) in SIGNERS.iter() {
            let signature = signer.sign(&Content::from(message.to_vec())).unwrap();
            assert!(aws_lc_accepts(signer, message, &signature), "{name}");
            assert!(!aws_lc_accepts(signer, b"other", &signature), "{name}");
        }
    }
}

/// KEY-30, KEY-31, KEY-32
#[test]
fn signatures_of_every_key_verify_with_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("message"), b"a message").unwrap();
    for (name, signer) in SIGNERS.iter() {
        let signature = signer.sign(&Content::from(b"a message".to_vec())).unwrap();
        fs::write(file("signature"), signature.as_bytes()).unwrap();
        let public = testdata(&format!("keys/{name}.pub"));
        let mut command = Command::new("openssl");
        if signer.algorithm() == Algorithm::Ed25519 {
            command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]);
            command.arg(public).arg("-in").arg(file("message"));
            command.arg("-sigfile").arg(file("signature"));
        } else {
            command.args(["dgst", "-sha256", "-verify"]).arg(public);
            command.arg("-signature").arg(file("signature"));
            command.arg(file("message"));
        }
        let Ok(output) = command.output() else { return };
        assert!(output.status.success(), "{name}: {output:?}");
    }
}

/// KEY-30. RFC 6979, appendices A.2.5 to A.2.7, message "sample" with SHA-256.
#[test]
fn ecdsa_signatures_are_those_of_rfc_6979() {
    fn pkcs8(key: &impl pkcs8::EncodePrivateKey) -> Vec<u8> {
        key.to_pkcs8_der().unwrap().as_bytes().to_vec()
    }
    let p256 = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let p384 = "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8\
                96d5724e4c70a825f872c9ea60d2edf5";
    let p521 = "00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75\
                caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538";
    let bytes = |text: &str| hex::decode(text).unwrap();
    for (key, signature) in [
        (
            pkcs8(&p256::SecretKey::from_slice(&bytes(p256)).unwrap()),
            "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            pkcs8(&p384::SecretKey::from_slice(&bytes(p384)).unwrap()),
            "3065023021b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33\
             bde1e888e63355d92fa2b3c36d8fb2cd\
             023100f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feeb\
             efdc63eccd1ac42ec0cb8668a4fa0ab0",
        ),
        (
            pkcs8(&p521::SecretKey::from_slice(&bytes(p521)).unwrap()),
            "308187024201511bb4d675114fe266fc4372b87682baecc01d3cc62cf2303c92b3526012\
             659d16876e25c7c1e57648f23b73564d67f61c6f14d527d54972810421e7d87589e1a7\
             02414a171143a83163d6df460aaf61522695f207a58b95c0644d87e52aa1a347916e4f7a\
             72930b1bc06dbe22ce3f58264afd23704cbb63b29b931f7de6c9d949a7ecfc",
        ),
    ] {
        let key = LocalKey::from_pkcs8(&key).unwrap();
        let signed = key.sign(&Content::from(b"sample".to_vec())).unwrap();
        assert_eq!(hex::encode(signed.as_bytes()), signature);
    }
}

/// KEY-32. RFC 8032, section 7.1, test 2.
#[test]
fn ed25519_signatures_are_those_of_rfc_8032() {
    let key = LocalKey::from_pkcs8(&ed25519_pkcs8()).unwrap();
    let signed = key.sign(&Content::from(vec![0x72])).unwrap();
    assert_eq!(
        hex::encode(signed.as_bytes()),
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );
}

/// KEY-33
#[test]
fn the_same_key_and_message_give_the_same_signature() {
    let message = Content::from(b"a message".to_vec());
    for (name, signer) in SIGNERS.iter() {
        let first = signer.sign(&message).unwrap();
        assert_eq!(first, signer.sign(&message).unwrap(), "{name}");
        let other = signer.sign(&Content::from(b"another".to_vec())).unwrap();
        assert_ne!(first, other, "{name}");
    }
    let again = Signer::from(unlocked("p384-imported-cosign3"));
    assert_eq!(
        again.sign(&message).unwrap(),
        signer("p384-imported-cosign3").sign(&message).unwrap()
    );
}

/// KEY-31, KEY-33. Real cosign signed with three keys; RSA signatures have one
/// form only, and the ECDSA ones must verify with the public keys found here.
#[test]
fn what_real_cosign_signed_is_signed_here_alike() {
    let keys = [
        "p256-cosign2",
        "p256-n32768-cosign-header",
        "rsa2048-imported-cosign3",
    ];
    let layers = signature_layers("objects/legacy-three-keys-cosign2");
    assert_eq!(layers.len(), keys.len());
    for ((payload, signature), name) in layers.into_iter().zip(keys) {
        let signer = signer(name);
        assert!(aws_lc_accepts(signer, &payload, &signature), "{name}");
        let prehash =
            <[u8; 32]>::try_from(hex::decode(crate::oci::Digest::of(&payload).hex()).unwrap());
        let half = verify::PublicHalf::parse(signer.algorithm(), signer.public_key()).unwrap();
        half.verify_prehash(&prehash.unwrap(), &signature).unwrap();
        if signer.algorithm() == Algorithm::Rsa2048 {
            assert_eq!(signer.sign(&payload.into()).unwrap(), signature);
        }
    }
}

/// Payload and signature of each layer of a layout's `.sig` tag.
fn signature_layers(layout: &str) -> Vec<(Vec<u8>, Signature)> {
    let json = |path: String| -> Value { serde_json::from_slice(&read(&path)).unwrap() };
    let blob = |digest: &Value| {
        let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
        format!("{layout}/blobs/sha256/{hex}")
    };
    let index = json(format!("{layout}/index.json"));
    let is_signature = |manifest: &&Value| {
        let tag = &manifest["annotations"]["org.opencontainers.image.ref.name"];
        tag.as_str().is_some_and(|tag| tag.ends_with(".sig"))
    };
    let manifests = index["manifests"].as_array().unwrap();
    let place = manifests.iter().find(is_signature).unwrap();
    let layers = json(blob(&place["digest"]));
    let layer = |layer: &Value| {
        let signature = &layer["annotations"]["dev.cosignproject.cosign/signature"];
        let signature = STANDARD.decode(signature.as_str().unwrap()).unwrap();
        (read(&blob(&layer["digest"])), Signature::new(signature))
    };
    layers["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(layer)
        .collect()
}

/// A message that lies elsewhere; it says how it was read.
#[derive(Default)]
struct Source {
    length: u64,
    /// The byte that it consists of, at the first time, the second and so on;
    /// the last one holds on.
    bytes: Vec<u8>,
    /// The opening that fails, counted from 1.
    fails_at: usize,
    opened: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

struct SourceReader {
    inner: io::Take<io::Repeat>,
    largest: Arc<AtomicUsize>,
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.largest.fetch_max(buffer.len(), Ordering::Relaxed);
        self.inner.read(buffer)
    }
}

impl Reread for Source {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let before = self.opened.fetch_add(1, Ordering::Relaxed);
        if before + 1 == self.fails_at {
            return Err(io::Error::other("the disk is gone"));
        }
        let byte = self.bytes.get(before).or(self.bytes.last());
        Ok(Box::new(SourceReader {
            inner: io::repeat(*byte.unwrap()).take(self.length),
            largest: Arc::clone(&self.largest),
        }))
    }
}

/// KEY-34
#[test]
fn a_large_message_is_streamed() {
    const LENGTH: usize = 50 << 20;
    let whole = Content::from(vec![b'x'; LENGTH]);
    for (name, reads) in [
        ("p521-imported-cosign3", 1),
        ("rsa2048-imported-cosign3", 1),
        ("ed25519-imported-cosign3", 3),
    ] {
        let source = Source {
            length: LENGTH as u64,
            bytes: vec![b'x'],
            ..Source::default()
        };
        let (opened, largest) = (Arc::clone(&source.opened), Arc::clone(&source.largest));
        let streamed = signer(name).sign(&Content::from_source(source)).unwrap();
        assert_eq!(opened.load(Ordering::Relaxed), reads, "{name}");
        assert!(largest.load(Ordering::Relaxed) <= 64 * 1024, "{name}");
        assert_eq!(streamed, signer(name).sign(&whole).unwrap(), "{name}");
    }
}

/// KEY-35
#[test]
fn a_message_that_changes_while_it_is_signed_gets_no_signature() {
    for bytes in [b"xyy", b"xyx", b"xxy", b"xyz"] {
        let source = Source {
            length: 1000,
            bytes: bytes.to_vec(),
            ..Source::default()
        };
        let error = signer("ed25519-imported-cosign3")
            .sign(&Content::from_source(source))
            .unwrap_err();
        assert!(matches!(error, SignError::MessageChanged), "{error:?}");
    }
}

/// KEY-35
#[test]
fn a_message_that_cannot_be_read_is_an_error() {
    for (name, last) in [("p256-cosign3", 1), ("ed25519-imported-cosign3", 3)] {
        for fails_at in 1..=last {
            let source = Source {
                length: 1000,
                bytes: vec![b'x'],
                fails_at,
                ..Source::default()
            };
            let error = signer(name)
                .sign(&Content::from_source(source))
                .unwrap_err();
            let SignError::Read(cause) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(cause.to_string(), "the disk is gone");
            assert_eq!(error.to_string(), "cannot read the message");
        }
    }
}

// --- Secrets ----------------------------------------------------------------

/// KEY-41
#[test]
fn keys_and_passwords_do_not_show_in_debug_output() {
    let key = unlocked("p256-n32768-cosign-header");
    let fingerprint = crate::oci::Digest::of(key.public_key().as_der());
    assert_eq!(
        format!("{key:?}"),
        format!("LocalKey(ECDSA P-256 SHA-256 {fingerprint})")
    );
    let file = key_file("p256-n32768-cosign-header");
    assert_eq!(format!("{file:?}"), "KeyFile(scrypt N=2^15)");
    let password = format!("{:?}", from_file(&password()));
    assert!(
        password.starts_with("Password { bytes: Secret(…)"),
        "{password}"
    );
}

// --- Keys made here ---------------------------------------------------------

fn p256_pkcs8() -> Vec<u8> {
    let key = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    key.to_pkcs8_der().unwrap().as_bytes().to_vec()
}

/// The key of RFC 8032, section 7.1, test 2, in the form of RFC 8410.
fn ed25519_pkcs8() -> Vec<u8> {
    hex::decode(
        "302e020100300506032b657004220420\
         4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    )
    .unwrap()
}

/// A key file as cosign 1 wrote it, with its cheap parameters.
fn sealed_by_test(pkcs8: &[u8], password: &[u8], salt: &[u8]) -> KeyFile {
    use crypto_secretbox::{AeadInPlace as _, KeyInit as _, XSalsa20Poly1305};
    let nonce = [2; 24];
    let parameters = scrypt::Params::new(15, 8, 1).unwrap();
    let mut key = [0; 32];
    scrypt::scrypt(password, salt, &parameters, &mut key).unwrap();
    let mut ciphertext = pkcs8.to_vec();
    let tag = XSalsa20Poly1305::new((&key).into())
        .encrypt_in_place_detached((&nonce).into(), b"", &mut ciphertext)
        .unwrap();
    let json = json!({
        "kdf": {"name": "scrypt", "params": {"N": 32768, "r": 8, "p": 1}, "salt": STANDARD.encode(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": STANDARD.encode(nonce)},
        "ciphertext": STANDARD.encode([&tag[..], &ciphertext].concat()),
    });
    parse_json(&json).unwrap()
}
