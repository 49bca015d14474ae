//! Keys and passwords: whatever cosign makes signs, and both majors verify it;
//! whatever it refuses ends with 115 and changes nothing.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cosign::{BOTH, public_key};
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::objects::attachment;
use crate::support::registry::Registry;
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;

const KEYS: [&str; 11] = [
    "p256-cosign2",
    "p256-cosign3",
    "p256-cosign3-empty-password",
    "p256-imported-cosign3",
    "p256-n131072-sigstore-header",
    "p256-n32768-cosign-header",
    "p384-imported-cosign3",
    "p521-imported-cosign3",
    "ed25519-imported-cosign3",
    "rsa2048-imported-cosign3",
    "rsa3072-imported-cosign3",
];

fn image() -> (Registry, Image) {
    let registry = Registry::start();
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    (registry, image)
}

/// Signs with one config.
fn sign(config: Config, prepare: impl Fn(Signer) -> Signer) -> Outcome {
    let (registry, image) = image();
    let run = prepare(Signer::of(&image, registry.host()).config(config)).run();
    let signed = registry
        .manifest(image.repository(), &image.attached("sig"))
        .is_some();
    assert_eq!(signed, run.code == Some(0), "{}", run.stdout);
    if !signed {
        registry.stored_nothing();
        assert_eq!(registry.open_uploads(), 0);
    }
    run
}

fn password() -> String {
    std::fs::read_to_string(testdata("keys/password")).unwrap()
}

/// A file in a folder that lives as long as the test's process.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn with_password_file(path: &Path) -> Config {
    Config::key("p256-cosign3").set("password", path.to_str().unwrap())
}

/// KEY-30, KEY-31, KEY-32
#[test]
fn every_key_that_cosign_makes_signs_and_both_majors_verify() {
    let (registry, image) = image();
    let all = KEYS.into_iter().chain(["rsa4096-imported-cosign3"]);
    let signer = all
        .clone()
        .fold(Signer::of(&image, registry.host()), Signer::key);
    signer.annotation("env", "prod").run().succeeded();
    let signatures = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
    // Three of the files hold the same key; its signature hangs there once.
    let distinct: BTreeSet<_> = all
        .clone()
        .map(|key| std::fs::read(public_key(key)).unwrap())
        .collect();
    assert_eq!(signatures.layers.len(), distinct.len());
    for key in all {
        for cosign in BOTH {
            cosign
                .verify(key, &image.reference(registry.host()), &[("env", "prod")])
                .accepted();
        }
    }
}

/// KEY-5, KEY-6, KEY-20, KEY-21
#[test]
fn case_59_keys_that_cosign_refuses_are_refused() {
    for (key, text) in [
        ("n16384", "scrypt"),
        ("r16", "scrypt"),
        ("kdf-argon2", "kdf"),
        ("cipher-aes", "cipher"),
        ("secp256k1", "curve"),
        ("rsa1024", "1024"),
    ] {
        let config = Config::key(&format!("refused/{key}"));
        let run = sign(config, |signer| signer).ended_with(115);
        assert!(
            run.stdout.to_lowercase().contains(text),
            "{key}: {}",
            run.stdout
        );
        run.says(&["configs[0]", &format!("{key}.key")]);
    }
}

#[test]
fn a_key_of_another_tool_names_the_command_that_imports_it() {
    if !is_here(Need::OpenSsl) {
        return;
    }
    let pkcs8 = [
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ];
    let sec1 = ["ecparam", "-name", "prime256v1", "-genkey", "-noout"];
    let pbes2 = [
        "genpkey",
        "-algorithm",
        "ED25519",
        "-aes256",
        "-pass",
        "pass:x",
    ];
    for arguments in [&pkcs8[..], &sec1, &pbes2] {
        let made = Command::new("openssl").args(arguments).output().unwrap();
        assert!(made.status.success(), "{arguments:?}");
        let path = file("foreign.key", &made.stdout);
        sign(Config::key_file(&path), |signer| signer)
            .ended_with(115)
            .says(&["hint:", "cosign import-key-pair"]);
    }
}

#[test]
fn case_59_a_broken_key_file_is_not_taken_for_a_wrong_password() {
    let key = std::fs::read(testdata("keys/p256-cosign3.key")).unwrap();
    let public = std::fs::read(testdata("keys/p256-cosign3.pub")).unwrap();
    for bytes in [&key[..300], b"", b"nonsense", &public] {
        let config = Config::key_file(&file("broken.key", bytes))
            .set("password", testdata("keys/password").to_str().unwrap());
        sign(config, |signer| signer)
            .ended_with(115)
            .does_not_say(&["wrong password"]);
    }
}

#[test]
fn case_59_a_wrong_password_is_named_as_such() {
    let config = with_password_file(&file("password", b"wrong"));
    sign(config, |signer| signer)
        .ended_with(115)
        .says(&["password", "configs[0]"]);
}

/// SIG-13
#[test]
fn case_59_one_newline_after_the_password_is_forgiven() {
    for (end, code) in [("\n", 0), ("\r\n", 0), ("\n\n", 115), (" ", 115)] {
        let text = format!("{}{end}", password());
        let config = with_password_file(&file("password", text.as_bytes()));
        sign(config, |signer| signer).ended_with(code);
    }
}

/// SIG-14
#[test]
fn case_60_an_unreadable_password_file_is_never_the_empty_password() {
    let folder = tempfile::tempdir().unwrap();
    let big = file("password", &vec![b'x'; 64 * 1024 + 1]);
    let config = |path: &Path| {
        let path = path.to_str().unwrap();
        Config::key("p256-cosign3-empty-password").set("password", path)
    };
    for path in [folder.path(), &big] {
        sign(config(path), |signer| signer)
            .ended_with(115)
            .says(&[path.to_str().unwrap()]);
    }
    // It may be the password itself.
    sign(config(Path::new("/nonexistent/password")), |signer| signer)
        .ended_with(115)
        .says(&["the `password` of `configs[0]` is the path of no file"])
        .does_not_say(&["/nonexistent"]);
}

/// Copies of a key and its password with these modes; says who the warnings are
/// about.
fn warned(key: u32, password: u32, prepare: impl Fn(Signer) -> Signer) -> Vec<&'static str> {
    let config = Config::key_file(Path::new("mine.key")).set("password", "mine.password");
    let run = sign(config, |signer| {
        for (from, name, mode) in [
            ("keys/p256-cosign3.key", "mine.key", key),
            ("keys/password", "mine.password", password),
        ] {
            let path = signer.folder().join(name);
            std::fs::copy(testdata(from), &path).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        prepare(signer)
    });
    let run = run.succeeded();
    let warns = |role: &&str| run.stdout.contains(&format!("The {role} `"));
    ["key", "password"].into_iter().filter(warns).collect()
}

/// Only what its user can change.
#[test]
fn a_key_or_password_that_every_user_can_read_is_warned_of() {
    let warned = |key, password| warned(key, password, |signer| signer);
    let nobody: [&str; 0] = [];
    assert_eq!(warned(0o600, 0o600), nobody);
    // As Kubernetes mounts secrets for a group.
    assert_eq!(warned(0o440, 0o440), nobody);
    assert_eq!(warned(0o644, 0o600), ["key"]);
    assert_eq!(warned(0o600, 0o604), ["password"]);
}

#[test]
fn a_password_file_of_several_keys_is_warned_of_once() {
    let (registry, image) = image();
    let path = file("shared", password().as_bytes());
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let keys = ["p256-cosign3", "ed25519-imported-cosign3"].map(|key| {
        let config = Config::key_file(&testdata(&format!("keys/{key}.key")));
        config.set("password", path.to_str().unwrap())
    });
    let signer = Signer::of(&image, registry.host());
    let run = keys.into_iter().fold(signer, Signer::config).run();
    let warnings = run.succeeded().stdout.matches("The password `").count();
    assert_eq!(warnings, 1);
}

/// As Kubernetes mounts secrets: on a file system that is read-only, or of
/// another user.
#[test]
fn nobody_is_warned_of_a_mode_that_cannot_be_changed() {
    let nobody: [&str; 0] = [];
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let read_only = |signer: Signer| {
        let folder = signer.folder().to_str().unwrap().to_owned();
        signer.within(&["unshare", "-rm", "sh", "-c", script, &folder])
    };
    assert_eq!(warned(0o644, 0o644, read_only), nobody);
    let of_another = |signer: Signer| {
        for name in ["mine.key", "mine.password"] {
            chown(signer.folder().join(name), Some(1), None).unwrap();
        }
        signer
    };
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(warned(0o644, 0o644, of_another), nobody);
    }
}

/// SIG-14
#[test]
fn an_unreadable_key_file_ends_with_115() {
    let folder = tempfile::tempdir().unwrap();
    let big = file("big.key", &vec![b'x'; 64 * 1024 + 1]);
    for path in [
        Path::new("/nonexistent/cosign.key"),
        folder.path(),
        &big,
        Path::new("/dev/zero"),
    ] {
        sign(Config::key_file(path), |signer| signer)
            .ended_with(115)
            .says(&[path.to_str().unwrap()]);
    }
}

/// SIG-12
#[test]
fn without_a_password_file_the_environment_counts_then_the_empty_password() {
    let key = || Config::key_file(&testdata("keys/p256-cosign3.key"));
    let empty = || Config::key_file(&testdata("keys/p256-cosign3-empty-password.key"));
    sign(key(), |signer| {
        signer.environment("COSIGN_PASSWORD", &password())
    })
    .succeeded();
    sign(empty(), |signer| signer).succeeded();
    sign(empty(), |signer| signer.environment("COSIGN_PASSWORD", "")).succeeded();
    sign(key(), |signer| {
        signer.environment("COSIGN_PASSWORD", "wrong")
    })
    .ended_with(115);
    // The error says which password was tried.
    sign(key(), |signer| signer)
        .ended_with(115)
        .says(&["COSIGN_PASSWORD"]);
}

/// SIG-12
#[test]
fn a_password_file_wins_over_the_environment() {
    sign(Config::key("p256-cosign3"), |signer| {
        signer.environment("COSIGN_PASSWORD", "wrong")
    })
    .succeeded();
}

/// SIG-7, CFG-7
#[test]
fn case_63_paths_in_cosign_toml_start_at_its_folder() {
    let config = Config::key_file(Path::new("keys/mine.key")).set("password", "keys/mine.password");
    sign(config, |signer| {
        let keys = signer.folder().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::copy(testdata("keys/p256-cosign3.key"), keys.join("mine.key")).unwrap();
        std::fs::copy(testdata("keys/password"), keys.join("mine.password")).unwrap();
        signer
    })
    .succeeded();
}

/// SIG-32, WIRE-1
#[test]
fn case_61_one_bad_key_of_three_keeps_the_other_two_from_signing() {
    let wrong = with_password_file(&file("password", b"wrong"));
    sign(Config::key("p256-cosign2"), |signer| {
        signer.key("ed25519-imported-cosign3").config(wrong.clone())
    })
    .ended_with(115)
    .says(&["configs[2]"]);
}

/// Two images, each signed and attested, and two configs: one derivation.
#[test]
fn a_key_is_unlocked_once_however_much_it_signs() {
    let registry = Registry::start();
    let image = Image::recorded("two-repositories");
    image.seed(&registry);
    let elsewhere = format!("{}/signatures", registry.host());
    let run = Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .config(Config::key("p256-cosign3").set("repository", &elsewhere))
        .run()
        .succeeded();
    let places = registry.exchanges().of("PUT", "/manifests/").len();
    assert!(places > 2, "{:?}", registry.exchanges());
    let unlocked = run.stdout.matches("Unlocked key").count();
    assert_eq!(unlocked, 1, "{}", run.stdout);
}
