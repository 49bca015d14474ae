//! Programs that sign: a script of each kind, with a key that openssl made.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::signer::Config;

/// A folder with programs, and with a private key that openssl made.
pub struct Programs {
    folder: TempDir,
}

/// Signs what comes on standard input, and counts how often it was asked.
pub const SIGN: &str = r#"cat > "$here/message.$$"
echo "$SIGNER_KIND $SIGNER_DIGEST $SIGNER_IMAGE" >> "$here/asked"
env >> "$here/environment"
sha256sum < "$here/message.$$" >> "$here/digests"
openssl dgst -sha256 -sign "$here/private.pem" "$here/message.$$""#;

/// Sigstore's protocol, for the key `team`.
pub const PLUGIN: &str = r#"printf '%s\n' "$2" >> "$here/questions"
case "$2" in
*'"methodName":"publicKey"'*)
    pem=$(base64 -w0 "$here/public.pub")
    echo "{\"publicKey\":{\"publicKeyPEM\":\"$pem\"}}" ;;
*'"methodName":"signMessage"'*)
    echo sign >> "$here/asked"
    signature=$(openssl dgst -sha256 -sign "$here/private.pem" | base64 -w0)
    echo "{\"signMessage\":{\"signature\":\"$signature\"}}" ;;
esac
echo "a word of the plugin" >&2
exit 1"#;

impl Programs {
    pub fn new() -> Self {
        let programs = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let openssl = |arguments: &[&str]| {
            let made = std::process::Command::new("openssl")
                .args(arguments)
                .current_dir(programs.folder.path())
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
        };
        let curve = "ec_paramgen_curve:P-256";
        openssl(&[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            curve,
            "-out",
            "private.pem",
        ]);
        openssl(&[
            "pkey",
            "-in",
            "private.pem",
            "-pubout",
            "-out",
            "public.pub",
        ]);
        openssl(&[
            "req",
            "-new",
            "-x509",
            "-key",
            "private.pem",
            "-subj",
            "/CN=x",
            "-out",
            "cert.pem",
        ]);
        programs
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a shell script; `$here` is the folder.
    pub fn script(&self, name: &str, script: &str) -> PathBuf {
        let path = self.path(name);
        let here = self.folder.path().display();
        std::fs::write(&path, format!("#!/bin/sh\nhere='{here}'\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn forget(&self) {
        for name in ["asked", "questions", "digests"] {
            let _ = std::fs::remove_file(self.path(name));
        }
    }

    pub fn search_path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.folder.path().display())
    }

    pub fn program(&self, script: &str) -> Config {
        let program = self.script("sign", script);
        let words = format!("[{:?}, \"--key\", \"prod\"]", program.display().to_string());
        Config::none()
            .set_raw("program", &words)
            .set("public-key", &self.path("public.pub").display().to_string())
    }

    /// Signatures by this key that are made elsewhere, in a folder beside it.
    pub fn folder(&self, name: &str) -> Config {
        Config::none()
            .set("signatures", &self.path(name).display().to_string())
            .set("public-key", &self.path("public.pub").display().to_string())
    }

    /// Signs the messages of a folder, as its index asks for it.
    pub fn answer(&self, messages: &Path, name: &str) {
        let answers = self.path(name);
        std::fs::create_dir(&answers).unwrap();
        let index = std::fs::read_to_string(messages.join("index.toml")).unwrap();
        let index: toml::Table = toml::from_str(&index).unwrap();
        for entry in index["sign"].as_array().unwrap() {
            let name = |key: &str| entry[key].as_str().unwrap();
            let signed = std::process::Command::new("openssl")
                .args(["dgst", "-sha256", "-sign"])
                .arg(self.path("private.pem"))
                .arg("-out")
                .arg(answers.join(name("signature")))
                .arg(messages.join(name("file")))
                .output()
                .unwrap();
            assert!(signed.status.success(), "{signed:?}");
        }
    }

    pub fn plugin(&self, script: &str) -> Config {
        self.script("sigstore-kms-test-1", script);
        Config::none().set("key", "test-1://team")
    }
}
