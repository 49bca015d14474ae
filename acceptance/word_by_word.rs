//! README.md and docs/install.md, followed word by word.

use std::fs;
use std::os::unix::fs::symlink;

use crate::docs::{fenced, run};
use crate::packaging::{packed_tarball, pushed};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::real::RealRegistry;
use crate::support::signer::Signer;
use crate::support::{package, testdata, tool};

const KEY: &str = "p256-n32768-cosign-header";
const PASSWORD: &str = "a password of the reader's";

/// The scripts of a document in fences of one kind.
fn scripts(document: &str, kind: &str) -> Vec<String> {
    let text = fs::read_to_string(package(document)).unwrap();
    let blocks = fenced(&text)
        .into_iter()
        .filter(|(known, _)| *known == kind);
    let scripts: Vec<_> = blocks.map(|(_, script)| script).collect();
    assert!(!scripts.is_empty(), "{document} has no `{kind}`");
    scripts
}

/// A folder of the reader's, with a cosign and the signer on its `PATH`.
fn desk(cosign: Cosign) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    symlink(tool(cosign.path()), programs.join("cosign")).unwrap();
    symlink(env!("CARGO_BIN_EXE_signer"), programs.join("signer")).unwrap();
    folder
}

#[test]
fn a_reader_of_the_readme_signs_and_verifies_an_image() {
    let registry = RealRegistry::distribution();
    for (cosign, name) in BOTH.into_iter().zip(["apps/first:1", "apps/second:1"]) {
        let image = Image::recorded("one-document").named(&[name]);
        image.push(registry.remote());
        let reference = format!("{}/{name}", registry.host());
        let digest = image.digest().to_string();
        let variables = [
            ("COSIGN_PASSWORD", PASSWORD),
            ("IMAGE", &reference),
            ("DIGEST", &digest),
        ];
        let folder = desk(cosign);
        for script in scripts("README.md", "sh") {
            let (success, text) = run(&script, folder.path(), &variables);
            assert!(success, "{cosign:?}: {text}");
            assert!(text.contains(&digest), "{text}");
        }
    }
}

/// The reader has taken the digest of another image.
#[test]
fn a_reader_of_the_readme_who_mistakes_the_digest_is_told_so() {
    let registry = RealRegistry::distribution();
    let image = Image::recorded("one-document").named(&["apps/mistaken:1"]);
    image.push(registry.remote());
    let reference = format!("{}/apps/mistaken:1", registry.host());
    let wrong = format!("sha256:{}", "0".repeat(64));
    let variables = [
        ("COSIGN_PASSWORD", PASSWORD),
        ("IMAGE", &reference),
        ("DIGEST", &wrong),
    ];
    let script = scripts("README.md", "sh").remove(0);
    let (success, text) = run(&script, desk(Cosign::V3).path(), &variables);
    assert!(!success);
    let told = format!(
        "the registry has no image `{}/apps/mistaken@{wrong}`",
        registry.host()
    );
    assert!(text.contains(&told), "{text}");
    // cosign was not reached.
    assert!(!text.contains("cosign claims were validated"), "{text}");
}

/// A release as it is published: signed sums, and the public key from elsewhere.
fn released(cosign: Cosign) -> tempfile::TempDir {
    let folder = desk(cosign);
    let tarball = packed_tarball();
    let release = tarball.parent().unwrap();
    for name in ["SHA256SUMS", tarball.file_name().unwrap().to_str().unwrap()] {
        fs::copy(release.join(name), folder.path().join(name)).unwrap();
    }
    for (end, name) in [("key", "cosign.key"), ("pub", "signer.pub")] {
        let file = testdata("keys").join(format!("{KEY}.{end}"));
        fs::copy(file, folder.path().join(name)).unwrap();
    }
    let password = fs::read_to_string(testdata("keys/password")).unwrap();
    for script in scripts("docs/releasing.md", "sh") {
        let (success, text) = run(&script, folder.path(), &[("COSIGN_PASSWORD", &password)]);
        assert!(success, "{cosign:?}: {text}");
    }
    folder
}

#[test]
fn a_tarball_is_verified_and_installed_as_the_document_says() {
    for cosign in BOTH {
        let folder = released(cosign);
        for name in ["Makefile", "docs"] {
            symlink(package(name), folder.path().join(name)).unwrap();
        }
        let root = folder.path().join("root").display().to_string();
        let variables = [("VERSION", env!("CARGO_PKG_VERSION")), ("DESTDIR", &root)];
        for script in [
            scripts("docs/install.md", "sh tarball"),
            scripts("docs/install.md", "sh install"),
        ]
        .concat()
        {
            let (success, text) = run(&script, folder.path(), &variables);
            assert!(success, "{cosign:?}: {script}\n{text}");
        }
        for installed in ["bin/signer", "share/man/man1/signer.1"] {
            let path = folder.path().join("root/usr/local").join(installed);
            assert!(path.is_file(), "{installed}");
        }
    }
}

#[test]
fn sums_that_somebody_has_changed_are_refused() {
    let folder = released(Cosign::V3);
    let sums = folder.path().join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, format!("{text}{}  more\n", "0".repeat(64))).unwrap();
    let variables = [("VERSION", env!("CARGO_PKG_VERSION"))];
    for script in scripts("docs/install.md", "sh tarball") {
        let (success, text) = run(&script, folder.path(), &variables);
        assert!(!success, "{script}\n{text}");
    }
}

#[test]
fn the_image_is_verified_as_the_document_says() {
    let registry = RealRegistry::distribution();
    let (repository, pushed) = pushed(packed_tarball().parent().unwrap(), &registry);
    for image in &pushed {
        let signer = Signer::with_report(&image.report(&repository));
        signer.key(KEY).run().succeeded();
    }
    let image = format!("{repository}:{}", env!("CARGO_PKG_VERSION"));
    for cosign in BOTH {
        let folder = desk(cosign);
        let key = testdata("keys").join(format!("{KEY}.pub"));
        fs::copy(key, folder.path().join("signer.pub")).unwrap();
        for script in scripts("docs/install.md", "sh image") {
            let (success, text) = run(&script, folder.path(), &[("IMAGE", &image)]);
            assert!(success, "{cosign:?}: {script}\n{text}");
        }
    }
}

/// The one who signs has openssl, and nothing of the signer.
#[test]
fn a_reader_signs_elsewhere_between_two_runs() {
    let registry = RealRegistry::distribution();
    for (cosign, name) in BOTH.into_iter().zip(["apps/third:1", "apps/fourth:1"]) {
        let image = Image::recorded("one-document").named(&[name]);
        image.push(registry.remote());
        let reference = format!("{}/{name}", registry.host());
        let digest = image.digest().to_string();
        let folder = desk(cosign);
        let variables = [("IMAGE", &*reference), ("DIGEST", &*digest)];
        for script in scripts("docs/signed-elsewhere.md", "sh") {
            let (success, text) = run(&script, folder.path(), &variables);
            assert!(success, "{cosign:?}: {script}\n{text}");
        }
        let key = folder.path().join("release.pub").display().to_string();
        cosign
            .verify_hash("verify", &key, None, "both", &reference)
            .accepted();
    }
}
