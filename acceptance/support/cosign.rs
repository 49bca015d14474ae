//! The real cosign, as a user without network runs it: keys only, no
//! transparency log, registries on loopback.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::TempDir;

use super::signer::{NO_METADATA, run_within};
use super::{package, testdata, tool};

const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cosign {
    /// Knows tags only, and nothing of bundles.
    V2_4,
    V2,
    V3,
    /// Built by `make witnesses` alone, since it takes long: the first that reads
    /// chains in bundles.
    V3_1_3,
}

/// Both majors, newest release each.
pub const BOTH: [Cosign; 2] = [Cosign::V2, Cosign::V3];

/// The output of cosign, after it ended.
#[derive(Debug)]
pub struct Printed {
    command: String,
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Printed {
    /// # Panics
    /// If cosign failed.
    #[track_caller]
    pub fn accepted(self) -> Self {
        assert!(
            self.success,
            "{}\n{}\n{}",
            self.command, self.stdout, self.stderr
        );
        self
    }

    /// # Panics
    /// If cosign succeeded.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!(
            !self.success,
            "{}\n{}\n{}",
            self.command, self.stdout, self.stderr
        );
        self
    }
}

impl Cosign {
    /// The program, below `.tools`.
    pub fn path(self) -> &'static str {
        match self {
            Self::V2_4 => "cosign-v2.4.0/cosign",
            Self::V2 => "cosign-v2.6.4/cosign",
            Self::V3 => "cosign-v3.1.2/cosign",
            Self::V3_1_3 => "cosign-v3.1.3/cosign",
        }
    }

    /// Runs any cosign command.
    pub fn run<S: AsRef<str>>(self, arguments: &[S], environment: &[(&str, &str)]) -> Printed {
        run(Command::new(tool(self.path())), arguments, environment)
    }

    /// `verify` with a public key of `testdata/keys`; annotations must be there.
    pub fn verify(self, key: &str, reference: &str, annotations: &[(&str, &str)]) -> Printed {
        let mut arguments = self.verifying("verify", key);
        for (name, value) in annotations {
            arguments.extend(["-a".to_owned(), format!("{name}={value}")]);
        }
        arguments.push(reference.to_owned());
        self.run(&arguments, &[])
    }

    /// `verify-attestation` of a predicate type.
    pub fn verify_attestation(self, key: &str, predicate_type: &str, reference: &str) -> Printed {
        let mut arguments = self.verifying("verify-attestation", key);
        arguments.extend(["--type".to_owned(), predicate_type.to_owned()]);
        arguments.push(reference.to_owned());
        self.run(&arguments, &[])
    }

    /// As [`verify`](Self::verify), in another environment.
    pub fn verify_with(self, key: &str, reference: &str, environment: &[(&str, &str)]) -> Printed {
        let mut arguments = self.verifying("verify", key);
        arguments.push(reference.to_owned());
        self.run(&arguments, environment)
    }

    /// `verify` of an image with bundles.
    pub fn verify_both(self, key: &str, reference: &str) -> Printed {
        self.verify_any("verify", key, reference)
    }

    /// `verify` or, of SPDX documents, `verify-attestation`, whatever form the
    /// signatures have: 2.6.4 wants a trusted root as soon as a bundle hangs on
    /// the image, and an empty one will do.
    pub fn verify_any(self, command: &str, key: &str, reference: &str) -> Printed {
        let mut arguments = self.verifying(command, key);
        if command == "verify-attestation" {
            arguments.extend(["--type".to_owned(), "spdxjson".to_owned()]);
        }
        if self == Self::V2 {
            let root = empty_trusted_root().display().to_string();
            arguments.extend(["--trusted-root".to_owned(), root]);
        }
        arguments.push(reference.to_owned());
        self.run(&arguments, &[])
    }

    /// `verify` or, of CycloneDX documents, `verify-attestation` with the public key
    /// at a path, whatever form the signatures have, and with another hash than
    /// SHA-256 if one is named.
    pub fn verify_hash(
        self,
        command: &str,
        path: &str,
        hash: Option<&str>,
        format: &str,
        reference: &str,
    ) -> Printed {
        let mut arguments = vec![command, "--key", path];
        arguments.extend(["--insecure-ignore-tlog", "--allow-insecure-registry"]);
        if command == "verify-attestation" {
            arguments.extend(["--type", "cyclonedx"]);
        }
        if let Some(hash) = hash {
            arguments.extend(["--signature-digest-algorithm", hash]);
        }
        let wants_root = self == Self::V2 && format != "legacy";
        let root = wants_root.then(|| empty_trusted_root().display().to_string());
        if let Some(root) = &root {
            arguments.extend(["--trusted-root", root]);
        }
        arguments.push(reference);
        self.run(&arguments, &[])
    }

    fn verifying(self, command: &str, key: &str) -> Vec<String> {
        let key = public_key(key).display().to_string();
        [
            "--key",
            &key,
            "--insecure-ignore-tlog",
            "--allow-insecure-registry",
        ]
        .into_iter()
        .fold(vec![command.to_owned()], |mut arguments, argument| {
            arguments.push(argument.to_owned());
            arguments
        })
    }

    /// `sign` in the form that both majors can read: the `.sig` tag.
    pub fn sign(self, key: &str, reference: &str, annotations: &[(&str, &str)]) -> Printed {
        let key = testdata("keys")
            .join(format!("{key}.key"))
            .display()
            .to_string();
        let mut arguments = self.signing(&key);
        let pairs: Vec<_> = annotations
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        for pair in &pairs {
            arguments.extend(["-a", pair]);
        }
        arguments.extend(["--allow-insecure-registry", reference]);
        let password = std::fs::read_to_string(testdata("keys/password")).expect("a password");
        self.run(&arguments, &[("COSIGN_PASSWORD", &password)])
    }

    /// `sign` with a key that its URI names, in the form that both majors can read.
    pub fn sign_by(self, uri: &str, reference: &str, environment: &[(&str, &str)]) -> Printed {
        let mut arguments = self.signing(uri);
        arguments.extend(["--allow-insecure-registry", reference]);
        self.run(&arguments, environment)
    }

    /// `verify` with a key that its URI, or a path, names.
    pub fn verify_by(self, uri: &str, reference: &str, environment: &[(&str, &str)]) -> Printed {
        let arguments = [
            "verify",
            "--key",
            uri,
            "--insecure-ignore-tlog",
            "--allow-insecure-registry",
            reference,
        ];
        self.run(&arguments, environment)
    }

    fn signing(self, key: &str) -> Vec<&str> {
        let mut arguments = vec!["sign", "--yes", "--key", key, "--tlog-upload=false"];
        if matches!(self, Self::V3 | Self::V3_1_3) {
            arguments.extend(["--use-signing-config=false", "--new-bundle-format=false"]);
        }
        arguments
    }

    pub fn download(self, what: &str, reference: &str) -> Printed {
        self.run(
            &["download", what, "--allow-insecure-registry", reference],
            &[],
        )
    }

    pub fn tree(self, reference: &str) -> Printed {
        self.run(&["tree", "--allow-insecure-registry", reference], &[])
    }
}

/// Runs a program that is not ours, with nothing but this environment.
pub fn run<S: AsRef<str>>(
    mut command: Command,
    arguments: &[S],
    environment: &[(&str, &str)],
) -> Printed {
    let home = tempfile::tempdir().expect("a temporary folder");
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    command
        .current_dir(package(""))
        .args(&arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        // A request that leaves this machine would fail at once.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("NO_PROXY", "127.0.0.1")
        .envs(NO_METADATA)
        .envs(environment.iter().copied());
    let program = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = run_within(command, TIMEOUT);
    Printed {
        command: format!("{program} {}", arguments.join(" ")),
        success: status.success(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// A trusted root that trusts nobody, as cosign 3 writes it.
fn empty_trusted_root() -> &'static Path {
    static ROOT: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("root.json");
        let out = file.display().to_string();
        Cosign::V3
            .run(&["trusted-root", "create", "--out", &out], &[])
            .accepted();
        (folder, file)
    });
    &ROOT.1
}

/// The public half of a key of `testdata/keys`.
pub fn public_key(key: &str) -> PathBuf {
    Path::new(&testdata("keys")).join(format!("{key}.pub"))
}
