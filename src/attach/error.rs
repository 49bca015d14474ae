//! Failures at a place.

use super::place::Place;
use crate::oci::manifest::{MAX_LAYERS, ManifestError};
use crate::store::FailureKind;
use crate::store::registry::{Answer, Shown, StoreError};

/// A place that cannot be read or written.
#[derive(thiserror::Error)]
pub enum AttachError {
    /// No image manifest at a tag, no index where referrers are listed, or one
    /// that readers cannot decode (WIRE-43, WIRE-45).
    #[error("`{}` holds something that is not ours to replace", place.reference())]
    Foreign {
        place: Place,
        #[source]
        source: ManifestError,
    },
    /// Writing there would take the image away (SIG-33; `spec/faults.md`, B8b and
    /// D23b).
    #[error("`{}` is the image itself", place.reference())]
    Subject { place: Place },
    #[error(
        "`{place}` would have {layers} {}; readers refuse more than {MAX_LAYERS}",
        place.kind().parts()
    )]
    Full { place: Place, layers: usize },
    #[error("the registry refuses to change `{place}` (status {status}){answer}")]
    Refused {
        place: Place,
        status: u16,
        answer: Answer,
    },
    /// Not within five seconds (case 37); it may be found there later.
    #[error("the registry accepted `{place}` but does not show it")]
    NotDurable { place: Place },
    /// After [`PATIENCE`](super::timing::PATIENCE); for a manifest under its
    /// digest, after the repetitions of the client.
    #[error(
        "gave up writing `{place}`: others write it again and again, or its registry never says what it did"
    )]
    GaveUp { place: Place },
    /// After three more uploads (case 35).
    #[error("the registry takes the blobs of `{place}` and does not know them afterwards")]
    BlobsLost { place: Place },
    #[error("cannot read or write `{place}`")]
    Store {
        place: Place,
        #[source]
        source: StoreError,
    },
    #[error("cannot read what is to hang at `{place}`")]
    Content {
        place: Place,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot build the manifest of `{place}`")]
    Json {
        place: Place,
        #[source]
        source: serde_json::Error,
    },
}

debug_as_display!(AttachError);

impl AttachError {
    pub fn place(&self) -> &Place {
        match self {
            Self::Foreign { place, .. }
            | Self::Subject { place }
            | Self::Full { place, .. }
            | Self::Refused { place, .. }
            | Self::NotDurable { place }
            | Self::GaveUp { place }
            | Self::BlobsLost { place }
            | Self::Store { place, .. }
            | Self::Content { place, .. }
            | Self::Json { place, .. } => place,
        }
    }

    /// The meaning of the failure for the run.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Foreign { .. }
            | Self::Subject { .. }
            | Self::Full { .. }
            | Self::Refused { .. }
            | Self::Store {
                // Other than of an image: something is here that the signer may
                // not have, or not change.
                source: StoreError::Status { status: ..500, .. },
                ..
            } => FailureKind::Refused,
            Self::Store { source, .. } => source.kind(),
            Self::NotDurable { .. } | Self::GaveUp { .. } | Self::BlobsLost { .. } => {
                FailureKind::Unreachable
            }
            Self::Json { .. } | Self::Content { .. } => FailureKind::Local,
        }
    }

    /// A failure of the registry at `place`.
    pub(super) fn store(place: &Place, source: StoreError) -> Self {
        let place = place.clone();
        Self::Store { place, source }
    }

    /// Writing `place` is denied to whom an upload was granted: by the rights, or
    /// by a quota.
    pub(super) fn denied(place: &Place, answer: Answer) -> Self {
        if answer.speaks_of_quota() {
            return Self::Refused {
                place: place.clone(),
                status: 403,
                answer,
            };
        }
        Self::Store {
            place: place.clone(),
            source: StoreError::Denied {
                action: format!("writing `{place}`"),
                identity: Shown::Granted,
                answer,
            },
        }
    }
}
