//! The kinds of witnesses, and whether they can be run here.

use std::path::PathBuf;

use super::postgres::Postgres;
use crate::support::package;

/// The services that may witness a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// `timestamp-server` by sigstore, RFC 3161.
    TimestampAuthority,
    /// Rekor v1, on Trillian and PostgreSQL.
    LogV1,
    /// Rekor v2, rekor-tiles on files, with a checkpoint each second.
    LogV2,
    /// The same, which takes nothing more.
    FrozenLogV2,
    /// Fulcio, which logs its certificates in a log of the tests' own and believes
    /// their [issuer](super::issuer::Issuer).
    Authority,
    /// The same, logging nowhere.
    UnloggedAuthority,
}

impl Witness {
    /// Its programs and files below `.tools`, where the folder names the version.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::TimestampAuthority => &["timestamp-authority-v2.1.3/timestamp-server"],
            Self::LogV1 => &[
                "rekor-v1.5.4/rekor-server",
                "trillian-v1.7.2/trillian_log_server",
                "trillian-v1.7.2/trillian_log_signer",
                "trillian-v1.7.2/createtree",
                "trillian-v1.7.2/storage.sql",
            ],
            Self::LogV2 | Self::FrozenLogV2 => &["rekor-tiles-v2.3.0/posix"],
            Self::Authority | Self::UnloggedAuthority => &["fulcio-v1.8.8/fulcio"],
        }
    }

    /// The first program.
    pub(super) fn path(self) -> PathBuf {
        let programs = self.programs().iter();
        let mut paths = programs.map(|path| package(".tools").join(path));
        paths.next().expect("a program")
    }

    /// Whether it can be run here.
    pub fn is_installed(self) -> bool {
        let mut programs = self.programs().iter();
        programs.all(|path| package(".tools").join(path).is_file())
            && (self != Self::LogV1 || Postgres::programs().is_some())
    }

    /// The words where it is not there.
    pub fn lacking(self) -> String {
        let packages = match self {
            Self::LogV1 => "`make witnesses`, Debian: postgresql",
            _ => "`make witnesses`",
        };
        format!("{self:?} is not installed ({packages})")
    }
}
