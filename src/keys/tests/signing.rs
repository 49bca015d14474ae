//! Signatures (`spec/keys.md`, section 4).

use std::fs;
use std::io::{self, Read};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{
    Algorithm, Content, LocalKey, SIGNERS, SignError, Signature, Signer, aws_lc_accepts,
    ed25519_pkcs8, read, signer, testdata, unlocked, verify,
};
use crate::oci::Reread;
use crate::support::needs::{Need, is_here};

/// KEY-30, KEY-31, KEY-32, KEY-36
#[test]
fn signatures_of_every_key_verify_elsewhere() {
    for message in [&b""[..], b"x", &[0xa5; 200_000]] {
        for (name, signer) in SIGNERS.iter() {
            let signature = signer.sign_here(&Content::from(message.to_vec())).unwrap();
            assert!(aws_lc_accepts(signer, message, &signature), "{name}");
            assert!(!aws_lc_accepts(signer, b"other", &signature), "{name}");
        }
    }
}

/// KEY-30, KEY-31, KEY-32
#[test]
fn signatures_of_every_key_verify_with_openssl() {
    if !is_here(Need::OpenSsl) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::write(file("message"), b"a message").unwrap();
    for (name, signer) in SIGNERS.iter() {
        let signature = signer
            .sign_here(&Content::from(b"a message".to_vec()))
            .unwrap();
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
        let output = command.output().unwrap();
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
        let first = signer.sign_here(&message).unwrap();
        assert_eq!(first, signer.sign_here(&message).unwrap(), "{name}");
        let other = signer
            .sign_here(&Content::from(b"another".to_vec()))
            .unwrap();
        assert_ne!(first, other, "{name}");
    }
    let again = Signer::from(unlocked("p384-imported-cosign3"));
    assert_eq!(
        again.sign_here(&message).unwrap(),
        signer("p384-imported-cosign3").sign_here(&message).unwrap()
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
        let message = Content::from(payload.to_vec());
        let prehash = super::super::prehash::sha256(&message).unwrap();
        let half = verify::PublicHalf::parse(signer.algorithm(), signer.public_key()).unwrap();
        half.verify_prehash(&prehash, &signature).unwrap();
        if signer.algorithm() == Algorithm::Rsa2048 {
            assert_eq!(signer.sign_here(&payload.into()).unwrap(), signature);
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
        let streamed = signer(name)
            .sign_here(&Content::from_source(source))
            .unwrap();
        assert_eq!(opened.load(Ordering::Relaxed), reads, "{name}");
        assert!(largest.load(Ordering::Relaxed) <= 64 * 1024, "{name}");
        assert_eq!(streamed, signer(name).sign_here(&whole).unwrap(), "{name}");
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
            .sign_here(&Content::from_source(source))
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
                .sign_here(&Content::from_source(source))
                .unwrap_err();
            let SignError::Read(cause) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(cause.to_string(), "the disk is gone");
            assert_eq!(error.to_string(), "cannot read the message");
        }
    }
}
