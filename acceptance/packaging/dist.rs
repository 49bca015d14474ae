//! The release itself: `make release-check` makes it and runs these.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{KEY, check_sums, gunzip, signs_itself, tarball};
use crate::platforms::{elf, sandbox};
use crate::release::image::{ARCHITECTURES, Architecture};
use crate::release::layout::Layout;
use crate::release::pack;
use crate::support::cosign::BOTH;
use crate::support::images::Image as Recorded;
use crate::support::objects::attachment;
use crate::support::real::RealRegistry;
use crate::support::registry::Registry;
use crate::support::signer::Signer;
use crate::support::{package, testdata};

const LIMIT: u64 = 10_000_000;

fn folder() -> PathBuf {
    let folder = package("dist");
    assert!(folder.is_dir(), "`make release` makes {}", folder.display());
    folder
}

/// The program of a tarball, in a folder of its own.
fn program(architecture: Architecture) -> (tempfile::TempDir, PathBuf) {
    let unpacked = tempfile::tempdir().unwrap();
    let tar = gunzip(&fs::read(tarball(&folder(), architecture)).unwrap());
    tar::Archive::new(tar.as_slice())
        .unpack(unpacked.path())
        .unwrap();
    let program = unpacked.path().join("lifecycle/signer");
    (unpacked, program)
}

/// A program for arm64, run by an emulator.
fn emulated(program: &Path) -> PathBuf {
    let names = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"];
    let qemu = names.into_iter().find(|name| Path::new(name).is_file());
    let qemu = qemu.expect("qemu-user-static is not installed");
    let script = program.with_file_name("emulated");
    let text = format!("#!/bin/sh\nexec {qemu} {} \"$@\"\n", program.display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
#[ignore = "`make release-check` runs it"]
fn the_sums_are_right() {
    check_sums(&folder());
}

#[test]
#[ignore = "`make release-check` runs it"]
fn the_programs_are_small() {
    for architecture in ARCHITECTURES {
        let (_folder, path) = program(architecture);
        let length = fs::metadata(path).unwrap().len();
        eprintln!("{}: {length} bytes", architecture.oci());
        assert!(length <= LIMIT, "{architecture:?}: {length} bytes");
    }
}

#[test]
#[ignore = "`make release-check` runs it"]
fn the_programs_are_static_and_stripped_and_name_no_folder() {
    for (architecture, machine) in [(Architecture::Amd64, 62), (Architecture::Arm64, 183)] {
        let (_folder, path) = program(architecture);
        let bytes = fs::read(path).unwrap();
        assert_eq!(elf::machine(&bytes), machine);
        assert_eq!(elf::interpreter(&bytes), None);
        let sections = elf::sections(&bytes);
        assert!(!sections.contains(&".symtab".to_owned()), "{sections:?}");
        for trace in [env!("CARGO_MANIFEST_DIR"), env!("HOME")] {
            let found = bytes
                .windows(trace.len())
                .any(|window| window == trace.as_bytes());
            assert!(!found, "`{trace}` is in the program for {architecture:?}");
        }
    }
}

#[test]
#[ignore = "`make release-check` runs it"]
fn both_programs_say_their_version_and_sign() {
    let amd64 = program(Architecture::Amd64);
    let arm64 = program(Architecture::Arm64);
    for program in [amd64.1.clone(), emulated(&arm64.1)] {
        let registry = Registry::start();
        let image = Recorded::recorded("platform-api-0.15");
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).program(&program);
        let version = signer.run_bare(&["-version"]).succeeded().stdout;
        assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{version}");
        assert!(version.contains('+'), "no commit in `{version}`");
        signer
            .key(KEY)
            .key("rsa2048-imported-cosign3")
            .run()
            .succeeded();
        for (suffix, layers) in [("sig", 2), ("att", 18)] {
            let place = attachment(&registry, image.repository(), &image.attached(suffix));
            assert_eq!(place.unwrap().layers.len(), layers, "{suffix}");
        }
        for cosign in BOTH {
            let reference = image.reference(registry.host());
            cosign.verify(KEY, &reference, &[]).accepted();
        }
    }
}

#[test]
#[ignore = "`make release-check` runs it"]
fn the_image_is_signed_by_its_own_program() {
    let (_folder, program) = program(Architecture::Amd64);
    signs_itself(&folder(), &program);
}

#[test]
#[ignore = "`make release-check` runs it"]
fn make_publish_pushes_and_signs() {
    let registry = RealRegistry::distribution();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("cosign.toml");
    let keys = testdata("keys");
    let text = format!(
        "[[configs]]\nkey = '{0}/{KEY}.key'\npassword = '{0}/password'\n",
        keys.display()
    );
    fs::write(&settings, text).unwrap();
    let image = format!("{}/tools/signer", registry.host());
    let mut make = Command::new("make");
    make.current_dir(package(""))
        .args(["--no-print-directory", "publish"])
        .arg(format!("IMAGE={image}"))
        .arg(format!("COSIGN_CONFIG={}", settings.display()));
    sandbox::succeeded(make.output().unwrap());
    for tag in ["", "-linux-x86-64", "-linux-arm64"] {
        let image = format!("{image}:{}{tag}", env!("CARGO_PKG_VERSION"));
        for cosign in BOTH {
            cosign.verify(KEY, &image, &[]).accepted();
        }
    }
}

#[test]
#[ignore = "`make release-check` runs it"]
fn the_image_runs_with_a_read_only_root_as_another_user() {
    let (layout, _) = Layout::read(&folder().join(pack::IMAGE)).unwrap();
    let image = layout.images.into_iter().next().unwrap();
    let command = ["/cnb/signer".to_owned(), "-version".to_owned()];
    sandbox::succeeded(sandbox::Sandbox::of(&image).run(&command, &[]));
}

#[test]
#[ignore = "`make release-check` runs it"]
fn the_bills_list_the_locked_crates() {
    let lock: toml::Table = fs::read_to_string(package("Cargo.lock"))
        .unwrap()
        .parse()
        .unwrap();
    let packages = lock["package"].as_array().unwrap();
    let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let locked: BTreeMap<_, _> = packages
        .iter()
        .filter_map(|p| {
            Some((
                (text(&p["name"]), text(&p["version"])),
                text(p.get("checksum")?),
            ))
        })
        .collect();
    for architecture in ARCHITECTURES {
        let name = pack::name(env!("CARGO_PKG_VERSION"), architecture);
        let bill = fs::read(folder().join(format!("{name}.sbom.cdx.json"))).unwrap();
        let bill: Value = serde_json::from_slice(&bill).unwrap();
        let components = bill["components"].as_array().unwrap();
        assert!(components.len() > 100, "{}", components.len());
        for component in components {
            let text = |name: &str| component[name].as_str().unwrap().to_owned();
            let checksum = &locked[&(text("name"), text("version"))];
            assert_eq!(component["hashes"][0]["content"], **checksum);
        }
        let has = |name: &str| components.iter().any(|component| component["name"] == name);
        assert!(has("aws-lc-sys") && has("rustls") && !has("ring") && !has("axum"));
    }
}
