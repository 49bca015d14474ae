//! Answers that are missing or wrong, and inputs that have changed since.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Kind, Room, openssl, signer, text};
use crate::support::elsewhere::{self, seeded};
use crate::support::images::Image;
use crate::support::signer::Signer;

/// A fault of an answer, and the words for it.
type Mistake = (Kind, fn(&Room, &Path) -> Vec<u8>, &'static str);

const MISTAKES: [Mistake; 11] = [
    (
        Kind::Rsa,
        |room, message| {
            let salt = "rsa_pss_saltlen:digest";
            let pss = [
                "-sha256",
                "-sigopt",
                "rsa_padding_mode:pss",
                "-sigopt",
                salt,
            ];
            room.sign(Kind::Rsa, message, &pss)
        },
        "by RSA-2048 PKCS#1 v1.5 SHA-256; it is one by RSA-PSS SHA-256",
    ),
    (
        Kind::Rsa,
        |room, message| room.sign(Kind::Rsa, message, &["-sha512"]),
        "it is one by PKCS#1 v1.5 SHA-512",
    ),
    (
        Kind::P384,
        |room, message| room.sign(Kind::P384, message, &["-sha384"]),
        "by ECDSA P-384 SHA-256; it is one by SHA-384",
    ),
    (
        Kind::P256,
        |room, message| {
            let digest = openssl(
                room.0.path(),
                &["dgst", "-sha256", "-binary", &message.display().to_string()],
            );
            fs::write(room.path("digest"), digest).unwrap();
            room.sign(Kind::P256, &room.path("digest"), &["-sha256"])
        },
        "it is a signature of the message's digest instead of its bytes",
    ),
    (
        Kind::Ed25519,
        |room, message| {
            let text = STANDARD.encode(fs::read(message).unwrap());
            fs::write(room.path("text"), text).unwrap();
            room.sign(Kind::Ed25519, &room.path("text"), &[])
        },
        "its 64 bytes were tried as they are, by Ed25519",
    ),
    (
        Kind::P256,
        |room, message| {
            room.make_key(Kind::P256, "private.pem", "other.pub");
            room.sign(Kind::P256, message, &["-sha256"])
        },
        "bytes were tried as they are, by ECDSA P-256 SHA-256",
    ),
    (
        Kind::P256,
        |room, message| {
            let signature = room.sign(Kind::P256, message, &["-sha256"]);
            STANDARD.encode(&signature[1..]).into_bytes()
        },
        "that they are in base64, by ECDSA P-256 SHA-256",
    ),
    (Kind::P256, |_, _| Vec::new(), "by this key: it is empty"),
    (
        Kind::P256,
        |_, _| b"a signature follows\n".to_vec(),
        "its 20 bytes were tried as they are",
    ),
    (
        Kind::P256,
        |_, _| vec![b'A'; 64 * 1024 + 1],
        "has more than 65536 bytes",
    ),
    (
        Kind::Rsa,
        |_, _| vec![b'\n'; 64 * 1024],
        "its 65536 bytes were tried as they are",
    ),
];

/// EVD-73, EVD-76
#[test]
fn an_answer_that_is_no_signature_of_its_message_is_refused_in_words() {
    for (kind, mistake, words) in MISTAKES {
        let (room, (registry, image)) = (Room::new(kind), seeded());
        let run = || signer(&registry, &image, room.config());
        room.generate(run()).succeeded();
        room.answer_all(kind, |signature| signature);
        let asked = room.asked();
        let entry = asked.last().unwrap();
        let bytes = mistake(&room, &room.message(entry));
        room.answer(entry, &bytes);
        let refused = run().run().ended_with(112);
        refused.says(&[words, text(entry, "signature"), "hint: "]);
        registry.stored_nothing();
        assert_eq!(registry.open_uploads(), 0);
    }
}

/// EVD-76
#[test]
fn answers_that_were_swapped_are_told_from_each_other() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let run = || signer(&registry, &image, room.config());
    room.generate(run()).succeeded();
    let asked = room.asked();
    let signature = |entry| room.sign(Kind::P256, &room.message(entry), &["-sha256"]);
    room.answer(&asked[0], &signature(&asked[0]));
    room.answer(&asked[1], &signature(&asked[2]));
    room.answer(&asked[2], &signature(&asked[1]));
    let stem = text(&asked[2], "file").trim_end_matches(".pae");
    let words = format!("it is that of `{stem}`");
    run().run().ended_with(112).says(&[&words]);
    registry.stored_nothing();
}

/// EVD-76
#[test]
fn an_answer_that_is_missing_is_named_with_its_message() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let run = || signer(&registry, &image, room.config());
    room.generate(run()).succeeded();
    let asked = room.asked();
    let (signature, message) = (text(&asked[0], "signature"), text(&asked[0], "sha256"));
    // The folder of answers has no index of its own here.
    run().run().ended_with(112).says(&[
        signature,
        &format!("the message with the sha256 {message}"),
        "and 2 more signatures are missing",
    ]);
    let index = room.path("messages/index.toml");
    fs::copy(&index, room.path("answers/index.toml")).unwrap();
    let named = format!("the signature of `{}`", text(&asked[0], "file"));
    run().run().ended_with(112).says(&[signature, &named]);
    // A folder in its place is no file.
    room.answer_all(Kind::P256, |signature| signature);
    fs::remove_file(room.path("answers").join(signature)).unwrap();
    fs::create_dir(room.path("answers").join(signature)).unwrap();
    run()
        .run()
        .ended_with(112)
        .says(&["cannot read `", signature]);
    fs::remove_dir_all(room.path("answers")).unwrap();
    run()
        .run()
        .ended_with(112)
        .says(&["there is no `", signature]);
    registry.stored_nothing();
}

/// EVD-77
#[test]
fn a_report_that_has_changed_since_is_named() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let config = room.config().set("signatures", "messages");
    let at = |signer: Signer| {
        // The answers lie beside the messages, as one would leave them there.
        let folder = signer.folder().join("messages");
        let _absent_at_first = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(room.path("messages")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        signer.run().ended_with(112)
    };
    room.generate(signer(&registry, &image, config.clone()))
        .succeeded();
    let other = Image::recorded("one-document").named(&[&format!("{}:v1", image.repository())]);
    other.seed(&registry);
    let words = format!(
        "index.toml` was written for `{}`, and the report names `{}` now",
        image.reference(registry.host()),
        other.reference(registry.host())
    );
    at(signer(&registry, &other, config.clone())).says(&[&words, "generate again"]);
    image.seed(&registry);
    let annotated = signer(&registry, &image, config.clone()).annotation("a", "b");
    at(annotated).says(&[
        "what is to be signed for `",
        "has changed since",
        "the bytes of its signature had the sha256",
        image.digest(),
    ]);
    let elsewhere = image.named(&["another/place:v1"]);
    elsewhere.seed(&registry);
    at(signer(&registry, &elsewhere, config))
        .says(&["lists nothing to sign for `", "another/place@sha256:"]);
}

/// EVD-77
#[test]
fn another_key_than_the_one_that_was_asked_is_named() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let folder = room.path("messages").display().to_string();
    let config = room.config().set("signatures", &folder);
    room.generate(signer(&registry, &image, config.clone()))
        .succeeded();
    let asked = room.asked();
    room.make_key(Kind::P256, "private.pem", "public.pub");
    let run = signer(&registry, &image, config).run().ended_with(115);
    run.says(&[
        "asks for signatures by the key `",
        text(&asked[0], "public-key"),
    ]);
    registry.stored_nothing();
}

/// An index is believed nothing.
///
/// EVD-77
#[test]
fn an_index_of_somebody_else_s_neither_misleads_nor_is_printed() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let folder = room.path("messages").display().to_string();
    let config = room.config().set("signatures", &folder);
    let run = || signer(&registry, &image, config.clone());
    room.generate(run()).succeeded();
    let asked = room.asked();
    let index = room.path("messages/index.toml");
    let repository = image
        .reference(registry.host())
        .replace('@', "\\n\\u001b[31m@");
    for text in [
        "not [toml".to_owned(),
        "sign = 7".to_owned(),
        "[[sign]]\nimage = 7\n".to_owned(),
        format!("[[sign]]\nimage = \"{repository}\"\nsignature = \"/etc/passwd\"\n"),
        "x = 1\n".repeat(1 << 20),
        String::new(),
    ] {
        fs::write(&index, text).unwrap();
        let run = run().run().ended_with(112);
        run.does_not_say(&["\u{1b}[31m@", "passwd"]);
    }
    for entry in &asked {
        let signature = room.sign(Kind::P256, &room.message(entry), &["-sha256"]);
        fs::write(
            room.path("messages").join(text(entry, "signature")),
            signature,
        )
        .unwrap();
    }
    fs::write(room.path("messages/another.sig"), "of another run").unwrap();
    run().run().succeeded();
    elsewhere::verified(&registry, &image, &room.pem(), "legacy", None);
}
