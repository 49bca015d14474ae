//! Why the credential for a registry cannot be told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::source::{HELPER_TIME, MAX_LENGTH, Source};
use super::unusable::Unusable;
use crate::service::ServiceError;

/// A source of credentials that makes no sense. No message holds a byte of a
/// password or token, nor a helper's output.
#[derive(thiserror::Error)]
pub enum CredentialsError {
    #[error("{0} has more than {MAX_LENGTH} bytes")]
    TooLong(Source),
    #[error("{source_of} is not the JSON that it should be, at line {line}, column {column}")]
    Json {
        source_of: Source,
        line: usize,
        column: usize,
    },
    /// A file that a variable names, or that was there when nothing else had a
    /// credential (SIG-70).
    #[error("cannot read credentials from `{}`: {reason}", path.display())]
    Unusable { path: PathBuf, reason: Unusable },
    #[error("CNB_REGISTRY_AUTH has an unknown kind of header for `{0}`")]
    UnknownHeader(String),
    #[error("the credential for `{key}` in {source_of} is not base64 of `user:password`")]
    NotBasic { key: String, source_of: Source },
    #[error("the token for `{key}` in {source_of} has characters that a token cannot have")]
    NotAToken { key: String, source_of: Source },
    #[error("`{name}` in {source_of} is no name of a credential helper")]
    HelperName { name: String, source_of: Source },
    /// Of one registry; a helper for all is passed over.
    #[error("{0} is not installed")]
    HelperMissing(Source),
    #[error("cannot run {source_of}")]
    HelperStart {
        source_of: Source,
        #[source]
        source: io::Error,
    },
    #[error("{0} did not answer within {seconds} seconds", seconds = HELPER_TIME.as_secs())]
    HelperTimeout(Source),
    #[error("{source_of} failed with {status}")]
    HelperFailed { source_of: Source, status: String },
    /// Its output is not quoted: it may hold the secret (case 68).
    #[error("{0} answered with something that is no credential")]
    HelperAnswer(Source),
    /// Not reached; a cloud that refuses is one more source without a
    /// credential.
    #[error("cannot ask for a credential of {source_of}")]
    Cloud {
        source_of: Source,
        #[source]
        source: Arc<ServiceError>,
    },
}

debug_as_display!(CredentialsError);

impl CredentialsError {
    /// Whether asking later may help.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Cloud { .. })
    }
}
