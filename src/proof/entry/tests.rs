use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::vector::{V1_CERTIFICATE, V1_DSSE, V1_KEY, V2_MESSAGE, Vector};
use super::*;
use crate::oci::Content;
use crate::proof::key::VerifyingKey;
use crate::proof::trust::Validity;
use crate::signature::{Hash, Signature};

/// EVD-31
#[test]
fn entries_of_public_logs_hold_and_are_written_as_they_were() {
    for vector in Vector::all() {
        let entry = vector.read().unwrap();
        let written: Value = serde_json::from_str(&entry.to_bundle_json().unwrap()).unwrap();
        assert_eq!(written, vector.0["entry"]);
        assert_eq!(entry.log(), vector.0["baseUrl"].as_str().unwrap());
        assert_eq!(entry.index().to_string(), vector.text("/logIndex"));
        assert_eq!(entry.log_id(), vector.bytes("logId"));
        assert_eq!(entry.time().is_some(), entry.version() == RekorVersion::V1);
    }
}

/// EVD-31
#[test]
fn an_entry_with_another_value_anywhere_does_not_hold() {
    let zero = || json!(STANDARD.encode([0; 32]));
    for vector in Vector::all() {
        let is_v1 = vector.read().unwrap().version() == RekorVersion::V1;
        let size = vector.text("/inclusionProof/treeSize");
        let mut changes = vec![
            ("/inclusionProof/logIndex", json!("1")),
            ("/inclusionProof/logIndex", json!(size)),
            ("/inclusionProof/treeSize", json!("0")),
            ("/inclusionProof/rootHash", zero()),
            ("/inclusionProof/hashes", json!([])),
            ("/inclusionProof/hashes/1", zero()),
            ("/inclusionProof/hashes/1", json!("AAAA")),
            ("/inclusionProof/checkpoint", Value::Null),
            ("/inclusionProof", Value::Null),
            ("/logId/keyId", zero()),
            ("/logId", Value::Null),
            ("/kindVersion/version", json!("0.0.3")),
            ("/kindVersion/kind", json!("rekord")),
            ("/kindVersion", Value::Null),
            ("/canonicalizedBody", json!("e30=")),
            ("/canonicalizedBody", Value::Null),
            ("/logIndex", json!("-1")),
        ];
        match is_v1 {
            false => changes.push(("/logIndex", json!("1"))),
            true => changes.extend([
                ("/logIndex", json!("1")),
                ("/integratedTime", json!("1")),
                ("/inclusionPromise", Value::Null),
                ("/inclusionPromise/signedEntryTimestamp", zero()),
            ]),
        }
        for (pointer, value) in changes {
            let changed = vector.with(pointer, value.clone());
            assert!(changed.read().is_err(), "{pointer} {value}");
        }
        let checkpoint = vector.text("/inclusionProof/checkpoint/envelope");
        let forged = checkpoint.replacen(size, "1", 1);
        let changed = vector.with("/inclusionProof/checkpoint/envelope", json!(forged));
        assert!(changed.read().is_err());
    }
}

/// EVD-31
#[test]
fn an_entry_of_another_signature_does_not_hold() {
    for vector in Vector::all() {
        let (entry, root) = (vector.entry(), vector.root());
        let read = |signature: &Loggable| LogEntry::read_bundle_json(&entry, signature, &root);
        let ours = vector.signature();
        let another = VerifyingKey::from_der(&vector.bytes("logKey")).unwrap();
        let mut others = vec![
            Loggable {
                signature: Signature::new(vec![1]),
                ..ours.clone()
            },
            Loggable {
                verifier: EntryVerifier::of_key(another.public_key()).unwrap(),
                ..ours.clone()
            },
            Loggable {
                hash: Hash::Sha512,
                ..ours.clone()
            },
        ];
        match &ours.message {
            SignedMessage::Envelope { envelope, .. }
                if read(&ours).unwrap().version() == RekorVersion::V1 =>
            {
                let payload = Content::from(b"another".to_vec());
                let envelope = envelope.clone();
                others.remove(2);
                others.push(Loggable {
                    message: SignedMessage::Envelope { envelope, payload },
                    ..ours.clone()
                });
                others.push(Loggable {
                    message: SignedMessage::Payload,
                    ..ours.clone()
                });
            }
            _ => others.push(Loggable {
                digest: vec![0; 32],
                ..ours.clone()
            }),
        }
        for other in others {
            let error = read(&other).unwrap_err();
            let is_named = matches!(error, EntryError::Other | EntryError::Refused(_));
            assert!(is_named, "{error}");
        }
    }
}

/// EVD-32
#[test]
fn a_promise_counts_while_the_log_and_the_certificate_are_valid() {
    let vector = Vector::of(V1_CERTIFICATE);
    let time = vector.read().unwrap().time().unwrap();
    let read = |valid: Validity| {
        let mut root = vector.root();
        root.logs[0].valid = valid;
        LogEntry::read_bundle_json(&vector.entry(), &vector.signature(), &root)
    };
    let second = jiff::SignedDuration::from_secs(1);
    let (before, after) = (time - second, time + second);
    for (start, end, holds) in [
        (Some(time), Some(time), true),
        (Some(after), None, false),
        (None, Some(before), false),
    ] {
        assert_eq!(read(Validity { start, end }).is_ok(), holds);
    }
    // The same signature by the certificate of another time.
    let other = Vector::of(V1_DSSE);
    let signature = Loggable {
        verifier: other.signature().verifier,
        ..vector.signature()
    };
    let found = LogEntry::read_bundle_json(&vector.entry(), &signature, &vector.root());
    assert!(matches!(found, Err(EntryError::Other)));
}

/// EVD-30: as sigstore-go reads the address.
#[test]
fn a_log_of_the_second_version_is_called_by_its_host() {
    let vector = Vector::of(V2_MESSAGE);
    let host = vector.root().logs[0].base_url.replace("https://", "");
    for (address, holds) in [
        (format!("http://{host}:3003/path"), true),
        (format!("http://{}", host.to_uppercase()), false),
        (host, false),
    ] {
        let mut root = vector.root();
        root.logs[0].base_url = address.clone();
        let read = LogEntry::read_bundle_json(&vector.entry(), &vector.signature(), &root);
        assert_eq!(read.is_ok(), holds, "{address}");
    }
}

/// EVD-33
#[test]
fn a_log_of_the_second_version_knows_no_time() {
    let vector = Vector::of(V2_MESSAGE);
    let mut entry = vector.0["entry"].clone();
    entry["integratedTime"] = json!("1");
    entry["inclusionPromise"] = json!({ "signedEntryTimestamp": "AAAA" });
    let entry = LogEntry::read_bundle_json(&entry.to_string(), &vector.signature(), &vector.root());
    let entry = entry.unwrap();
    assert_eq!(entry.time(), None);
    assert_eq!(entry.to_annotation(), None);
    let written: Value = serde_json::from_str(&entry.to_bundle_json().unwrap()).unwrap();
    assert_eq!(written, vector.0["entry"]);
}

/// EVD-34
#[test]
fn an_annotation_holds_the_promise_alone() {
    for number in [V1_KEY, V1_CERTIFICATE, V1_DSSE] {
        let vector = Vector::of(number);
        let annotation = vector.read().unwrap().to_annotation().unwrap();
        let (signature, root) = (vector.signature(), vector.root());
        let entry = LogEntry::read_annotation(&annotation, &signature, &root).unwrap();
        assert_eq!(entry.time(), vector.read().unwrap().time());
        assert_eq!(entry.to_annotation(), Some(annotation.clone()));
        assert_eq!(entry.to_bundle_json(), None);
        let names = [
            "\"SignedEntryTimestamp\":",
            "\"body\":",
            "\"integratedTime\":",
        ];
        let names = names.into_iter().chain(["\"logIndex\":", "\"logID\":"]);
        let places: Option<Vec<_>> = names.map(|name| annotation.find(name)).collect();
        assert!(places.unwrap().is_sorted());
        let mut changed: Value = serde_json::from_str(&annotation).unwrap();
        changed["Payload"]["logIndex"] = json!(1);
        let changed = LogEntry::read_annotation(&changed.to_string(), &signature, &root);
        assert!(matches!(changed, Err(EntryError::Promise)));
        let other = Loggable {
            signature: Signature::new(vec![1]),
            ..signature
        };
        let other = LogEntry::read_annotation(&annotation, &other, &root);
        assert!(matches!(other, Err(EntryError::Other)));
    }
    let vector = Vector::of(V1_KEY);
    for text in [
        "",
        "{}",
        "[]",
        r#"{"SignedEntryTimestamp":"","Payload":{}}"#,
    ] {
        let found = LogEntry::read_annotation(text, &vector.signature(), &vector.root());
        assert!(matches!(found, Err(EntryError::Json)), "{text}");
    }
}

/// EVD-34
#[test]
fn a_bundle_may_hold_another_envelope_of_the_payload_and_a_layer_may_not() {
    let vector = Vector::of(V1_DSSE);
    let annotation = vector.read().unwrap().to_annotation().unwrap();
    let mut signature = vector.signature();
    if let SignedMessage::Envelope { envelope, .. } = &mut signature.message {
        *envelope = Content::from(b"another".to_vec());
    }
    let root = vector.root();
    assert!(LogEntry::read_bundle_json(&vector.entry(), &signature, &root).is_ok());
    let found = LogEntry::read_annotation(&annotation, &signature, &root);
    assert!(matches!(found, Err(EntryError::Other)));
}

fn pem_path(name: &str) -> String {
    format!("{}/testdata/keys/{name}.pub", env!("CARGO_MANIFEST_DIR"))
}

fn key(name: &str) -> VerifyingKey {
    let pem = std::fs::read(pem_path(name)).unwrap();
    VerifyingKey::from_der(&pem_rfc7468::decode_vec(&pem).unwrap().1).unwrap()
}

/// EVD-35: as rekor-server 1.5.4 and rekor-tiles 2.3.0 answered, and cosign
/// verified afterwards.
#[test]
fn keys_are_accepted_as_logs_and_cosign_take_them() {
    use Hash::{Sha256, Sha384, Sha512};
    use MessageForm::{Envelope, Payload};
    use RekorVersion::{V1, V2};
    for (name, hash, [sig, att, v2]) in [
        ("p256-cosign3", Sha256, [true, true, true]),
        ("rsa2048-imported-cosign3", Sha256, [true, true, true]),
        ("rsa3072-imported-cosign3", Sha256, [true, true, true]),
        ("rsa4096-imported-cosign3", Sha256, [true, true, true]),
        ("rsa4096-imported-cosign3", Sha512, [false, false, false]),
        ("p384-imported-cosign3", Sha256, [false, true, false]),
        ("p384-imported-cosign3", Sha384, [false, false, true]),
        ("p521-imported-cosign3", Sha256, [false, true, false]),
        ("p521-imported-cosign3", Sha512, [false, false, true]),
        ("ed25519-imported-cosign3", Sha256, [false, true, false]),
        ("ed25519-imported-cosign3", Sha512, [false, true, false]),
    ] {
        let key = key(name);
        let takes = |version, form| accepts(version, form, &key, hash).is_ok();
        assert_eq!(takes(V1, Payload), sig, "{name} {hash:?}");
        assert_eq!(takes(V1, Envelope), att, "{name} {hash:?}");
        for form in [Payload, Envelope] {
            assert_eq!(takes(V2, form), v2, "{name} {hash:?}");
        }
    }
}

fn signature_of(name: &str, message: SignedMessage) -> Loggable {
    Loggable {
        hash: Hash::Sha256,
        digest: vec![7; 32],
        signature: Signature::new(vec![0xff, 0xfe]),
        verifier: EntryVerifier::of_key(key(name).public_key()).unwrap(),
        message,
    }
}

fn json_of(content: &Content) -> Value {
    serde_json::from_slice(&content.to_bytes().unwrap()).unwrap()
}

/// EVD-36
#[test]
fn a_request_names_signature_and_key_and_carries_the_envelope_byte_for_byte() {
    let digest = STANDARD.encode([7; 32]);
    let signature = signature_of("rsa3072-imported-cosign3", SignedMessage::Payload);
    let der = STANDARD.encode(signature.verifier.key().public_key().as_der());
    let asked = json_of(&request(RekorVersion::V2, &signature).unwrap());
    let expected = json!({"hashedRekordRequestV002": {
        "digest": digest,
        "signature": {
            "content": "//4=",
            "verifier": {
                "publicKey": {"rawBytes": der},
                "keyDetails": "PKIX_RSA_PKCS1V15_3072_SHA256",
            },
        },
    }});
    assert_eq!(asked, expected);
    let pem =
        STANDARD.encode(std::fs::read_to_string(pem_path("rsa3072-imported-cosign3")).unwrap());
    let asked = json_of(&request(RekorVersion::V1, &signature).unwrap());
    let expected = json!({"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": {
        "data": {"hash": {"algorithm": "sha256", "value": hex::encode([7; 32])}},
        "signature": {"content": "//4=", "publicKey": {"content": pem}},
    }});
    assert_eq!(asked, expected);
    let text = r#"{"payloadType":"a","payload":"e30=","signatures":[{"sig":"//4="}]}"#;
    let message = SignedMessage::Envelope {
        envelope: Content::from(text.as_bytes().to_vec()),
        payload: Content::from(b"{}".to_vec()),
    };
    let asked = request(
        RekorVersion::V1,
        &signature_of("rsa3072-imported-cosign3", message),
    )
    .unwrap();
    let expected = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
        "proposedContent": {"envelope": text, "verifiers": [pem]},
    }});
    assert_eq!(json_of(&asked), expected);
    assert_eq!(asked.length(), asked.to_bytes().unwrap().len() as u64);
}

/// EVD-36
#[test]
fn a_request_of_a_certificate_names_the_certificate_alone() {
    let vector = Vector::of(V2_MESSAGE);
    let asked = json_of(&request(RekorVersion::V2, &vector.signature()).unwrap());
    let verifier = &asked["hashedRekordRequestV002"]["signature"]["verifier"];
    let expected = json!({
        "x509Certificate": {"rawBytes": vector.0["certificate"]},
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
    });
    assert_eq!(*verifier, expected);
    let body = STANDARD.decode(vector.text("/canonicalizedBody")).unwrap();
    let leaf = super::super::merkle::leaf(&body);
    assert_eq!(leaf_v2(&vector.signature()).unwrap(), leaf);
}

#[test]
fn what_a_log_refuses_is_not_asked_for() {
    let signature = signature_of("p384-imported-cosign3", SignedMessage::Payload);
    for (version, expected) in [
        (RekorVersion::V1, Refusal::NotAtTags),
        (RekorVersion::V2, Refusal::CurveHash),
    ] {
        let found = request(version, &signature);
        assert!(matches!(found, Err(EntryError::Refused(refusal)) if refusal == expected));
    }
}

/// EVD-37
#[test]
fn an_entry_that_was_read_from_tiles_is_that_of_an_answer() {
    let vector = Vector::of(V2_MESSAGE);
    let text = |pointer| vector.text(pointer).to_owned();
    let node = |text: &str| STANDARD.decode(text).unwrap().try_into().unwrap();
    let hashes = vector.0["entry"].pointer("/inclusionProof/hashes").unwrap();
    let hashes = hashes.as_array().unwrap().iter();
    let inclusion = Inclusion {
        index: text("/logIndex").parse().unwrap(),
        size: text("/inclusionProof/treeSize").parse().unwrap(),
        root: node(&text("/inclusionProof/rootHash")),
        hashes: hashes.map(|hash| node(hash.as_str().unwrap())).collect(),
        checkpoint: text("/inclusionProof/checkpoint/envelope"),
    };
    let (signature, root) = (vector.signature(), vector.root());
    let (checkpoint, log) = checkpoint_v2(&inclusion.checkpoint, &root).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (736, inclusion.root));
    let entry = LogEntry::of_inclusion(inclusion.clone(), &log.id, &signature, &root).unwrap();
    assert_eq!(entry, vector.read().unwrap());
    let other = Inclusion {
        index: 0,
        ..inclusion
    };
    assert!(LogEntry::of_inclusion(other, &log.id, &signature, &root).is_err());
    let stranger = Vector::of(V1_KEY).root();
    let found = checkpoint_v2(&text("/inclusionProof/checkpoint/envelope"), &stranger);
    assert!(matches!(found, Err(EntryError::UnknownLog)));
}

#[test]
fn an_answer_is_the_entry_of_its_bundle() {
    let answer = include_bytes!("../../../testdata/fuzz/log_entry/answer-v1");
    let (_choice, answer) = answer.split_first().unwrap();
    let vector = Vector::of(V1_KEY);
    let (signature, root) = (vector.signature(), vector.root());
    let entry = LogEntry::of_answer(RekorVersion::V1, answer, &signature, &root).unwrap();
    assert_eq!(entry, vector.read().unwrap());
    assert_eq!(claimed_index(RekorVersion::V1, answer), Some(entry.index()));
    let vector = Vector::of(V2_MESSAGE);
    let (signature, root) = (vector.signature(), vector.root());
    let mut answer = vector.0["entry"].clone();
    answer["integratedTime"] = json!("0");
    answer["inclusionPromise"] = Value::Null;
    let answer = answer.to_string();
    let read = |version| LogEntry::of_answer(version, answer.as_bytes(), &signature, &root);
    assert_eq!(read(RekorVersion::V2).unwrap(), vector.read().unwrap());
    let claimed = |answer: &[u8]| claimed_index(RekorVersion::V2, answer);
    assert!(claimed(answer.as_bytes()).is_some());
    for nothing in [
        "{}",
        r#"{"logIndex":"7"}"#,
        r#"{"logId":{"keyId":"AAAA"}}"#,
        r#"{"canonicalizedBody":"AAAA"}"#,
    ] {
        assert_eq!(claimed(nothing.as_bytes()), None, "{nothing}");
    }
    assert!(matches!(read(RekorVersion::V1), Err(EntryError::Json)));
    // A log of the first version whose answer is worded as one of the second.
    let vector = Vector::of(V1_KEY);
    let (entry, signature, root) = (vector.entry(), vector.signature(), vector.root());
    let found = LogEntry::of_answer(RekorVersion::V2, entry.as_bytes(), &signature, &root);
    assert!(matches!(found, Err(EntryError::Kind)));
}
