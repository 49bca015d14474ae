//! Files that are not in the schema of `cosign.toml`.

use std::path::PathBuf;

use super::super::{DocumentError, Position};
use super::level::Meant;
use crate::oci::reference::NotAReference;

/// A file that is not in the schema of `cosign.toml`. Remedies are `cli::hint`'s. Static
/// texts are words of the schema; the others are the file's, and are cut.
#[derive(thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("unknown key `{key}` in {level} at `{position}`")]
    UnknownKey {
        /// As written, cut.
        key: String,
        level: &'static str,
        meant: Option<Meant>,
        position: Position,
    },
    #[error("`{key}` must be {wanted}, not {found}, at `{position}`")]
    WrongType {
        key: &'static str,
        wanted: &'static str,
        found: &'static str,
        position: Position,
    },
    #[error("no `{key}` in the {level} at `{position}`")]
    MissingKey {
        key: &'static str,
        level: &'static str,
        position: Position,
    },
    #[error("`{key}` is empty at `{position}`")]
    Empty {
        key: &'static str,
        position: Position,
    },
    #[error("`{key}` has the character NUL in an argument, at `{position}`")]
    Nul {
        key: &'static str,
        position: Position,
    },
    #[error(
        "the annotation `{name}` at `{position}` is the second of that name, after line {first_line}"
    )]
    DuplicateAnnotation {
        name: String,
        position: Position,
        first_line: usize,
    },
    #[error("`{}` has no `[[configs]]`: nothing says who signs", path.display())]
    NoConfigs { path: PathBuf },
    /// A value that may be the secret itself.
    #[error("`{key}` must be the path of a file, at `{position}`")]
    NotAPath {
        key: &'static str,
        position: Position,
    },
    #[error("`{key}` starts with `{scheme}`, which this version does not support, at `{position}`")]
    UnsupportedScheme {
        key: &'static str,
        /// With what follows it in a URI: `env://`. Nothing after that is repeated.
        scheme: String,
        position: Position,
    },
    /// The position is that of `key`, as in the next one.
    #[error("`{key}` cannot stand beside `{other}`, at `{position}`")]
    NotWith {
        key: &'static str,
        other: &'static str,
        position: Position,
    },
    #[error("`{key}` needs `{other}` beside it, at `{position}`")]
    Needs {
        key: &'static str,
        other: &'static str,
        position: Position,
    },
    #[error("the `{key}` at `{position}` has no `public-key` and no `certificate`")]
    NoPublicKey {
        key: &'static str,
        position: Position,
    },
    /// It may hold a password, so that it is not repeated.
    #[error("`repository` must be a repository and no URL, at `{position}`")]
    RepositoryIsUrl { position: Position },
    #[error("the `repository` at `{position}` cannot be used")]
    Repository {
        position: Position,
        #[source]
        source: NotAReference,
    },
    #[error("unknown value `{written}` of `{key}` at `{position}`")]
    UnknownValue {
        key: &'static str,
        written: String,
        valid: &'static [&'static str],
        position: Position,
    },
}

debug_as_display!(ConfigError);
