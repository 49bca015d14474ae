//! Passwords, and keys that open (`spec/keys.md`, section 2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{
    KEYS, KeyError, MAX_LENGTH, Password, PasswordOrigin, SIGNERS, ed25519_pkcs8, from_file,
    key_file, parse_json, password, public_file, real_json, sealed_by_test, unlock,
};
use crate::secret::Secret;

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
    for (wrong, what) in [
        (&b"wrong"[..], "read from `/keys/password`"),
        (b" ", "read from `/keys/password`"),
        (&[0xff; 64], "read from `/keys/password`"),
        (b"", "the empty one, read from `/keys/password`"),
        (b"\n", "the empty one, read from `/keys/password`"),
    ] {
        let error = unlock(&key, &from_file(wrong)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("wrong password or damaged key; the password was {what}")
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
        origin: PasswordOrigin::Environment,
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
