use super::encoding::readings;
use super::*;
use crate::keys::Algorithm;
use crate::keys::remote::message::{Message, Purpose};
use crate::oci::Content;

const SIGNATURE: Algorithm = Algorithm::EcdsaP256;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn named(message: &str, key: &str) -> MessageNames {
    MessageNames::new(Purpose::Signature, digest(message), &digest(key))
}

fn entry(message: &str, key: &str, image: &str) -> ToSign {
    let named = named(message, key);
    ToSign {
        file: format!("{}.json", named.message),
        signature: named.signature,
        image: image.to_owned(),
        kind: "signature".to_owned(),
        sha256: named.digest.hex().to_owned(),
        algorithm: "ECDSA P-256 SHA-256".to_owned(),
        public_key: digest(key).to_string(),
        ..ToSign::default()
    }
}

fn why(index: &[ToSign], message: &str, key: &str, image: &str) -> String {
    let index = SignIndex {
        sign: index.to_vec(),
    };
    let sent = Message {
        content: Content::from(message.as_bytes().to_vec()),
        purpose: Purpose::Signature,
        image: image.to_owned(),
    };
    let named = named(message, key);
    let missing = index::missing(Path::new("d"), &named, 0);
    let error = index.why(Path::new("d"), &sent, &named, missing);
    error.to_string()
}

/// EVD-71
#[test]
fn names_are_short_and_tell_messages_and_keys_apart() {
    let one = named("a", "k");
    assert_eq!(one.signature.len(), 39);
    assert!(one.signature.starts_with(&one.message));
    assert_eq!(one, named("a", "k"));
    assert_ne!(one.signature, named("b", "k").signature);
    assert_ne!(one.signature, named("a", "l").signature);
    assert_eq!(one.message, named("a", "l").message);
    let attestation = MessageNames::new(Purpose::Attestation, digest("a"), &digest("k"));
    assert!(attestation.message.starts_with("attestation-"));
}

/// EVD-77
#[test]
fn the_index_tells_why_a_signature_is_lacking() {
    let index = [entry("a", "k", "r/app@sha256:1")];
    let told = |message: &str, key: &str, image: &str| why(&index, message, key, image);
    assert!(told("a", "k", "r/app@sha256:1").contains("the signature of `signature-"));
    assert!(told("a", "l", "r/app@sha256:1").contains("asks for signatures by the key `sha256:"));
    assert!(told("b", "k", "r/app@sha256:1").contains("has changed since"));
    let other = told("b", "k", "r/app@sha256:2");
    assert!(
        other.contains("was written for `r/app@sha256:1`"),
        "{other}"
    );
    assert!(told("b", "k", "r/lib@sha256:1").contains("lists nothing to sign for `r/lib@"));
    assert!(why(&[], "a", "k", "r/app@sha256:1").contains("lists nothing"));
}

#[test]
fn an_index_is_read_as_it_was_written() {
    let mut first = entry("a", "k", "r/app@sha256:1");
    first.add(entry("a", "k", "r/lib@sha256:1"));
    first.add(entry("a", "k", "r/app@sha256:1"));
    assert_eq!(first.further_images, ["r/lib@sha256:1"]);
    let index = SignIndex {
        sign: vec![first, entry("b", "k", "r/app@sha256:1")],
    };
    let text = index.to_text().unwrap();
    assert!(text.starts_with("# Sign the exact bytes"));
    assert_eq!(SignIndex::parse(text.as_bytes()), Some(index));
    for other in ["sign = 1", "[[sign]]\nfile = 1", "\u{0}"] {
        assert_eq!(SignIndex::parse(other.as_bytes()), None, "{other}");
    }
    assert_eq!(SignIndex::parse(b"\xff"), None);
}

/// EVD-73
#[test]
fn a_file_is_read_as_what_could_be_a_signature_only() {
    assert!(readings(b"", SIGNATURE).is_empty());
    assert!(readings(b"  \n", SIGNATURE).is_empty());
    assert!(readings(&[7; 73], SIGNATURE).is_empty());
    // Raw numbers look as long as DER, and are read as both.
    assert_eq!(readings(&[0xff; 64], SIGNATURE).len(), 2);
    assert_eq!(readings(&[0xff; 64], Algorithm::Ed25519).len(), 1);
    assert_eq!(readings(&[0xff; 256], Algorithm::Rsa2048).len(), 1);
    assert!(readings(&[0xff; 255], Algorithm::Rsa2048).is_empty());
    let text = "A".repeat(86);
    for text in [&text, &format!("{text}=="), &format!("{text}\r\n")] {
        assert_eq!(readings(text.as_bytes(), Algorithm::Ed25519), [[0; 64]]);
    }
}
