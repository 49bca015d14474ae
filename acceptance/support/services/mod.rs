//! Where keys live elsewhere: a stand-in whose answers a test gives, and the real
//! services, which `make services` installs. They take long to build, so tests
//! leave out what is not there ([`Need::Service`](super::needs::Need::Service)).

mod caller;
pub mod kms;
pub mod pair;
pub mod stand_in;
pub mod vault;

pub use caller::Caller;

use std::path::PathBuf;
use std::process::Command;

use super::package;

/// What `make services` installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Vault,
    LocalKms,
    Ministack,
}

impl Service {
    /// Below `.tools`; the folder names the version.
    fn program(self) -> &'static str {
        match self {
            Self::Vault => "vault-1.21.0/vault",
            Self::LocalKms => "local-kms-v0.0.0-20260228092603-2a5e92d09ab6/local-kms",
            Self::Ministack => "ministack-1.5.33/bin/ministack",
        }
    }

    pub fn path(self) -> PathBuf {
        package(".tools").join(self.program())
    }

    /// Whether it can be run here.
    pub fn is_installed(self) -> bool {
        self.path().is_file()
    }

    /// A script's first line names the folder that it was installed from, which
    /// need not be this one.
    fn command(self) -> Command {
        let path = self.path();
        let python = path.with_file_name("python3");
        if !python.exists() {
            return Command::new(path);
        }
        let mut command = Command::new(python);
        command.arg(path);
        command
    }
}
