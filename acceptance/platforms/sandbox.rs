//! A container without a container runtime: a root file system of its own that
//! nobody can write to, mounts, uid and gid 1000, no capabilities. Needs
//! util-linux and coreutils, and root or user namespaces.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;
use tempfile::TempDir;

use crate::release::image::Image;
use crate::support::signer::run_within;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Mounts, then becomes the user. `ro <outside> <inside>` and `rw …`, `--`, the
/// command.
const ENTER: &str = r#"set -eu
root=$1; user=$2; shift 2
chroot=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin; command -v chroot)
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    mount --bind "$2" "$root$3"
    [ "$1" = rw ] || mount -o remount,bind,ro "$root$3"
    shift 3
done
shift
mount -o remount,bind,ro "$root"
if [ "$user" = 1000 ]; then
    exec setpriv --no-new-privs "$chroot" --userspec=1000:1000 --groups= "$root" "$@"
fi
exec setpriv --no-new-privs "$chroot" "$root" "$@"
"#;

pub struct Sandbox {
    root: TempDir,
    mounts: Vec<Mount>,
}

struct Mount {
    access: &'static str,
    outside: PathBuf,
    inside: String,
}

impl Sandbox {
    fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        open(root.path());
        Self {
            root,
            mounts: Vec::new(),
        }
    }

    /// With the contents of an image.
    pub fn of(image: &Image) -> Self {
        let sandbox = Self::empty();
        let manifest: serde_json::Value = serde_json::from_slice(image.manifest.bytes()).unwrap();
        for layer in manifest["layers"].as_array().unwrap() {
            let is_layer = |digest: &str| layer["digest"] == *digest;
            let blob = image.blobs.iter();
            let blob = blob
                .into_iter()
                .find(|blob| is_layer(&blob.digest.to_string()));
            let mut tar = Vec::new();
            GzDecoder::new(blob.unwrap().bytes.as_slice())
                .read_to_end(&mut tar)
                .unwrap();
            tar::Archive::new(tar.as_slice())
                .unpack(sandbox.root.path())
                .unwrap();
        }
        let program = fs::read(sandbox.root.path().join("cnb/lifecycle/signer")).unwrap();
        match super::elf::interpreter(&program) {
            Some(_) => sandbox.with_host_libraries(),
            None => sandbox,
        }
    }

    /// With the programs of this machine, as a build image has them.
    pub fn build_image() -> Self {
        let sandbox = Self::empty().with_host_libraries();
        let sandbox = sandbox.host_folder("/usr").host_folder("/bin");
        // Debian's `awk` is a link that leads there.
        let folders = ["/etc/ssl", "/etc/alternatives"].into_iter();
        let folders = folders.filter(|folder| Path::new(folder).is_dir());
        folders.fold(sandbox, |sandbox, folder| {
            sandbox.mounted(Path::new(folder), folder)
        })
    }

    /// A test builds no static program: the one of Cargo needs its libraries.
    fn with_host_libraries(self) -> Self {
        let folders = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
        folders.into_iter().fold(self, Self::host_folder)
    }

    fn host_folder(self, path: &'static str) -> Self {
        let outside = Path::new(path);
        let inside = self.root.path().join(&path[1..]);
        if inside.symlink_metadata().is_ok() && path != "/usr" {
            return self;
        }
        match fs::read_link(outside) {
            Ok(target) => {
                fs::create_dir_all(inside.parent().unwrap()).unwrap();
                symlink(target, inside).unwrap();
                self
            }
            Err(_) if outside.is_dir() => self.mounted(outside, path),
            Err(_) => self,
        }
    }

    /// A folder that the user can read.
    pub fn mounted(self, outside: &Path, inside: &str) -> Self {
        self.mount("ro", outside, inside)
    }

    /// A folder that the user can write to.
    pub fn mounted_writable(self, outside: &Path, inside: &str) -> Self {
        fs::set_permissions(outside, fs::Permissions::from_mode(0o777)).unwrap();
        self.mount("rw", outside, inside)
    }

    fn mount(mut self, access: &'static str, outside: &Path, inside: &str) -> Self {
        let point = self.root.path().join(inside.trim_start_matches('/'));
        fs::create_dir_all(point).unwrap();
        self.mounts.push(Mount {
            access,
            outside: outside.to_owned(),
            inside: inside.to_owned(),
        });
        self
    }

    /// Runs a command to its end, with this environment only.
    pub fn run(&self, command: &[String], environment: &[(String, String)]) -> Output {
        let is_root = nix::unistd::Uid::effective().is_root();
        let mut unshare = Command::new("/usr/bin/unshare");
        match is_root {
            true => unshare.args(["--mount"]),
            false => unshare.args(["--user", "--map-current-user", "--keep-caps", "--mount"]),
        };
        unshare
            .args(["/bin/sh", "-c", ENTER, "enter"])
            .arg(self.root.path())
            .arg(if is_root { "1000" } else { "same" });
        for Mount {
            access,
            outside,
            inside,
        } in &self.mounts
        {
            unshare.arg(access).arg(outside).arg(inside);
        }
        unshare
            .arg("--")
            .args(command)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        run_within(unshare, TIMEOUT)
    }
}

/// The output of a command.
pub fn text(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// # Panics
/// If the command failed.
#[track_caller]
pub fn succeeded(output: Output) -> Output {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        text(&output)
    );
    output
}

/// Lets everybody read a folder and what it holds, as mounted secrets are.
pub fn open(folder: &Path) {
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(folder, mode(0o755)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => open(&path),
            false => fs::set_permissions(path, mode(0o644)).unwrap(),
        }
    }
}
