//! The failures of a registry, and of the bytes that it serves.

use std::sync::Arc;

pub use oci_distribution::errors::OciErrorCode as ErrorCode;

use crate::http::{Astray, HttpError, RedactedUrl};
use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, Repository};
use crate::store::FailureKind;

use super::credentials::{Credential, CredentialsError, IdentityProof};
use super::limit::Limit;

/// A registry did not answer a request as it should. A registry's own words are
/// marked as such.
#[derive(thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the credentials for `{repository}` cannot be used")]
    Credentials {
        repository: Repository,
        #[source]
        source: Arc<CredentialsError>,
    },
    /// 401 or 403, by the registry or by its token service.
    #[error("access denied: {action} as {identity}{answer}")]
    Denied {
        /// The request in words, with the redacted URL.
        action: String,
        identity: Shown,
        answer: Answer,
    },
    /// 401 or 403, by neither of them.
    #[error(
        "access denied: {action} is refused with {status} by {host}, where the registry leads \
             and where no credentials are shown{}",
        said(answer)
    )]
    DeniedElsewhere {
        action: String,
        host: String,
        status: u16,
        answer: Answer,
    },
    /// Nobody was asked (WIRE-12, case 26).
    #[error(
        "the token service `{realm}` must not be shown credentials: the registry leads {reason}"
    )]
    Realm { realm: RedactedUrl, reason: Astray },
    /// Told from a denial: no right is missing, and the way out is room.
    #[error("{action}: the registry has no room{answer}")]
    Quota { action: String, answer: Answer },
    /// Neither granted nor denied.
    #[error("the token service `{realm}` gave no token: {reason}")]
    Token { realm: RedactedUrl, reason: String },
    /// An answer that the specification does not foresee there.
    #[error("{action}: unexpected status {status}{answer}")]
    Status {
        action: String,
        status: u16,
        answer: Answer,
    },
    /// An answer of the right status that lacks what it has to say.
    #[error("{action}: {reason}")]
    Protocol {
        action: String,
        reason: &'static str,
    },
    /// Refused by the rules of WIRE-14 and WIRE-16.
    #[error("{action}: the registry sends the upload to `{to}`, where it must not go: {reason}")]
    Location {
        action: String,
        to: String,
        reason: Astray,
    },
    /// `expected` was asked for, or a header promised it.
    #[error("{action}: the bytes have digest `{actual}`, not `{expected}`")]
    Digest {
        action: String,
        expected: Digest,
        actual: Digest,
    },
    #[error("{action}: it has {actual} bytes, its descriptor says {expected}")]
    Size {
        action: String,
        expected: u64,
        actual: u64,
    },
    #[error("{action}: it is larger than {} bytes", limit.bytes())]
    TooLarge { action: String, limit: Limit },
    #[error("{action}: the manifest cannot be used")]
    Manifest {
        action: String,
        #[source]
        source: ManifestError,
    },
    /// To a write, whose outcome is unknown then.
    #[error("{action}: the answer cannot be read: it is larger than {limit} bytes")]
    Answer { action: String, limit: u64 },
    #[error("the run was stopped")]
    Stopped,
    /// A blob that a manifest names; a manifest that is absent is an answer.
    #[error("{action}: not found{answer}")]
    Missing { action: String, answer: Answer },
}

debug_as_display!(StoreError);

impl StoreError {
    pub(super) fn too_large(action: &str, limit: Limit) -> Self {
        Self::TooLarge {
            action: action.to_owned(),
            limit,
        }
    }

    /// Names the limit in the error of a request that went over it.
    pub(super) fn naming(self, limit: Limit, action: &str) -> Self {
        match self {
            Self::Http(HttpError::TooLarge { .. }) => Self::too_large(action, limit),
            error => error,
        }
    }

    /// The meaning of the failure for the run.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Stopped => FailureKind::Stopped,
            // Asking again brings the same bytes.
            Self::TooLarge { .. } | Self::Http(HttpError::TooLarge { .. }) => FailureKind::Content,
            Self::Http(HttpError::ProxySetting { .. }) => FailureKind::Setting,
            Self::Http(HttpError::Content { .. }) => FailureKind::Local,
            // No certificate comes to be trusted by itself (`spec/decisions/0024`).
            Self::Http(HttpError::Certificate { .. }) => FailureKind::Denied,
            Self::Http(error) if error.wants_certificate() => FailureKind::Denied,
            Self::Http(_)
            | Self::Token { .. }
            | Self::Protocol { .. }
            | Self::Location { .. }
            | Self::Answer { .. } => FailureKind::Unreachable,
            Self::Credentials { source, .. } if source.is_unreachable() => FailureKind::Unreachable,
            Self::Credentials { .. }
            | Self::Denied { .. }
            | Self::DeniedElsewhere { .. }
            | Self::Realm { .. } => FailureKind::Denied,
            Self::Quota { .. } => FailureKind::Refused,
            Self::Status { status, .. } if *status >= 500 => FailureKind::Unreachable,
            // A status below 500 is about what was asked for: an image that cannot
            // be had. At a place it is a refusal (`AttachError::kind`).
            Self::Status { .. }
            | Self::Digest { .. }
            | Self::Size { .. }
            | Self::Manifest { .. }
            | Self::Missing { .. } => FailureKind::Content,
        }
    }
}

/// The authorization that a refusing registry was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A credential, by its source.
    Credential(String),
    /// No credential is known, by the sources that were asked.
    Nothing(String),
    /// A credential is known, and the registry did not say how to show it.
    Unchallenged,
    /// The authorization of a granted upload.
    Granted,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Credential(words) | Self::Nothing(words) => words,
            Self::Unchallenged => "nobody (the registry did not say how to sign in)",
            Self::Granted => "the credentials that were granted an upload",
        })
    }
}

impl From<&Credential> for Shown {
    fn from(credential: &Credential) -> Self {
        match credential.identity {
            IdentityProof::Anonymous => Self::Nothing(credential.to_string()),
            _ => Self::Credential(credential.to_string()),
        }
    }
}

/// A registry's own words about an error, if it sent any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The code of the distribution specification, or the registry's own.
    pub code: String,
    pub message: String,
}

impl Answer {
    /// Whether the registry gives this code.
    pub fn says(&self, code: &ErrorCode) -> bool {
        self.code == name(code)
    }

    /// Whether a storage quota is used up. Harbor says so with 403 and
    /// `DENIED` (harbor#17390, harbor#10936), and others do too, each in its own
    /// words. A rate limit is none, though some words are alike: it passes.
    pub fn speaks_of_quota(&self) -> bool {
        let words = format!("{} {}", self.code, self.message).to_lowercase();
        let speaks = |of: &str| words.contains(of);
        let is_about_room = [
            "quota",
            "upper limit",
            "storage limit",
            "insufficient storage",
        ];
        let is_about_requests = ["rate limit", "toomanyrequests", "too many requests"];
        is_about_room.into_iter().any(speaks) && !is_about_requests.into_iter().any(speaks)
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => Ok(()),
            ("", message) => write!(f, "; the registry says: `{message}`"),
            (code, "") => write!(f, "; the registry says: `{code}`"),
            (code, message) => write!(f, "; the registry says: `{code}: {message}`"),
        }
    }
}

/// A code as registries write it.
pub(super) fn name(code: &ErrorCode) -> String {
    match code {
        ErrorCode::Other(code) => code.clone(),
        code => match serde_json::to_value(code) {
            Ok(serde_json::Value::String(name)) => name,
            _ => String::new(),
        },
    }
}

/// The words of a host that is not the registry.
fn said(answer: &Answer) -> String {
    match (answer.code.as_str(), answer.message.as_str()) {
        ("", "") => String::new(),
        ("", words) | (words, "") => format!("; it says: `{words}`"),
        (code, message) => format!("; it says: `{code}: {message}`"),
    }
}
