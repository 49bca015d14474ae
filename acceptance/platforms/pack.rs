//! pack: its script, and a lifecycle with the signer in it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::sandbox::{succeeded, text};
use super::{KEY, verified, with_settings};
use crate::packaging::packed_tarball;
use crate::support::images::Image;
use crate::support::package;
use crate::support::registry::Registry;
use crate::support::signer::run_within;

/// A folder with a `pack` that pushes nothing, but leaves the exporter's report
/// where the real one would, as moby's `CopyTo` copies it out of the container
/// (pack v0.40.6, go-archive v0.2.0): pack says that the report is a folder, so it
/// becomes what does not exist, in a folder that has to.
pub struct Pack {
    folder: tempfile::TempDir,
}

impl Pack {
    pub fn reporting(report: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("exported.toml"), report).unwrap();
        let script = r#"#!/bin/sh
set -eu
echo "$@" > "$(dirname "$0")/arguments"
[ "$1" = build ]
while [ "$1" != --report-output-dir ]; do shift; done
to=${2%/}
if [ -d "$to" ]; then
    to=$to/report.toml
elif [ -e "$to" ]; then
    echo "cannot copy directory" >&2
    exit 1
fi
cp "$(dirname "$0")/exported.toml" "$to"
"#;
        let path = folder.path().join("pack");
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    pub fn arguments(&self) -> String {
        fs::read_to_string(self.folder.path().join("arguments")).unwrap()
    }

    pub fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.folder.path().display())
    }
}

/// A registry with an image, and the `pack` that built it.
pub fn built(name: &str) -> (Registry, Image, Pack) {
    let registry = Registry::start();
    let image = Image::recorded(name);
    image.seed(&registry);
    let pack = Pack::reporting(&image.report(registry.host()));
    (registry, image, pack)
}

#[test]
fn pack_s_script_signs_what_pack_pushed() {
    let (registry, image, pack) = built("platform-api-0.12");
    let inputs = tempfile::tempdir().unwrap();
    with_settings(inputs.path(), KEY);
    let mut script = Command::new("/bin/sh");
    script
        .arg(package("docs/platforms/pack/build-and-sign.sh"))
        .args(["registry.example/app:1", "--builder", "some/builder"])
        .env_clear()
        .env("PATH", pack.path())
        .env("HOME", inputs.path())
        .env("SIGNER", env!("CARGO_BIN_EXE_signer"))
        .env("CNB_COSIGN_CONFIG_PATH", inputs.path().join("cosign.toml"));
    succeeded(run_within(script, Duration::from_secs(60)));
    let arguments = pack.arguments();
    assert!(
        arguments.starts_with("build registry.example/app:1 --publish --report-output-dir /"),
        "{arguments}"
    );
    assert!(
        arguments.ends_with(" --builder some/builder\n"),
        "{arguments}"
    );
    verified(&image, registry.host(), KEY, &[]);
}

/// A tarball with a descriptor and empty phases.
fn lifecycle(folder: &Path, apis: &str) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir_all(source.join("lifecycle")).unwrap();
    let descriptor = format!(
        "[apis]\n[apis.buildpack]\n  deprecated = []\n  supported = [\"0.1\"]\n[apis.platform]\n  deprecated = []\n  \
         supported = [{apis}]\n[api]\n  platform = \"0.7\"\n[lifecycle]\n  version = \"0.21.17\"\n"
    );
    fs::write(source.join("lifecycle.toml"), descriptor).unwrap();
    for phase in ["analyzer", "exporter", "lifecycle"] {
        fs::write(source.join("lifecycle").join(phase), phase).unwrap();
    }
    let tarball = folder.join("lifecycle.tgz");
    let mut tar = Command::new("tar");
    tar.arg("-czf")
        .arg(&tarball)
        .arg("-C")
        .arg(&source)
        .args(["lifecycle.toml", "lifecycle"]);
    assert!(tar.status().unwrap().success());
    tarball
}

#[test]
fn the_signer_is_merged_into_a_lifecycle_s_tarball() {
    let folder = tempfile::tempdir().unwrap();
    let merged = folder.path().join("merged.tgz");
    let merge = |lifecycle: &Path| {
        let mut script = Command::new("/bin/sh");
        script.arg(package("docs/platforms/pack/merge-lifecycle.sh"));
        script.arg(lifecycle).arg(packed_tarball()).arg(&merged);
        run_within(script, Duration::from_secs(60))
    };
    let run = merge(&lifecycle(folder.path(), "\"0.7\", \"0.15\", \"0.16\""));
    assert!(
        !run.status.success() && text(&run).contains("speaks Platform API 0.16"),
        "{}",
        text(&run)
    );
    assert!(!merged.exists());
    succeeded(merge(&lifecycle(
        folder.path(),
        "\"0.7\", \"0.14\", \"0.15\"",
    )));
    let mut list = Command::new("tar");
    list.arg("-tzf").arg(&merged);
    let list = text(&succeeded(list.output().unwrap()));
    // The names that `pack builder create` takes: `^[^/]+/([^/]+)$`.
    for name in [
        "lifecycle.toml",
        "lifecycle/exporter",
        "lifecycle/signer",
        "lifecycle/signer.sbom.cdx.json",
    ] {
        assert!(list.lines().any(|line| line == name), "{name} in {list}");
    }
    let unpacked = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&merged).arg("-C").arg(unpacked.path());
    succeeded(tar.output().unwrap());
    let descriptor = fs::read_to_string(unpacked.path().join("lifecycle.toml")).unwrap();
    assert!(descriptor.contains("0.21.17"), "{descriptor}");
    let program = unpacked.path().join("lifecycle/signer");
    succeeded(Command::new(program).arg("-version").output().unwrap());
}
