//! Fuzz targets for key files and for the keys in them. Unlocking is left out:
//! scrypt takes a tenth of a second.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use super::remote::fuzzing::{signature_file, vault_answer, vault_config};
pub use super::stored::fuzzing::{kube_config, kubernetes_secret};

use super::pem::first_block;
use super::remote::{aws, azure, google};
use super::uri::AwsUri;
use super::{Algorithm, KeyError, KeyFile, LocalKey};
use crate::oci::Content;
use crate::oci::fuzzing::assert_readable;
use crate::secret::Secret;

/// A block that RFC 7468 allows is found; and the same bytes as the JSON inside
/// a block get as far as the JSON.
pub fn key_file(data: &[u8]) {
    if let Err(error) = KeyFile::parse(&Secret::new(data.to_vec())) {
        assert_readable(&error);
    }
    if let Ok((label, bytes)) = pkcs8::der::pem::decode_vec(data) {
        let Ok(block) = first_block(data) else {
            unreachable!("a strict block is a block");
        };
        assert_eq!((block.label.as_str(), &*block.bytes), (label, &bytes));
    }
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    let text = STANDARD.encode(data);
    let pem = format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n");
    if let Err(error) = KeyFile::parse(&Secret::from(pem)) {
        use KeyError::{NoPem, NotBase64, PemType, Truncated};
        assert!(!matches!(error, NoPem | NotBase64 | PemType(_) | Truncated));
        assert_readable(&error);
    }
}

/// An accepted key can sign, and signs the same each time. (aws-lc checks an
/// RSA key less than that; its signature is checked in any case.)
pub fn private_key(data: &[u8]) {
    let key = match LocalKey::from_pkcs8(data) {
        Ok(key) => key,
        Err(error) => return assert_readable(&error),
    };
    let message = Content::from(b"message".to_vec());
    let signature = key.sign(&message);
    match key.algorithm() {
        Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {}
        _ => {
            let signature = signature.expect("the key was accepted");
            assert_eq!(signature, key.sign(&message).expect("it did before"));
        }
    }
}

/// A public key of Amazon's; the same bytes as what follows `awskms://`, which is
/// printed as it was written.
pub fn aws_key(data: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<aws::AwsPublicKey>(data)
        && let Ok((public, name, _)) = answer.checked()
    {
        assert!(Algorithm::of(&public).is_ok(), "{name}");
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(key) = AwsUri::parse(text)
    {
        assert_eq!(key.to_string(), format!("awskms://{text}"));
        assert!(key.region().is_none_or(|region| !region.is_empty()));
    }
}

/// A public key of Google's, a page of versions and a signature; the same bytes
/// as the name of an algorithm.
pub fn google_answer(data: &[u8]) {
    if let Some((public, algorithm)) = google::public_key(data) {
        let _ = Algorithm::of(&public);
        let _ = google::hash_of(&algorithm);
    }
    let _ = google::Versions::parse(data).map(|versions| versions.greatest());
    assert!(google::signature(data).is_none_or(|signature| !signature.is_empty()));
    let named = google::hash_of(&String::from_utf8_lossy(data));
    assert!(named.is_ok() || named.is_err_and(|reason| !reason.contains(char::is_control)));
}

/// A key of Azure's and its signatures; the same bytes as a challenge, whose token
/// goes nowhere else.
pub fn azure_answer(data: &[u8]) {
    if let Some(answer) = azure::KeyAnswer::parse(data) {
        let _ = answer.unfitness(jiff::Timestamp::UNIX_EPOCH);
        match answer.public_key() {
            Ok((kind, public)) => {
                let _ = (Algorithm::of(&public), azure::signature(data, kind));
            }
            Err(reason) => assert!(!reason.contains(char::is_control)),
        }
    }
    let Ok(vault) = "https://v.vault.azure.net/".parse() else {
        unreachable!("it is a URL");
    };
    if let Some(audience) = azure::audience(&String::from_utf8_lossy(data)) {
        assert!(audience.resource.starts_with("https://"));
        let is_shown = azure::is_shown_to(&audience.resource, &vault);
        assert!(!is_shown || audience.resource.contains("net"));
    }
}
