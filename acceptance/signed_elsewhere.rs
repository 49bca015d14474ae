//! Signatures that are made elsewhere between two runs: `-generate` writes the
//! messages, openssl signs them, and `signatures` takes the answers.

mod mistakes;
mod witnessed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tempfile::TempDir;

use crate::support::cosign::Cosign;
use crate::support::elsewhere::{self, FORMATS, messages, seeded};
use crate::support::images::Image;
use crate::support::registry::{Registry, sha256};
use crate::support::signer::{Config, Outcome, Signer};

/// A key that openssl keeps, as somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    P521,
    Rsa,
    Ed25519,
}

const KINDS: [Kind; 5] = [Kind::P256, Kind::P384, Kind::P521, Kind::Rsa, Kind::Ed25519];
const ECDSA: [(Kind, usize); 3] = [(Kind::P256, 32), (Kind::P384, 48), (Kind::P521, 66)];

impl Kind {
    fn options(self) -> [&'static str; 2] {
        match self {
            Self::P256 => ["EC", "ec_paramgen_curve:P-256"],
            Self::P384 => ["EC", "ec_paramgen_curve:P-384"],
            Self::P521 => ["EC", "ec_paramgen_curve:P-521"],
            Self::Rsa => ["RSA", "rsa_keygen_bits:2048"],
            Self::Ed25519 => ["ED25519", ""],
        }
    }
}

/// The room where it is signed: keys, messages, and the answers.
struct Room(TempDir);

/// The signatures that the index asks for.
type Asked = Vec<BTreeMap<String, toml::Value>>;

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut openssl = Command::new("openssl");
    let ran = openssl
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    ran.stdout
}

fn text<'a>(entry: &'a BTreeMap<String, toml::Value>, name: &str) -> &'a str {
    entry[name].as_str().unwrap()
}

impl Room {
    fn new(kind: Kind) -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        room.make_key(kind, "private.pem", "public.pub");
        fs::create_dir(room.path("answers")).unwrap();
        room
    }

    fn make_key(&self, kind: Kind, private: &str, public: &str) {
        let [algorithm, option] = kind.options();
        let mut arguments = vec!["genpkey", "-algorithm", algorithm, "-out", private];
        if !option.is_empty() {
            arguments.extend(["-pkeyopt", option]);
        }
        openssl(self.0.path(), &arguments);
        openssl(
            self.0.path(),
            &["pkey", "-in", private, "-pubout", "-out", public],
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> Config {
        Config::none()
            .set("signatures", &self.path("answers").display().to_string())
            .set("public-key", &self.path("public.pub").display().to_string())
    }

    fn generate(&self, signer: Signer) -> Outcome {
        let folder = self.path("messages").display().to_string();
        signer.arguments(&["-generate", &folder]).run()
    }

    fn asked(&self) -> Asked {
        let index = fs::read_to_string(self.path("messages/index.toml")).unwrap();
        let index: BTreeMap<String, Asked> = toml::from_str(&index).unwrap();
        index["sign"].clone()
    }

    fn message(&self, entry: &BTreeMap<String, toml::Value>) -> PathBuf {
        self.path("messages").join(text(entry, "file"))
    }

    fn answer(&self, entry: &BTreeMap<String, toml::Value>, bytes: &[u8]) {
        let path = self.path("answers").join(text(entry, "signature"));
        fs::write(path, bytes).unwrap();
    }

    /// A signature as the key's kind makes it, with these options of `dgst`.
    fn sign(&self, kind: Kind, message: &Path, options: &[&str]) -> Vec<u8> {
        let message = message.display().to_string();
        let arguments = match kind {
            Kind::Ed25519 => vec!["pkeyutl", "-sign", "-rawin", "-inkey", "private.pem", "-in"],
            _ => [&["dgst", "-sign", "private.pem"], options].concat(),
        };
        openssl(self.0.path(), &[arguments, vec![&*message]].concat())
    }

    /// Answers every message, in the encoding that `encode` makes.
    fn answer_all(&self, kind: Kind, encode: impl Fn(Vec<u8>) -> Vec<u8>) {
        for entry in &self.asked() {
            let signature = self.sign(kind, &self.message(entry), &["-sha256"]);
            self.answer(entry, &encode(signature));
        }
    }

    fn pem(&self) -> String {
        fs::read_to_string(self.path("public.pub")).unwrap()
    }
}

fn signer(registry: &Registry, image: &Image, config: Config) -> Signer {
    Signer::of(image, registry.host()).config(config)
}

/// Two numbers of this size in a row, in place of DER.
fn p1363(der: &[u8], size: usize) -> Vec<u8> {
    let head = if der[1] == 0x81 { 3 } else { 2 };
    let number = |at: usize| {
        let length = usize::from(der[at + 1]);
        let digits = &der[at + 2..at + 2 + length];
        let zeros = digits.iter().take_while(|byte| **byte == 0).count();
        let digits = &digits[zeros..];
        let mut number = vec![0; size - digits.len()];
        number.extend(digits);
        (number, at + 2 + length)
    };
    let (r, next) = number(head);
    [r, number(next).0].concat()
}

fn wrapped(bytes: &[u8], ending: &str) -> Vec<u8> {
    let text = STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(64);
    let lines = lines.map(|line| format!("{}{ending}", String::from_utf8_lossy(line)));
    lines.collect::<String>().into_bytes()
}

/// cosign 3 finds attestations in bundles, too.
#[track_caller]
fn attested(registry: &Registry, image: &Image, room: &Room, format: &str) {
    let (key, command) = (room.path("public.pub"), "verify-attestation");
    let reference = image.reference(registry.host());
    Cosign::V3
        .verify_hash(
            command,
            &key.display().to_string(),
            None,
            format,
            &reference,
        )
        .accepted();
}

/// EVD-70, EVD-72, EVD-73, EVD-75
#[test]
fn every_kind_of_key_signs_between_two_runs_and_is_verified_by_cosign() {
    for kind in KINDS {
        for format in FORMATS {
            let (room, (registry, image)) = (Room::new(kind), seeded());
            let config = room.config().set("format", format);
            let run = || signer(&registry, &image, config.clone());
            room.generate(run()).succeeded();
            registry.stored_nothing();
            assert_eq!(registry.open_uploads(), 0);
            assert_eq!(room.asked().len(), messages(format), "{format}");
            for entry in &room.asked() {
                let message = fs::read(room.message(entry)).unwrap();
                let digest = format!("sha256:{}", text(entry, "sha256"));
                assert_eq!(digest, sha256(&message), "{entry:?}");
            }
            room.answer_all(kind, |signature| match format {
                "legacy" => signature,
                "bundle" => wrapped(&signature, "\n"),
                _ => URL_SAFE_NO_PAD.encode(signature).into_bytes(),
            });
            run().run().succeeded();
            elsewhere::verified(&registry, &image, &room.pem(), format, None);
            attested(&registry, &image, &room, format);
            registry.forget_exchanges();
            fs::remove_dir_all(room.path("answers")).unwrap();
            run()
                .run()
                .succeeded()
                .says(&["all of it was there already"]);
            assert!(registry.exchanges().puts().is_empty(), "{kind:?} {format}");
        }
    }
}

/// An encoding of DER, whose numbers have this size.
type Encoding = fn(Vec<u8>, usize) -> Vec<u8>;

/// EVD-73
#[test]
fn a_signature_is_taken_in_every_encoding_that_its_bytes_have() {
    for (kind, size) in ECDSA {
        let (room, (registry, image)) = (Room::new(kind), seeded());
        let run = || signer(&registry, &image, room.config());
        room.generate(run()).succeeded();
        let encodings: [Encoding; 8] = [
            |der, _| der,
            |der, size| p1363(&der, size),
            |der, _| wrapped(&der, "\r\n"),
            |der, _| STANDARD.encode(der).into_bytes(),
            |der, _| format!(" {} \n\n", URL_SAFE_NO_PAD.encode(der)).into_bytes(),
            |der, size| wrapped(&p1363(&der, size), "\n"),
            |der, size| URL_SAFE_NO_PAD.encode(p1363(&der, size)).into_bytes(),
            |der, _| STANDARD.encode(der).trim_end_matches('=').into(),
        ];
        for encode in encodings {
            room.answer_all(kind, |der| encode(der, size));
            let run = run().arguments(&["-check"]).run();
            run.succeeded().says(&["ready to sign 1 image with 1 key"]);
        }
        registry.stored_nothing();
    }
}

/// The files of a folder, with what shows that they were written again.
fn standing(folder: &Path) -> BTreeMap<PathBuf, (u64, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        let path = entry.path();
        let inode = entry.metadata().unwrap().ino();
        (path.clone(), (inode, fs::read(path).unwrap()))
    };
    entries.map(file).collect()
}

/// EVD-71, EVD-74
#[test]
fn generating_again_writes_nothing_again_and_refuses_other_messages() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let config = room.config().set("format", "both");
    let run = || signer(&registry, &image, config.clone());
    room.generate(run())
        .succeeded()
        .says(&["what is to be signed: 4 messages", "4 signatures by 1 key"]);
    let folder = room.path("messages");
    let first = standing(&folder);
    assert_eq!(first.len(), 5, "{first:?}");
    fs::write(folder.join("minutes.txt"), "of the ceremony").unwrap();
    room.generate(run())
        .succeeded()
        .says(&["Nothing to write to"]);
    fs::remove_file(folder.join("minutes.txt")).unwrap();
    assert_eq!(standing(&folder), first);
    // A file that was cut off is written once more.
    let cut = room.message(&room.asked()[0]);
    fs::write(&cut, "cut off").unwrap();
    room.generate(run()).succeeded();
    let bytes = |files: &BTreeMap<PathBuf, (u64, Vec<u8>)>| {
        let files = files.iter();
        files
            .map(|(path, (_, bytes))| (path.clone(), bytes.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(&standing(&folder)), bytes(&first));
    let kept = standing(&folder);
    let named = format!(
        "lists other messages, of `{}`",
        image.reference(registry.host())
    );
    room.generate(run().annotation("a", "b"))
        .ended_with(3)
        .says(&[
            "index.toml",
            &named,
            "hint: messages that are no longer asked for",
        ]);
    fs::remove_file(folder.join("index.toml")).unwrap();
    room.generate(run().annotation("a", "b"))
        .ended_with(3)
        .says(&["and is no message of this run"]);
    fs::write(folder.join("index.toml"), "[pack]\n").unwrap();
    room.generate(run())
        .ended_with(3)
        .says(&["and is no index of messages"]);
    assert_eq!(standing(&folder).len(), kept.len());
    registry.stored_nothing();
}

/// EVD-71
#[test]
fn a_folder_that_cannot_be_written_to_is_found_before_anything_is_sent() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    registry.forget_exchanges();
    fs::write(room.path("messages"), "a file").unwrap();
    room.generate(signer(&registry, &image, room.config()))
        .ended_with(3)
        .says(&["cannot generate what is to be signed", "cannot write to `"]);
    registry.was_not_asked();
}

/// EVD-70
#[test]
fn there_is_nothing_to_generate_without_a_config_that_says_so() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let run = || Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    room.generate(run())
        .ended_with(3)
        .says(&["no config has `signatures`"]);
    room.generate(run().config(room.config()).arguments(&["-check"]))
        .ended_with(3)
        .says(&["`-check` and `-generate`"]);
    assert!(!room.path("messages").exists());
    registry.stored_nothing();
}

/// EVD-70, EVD-72
#[test]
fn other_configs_are_checked_beside_and_not_signed() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let run = || {
        Signer::of(&image, registry.host())
            .key("p256-n32768-cosign-header")
            .config(room.config())
    };
    let receipt = room.path("receipt.toml").display().to_string();
    room.generate(run().arguments(&["-receipt", &receipt]))
        .succeeded()
        .says(&["Checked, and not to be signed elsewhere: `configs[0]`"]);
    assert!(!Path::new(&receipt).exists());
    assert_eq!(room.asked().len(), 3);
    registry.stored_nothing();
    room.answer_all(Kind::P256, |signature| signature);
    run().run().succeeded().says(&["1 image, 2 keys"]);
    elsewhere::verified(&registry, &image, &room.pem(), "legacy", None);
}

/// Bundles of one image in two repositories say the same.
///
/// EVD-72
#[test]
fn what_two_images_say_alike_is_signed_once() {
    let room = Room::new(Kind::P256);
    let (registry, image) = seeded();
    let image = image.named(&["apps/first:1", "apps/second:1"]);
    image.seed(&registry);
    let config = room.config().set("format", "both");
    let run = || signer(&registry, &image, config.clone());
    room.generate(run()).succeeded();
    let asked = room.asked();
    // The statement of a bundle's signature alone does not name the repository.
    let further = |entry: &&BTreeMap<String, toml::Value>| entry.contains_key("further-images");
    assert_eq!(asked.len(), 2 + 1 + 4, "{asked:?}");
    assert_eq!(asked.iter().filter(further).count(), 1, "{asked:?}");
    room.answer_all(Kind::P256, |signature| signature);
    run().run().succeeded();
    elsewhere::verified(&registry, &image, &room.pem(), "both", None);
}

/// EVD-74
#[test]
fn after_publication_the_same_messages_are_written() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let run = || signer(&registry, &image, room.config());
    room.generate(run()).succeeded();
    let first = standing(&room.path("messages"));
    room.answer_all(Kind::P256, |signature| signature);
    run().run().succeeded();
    registry.forget_exchanges();
    room.generate(run())
        .succeeded()
        .says(&["3 hang there already"]);
    assert_eq!(standing(&room.path("messages")), first);
    assert!(registry.exchanges().puts().is_empty());
    // Another form needs one more signature, and takes the others from there.
    fs::remove_dir_all(room.path("messages")).unwrap();
    fs::remove_dir_all(room.path("answers")).unwrap();
    fs::create_dir(room.path("answers")).unwrap();
    let both = || signer(&registry, &image, room.config().set("format", "both"));
    room.generate(both())
        .succeeded()
        .says(&["3 hang there already"]);
    let asked = room.asked();
    assert_eq!(asked.len(), 4);
    let is_statement = |entry: &&BTreeMap<String, toml::Value>| {
        text(entry, "kind") == "signature" && text(entry, "file").ends_with(".pae")
    };
    let entry = asked.iter().find(is_statement).unwrap();
    room.answer(
        entry,
        &room.sign(Kind::P256, &room.message(entry), &["-sha256"]),
    );
    both().run().succeeded();
    elsewhere::verified(&registry, &image, &room.pem(), "both", None);
}

/// The bytes follow from the report and `cosign.toml`: not from the clock, nor
/// from who hangs there.
///
/// Another user may sign.
#[test]
fn everybody_may_read_the_messages() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let strict = ["sh", "-c", "umask 077 && exec \"$@\"", "sh"];
    let run = signer(&registry, &image, room.config()).within(&strict);
    room.generate(run).succeeded();
    for file in fs::read_dir(room.path("messages")).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o644, "{file:?}");
    }
}

/// EVD-74
#[test]
fn the_same_inputs_are_the_same_bytes_at_any_time() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let run = |epoch: &str| {
        signer(&registry, &image, room.config().set("format", "both"))
            .environment("SOURCE_DATE_EPOCH", epoch)
    };
    room.generate(run("0")).succeeded();
    let first = standing(&room.path("messages"));
    room.generate(run("1800000000")).succeeded();
    assert_eq!(standing(&room.path("messages")), first);
}

/// EVD-75
#[test]
fn a_certificate_names_the_key_as_well() {
    let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
    let (key, out) = ("private.pem", "leaf.pem");
    openssl(
        room.0.path(),
        &[
            "req",
            "-x509",
            "-new",
            "-key",
            key,
            "-out",
            out,
            "-subj",
            "/CN=a",
            "-addext",
            "extendedKeyUsage=codeSigning",
            "-addext",
            "subjectAltName=email:a@example.com",
        ],
    );
    let config = Config::none()
        .set("signatures", &room.path("answers").display().to_string())
        .set("certificate", &room.path(out).display().to_string());
    let run = || signer(&registry, &image, config.clone());
    room.generate(run()).succeeded();
    room.answer_all(Kind::P256, |signature| signature);
    run().run().succeeded();
    let is_missing = config.clone().set("certificate", "absent.pem");
    signer(&registry, &image, is_missing)
        .run()
        .ended_with(115)
        .says(&["cannot read the certificate of `configs[0]`", "absent.pem"]);
}
