//! Fuzz targets for opening: it does not panic, and an opened value, sealed
//! again, opens to the same.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use bytes::Bytes;

use super::media_type;
use super::seal::{LOG_ENTRY, SIGNATURE, TIMESTAMP};
use super::{
    Evidence, Form, Layer, Referrer, ReferrerMembers, SealedValue, Signed, Verifier, open, seal,
};
use crate::oci::{Descriptor, Manifest, MediaType};

/// The first byte chooses the form.
pub fn sealed(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let bytes = Bytes::copy_from_slice(data);
    let text = String::from_utf8_lossy(data).into_owned();
    let (stored, form) = match choice % 4 {
        0 => (
            layer(media_type::SIMPLE_SIGNING, bytes, "{}".to_owned()),
            Form::Tag,
        ),
        1 => (
            layer(media_type::DSSE_ENVELOPE, bytes, "{}".to_owned()),
            Form::Tag,
        ),
        2 => {
            let payload = br#"{"critical":{"image":{"docker-manifest-digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}}"#;
            let payload = Bytes::from_static(payload);
            (layer(media_type::SIMPLE_SIGNING, payload, text), Form::Tag)
        }
        _ => (referrer(bytes), Form::Bundle),
    };
    let Ok(signed) = open(&stored) else {
        return;
    };
    let members = ReferrerMembers {
        subject: Descriptor::of(MediaType::OCI_MANIFEST, b"image"),
        created: None,
    };
    let again = seal(&signed, form, &members).expect("its payload was of this form");
    let opened = open(&again).expect("it was sealed by us");
    assert_same(&opened, &signed, form);
}

fn assert_same(opened: &Signed, signed: &Signed, form: Form) {
    let bytes = |signed: &Signed| signed.payload.content().to_bytes().expect("in memory");
    assert_eq!(bytes(opened), bytes(signed));
    assert_eq!(opened.signature, signed.signature);
    assert_eq!(opened.evidence, signed.evidence);
    match (&signed.verifier, form) {
        // A bundle that the signer seals holds the leaf certificate alone.
        (Verifier::Certificates(all), Form::Bundle) => {
            let leaf: Vec<_> = all.iter().take(1).cloned().collect();
            let is_same = match leaf.is_empty() {
                true => opened.verifier == Verifier::Unnamed,
                false => opened.verifier == Verifier::Certificates(leaf),
            };
            assert!(is_same);
        }
        (Verifier::Certificates(all), Form::Tag) if all.is_empty() => {
            assert_eq!(opened.verifier, Verifier::Unnamed);
        }
        (verifier, _) => assert_eq!(opened.verifier, *verifier),
    }
    let is_whole = |evidence: &Evidence| !matches!(evidence, Evidence::LogEntry(entry) if entry.len() > 64 << 20);
    assert!(opened.evidence.iter().all(is_whole));
}

fn layer(media_type: MediaType, bytes: Bytes, annotation: String) -> SealedValue {
    let mut layer = Layer::of(media_type, bytes.into()).expect("in memory");
    let annotations = [
        (SIGNATURE, "AQ==".to_owned()),
        (LOG_ENTRY, annotation.clone()),
        (TIMESTAMP, annotation),
    ];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value));
    layer.descriptor.annotations = annotations.into_iter().collect();
    SealedValue::Layer(layer)
}

/// A referrer with this bundle.
pub(super) fn referrer(bundle: Bytes) -> SealedValue {
    let manifest = Manifest::new(MediaType::OCI_MANIFEST, Bytes::from_static(b"{}"));
    let bundle = Layer::of(media_type::SIGSTORE_BUNDLE, bundle.into()).expect("in memory");
    SealedValue::Referrer(Referrer {
        descriptor: manifest.descriptor(),
        manifest,
        blobs: vec![bundle],
    })
}
