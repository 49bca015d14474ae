//! The real services, and whether they can be run here.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::soft_hsm::{OPENSC, SoftHsm};
use crate::support::package;

/// Where Debian puts etcd.
pub(super) const ETCD: &str = "/usr/bin/etcd";

/// The services that `make services` installs, or asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Vault,
    LocalKms,
    Ministack,
    Moto,
    Plugin,
    /// Besides, etcd.
    Kubernetes,
    /// SoftHSM and OpenSC, as Debian packages them.
    SoftHsm,
}

impl Service {
    /// Below `.tools`, where the folder names the version, or on the search path.
    fn program(self) -> &'static str {
        match self {
            Self::Vault => "vault-1.21.0/vault",
            Self::LocalKms => "local-kms-v0.0.0-20260228092603-2a5e92d09ab6/local-kms",
            Self::Ministack => "ministack-1.5.33/bin/ministack",
            Self::Moto => "moto-5.2.5/bin/moto_server",
            Self::Plugin => "kms-plugin-1.10.8/sigstore-kms-localkms",
            Self::Kubernetes => "kube-apiserver-1.35.4/kube-apiserver",
            Self::SoftHsm => "/usr/bin/softhsm2-util",
        }
    }

    /// The program.
    pub fn path(self) -> PathBuf {
        package(".tools").join(self.program())
    }

    /// Whether it can be run here.
    pub fn is_installed(self) -> bool {
        let more = match self {
            Self::Kubernetes => Path::new(ETCD).is_file(),
            Self::SoftHsm => SoftHsm::module().is_some() && Path::new(OPENSC).is_file(),
            _ => true,
        };
        more && self.path().is_file()
    }

    /// The words where it is not there.
    pub fn lacking(self) -> String {
        let packages = match self {
            Self::Kubernetes => "`make services`, Debian: etcd-server",
            Self::SoftHsm => "Debian: softhsm2 opensc",
            _ => "`make services`",
        };
        format!("{self:?} is not installed ({packages})")
    }

    /// A script's first line names the folder that it was installed from, which
    /// need not be this one.
    pub(super) fn command(self) -> Command {
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
