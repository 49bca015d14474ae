use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde::Deserialize;

use super::*;

/// A checkpoint of a public log, and whether it holds.
#[derive(Deserialize)]
struct Vector {
    name: String,
    note: String,
    /// The name of a log of Rekor v2.
    host: Option<String>,
    key: String,
    holds: bool,
}

fn key(text: &str) -> VerifyingKey {
    VerifyingKey::from_der(&STANDARD.decode(text).unwrap()).unwrap()
}

fn verifier(key: &VerifyingKey) -> NoteVerifier<'_> {
    let hash = key.default_hash();
    NoteVerifier {
        key,
        hash,
        id: None,
    }
}

/// EVD-30
#[test]
fn checkpoints_of_public_logs_come_out_as_the_conformance_suite_says() {
    let vectors = include_str!("../../../testdata/proof/log/checkpoints.json");
    let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
    assert_eq!(vectors.len(), 16);
    for vector in vectors {
        let origin = vector.host.as_deref().map_or(Origin::OfTree, Origin::Is);
        let key = key(&vector.key);
        let found = Checkpoint::verify(&vector.note, origin, &verifier(&key));
        assert_eq!(found.is_ok(), vector.holds, "{}: {found:?}", vector.name);
    }
}

/// The example of the `golang.org/x/mod/sumdb/note` package.
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn peter() -> VerifyingKey {
    let vkey = STANDARD.decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    let prefix = hex::decode("302a300506032b6570032100").unwrap();
    let der = [prefix.as_slice(), &vkey.unwrap()[1..]].concat();
    VerifyingKey::from_der(&der).unwrap()
}

#[test]
fn the_public_example_of_a_note_holds() {
    let key = peter();
    let id = verifier(&key).id_of_name("PeterNeumann");
    assert_eq!(id, [0xc7, 0x4f, 0x20, 0xa3]);
    let note = Note::parse(NOTE).unwrap();
    assert!(note.is_signed("PeterNeumann", &verifier(&key)));
    assert!(!note.is_signed("Peter", &verifier(&key)));
    let changed = NOTE.replace("answer", "Answer");
    let changed = Note::parse(&changed).unwrap();
    assert!(!changed.is_signed("PeterNeumann", &verifier(&key)));
    let another = NoteVerifier {
        id: Some([0; 4]),
        ..verifier(&key)
    };
    assert!(!note.is_signed("PeterNeumann", &another));
}

#[test]
fn text_of_another_form_is_no_note() {
    let bad = [
        String::new(),
        "\n\n".to_owned(),
        "a\n\n".to_owned(),
        NOTE.trim_end().to_owned(),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace('\u{2014}', "-"),
        NOTE.replace("PeterNeumann", "Peter+Neumann"),
        NOTE.replace("PeterNeumann ", ""),
        NOTE.replace("x08go", "x08g*"),
        NOTE.replace("your", "your\t"),
        format!("{NOTE}more\n"),
        format!("{NOTE}\n"),
        "x".repeat(LONGEST + 1),
        NOTE.replace("If", &"x".repeat(LONGEST)),
        format!("a\n\n{}", "— a AAAAAAA=\n".repeat(MOST_SIGNATURES + 1)),
    ];
    for note in bad {
        let found = Note::parse(&note);
        assert!(found.is_err(), "{:.80} {found:?}", note);
    }
}

/// A checkpoint by a key that signs as Rekor does.
fn checkpoint(key: &KeyPair, text: &str, name: &str, id: &[u8]) -> String {
    let signature = key.sign(text.as_bytes()).unwrap();
    let line = STANDARD.encode([id, &signature].concat());
    format!("{text}\n— {name} {line}\n")
}

fn id_of(key: &VerifyingKey) -> [u8; 4] {
    first_four(&key.public_key().sha256())
}

const ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn a_signed_checkpoint_of_another_form_is_refused() {
    let pair = KeyPair::generate().unwrap();
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let verify = |text: &str, name: &str| {
        let note = checkpoint(&pair, text, name, &id_of(&key));
        Checkpoint::verify(&note, Origin::Is("log.example"), &verifier(&key))
    };
    let good = format!("log.example\n17\n{ROOT}\n");
    assert_eq!(verify(&good, "log.example").unwrap().size, 17);
    for (text, name, expected) in [
        (good.clone(), "other.example", CheckpointError::Signature),
        (
            good.replace("log.", "other."),
            "log.example",
            CheckpointError::Origin,
        ),
        (
            good.replace("17", "017"),
            "log.example",
            CheckpointError::Lacks("size"),
        ),
        (
            good.replace("17", "-1"),
            "log.example",
            CheckpointError::Lacks("size"),
        ),
        (
            good.replace("17", "18446744073709551616"),
            "log.example",
            CheckpointError::Lacks("size"),
        ),
        (
            good.replace(ROOT, "AAAA"),
            "log.example",
            CheckpointError::Lacks("root"),
        ),
        (
            format!("{good}more\n"),
            "log.example",
            CheckpointError::Surplus,
        ),
        (
            format!("{good}{FROZEN}Fri Nov 27 18:50:26 UTC 2026\nmore\n"),
            "log.example",
            CheckpointError::Surplus,
        ),
        (
            format!("\n{good}"),
            "log.example",
            CheckpointError::Lacks("origin"),
        ),
    ] {
        assert_eq!(verify(&text, name), Err(expected), "{text}");
    }
}

/// EVD-30: a line as rekor-tiles' `freeze-checkpoint` writes it. The tree below it is
/// whole, and sigstore-go passes over the line.
#[test]
fn the_checkpoint_of_a_frozen_log_holds() {
    let pair = KeyPair::generate().unwrap();
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let text = format!("log.example\n17\n{ROOT}\n{FROZEN}Fri Nov 27 18:50:26 UTC 2026\n");
    let note = checkpoint(&pair, &text, "log.example", &id_of(&key));
    let verify = |note: &str| Checkpoint::verify(note, Origin::Is("log.example"), &verifier(&key));
    assert_eq!(verify(&note).unwrap().size, 17);
    let thawed = note.replace(FROZEN, "Log thawed: ");
    assert_eq!(verify(&thawed), Err(CheckpointError::Surplus));
}

/// A checkpoint with the lines of signatures that `signers` write, in their order: by the
/// log, by the log over something else, and by a witness.
fn signed(pair: &KeyPair, text: &str, signers: &[&str]) -> String {
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let line = |signer: &&str| {
        let (name, id, text) = match *signer {
            "log" => ("log.example", id_of(&key), text),
            "wrong" => ("log.example", id_of(&key), "something else\n"),
            "other key" => ("log.example", [7; 4], text),
            _ => ("witness.example", [8; 4], "something else\n"),
        };
        let note = checkpoint(pair, text, name, &id);
        let (_, line) = note.split_once("\n\n").unwrap();
        line.to_owned()
    };
    let lines: String = signers.iter().map(line).collect();
    format!("{text}\n{lines}")
}

/// EVD-30: as Go's `note.Open` decides, which looks at the first line of a known key and
/// refuses the whole note if that is wrong.
#[test]
fn a_wrong_signature_of_the_log_refuses_the_note() {
    let pair = KeyPair::generate().unwrap();
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let text = format!("log.example\n17\n{ROOT}\n");
    for (signers, holds) in [
        (&["log"][..], true),
        (&["witness", "log", "other key"], true),
        (&["log", "log"], true),
        (&["log", "wrong"], true),
        (&["wrong", "log"], false),
        (&["wrong"], false),
        (&["witness", "other key"], false),
    ] {
        let note = signed(&pair, &text, signers);
        let found = Checkpoint::verify(&note, Origin::Is("log.example"), &verifier(&key));
        assert_eq!(found.is_ok(), holds, "{signers:?}: {found:?}");
    }
}

/// EVD-30: as Rekor v1's own client decides (v1.5.3 `pkg/util`, `SignedNote.Verify`), by
/// which sigstore-go verifies its notes: every line has to be of the log's key.
#[test]
fn a_note_of_the_first_version_is_signed_by_the_log_alone() {
    let pair = KeyPair::generate().unwrap();
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let text = format!("log.example - 12\n17\n{ROOT}\n");
    for (signers, holds) in [
        (&["log"][..], true),
        (&["log", "log"], true),
        (&["log", "wrong"], false),
        (&["log", "witness"], false),
        (&["log", "other key"], false),
    ] {
        let note = signed(&pair, &text, signers);
        let found = Checkpoint::verify(&note, Origin::OfTree, &verifier(&key));
        assert_eq!(found.is_ok(), holds, "{signers:?}: {found:?}");
    }
}

#[test]
fn a_log_of_the_first_version_names_its_tree_and_may_say_more() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let verify = |origin: &str, name: &str| {
        let text = format!("{origin}\n1\n{ROOT}\nTimestamp: 1689177396617352539\n");
        let note = checkpoint(&pair, &text, name, &id_of(&key));
        Checkpoint::verify(&note, Origin::OfTree, &verifier(&key))
    };
    assert!(verify("localhost:8000 - 124190645164477", "localhost:8000").is_ok());
    for (origin, name) in [
        ("rekor.local - 12", "rekor.example"),
        ("rekor.local", "rekor.local"),
        ("rekor.local - x", "rekor.local"),
    ] {
        assert!(verify(origin, name).is_err(), "{origin} {name}");
    }
}

#[test]
fn the_id_of_an_rsa_key_is_that_of_its_note() {
    let pem = include_bytes!("../../../testdata/keys/rsa2048-imported-cosign3.pub");
    let (_, der) = pem_rfc7468::decode_vec(pem).unwrap();
    let key = VerifyingKey::from_der(&der).unwrap();
    let mut text = b"log.example\n\xffPKIX-RSA-PKCS#1v1.5".to_vec();
    text.extend_from_slice(&der);
    let hash: [u8; 32] = Sha256::digest(&text).into();
    let id = verifier(&key).id_of_name("log.example");
    assert_eq!(id, first_four(&hash));
}

/// EVD-30: each version of Rekor names a key by an id of its own, and sigstore-go knows no
/// other.
#[test]
fn the_id_of_an_ed25519_key_is_that_of_the_log_s_version() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = VerifyingKey::from_der(&pair.subject_public_key_info()).unwrap();
    let (of_key, of_name) = (id_of(&key), verifier(&key).id_of_name("log.example"));
    for (origin, of_version, holds) in [
        ("log.example", of_name, true),
        ("log.example", of_key, false),
        ("log.example - 12", of_key, true),
        ("log.example - 12", of_name, false),
    ] {
        let version = match origin {
            "log.example" => Origin::Is(origin),
            _ => Origin::OfTree,
        };
        let text = format!("{origin}\n17\n{ROOT}\n");
        let note = checkpoint(&pair, &text, "log.example", &of_version);
        let found = Checkpoint::verify(&note, version, &verifier(&key));
        assert_eq!(found.is_ok(), holds, "{origin}: {found:?}");
    }
}
