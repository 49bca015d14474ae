//! Why a folder has no signature of a message.

use std::io;
use std::path::{Path, PathBuf};

use super::index::Named;
use crate::keys::MAX_LENGTH;
use crate::keys::SignError;
use crate::words::Count;

/// A message whose signature is not in its folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("there is no `{}`, the signature of {message}{}", path.display(), and(*others))]
    Missing {
        path: PathBuf,
        /// The message's file, or its digest.
        message: String,
        /// How many more are missing.
        others: usize,
    },
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` has more than {MAX_LENGTH} bytes", .0.display())]
    TooLong(PathBuf),
    /// It is a signature of something else, or by something else, or none.
    #[error("`{}` holds no signature of the message by this key: {tried}{}", path.display(), rather(is.as_deref()))]
    NotTheirs {
        path: PathBuf,
        /// The readings of its bytes.
        tried: String,
        /// A signature that it is.
        is: Option<String>,
    },
    #[error("`{}` asks for signatures by the key `{theirs}`, and the public half given here is `{ours}`", index.display())]
    OtherKey {
        index: PathBuf,
        theirs: String,
        ours: String,
    },
    #[error("`{}` was written for `{theirs}`, and the report names `{ours}` now", index.display())]
    OtherImage {
        index: PathBuf,
        theirs: String,
        ours: String,
    },
    #[error(
        "what is to be signed for `{image}` has changed since `{}` was written: the bytes of its \
         {kind} had the sha256 {theirs}, and have {ours} now", index.display()
    )]
    OtherBytes {
        index: PathBuf,
        image: String,
        kind: &'static str,
        theirs: String,
        ours: String,
    },
    #[error("`{}` lists nothing to sign for `{image}`", index.display())]
    NotListed { index: PathBuf, image: String },
}

impl FolderError {
    pub(super) fn missing(folder: &Path, named: &Named, others: usize) -> Self {
        Self::Missing {
            path: folder.join(&named.signature),
            message: format!("the message with the sha256 {}", named.digest.hex()),
            others,
        }
    }
}

impl From<FolderError> for SignError {
    fn from(error: FolderError) -> Self {
        Self::Folder(Box::new(error))
    }
}

fn and(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", and 1 more signature is missing".to_owned(),
        others => format!(", and {} are missing", Count(others, "more signature")),
    }
}

fn rather(is: Option<&str>) -> String {
    is.map(|is| format!("; it is {is}")).unwrap_or_default()
}
