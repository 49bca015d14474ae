//! A token in software, by SoftHSM: PKCS#11 without hardware.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::pair::{Kind, Pair};
use crate::support::cosign::{Printed, run};

/// Where Debian, and others, have the module.
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// OpenSC's tool for tokens.
pub const OPENSC: &str = "/usr/bin/pkcs11-tool";

/// One initialised token, with files of its own.
pub struct SoftHsm(TempDir);

impl SoftHsm {
    pub const TOKEN: &'static str = "acceptance";
    pub const PIN: &'static str = "pin-of-acceptance";

    /// The module, if it is installed.
    pub fn module() -> Option<&'static Path> {
        let mut paths = MODULES.into_iter().map(Path::new);
        paths.find(|path| path.is_file())
    }

    pub fn new() -> Self {
        let hsm = Self(tempfile::tempdir().expect("a temporary folder"));
        let tokens = hsm.0.path().join("tokens");
        std::fs::create_dir(&tokens).expect("a folder of our own");
        let settings = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(hsm.settings(), settings).expect("a folder of our own");
        let label = ["--label", Self::TOKEN, "--so-pin", "pin-of-officer"];
        let arguments = ["--init-token", "--free", "--pin", Self::PIN];
        hsm.run("softhsm2-util", &[&arguments[..], &label].concat())
            .accepted();
        hsm
    }

    /// The file that `SOFTHSM2_CONF` names.
    pub fn settings(&self) -> PathBuf {
        self.0.path().join("softhsm2.conf")
    }

    /// Stores a key with an id (hex) and a label. Ed25519: the point is raw.
    pub fn import(&self, pair: &Pair, id: &str, label: &str) {
        let file = self.0.path().join(format!("{id}.pem"));
        std::fs::write(&file, pair.private()).expect("a folder of our own");
        let file = file.display().to_string();
        let arguments = [
            "--import",
            &file,
            "--token",
            Self::TOKEN,
            "--pin",
            Self::PIN,
        ];
        let names = ["--id", id, "--label", label];
        self.run("softhsm2-util", &[&arguments[..], &names].concat())
            .accepted();
    }

    /// Lets the token make a key. Ed25519: the point is an octet string.
    pub fn generate(&self, kind: Kind, id: &str, label: &str) {
        let kind = match kind {
            Kind::P256 => "EC:prime256v1",
            Kind::P384 => "EC:secp384r1",
            Kind::P521 => "EC:secp521r1",
            Kind::Rsa2048 => "rsa:2048",
            Kind::Ed25519 => "EC:edwards25519",
        };
        let arguments = ["--keypairgen", "--usage-sign", "--key-type", kind];
        self.tool(&[&arguments[..], &["--id", id, "--label", label]].concat())
            .accepted();
    }

    /// Runs OpenSC's tool on the token, logged in.
    pub fn tool(&self, arguments: &[&str]) -> Printed {
        let module = Self::module().expect("SoftHSM is installed");
        let module = module.display().to_string();
        let token = ["--module", &module, "--token-label", Self::TOKEN];
        let login = ["--login", "--pin", Self::PIN];
        self.run(OPENSC, &[&token[..], &login, arguments].concat())
    }

    /// The URI (RFC 7512) of the key with this id (hex), with the module's path
    /// and without a PIN.
    pub fn uri(&self, id: &str) -> String {
        let module = Self::module().expect("SoftHSM is installed");
        let digits: Vec<char> = id.chars().collect();
        let id = digits.chunks(2).map(|byte| byte.iter().collect());
        let id: String = id.map(|byte: String| format!("%{byte}")).collect();
        format!(
            "pkcs11:token={};id={id}?module-path={}",
            Self::TOKEN,
            module.display()
        )
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Printed {
        let settings = self.settings().display().to_string();
        run(
            Command::new(program),
            arguments,
            &[("SOFTHSM2_CONF", &settings)],
        )
    }
}
