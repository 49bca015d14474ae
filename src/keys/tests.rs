//! The MUSTs of `spec/keys.md`, against keys and signatures of the real tools.

mod file;
mod kind;
mod signing;
mod unlocking;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use aws_lc_rs::signature as other;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};

use super::*;
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
        origin: PasswordOrigin::File("/keys/password".into()),
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
