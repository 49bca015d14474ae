//! Verifiers that are not cosign, each a small program of `acceptance/tools/readers`
//! around the libraries of others, with one command line. `make readers` installs
//! them; they take long to build, so tests leave out what is not there.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::cosign::{Printed, public_key, run};
use super::{package, runs};

/// A verifier in one of its modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    pub name: &'static str,
    /// Below `.tools`; the folder names the version.
    program: &'static str,
    /// The setting of a policy that decides what it looks at.
    pub mode: Option<&'static str>,
}

const KYVERNO: &str = "kyverno-1.19.1/reader";
const POLICY_CONTROLLER: &str = "policy-controller-0.13.1/reader";
const RUST: &str = "sigstore-rust-0.15.1/bin/reader";

/// All of them, a line of the table each.
pub const READERS: [Reader; 8] = [
    Reader::KYVERNO_TAGS,
    Reader::KYVERNO_BUNDLES,
    Reader {
        name: "Kyverno 1.19.1, `ImageValidatingPolicy`",
        program: KYVERNO,
        mode: Some("ImageValidatingPolicy"),
    },
    Reader {
        name: "policy-controller 0.13.1",
        program: POLICY_CONTROLLER,
        mode: Some("legacy"),
    },
    Reader {
        name: "policy-controller 0.13.1, `signatureFormat: bundle`",
        program: POLICY_CONTROLLER,
        mode: Some("bundle"),
    },
    Reader::JAVASCRIPT,
    Reader::RUST,
    Reader {
        name: "Rust `sigstore-types`, `sigstore-crypto` 0.15.1",
        program: RUST,
        mode: Some("parse"),
    },
];

impl Reader {
    pub const KYVERNO_TAGS: Self = Self {
        name: "Kyverno 1.19.1, `type: Cosign`",
        program: KYVERNO,
        mode: Some("Cosign"),
    };
    pub const KYVERNO_BUNDLES: Self = Self {
        name: "Kyverno 1.19.1, `type: SigstoreBundle`",
        program: KYVERNO,
        mode: Some("SigstoreBundle"),
    };
    pub const JAVASCRIPT: Self = Self {
        name: "JavaScript `@sigstore/verify` 3.1.1",
        program: "sigstore-js-3.1.1/reader.mjs",
        mode: None,
    };
    pub const RUST: Self = Self {
        name: "Rust `sigstore-verify` 0.15.1",
        program: RUST,
        mode: Some("verify"),
    };

    fn path(self) -> PathBuf {
        package(".tools").join(self.program)
    }

    /// Whether it can be run here.
    pub fn is_installed(self) -> bool {
        self.path().is_file() && (!self.is_script() || runs("node", "--version"))
    }

    fn is_script(self) -> bool {
        self.program.ends_with(".mjs")
    }

    /// Asks for the signature, or for the attestation of a predicate type.
    pub fn verify(self, key: &str, attestation: Option<&str>, reference: &str) -> Printed {
        let key = public_key(key).display().to_string();
        self.verify_by(&["--key", &key], attestation, reference)
    }

    /// The same by other flags, which say who signed and who witnessed it.
    pub fn verify_by(self, flags: &[&str], attestation: Option<&str>, reference: &str) -> Printed {
        let path = self.path();
        let mut command = Command::new(if self.is_script() {
            "node".as_ref()
        } else {
            path.as_path()
        });
        if self.is_script() {
            command.arg(&path);
        }
        let mut arguments = [&["verify"], flags].concat();
        if let Some(mode) = self.mode {
            arguments.extend(["--mode", mode]);
        }
        match attestation {
            None => arguments.extend(["--kind", "signature"]),
            Some(predicate) => {
                arguments.extend(["--kind", "attestation", "--type", predicate]);
            }
        }
        arguments.push(reference);
        run(command, &arguments, &[])
    }
}

/// Does the same with each item, a few at a time; the results are in the order of
/// the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let place = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(place)
        {
            done.push((place, work(item)));
        }
        done
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        threads
            .into_iter()
            .flat_map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
