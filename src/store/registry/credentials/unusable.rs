//! Why a file of credentials cannot be read.

use std::io;
use std::path::Path;

/// Docker's name for the file.
pub(super) const CONFIG_NAME: &str = "config.json";
/// The names of the file in Kubernetes' secrets. Mounted without `items`, a
/// secret keeps these, which nobody looks for.
const OTHER_NAMES: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// Why a file cannot be read. It prints as the file's fault.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("it is not there")]
    Absent,
    #[error("HOME is not set")]
    NoHome,
    #[error("it is a link to nothing")]
    Dangling,
    #[error("what should be its folder is a file")]
    BehindAFile,
    /// A folder above that may not be entered, say.
    #[error("{0}")]
    Unreachable(String),
    #[error("it is a folder")]
    Folder,
    #[error("it is not a file")]
    NoFile,
    /// It is there, and may not be read.
    #[error("{0}")]
    Unreadable(String),
    /// A secret of Kubernetes that was mounted as it is.
    #[error("it is not there, but `{0}` beside it is")]
    OtherName(&'static str),
}

debug_as_display!(Unusable);

impl Unusable {
    /// Whether a file exists that the platform meant to be read.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Absent
            | Self::NoHome
            | Self::Dangling
            | Self::BehindAFile
            | Self::Unreachable(_) => false,
            Self::Folder | Self::NoFile | Self::Unreadable(_) | Self::OtherName(_) => true,
        }
    }

    /// Why there is no file behind `path`.
    pub(super) fn of_path(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotADirectory => Self::BehindAFile,
            io::ErrorKind::NotFound if path.is_symlink() => Self::Dangling,
            io::ErrorKind::NotFound if path.ends_with(CONFIG_NAME) => {
                let mut names = OTHER_NAMES.into_iter();
                let other = names.find(|name| path.with_file_name(name).is_file());
                other.map_or(Self::Absent, Self::OtherName)
            }
            io::ErrorKind::NotFound => Self::Absent,
            _ => Self::Unreachable(error.to_string()),
        }
    }
}
