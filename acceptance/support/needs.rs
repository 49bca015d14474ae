//! A test's needs of the machine beyond the tools of `make tools`, which have
//! to be there ([`tool`](super::tool)), and what is said where it is lacking.

use std::fs::File;
use std::io::{Write as _, stderr};
use std::path::Path;
use std::process::Command;

use super::cosign::{BOTH, Cosign};
use super::readers::Reader;
use super::real::DISTRIBUTION_2;
use super::services::Service;
use super::witnesses::Witness;
use super::{package, runs, succeeds};

/// Programs and rights that a machine may lack, CI's too.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// Counts instructions.
    Valgrind,
    /// Makes keys and checks signatures.
    OpenSsl,
    /// CNCF distribution v2.
    Distribution2,
    /// A verifier that is not cosign.
    Reader(Reader),
    /// A service that holds keys.
    Service(Service),
    /// An authority, or a log.
    Witness(Witness),
    /// A release of cosign beyond those of `make tools`.
    Cosign(Cosign),
    /// The program for keys in tokens, and a token in software.
    Tokens,
    /// The right to become another user.
    Root,
    /// The right to read the memory of a process that is hardened.
    Memory,
    /// The right to mount where nobody else sees it.
    Mounts,
}

/// The program for keys in tokens, where Cargo built it for these tests.
pub const TOKEN_PROGRAM: Option<&str> = option_env!("CARGO_BIN_EXE_sigstore-kms-pkcs11");

/// Cargo names the program even where its feature was not asked for.
fn has_token_program() -> bool {
    TOKEN_PROGRAM.is_some_and(|program| Path::new(program).is_file())
}

/// Whether it is here. If not, the test must end, and the tests' own output says
/// so: what a test that passes prints by `eprintln` is shown to nobody.
pub fn is_here(need: Need) -> bool {
    let is_met = need.is_met();
    if !is_met {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        let _lost = writeln!(stderr(), "LEFT OUT: {test}: {}", need.lacking());
    }
    is_met
}

impl Need {
    fn is_met(self) -> bool {
        match self {
            Self::Valgrind => runs("valgrind", "--version"),
            Self::OpenSsl => runs("openssl", "version"),
            Self::Distribution2 => Path::new(DISTRIBUTION_2).is_file(),
            Self::Reader(reader) => reader.is_installed(),
            Self::Service(service) => service.is_installed(),
            Self::Witness(witness) => witness.is_installed(),
            Self::Cosign(cosign) => package(".tools").join(cosign.path()).is_file(),
            Self::Tokens => has_token_program() && Service::SoftHsm.is_installed(),
            Self::Root => nix::unistd::Uid::effective().is_root(),
            Self::Memory => Self::Root.is_met() && File::open("/proc/1/mem").is_ok(),
            Self::Mounts => {
                let mut unshare = Command::new("unshare");
                succeeds(unshare.args(["--mount", "true"]))
            }
        }
    }

    fn lacking(self) -> String {
        match self {
            Self::Valgrind => "valgrind is not installed".to_owned(),
            Self::OpenSsl => "openssl is not installed".to_owned(),
            Self::Distribution2 => {
                format!("there is no {DISTRIBUTION_2} (Debian: docker-registry)")
            }
            Self::Reader(reader) => format!("{} is not installed (`make readers`)", reader.name),
            Self::Service(service) => service.lacking(),
            Self::Witness(witness) => witness.lacking(),
            Self::Cosign(cosign) => format!("there is no {} (`make witnesses`)", cosign.path()),
            Self::Tokens if !has_token_program() => {
                "the tests were built without the feature `pkcs11`".to_owned()
            }
            Self::Tokens => Service::SoftHsm.lacking(),
            Self::Root => "only root can become another user".to_owned(),
            Self::Memory => "only root can read the memory of a hardened process".to_owned(),
            Self::Mounts => "there are no mount namespaces".to_owned(),
        }
    }
}

/// All that read certificates, timestamps and log entries in every form, as far as
/// they are here.
pub fn all_three() -> Vec<Cosign> {
    let newest = is_here(Need::Cosign(Cosign::V3_1_3)).then_some(Cosign::V3_1_3);
    BOTH.into_iter().chain(newest).collect()
}
