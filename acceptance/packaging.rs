//! The files that `make release` packs, tried on the program of the tests, and in `dist`
//! on the release itself.

mod dist;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use serde_json::Value;
use signer::cli::Environment;
use signer::oci::{Digest, Repository};

use crate::release::image::{ARCHITECTURES, Architecture, Image, Program, Release};
use crate::release::layout::Layout;
use crate::release::push::Pushed;
use crate::release::{changelog, descriptor, pack, push, sbom};
use crate::support::cosign::BOTH;
use crate::support::real::RealRegistry;
use crate::support::signer::Signer;
use crate::support::{package, runtime};

const TIME: u64 = 1_700_000_000;
const KEY: &str = "p256-n32768-cosign-header";
const BILL: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}"#;

pub fn release() -> Release {
    Release {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: "0123456789abcdef".to_owned(),
        time: TIME,
        roots: None,
    }
}

/// The program of the tests, without its symbols, which are most of it.
pub fn stripped() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signer");
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&file).arg(env!("CARGO_BIN_EXE_signer"));
        assert!(strip.status().unwrap().success());
        fs::read(file).unwrap()
    });
    &BYTES
}

/// For arm64 something else stands in.
pub fn programs() -> Vec<Program> {
    let program = |architecture| Program {
        architecture,
        bytes: match architecture {
            Architecture::Amd64 => stripped().to_owned(),
            Architecture::Arm64 => b"a program for arm64".to_vec(),
        },
        sbom: BILL.into(),
    };
    ARCHITECTURES.map(program).into()
}

/// A whole release, made once.
fn packed() -> &'static Path {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        pack::pack(&release(), &programs(), "notes\n", folder.path()).unwrap();
        folder
    });
    FOLDER.path()
}

/// The tarball of one architecture.
pub fn tarball(folder: &Path, architecture: Architecture) -> PathBuf {
    let name = pack::name(env!("CARGO_PKG_VERSION"), architecture);
    folder.join(format!("{name}.tgz"))
}

/// The tarball with the program of the tests.
pub fn packed_tarball() -> PathBuf {
    tarball(packed(), Architecture::Amd64)
}

/// The image with the program of the tests.
pub fn packed_image() -> Image {
    let (layout, _) = Layout::read(&packed().join(pack::IMAGE)).unwrap();
    layout.images.into_iter().next().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

/// Path, mode and size of each entry; the rest is the same for all.
fn entries(tar: &[u8]) -> Vec<(String, u32, u64)> {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mtime().unwrap(), TIME);
        assert_eq!(header.username(), Ok(Some("")));
        let path = entry.path().unwrap().display().to_string();
        (path, header.mode().unwrap(), entry.size())
    });
    entries.collect()
}

#[test]
fn two_releases_of_one_commit_are_the_same_bytes() {
    let again = tempfile::tempdir().unwrap();
    let mut programs = programs();
    programs[1].architecture = Architecture::Arm64;
    pack::pack(&release(), &programs, "notes\n", again.path()).unwrap();
    let sums = |folder: &Path| fs::read_to_string(folder.join(pack::SUMS)).unwrap();
    assert_eq!(sums(again.path()), sums(packed()));
    let later = Release {
        time: TIME + 1,
        ..release()
    };
    pack::pack(&later, &programs, "notes\n", again.path()).unwrap();
    assert_ne!(sums(again.path()), sums(packed()));
}

#[test]
fn the_sums_are_those_of_sha256sum_and_name_every_file() {
    check_sums(packed());
    let sums = fs::read_to_string(packed().join(pack::SUMS)).unwrap();
    for name in [
        "x86-64.tgz",
        "arm64.tgz",
        "arm64.sbom.cdx.json",
        "image/index.json",
        "RELEASE-NOTES.md",
    ] {
        assert!(sums.contains(name), "{name} in {sums}");
    }
}

fn check_sums(folder: &Path) {
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "--quiet", pack::SUMS]);
    assert!(check.current_dir(folder).status().unwrap().success());
}

#[test]
fn the_tarball_is_laid_out_like_the_lifecycle_s() {
    let tar = gunzip(&fs::read(packed_tarball()).unwrap());
    let descriptor = descriptor::lifecycle_toml(env!("CARGO_PKG_VERSION"));
    assert_eq!(
        entries(&tar),
        [
            ("lifecycle/".to_owned(), 0o755, 0),
            ("lifecycle.toml".to_owned(), 0o644, descriptor.len() as u64),
            (
                "lifecycle/signer".to_owned(),
                0o755,
                stripped().len() as u64
            ),
            (
                "lifecycle/signer.sbom.cdx.json".to_owned(),
                0o644,
                BILL.len() as u64
            ),
        ]
    );
}

#[test]
fn the_descriptor_names_what_the_program_accepts() {
    let text = descriptor::lifecycle_toml("1.2.3");
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["lifecycle"]["version"].as_str(), Some("1.2.3"));
    let platform = table["apis"]["platform"].as_table().unwrap();
    assert_eq!(platform["deprecated"].as_array().unwrap().len(), 0);
    let supported = platform["supported"].as_array().unwrap();
    let supported: Vec<_> = supported.iter().map(|api| api.as_str().unwrap()).collect();
    for minor in 0..30 {
        let api = format!("0.{minor}");
        let run = Signer::with_report("").environment("CNB_PLATFORM_API", &api);
        let code = if supported.contains(&&*api) { 0 } else { 11 };
        run.run_bare(&["-version"]).ended_with(code);
    }
    assert_eq!((supported[0], *supported.last().unwrap()), ("0.7", "0.15"));
}

#[test]
fn the_image_is_small_unprivileged_and_says_what_it_is() {
    let image = packed_image();
    let manifest: Value = serde_json::from_slice(image.manifest.bytes()).unwrap();
    let blob = |descriptor: &Value| {
        let is_it = |digest: &Digest| descriptor["digest"] == *digest.to_string();
        let blob = image.blobs.iter().find(|blob| is_it(&blob.digest)).unwrap();
        assert_eq!(descriptor["size"], blob.bytes.len());
        &blob.bytes
    };
    let config: Value = serde_json::from_slice(blob(&manifest["config"])).unwrap();
    assert_eq!(config["os"], "linux");
    assert_eq!(config["architecture"], "amd64");
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(config["config"]["User"], "1000:1000");
    assert_eq!(config["config"]["Entrypoint"][0], "/cnb/lifecycle/signer");
    let labels = &config["config"]["Labels"];
    assert_eq!(
        labels["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        labels["org.opencontainers.image.revision"],
        "0123456789abcdef"
    );
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    let layers = manifest["layers"].as_array().unwrap();
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    assert_eq!((layers.len(), diff_ids.len()), (2, 2));
    let mut paths = Vec::new();
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let tar = gunzip(blob(layer));
        assert_eq!(*diff_id, Digest::of(&tar).to_string());
        paths.extend(entries(&tar).into_iter().map(|(path, _, _)| path));
    }
    assert!(
        paths.contains(&"cnb/lifecycle/signer".to_owned()),
        "{paths:?}"
    );
    assert!(paths.contains(&"cnb/signer".to_owned()), "{paths:?}");
    assert!(!paths.iter().any(|path| path.contains("ssl")), "{paths:?}");
}

#[test]
fn roots_are_in_the_image_only_if_asked_for() {
    let release = Release {
        roots: Some(b"certificates".to_vec()),
        ..release()
    };
    let program = Program {
        bytes: b"program".to_vec(),
        ..programs().remove(0)
    };
    let image = release.image(&program).unwrap();
    let tar = gunzip(&image.blobs.last().unwrap().bytes);
    let last = entries(&tar).pop().unwrap();
    assert_eq!(last.0, "etc/ssl/certs/ca-certificates.crt");
}

#[test]
fn a_damaged_layout_is_not_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let release = release();
    let program = Program {
        bytes: b"program".to_vec(),
        ..programs().remove(0)
    };
    let images = vec![release.image(&program).unwrap()];
    let index = release.index(&images);
    let layout = Layout { index, images };
    layout.write(folder.path(), "1.0.0").unwrap();
    let (again, version) = Layout::read(folder.path()).unwrap();
    assert_eq!(version, "1.0.0");
    assert_eq!(again.index.digest(), layout.index.digest());
    let blob = &layout.images[0].blobs[1].digest;
    let path = folder.path().join("blobs/sha256").join(blob.hex());
    fs::write(path, "something else").unwrap();
    let error = Layout::read(folder.path()).err().unwrap().to_string();
    assert!(error.contains("is damaged"), "{error}");
}

/// Pushes a release's image to a registry of its own.
pub fn pushed(folder: &Path, registry: &RealRegistry) -> (Repository, Vec<Pushed>) {
    let (layout, version) = Layout::read(&folder.join(pack::IMAGE)).unwrap();
    let repository: Repository = format!("{}/tools/signer", registry.host()).parse().unwrap();
    let environment = Environment::collect(&|_| None);
    let registries = push::registries(&environment, &repository).unwrap();
    let pushing = push::push(&registries, &layout, &repository, &version);
    (repository.clone(), runtime().block_on(pushing).unwrap())
}

/// The image of a release, pushed, signed by `program`, verified by cosign.
fn signs_itself(folder: &Path, program: &Path) {
    let registry = RealRegistry::distribution();
    let (repository, pushed) = pushed(folder, &registry);
    let version = env!("CARGO_PKG_VERSION");
    let tags: Vec<_> = pushed.iter().map(|pushed| pushed.tag.clone()).collect();
    assert_eq!(
        tags,
        [
            format!("{version}-linux-x86-64"),
            format!("{version}-linux-arm64"),
            version.to_owned()
        ]
    );
    for image in &pushed {
        let signer = Signer::with_report(&image.report(&repository)).program(program);
        signer
            .key(KEY)
            .annotation("version", version)
            .run()
            .succeeded();
    }
    for cosign in BOTH {
        let annotations = [("version", version)];
        for image in &pushed {
            let by_tag = format!("{repository}:{}", image.tag);
            let by_digest = format!("{repository}@{}", image.digest);
            cosign.verify(KEY, &by_tag, &annotations).accepted();
            cosign.verify(KEY, &by_digest, &annotations).accepted();
            cosign.verify("p256-cosign3", &by_digest, &[]).refused();
            let bill = cosign.verify_attestation(KEY, "cyclonedx", &by_digest);
            match image.tag.contains("linux") {
                true => bill.accepted(),
                // An index carries no bill of its own.
                false => bill.refused(),
            };
        }
    }
    // A second push changes nothing that was signed.
    let (_, again) = self::pushed(folder, &registry);
    let digests = |pushed: &[Pushed]| pushed.iter().map(|p| p.digest.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&again), digests(&pushed));
}

#[test]
fn the_image_is_signed_by_the_signer_and_verified_by_cosign() {
    signs_itself(packed(), Path::new(env!("CARGO_BIN_EXE_signer")));
}

#[test]
fn the_notes_are_the_version_s_section() {
    let text = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.1.0] - 2026-02-03\n\n### Added\n\n- This.\n\n## [1.0.0]\n\n- old\n";
    assert_eq!(
        changelog::notes(text, "1.1.0").unwrap(),
        "### Added\n\n- This.\n"
    );
    let refused = |version: &str| changelog::notes(text, version).unwrap_err().to_string();
    assert!(refused("1.2.0").contains("has no section `## [1.2.0] - <date>`"));
    assert!(refused("1.1").contains("has no section"));
    assert!(refused("1.0.0").contains("lacks its date"));
    let empty = changelog::notes(
        "## [1.0.0] - 2026-01-01\n\n## [0.9.0] - 2025-01-01\n",
        "1.0.0",
    );
    assert!(empty.unwrap_err().to_string().contains("says nothing"));
    let version = env!("CARGO_PKG_VERSION");
    let ours = fs::read_to_string(package("CHANGELOG.md")).unwrap();
    assert!(
        changelog::notes(&ours, version)
            .unwrap()
            .contains("signs every repository")
    );
}

#[test]
fn the_bill_lists_what_is_linked_and_nothing_of_the_machine() {
    let component = |name: &str| serde_json::json!({ "bom-ref": format!("registry+x#{name}@1.0.0"), "name": name, "version": "1.0.0" });
    let bill = serde_json::json!({
        "metadata": { "component": {
            "bom-ref": "path+file:///home/me/signer#signer@0.1.0",
            "purl": "pkg:cargo/signer@0.1.0?download_url=file://.#src/main.rs" } },
        "components": [component("used"), component("unused")],
        "dependencies": [
            { "ref": "path+file:///home/me/signer#signer@0.1.0",
              "dependsOn": ["registry+x#used@1.0.0", "registry+x#unused@1.0.0"] },
            { "ref": "registry+x#unused@1.0.0" },
        ],
    });
    let bill = bill.to_string().into_bytes();
    let tree = "signer v0.1.0 (/home/me/signer)\nused v1.0.0\nused v1.0.0 (*)\n";
    let linked = sbom::linked(tree);
    let written = sbom::bill(&bill, &linked).unwrap();
    assert_eq!(written, sbom::bill(&bill, &linked).unwrap());
    let json: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(json["components"], serde_json::json!([component("used")]));
    assert_eq!(
        json["dependencies"],
        serde_json::json!([{ "ref": "pkg:cargo/signer@0.1.0", "dependsOn": ["registry+x#used@1.0.0"] }])
    );
    assert!(
        json["serialNumber"]
            .as_str()
            .unwrap()
            .starts_with("urn:uuid:")
    );
    let more = sbom::linked(&format!("{tree}absent v2.0.0\n"));
    let error = sbom::bill(&bill, &more).unwrap_err().to_string();
    assert!(error.contains("absent@2.0.0"), "{error}");
}

#[test]
fn make_installs_the_program_and_its_manual() {
    let folder = tempfile::tempdir().unwrap();
    let mut make = Command::new("make");
    make.current_dir(package(""))
        .args(["--no-print-directory", "install", "PREFIX=/opt/cnb"])
        .arg(format!("DESTDIR={}", folder.path().display()))
        .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_signer")));
    assert!(make.output().unwrap().status.success());
    let installed = folder.path().join("opt/cnb");
    let signer = Signer::with_report("").program(&installed.join("bin/signer"));
    signer.run_bare(&["-version"]).succeeded();
    let manual = fs::read(installed.join("share/man/man1/signer.1")).unwrap();
    assert_eq!(manual, fs::read(package("docs/signer.1")).unwrap());
}
