//! Sealing and opening together: recorded objects of real cosigns, and values of
//! every kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::media_type;
use super::seal::{CERTIFICATE, CHAIN};
use super::*;
use crate::oci::{Content, Descriptor, Digest, Manifest, MediaType};
use crate::signature::{PublicKey, Signature};

fn objects() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/objects")
}

fn blob(object: &Path, digest: &Digest) -> Bytes {
    let path = object.join("blobs/sha256").join(digest.hex());
    fs::read(path).unwrap().into()
}

/// Every manifest of a recorded repository, by its digest in `index.json`.
fn manifests(object: &Path) -> Vec<Manifest> {
    let index = fs::read(object.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap().iter();
    let digest = |entry: &serde_json::Value| entry["digest"].as_str().unwrap().parse().unwrap();
    entries
        .map(|entry| Manifest::parse(None, blob(object, &digest(entry))).unwrap())
        .collect()
}

/// The values that hang on the image of a recorded repository, as they were stored.
fn stored(object: &Path) -> Vec<SealedValue> {
    let mut all = Vec::new();
    for manifest in manifests(object) {
        let Ok(image) = manifest.to_image() else {
            continue;
        };
        let blobs = image.layers().iter().map(|descriptor| Layer {
            descriptor: descriptor.clone(),
            content: blob(object, &descriptor.digest).into(),
        });
        let blobs: Vec<Layer> = blobs.collect();
        let is = |layer: &Layer, media_type| layer.descriptor.media_type == media_type;
        if blobs
            .iter()
            .any(|layer| is(layer, media_type::SIGSTORE_BUNDLE))
        {
            all.push(SealedValue::Referrer(Referrer {
                descriptor: manifest.descriptor(),
                manifest,
                blobs,
            }));
            continue;
        }
        let is_signed = |layer: &Layer| {
            is(layer, media_type::SIMPLE_SIGNING) || is(layer, media_type::DSSE_ENVELOPE)
        };
        all.extend(blobs.into_iter().filter(is_signed).map(SealedValue::Layer));
    }
    all
}

fn bundle_of(sealed: &SealedValue) -> Bytes {
    let SealedValue::Referrer(referrer) = sealed else {
        panic!("no referrer");
    };
    let bundle = referrer.blobs.last().unwrap();
    bundle.content.to_bytes().unwrap()
}

fn form_of(sealed: &SealedValue) -> Form {
    match sealed {
        SealedValue::Layer(_) => Form::Tag,
        SealedValue::Referrer(_) => Form::Bundle,
    }
}

fn members() -> ReferrerMembers {
    ReferrerMembers {
        subject: Descriptor::of(MediaType::OCI_MANIFEST, b"image"),
        created: None,
    }
}

fn sealed(signed: &Signed, form: Form) -> SealedValue {
    seal(signed, form, &members()).unwrap()
}

#[test]
fn every_recorded_object_opens_and_is_sealed_again_to_the_same_bytes() {
    let mut count = 0;
    for object in fs::read_dir(objects()).unwrap() {
        let object = object.unwrap().path();
        for stored in stored(&object) {
            let signed = open(&stored).unwrap_or_else(|error| panic!("{object:?}: {error}"));
            let again = sealed(&signed, form_of(&stored));
            match (&stored, &again) {
                (SealedValue::Layer(stored), SealedValue::Layer(again)) => {
                    assert_eq!(again.descriptor, stored.descriptor, "{object:?}");
                    let bytes = again.content.to_bytes().unwrap();
                    assert_eq!(bytes, stored.content.to_bytes().unwrap(), "{object:?}");
                }
                _ => assert_eq!(bundle_of(&again), bundle_of(&stored), "{object:?}"),
            }
            count += 1;
        }
    }
    assert!(count >= 12, "{count}");
}

/// testdata/objects/bundle-one-key-cosign3 and bundle-attestation-cosign3, both
/// signed with testdata/keys/p256-cosign3.
#[test]
fn a_claim_of_ours_becomes_the_bundle_that_cosign_three_wrote() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/keys");
    let pem = fs::read_to_string(keys.join("p256-cosign3.pub")).unwrap();
    let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
    let verifier = Verifier::Key(PublicKey::from_der(der));
    let annotations = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
    for (object, annotations) in [
        ("bundle-one-key-cosign3", annotations),
        ("bundle-attestation-cosign3", BTreeMap::new()),
    ] {
        let stored = stored(&objects().join(object));
        let bundles = stored
            .iter()
            .filter(|stored| form_of(stored) == Form::Bundle);
        let mut signatures = 0;
        for stored in bundles {
            let theirs = open(stored).unwrap();
            if theirs.claim.predicate_type(Form::Bundle) != Some(statement::SIGNATURE) {
                continue;
            }
            let claim = Claim::Image {
                repository: Some("r.io/app".parse().unwrap()),
                digest: theirs.claim.digest().clone(),
                annotations: annotations.clone(),
            };
            let payload = claim.payload(Form::Bundle).unwrap();
            let ours = Signed {
                claim: Arc::new(claim),
                payload: Arc::new(payload),
                // ECDSA signatures of cosign are random.
                signature: theirs.signature,
                verifier: verifier.clone(),
                evidence: Vec::new(),
            };
            let ours = sealed(&ours, Form::Bundle);
            assert_eq!(bundle_of(&ours), bundle_of(stored), "{object}");
            signatures += 1;
        }
        assert_eq!(signatures, 1, "{object}");
    }
}

fn image_claim() -> Claim {
    let annotations = [("env", "prod"), ("b<>&", "\"x\"\u{2028}é")];
    let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Claim::Image {
        repository: Some("r.io/team/app".parse().unwrap()),
        digest: Digest::of(b"image"),
        annotations: annotations.into(),
    }
}

fn document_claim() -> Claim {
    Claim::Document {
        repository: Some("r.io/team/app".parse().unwrap()),
        digest: Digest::of(b"image"),
        predicate_type: "https://cyclonedx.org/bom".to_owned(),
        document: Content::from(b"{ \"n\": 1.0e3, \"s\": \"<&>\" }\n".to_vec()),
    }
}

fn evidence(form: Form) -> Vec<Evidence> {
    let entry = match form {
        Form::Tag => r#"{"SignedEntryTimestamp":"AA==","Payload":{"logIndex":7}}"#,
        Form::Bundle | Form::ChainBundle => {
            r#"{"logIndex":"7","kindVersion":{"kind":"dsse","version":"0.0.1"}}"#
        }
    };
    vec![
        Evidence::LogEntry(entry.to_owned()),
        Evidence::Timestamp(vec![0x30, 0x00, 0xff]),
        Evidence::Other {
            name: "z.unknown".to_owned(),
            value: "[1,{\"a\":null}]".to_owned(),
        },
    ]
}

/// The part of a verifier that a form keeps: a tag names no key and a bundle no chain.
fn kept(verifier: &Verifier, form: Form) -> Verifier {
    match (verifier, form) {
        (Verifier::Key(_) | Verifier::Hint(_), Form::Tag) => Verifier::Unnamed,
        (Verifier::Key(key), Form::Bundle | Form::ChainBundle) => {
            Verifier::Hint(STANDARD.encode(key.sha256()))
        }
        (Verifier::Certificates(all), Form::Bundle) => {
            Verifier::Certificates(all.iter().take(1).cloned().collect())
        }
        (other, _) => other.clone(),
    }
}

fn assert_opens(signed: &Signed, form: Form) {
    let opened = open(&sealed(signed, form)).unwrap();
    let bytes = |content: &Content| content.to_bytes().unwrap();
    assert_eq!(
        bytes(opened.payload.content()),
        bytes(signed.payload.content())
    );
    assert_eq!(
        bytes(opened.payload.message()),
        bytes(signed.payload.message())
    );
    assert_eq!(opened.signature, signed.signature);
    assert_eq!(opened.verifier, kept(&signed.verifier, form));
    assert_eq!(opened.evidence, signed.evidence);
    assert_eq!(opened.claim.digest(), signed.claim.digest());
    assert_eq!(
        opened.claim.predicate_type(form),
        signed.claim.predicate_type(form)
    );
    match (&*opened.claim, &*signed.claim) {
        (
            Claim::Image {
                repository,
                annotations,
                ..
            },
            Claim::Image {
                repository: before,
                annotations: same,
                ..
            },
        ) => {
            assert_eq!(annotations, same);
            // A bundle names no repository.
            assert!(form.is_bundle() && repository.is_none() || repository == before);
        }
        (
            Claim::Document {
                repository,
                document,
                ..
            },
            Claim::Document {
                repository: same,
                document: before,
                ..
            },
        ) => {
            assert_eq!(repository, same);
            // White space around a value is not part of it.
            assert_eq!(bytes(document), bytes(before).trim_ascii_end());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_sealed_opens_to_what_it_was() {
    let key = Verifier::Key(PublicKey::from_der(vec![0x30, 0x01, 0x02]));
    let leaf = rcgen::generate_simple_self_signed(vec!["r.io".to_owned()]).unwrap();
    let leaf = leaf.cert.der().to_vec();
    let certificates = Verifier::Certificates(vec![leaf.clone(), leaf.clone()]);
    for form in [Form::Tag, Form::Bundle, Form::ChainBundle] {
        for claim in [image_claim(), document_claim()] {
            let (claim, payload) = (Arc::new(claim.clone()), claim.payload(form).unwrap());
            let payload = Arc::new(payload);
            for verifier in [
                &key,
                &certificates,
                &Verifier::Certificates(vec![leaf.clone()]),
            ] {
                for evidence in [Vec::new(), evidence(form)] {
                    for length in [0, 1, 71, 512] {
                        let signed = Signed {
                            claim: Arc::clone(&claim),
                            payload: Arc::clone(&payload),
                            signature: Signature::new(vec![0xa5; length]),
                            verifier: verifier.clone(),
                            evidence: evidence.clone(),
                        };
                        assert_opens(&signed, form);
                    }
                }
            }
        }
    }
}

/// cosign writes the annotations of a certificate and of its chain empty where it has
/// none, and reads any certificate without PEM as none (v3.1.2 `pkg/oci/internal/signature`,
/// `Cert`).
#[test]
fn an_empty_certificate_is_none_and_stays_as_it_is() {
    let claim = image_claim();
    let payload = Arc::new(claim.payload(Form::Tag).unwrap());
    let signed = |verifier: Verifier| Signed {
        claim: Arc::new(claim.clone()),
        payload: Arc::clone(&payload),
        signature: Signature::new(vec![1]),
        verifier,
        evidence: Vec::new(),
    };
    let leaf = rcgen::generate_simple_self_signed(vec!["r.io".to_owned()]).unwrap();
    let certified = Verifier::Certificates(vec![leaf.cert.der().to_vec()]);
    for (sealed_as, annotations) in [
        (Verifier::Unnamed, &[CERTIFICATE, CHAIN][..]),
        (Verifier::Unnamed, &[CERTIFICATE]),
        (certified.clone(), &[CHAIN]),
    ] {
        let sealed = seal(&signed(sealed_as.clone()), Form::Tag, &members()).unwrap();
        let SealedValue::Layer(mut layer) = sealed else {
            panic!("{sealed:?}");
        };
        for name in annotations {
            let annotations = &mut layer.descriptor.annotations;
            annotations.insert((*name).to_owned(), String::new());
        }
        let opened = open(&SealedValue::Layer(layer.clone())).unwrap();
        assert_eq!(opened.verifier, sealed_as);
        let again = seal(&opened, Form::Tag, &members()).unwrap();
        assert_eq!(again.descriptor(), &layer.descriptor);
        // A certificate that is added to it takes the empty one's place.
        let two = Verifier::Certificates(vec![leaf.cert.der().to_vec(); 2]);
        let certified = Signed {
            verifier: two.clone(),
            ..opened
        };
        let again = seal(&certified, Form::Tag, &members()).unwrap();
        assert_eq!(open(&again).unwrap().verifier, two);
    }
}

#[test]
fn both_forms_of_a_document_are_one_payload() {
    let claim = document_claim();
    let [tag, bundle] = [Form::Tag, Form::Bundle].map(|form| claim.payload(form).unwrap());
    let digest = |payload: &Payload| payload.message().digest().unwrap();
    assert_eq!(digest(&tag), digest(&bundle));
}

#[test]
fn simple_signing_has_no_place_in_a_bundle() {
    let claim = image_claim();
    let payload = claim.payload(Form::Tag).unwrap();
    let signed = Signed {
        claim: Arc::new(claim),
        payload: Arc::new(payload),
        signature: Signature::new(vec![1]),
        verifier: Verifier::Unnamed,
        evidence: Vec::new(),
    };
    let refused = seal(&signed, Form::Bundle, &members());
    assert!(matches!(refused, Err(SealError::NoStatement)));
}

/// Bundles of sigstore's libraries with a certificate, a chain, and members that
/// the signer does not know.
#[test]
fn certificates_entries_and_unknown_members_of_bundles_are_kept() {
    let payload = STANDARD.encode(
        statement::signature(&Digest::of(b"x"), &BTreeMap::new())
            .to_bytes()
            .unwrap(),
    );
    let bundle = |material: &str| {
        let text = format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{material},"dsseEnvelope":{{"payload":"{payload}","payloadType":"application/vnd.in-toto+json","signatures":[{{"sig":"AQ=="}}]}}}}"#
        );
        fuzzing::referrer(Bytes::from(text))
    };
    let certificate = r#"{"certificate":{"rawBytes":"MAA="},"tlogEntries":[{"logIndex":"1"},{"logIndex":"2"}],"timestampVerificationData":{"rfc3161Timestamps":[{"signedTimestamp":"MAA="}]},"new":{"a":1}}"#;
    let signed = open(&bundle(certificate)).unwrap();
    assert_eq!(signed.verifier, Verifier::Certificates(vec![vec![0x30, 0]]));
    let entry = |index| Evidence::LogEntry(format!(r#"{{"logIndex":"{index}"}}"#));
    let new = Evidence::Other {
        name: "new".to_owned(),
        value: r#"{"a":1}"#.to_owned(),
    };
    let timestamp = Evidence::Timestamp(vec![0x30, 0]);
    assert_eq!(signed.evidence, [entry(1), entry(2), timestamp, new]);
    let chain =
        r#"{"x509CertificateChain":{"certificates":[{"rawBytes":"MAA="},{"rawBytes":"MAE="}]}}"#;
    let signed = open(&bundle(chain)).unwrap();
    let both = vec![vec![0x30, 0], vec![0x30, 1]];
    assert_eq!(signed.verifier, Verifier::Certificates(both));
    let none = r#"{"x509CertificateChain":{"certificates":[]}}"#;
    let error = open(&bundle(none)).err().unwrap();
    assert_eq!(error.to_string(), "`x509CertificateChain` is missing");
}

#[test]
fn what_is_no_signed_value_is_an_error_that_quotes_nothing() {
    let payload = STANDARD.encode("{}");
    let envelope = |kind: &str, signatures: &str| {
        format!(
            r#"{{"verificationMaterial":{{}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{kind}","signatures":[{signatures}]}}}}"#
        )
    };
    let in_toto = "application/vnd.in-toto+json";
    let one = r#"{"sig":"AQ=="}"#;
    for (bundle, words) in [
        ("", "`bundle` is not what it should be"),
        ("[]", "`bundle` is not what it should be"),
        ("{}", "`dsseEnvelope` is missing"),
        (r#"{"a":1,"a":2}"#, "`bundle` is not what it should be"),
        (
            &envelope("secret/type", one),
            "the payload is no in-toto statement",
        ),
        (&envelope(in_toto, ""), "there are 0 signatures, not one"),
        (
            &envelope(in_toto, &format!("{one},{one}")),
            "there are 2 signatures, not one",
        ),
        (
            &envelope(in_toto, r#"{"sig":"secret!"}"#),
            "`sig` is not what it should be",
        ),
        (
            &envelope(in_toto, one),
            "the payload does not say which digest it is about",
        ),
    ] {
        let stored = fuzzing::referrer(Bytes::from(bundle.to_owned()));
        assert_eq!(open(&stored).err().unwrap().to_string(), words, "{bundle}");
    }
    let many = vec![r#"{"logIndex":"1"}"#; 33].join(",");
    let text = envelope(in_toto, one).replace(
        r#""verificationMaterial":{}"#,
        &format!(r#""verificationMaterial":{{"tlogEntries":[{many}]}}"#),
    );
    let error = open(&fuzzing::referrer(Bytes::from(text))).err().unwrap();
    assert_eq!(error.to_string(), "`tlogEntries` has more than 32 entries");
}
