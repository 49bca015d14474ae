//! The file, before it is unlocked (`spec/keys.md`, section 1).

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{
    KeyError, KeyFile, MAX_LENGTH, cosign_pem, ed25519_pkcs8, from_file, parse, parse_json,
    password, pem, public_file, read, real_json, sealed_by_test, unlock,
};
use crate::secret::Secret;
use crate::support::needs::{Need, is_here};

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
    if !is_here(Need::OpenSsl) {
        return;
    }
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
        let output = Command::new("openssl").args(arguments).output().unwrap();
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
