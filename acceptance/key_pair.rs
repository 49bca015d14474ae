//! `-generate-key-pair`: two files that both majors of cosign and the signer
//! read as cosign's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::registry::Registry;
use crate::support::signer::{Config, Outcome, Signer};

const PASSWORD: &str = "a password that nobody else has";
const WARNING: &str = "COSIGN_PASSWORD is not set: the new key has the empty password";

/// A folder of the user's; the paths of a pair in it.
struct Desk {
    folder: tempfile::TempDir,
    private: PathBuf,
    public: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [private, public] = ["mine.key", "mine.pub"].map(|name| folder.path().join(name));
        Self {
            folder,
            private,
            public,
        }
    }

    fn prefix(&self) -> String {
        self.folder.path().join("mine").display().to_string()
    }

    fn generate(&self, password: Option<&str>, flags: &[&str]) -> Outcome {
        let signer = Signer::with_report("").environment("HOME", "/nonexistent");
        let signer = match password {
            Some(password) => signer.environment("COSIGN_PASSWORD", password),
            None => signer,
        };
        let prefix = self.prefix();
        let arguments = [flags, &["-generate-key-pair", &prefix]].concat();
        signer.run_bare(&arguments)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

fn verifies(public: &Path, reference: &str) {
    for cosign in BOTH {
        let public = public.display().to_string();
        let arguments = ["verify", "--key", &public, "--insecure-ignore-tlog"];
        let arguments = [&arguments[..], &["--allow-insecure-registry", reference]].concat();
        cosign.run(&arguments, &[]).accepted();
    }
}

/// KEY-51, SIG-90, SIG-91
#[test]
fn cosign_and_the_signer_sign_with_a_new_key_and_both_majors_verify() {
    let desk = Desk::new();
    let made = desk.generate(Some(PASSWORD), &[]).succeeded();
    assert_eq!(made.warnings(), [""; 0]);
    let said = made.says(&["mine.key", "mine.pub", "sha256:"]);
    assert!(!said.stdout.contains(PASSWORD) && said.stderr.is_empty());
    let private = desk.private.display().to_string();
    let password = [("COSIGN_PASSWORD", PASSWORD)];
    for cosign in BOTH {
        let printed = cosign.run(&["public-key", "--key", &private], &password);
        let printed = printed.accepted();
        assert_eq!(printed.stdout, fs::read_to_string(&desk.public).unwrap());

        let registry = Registry::start();
        let image = Image::recorded("no-sbom-layer");
        image.seed(&registry);
        let reference = image.reference(registry.host());
        let mut arguments = vec!["sign", "--yes", "--key", &private, "--tlog-upload=false"];
        if cosign == Cosign::V3 {
            arguments.extend(["--use-signing-config=false", "--new-bundle-format=false"]);
        }
        arguments.extend(["--allow-insecure-registry", &reference]);
        cosign.run(&arguments, &password).accepted();
        verifies(&desk.public, &reference);
    }
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    Signer::of(&image, registry.host())
        .config(Config::key_file(&desk.private))
        .environment("COSIGN_PASSWORD", PASSWORD)
        .run()
        .succeeded();
    verifies(&desk.public, &image.reference(registry.host()));
}

/// SIG-91
#[test]
fn without_a_password_the_key_has_the_empty_one_and_that_is_said() {
    for (password, warnings) in [(None, 1), (Some(""), 0)] {
        let desk = Desk::new();
        let made = desk.generate(password, &[]).succeeded();
        assert_eq!(made.stdout.matches(WARNING).count(), warnings);
        assert_eq!(made.warnings().len(), warnings, "{}", made.stdout);
        let private = desk.private.display().to_string();
        let empty = [("COSIGN_PASSWORD", "")];
        let printed = Cosign::V3.run(&["public-key", "--key", &private], &empty);
        let public = fs::read_to_string(&desk.public).unwrap();
        assert_eq!(printed.accepted().stdout, public);
    }
}

/// KEY-52, SIG-92
#[test]
fn a_file_that_is_there_is_never_replaced() {
    for taken in ["mine.key", "mine.pub"] {
        let desk = Desk::new();
        let path = desk.folder.path().join(taken);
        fs::write(&path, "somebody's").unwrap();
        desk.generate(Some(PASSWORD), &[]).ended_with(3).says(&[
            taken,
            "is there already",
            "hint: no key is ever replaced",
        ]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
        assert_eq!(desk.names(), [taken]);
        fs::remove_file(&path).unwrap();
        let elsewhere = desk.folder.path().join("elsewhere");
        symlink(&elsewhere, &path).unwrap();
        desk.generate(Some(PASSWORD), &[]).ended_with(3);
        assert!(!elsewhere.exists());
        assert_eq!(desk.names(), [taken]);
    }
}

/// SIG-92
#[test]
fn a_pair_that_cannot_be_made_says_why() {
    let signer = || Signer::with_report("").environment("COSIGN_PASSWORD", PASSWORD);
    signer()
        .run_bare(&["-generate-key-pair", "/nonexistent/mine"])
        .ended_with(3)
        .says(&["cannot write `/nonexistent/mine.key`", "hint:"]);
    signer()
        .run_bare(&["-generate-key-pair", "/tmp/"])
        .ended_with(2);
    let desk = Desk::new();
    let long = "x".repeat(64 * 1024 + 1);
    desk.generate(Some(&long), &[])
        .ended_with(115)
        .says(&["cannot seal the key: the password has more than 65536 bytes"]);
    assert_eq!(desk.names(), [""; 0]);
}

/// KEY-52. On a file system with room for one file.
#[test]
fn a_private_key_does_not_stay_without_its_public_key() {
    if !is_here(Need::Mounts) {
        return;
    }
    let desk = Desk::new();
    let script = "mount -t tmpfs -o nr_inodes=2 none \"$0\" && { \"$@\"; code=$?; } && \
                  ls -A \"$0\" >&2 && touch \"$0/room\" && exit $code";
    let folder = desk.folder.path().display().to_string();
    let outcome = Signer::with_report("")
        .within(&["unshare", "--mount", "sh", "-c", script, &folder])
        .run_bare(&["-generate-key-pair", &desk.prefix()])
        .ended_with(3)
        .says(&["mine.pub", "No space left on device"]);
    assert_eq!(outcome.stderr, "");
}

/// KEY-52
#[test]
fn the_private_key_is_for_its_user_alone_whatever_the_mask() {
    let desk = Desk::new();
    Signer::with_report("")
        .within(&["sh", "-c", "umask 0 && exec \"$0\" \"$@\""])
        .run_bare(&["-generate-key-pair", &desk.prefix()])
        .succeeded();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&desk.private), 0o600);
    assert_eq!(mode(&desk.public), 0o644);
}

/// SIG-90
#[test]
fn a_run_and_a_new_key_are_two_commands() {
    let desk = Desk::new();
    desk.generate(None, &["-report", "report.toml"])
        .ended_with(3)
        .says(&["`-generate-key-pair` signs nothing", "hint: leave out"]);
    assert_eq!(desk.names(), [""; 0]);
    let json = desk.generate(None, &["-log-format", "json"]).succeeded();
    let lines = json.stdout.lines();
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["level"], "warn");
    assert!(
        lines[0]["hint"]
            .as_str()
            .unwrap()
            .contains("COSIGN_PASSWORD")
    );
    assert_eq!(lines[1]["level"], "info");
}
