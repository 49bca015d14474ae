//! Reading the files of keys and passwords (`spec/signer.md`, "Keys and
//! passwords").

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Uid;
use tracing::warn;

use crate::file::Files;
use crate::keys::MAX_LENGTH;
use crate::secret::Secret;

/// The secret that a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRole {
    Key,
    Password,
    Token,
}

impl fmt::Display for SecretRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Password => "password",
            Self::Token => "identity token",
        })
    }
}

/// A file whose secret cannot be had. Never taken for one that is empty (SIG-14).
#[derive(thiserror::Error)]
pub enum SecretFileError {
    /// Somebody may have written the password in place of its path, so that the path is
    /// not repeated.
    #[error("the `password` of `{signatory}` is the path of no file")]
    NoPassword {
        signatory: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the {role} of `{signatory}`, `{path}`")]
    Unreadable {
        role: SecretRole,
        signatory: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

debug_as_display!(SecretFileError);

/// Reads a file of at most [`MAX_LENGTH`] bytes, one of the run's `files`.
///
/// # Errors
/// On a file that cannot be read. The path of a password at which nothing is
/// found is not repeated: somebody may have written the password itself.
pub(super) fn read(
    role: SecretRole,
    signatory: &str,
    path: &Path,
    files: &Files,
) -> Result<Secret, SecretFileError> {
    let called = format!("the {role} of `{signatory}`");
    let signatory = || signatory.to_owned();
    read_secret(path, &called, files).map_err(|source| match role {
        SecretRole::Password if path.symlink_metadata().is_err() => SecretFileError::NoPassword {
            signatory: signatory(),
            source,
        },
        _ => SecretFileError::Unreadable {
            role,
            signatory: signatory(),
            path: path.to_owned(),
            source,
        },
    })
}

/// Warns of a file that others can read, if somebody can change that here (SIG-14).
pub(super) fn warn_of_readers(role: SecretRole, path: &Path) {
    if let Ok(metadata) = path.metadata()
        && is_open_to_others(&metadata)
        && !is_read_only(path)
    {
        let mode = metadata.mode() & 0o777;
        let key = (role == SecretRole::Key).then(|| path.display().to_string());
        warn!(
            key,
            "The {role} `{}` can be read by other users (mode {mode:03o})",
            path.display()
        );
    }
}

fn read_secret(path: &Path, called: &str, files: &Files) -> io::Result<Secret> {
    let mut bytes = files.read(path, called, MAX_LENGTH)?;
    if bytes.len() > MAX_LENGTH {
        let words = format!("it has more than {MAX_LENGTH} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// Whether everybody on this machine may read the file, and the user of this
/// process could change that. The group is left out: Kubernetes gives its
/// secrets to one (`fsGroup`).
fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.is_file()
        && metadata.mode() & 0o004 != 0
        && metadata.uid() == Uid::effective().as_raw()
}

/// Whether the mode cannot be changed here, as that of a secret which Kubernetes
/// mounts.
fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|system| system.flags().contains(FsFlags::ST_RDONLY))
}
