//! The origin of a password, for errors that name it (KEY-14): a wrong password is
//! most often one that came from elsewhere than its user thinks.

use std::fmt;
use std::path::PathBuf;

/// The origin of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// The file that `password` names.
    File(PathBuf),
    /// That file, which holds nothing but a line break at most, as a secret does
    /// that nobody has filled in.
    EmptyFile(PathBuf),
    /// `COSIGN_PASSWORD`.
    Environment,
    /// The value of this name, beside a key that a service keeps.
    Stored(&'static str),
    /// There is no value of this name beside the key: the password is empty.
    NotStored(&'static str),
    /// Neither was given: the password is empty.
    Empty,
}

impl fmt::Display for PasswordOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "read from `{}`", path.display()),
            Self::EmptyFile(path) => {
                write!(f, "the empty one, read from `{}`", path.display())
            }
            Self::Stored(name) => write!(f, "that of `{name}`, beside the key"),
            Self::NotStored(name) => {
                write!(
                    f,
                    "the empty one, because there is no `{name}` beside the key"
                )
            }
            Self::Environment => f.write_str("that of COSIGN_PASSWORD"),
            Self::Empty => f.write_str(
                "the empty one, because neither `password` nor COSIGN_PASSWORD was given",
            ),
        }
    }
}
