//! Failures between the plan and the receipt. Exit codes and remedies are left to `cli`,
//! which matches on every variant.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::certificate::OwnCertificateError;
use super::message_folder::GenerateError;
use super::mixture::Mixture;
use super::secret_file::SecretFileError;
use super::witnesses::WitnessesError;
use crate::attach::{AttachError, Kind, Place};
use crate::config::Position;
use crate::envelope::SealError;
use crate::keys::{KeyReference, OpenError, SignError, UriError};
use crate::oci::manifest::ManifestError;
use crate::oci::{Digest, Reference, Repository};
use crate::proof::entry::Refusal;
use crate::sbom::SbomError;
use crate::service::ServiceError;
use crate::store::registry::StoreError;

/// The reason why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Interrupt,
    Terminate,
    /// The run may take this long.
    OutOfTime(Duration),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupt => f.write_str("on SIGINT"),
            Self::Terminate => f.write_str("on SIGTERM"),
            Self::OutOfTime(time) => {
                write!(f, "after {} s, the time of a run", time.as_secs_f64())
            }
        }
    }
}

/// A step that failed. `signatory` is `configs[0]` and so on, `position` where that
/// stands in `cosign.toml`.
#[derive(thiserror::Error)]
pub enum PhaseError {
    #[error(
        "{position}: `{second}` writes to the same place as `{first}`, but its `{key}` says otherwise"
    )]
    Contradiction {
        position: Position,
        first: String,
        second: String,
        /// The key of `cosign.toml` on which they disagree.
        key: &'static str,
    },
    #[error("the report lists `{tag}`, which is the image's own place for {kind}")]
    OwnTag { tag: Box<Reference>, kind: Kind },
    #[error("nobody can vouch for `{signatory}`, at `{position}`")]
    Witnesses {
        position: Position,
        signatory: String,
        #[source]
        source: WitnessesError,
    },
    #[error(transparent)]
    SecretFile(SecretFileError),
    #[error("the `key` at `{position}` cannot be used")]
    KeyUri {
        position: Position,
        #[source]
        source: UriError,
    },
    #[error("`{key}`, at `{position}`, is not opened by a `password`")]
    NeedlessPassword {
        position: Position,
        key: Arc<KeyReference>,
    },
    #[error("cannot open the key of `{signatory}`, `{key}`")]
    Key {
        signatory: String,
        key: Arc<KeyReference>,
        #[source]
        source: Box<OpenError>,
    },
    #[error(transparent)]
    OwnCertificate(OwnCertificateError),
    /// A bug: reports without tags are refused when they are read.
    #[error("the report names no image")]
    NoTags,
    #[error("cannot read `{image}`")]
    Read {
        image: Box<Reference>,
        #[source]
        source: StoreError,
    },
    #[error("the manifest of `{image}` cannot be used")]
    Manifest {
        image: Box<Reference>,
        #[source]
        source: ManifestError,
    },
    /// The image is there, and its tag shows another one.
    #[error("`{tag}` is now `{actual}`, but the report says `{expected}`")]
    Moved {
        tag: Box<Reference>,
        expected: Digest,
        actual: Digest,
    },
    /// The image is there, and its tag is not.
    #[error("`{tag}` is gone; the report says that it is `{digest}`")]
    TagGone { tag: Box<Reference>, digest: Digest },
    /// Neither by its tag nor by its digest.
    #[error("the registry has no image `{image}`, which the report calls `{tag}`")]
    Missing {
        tag: Box<Reference>,
        image: Box<Reference>,
    },
    #[error("no write access to `{repository}`")]
    WriteAccess {
        repository: Repository,
        #[source]
        source: StoreError,
    },
    #[error("the SBOM of `{image}` cannot be exported")]
    Sbom {
        image: Box<Reference>,
        #[source]
        source: SbomError,
    },
    #[error("cannot read the SBOM layer of `{image}`")]
    SbomLayer {
        image: Box<Reference>,
        #[source]
        source: StoreError,
    },
    #[error("cannot sign `{image}` with `{key}`")]
    Sign {
        image: String,
        key: Arc<KeyReference>,
        #[source]
        source: SignError,
    },
    #[error("no log of `{signatory}` takes signatures of `{key}`")]
    Unlogged {
        signatory: String,
        key: Arc<KeyReference>,
        #[source]
        reason: Refusal,
    },
    #[error(
        "the statement about `{document}` of `{image}` has {length} bytes, more than a log of version 1 takes"
    )]
    TooLongForLog {
        image: String,
        document: String,
        length: u64,
    },
    #[error("cannot have the signature of `{image}` vouched for")]
    Witness {
        image: String,
        #[source]
        source: Box<ServiceError>,
    },
    #[error("cannot sign the request for a certificate for `{key}`")]
    CertificateRequest {
        key: Arc<KeyReference>,
        #[source]
        source: SignError,
    },
    #[error("there is no certificate for `{key}`")]
    Certificate {
        key: Arc<KeyReference>,
        #[source]
        source: Box<ServiceError>,
    },
    /// Of a document that was read before and cannot be read again.
    #[error("cannot read what is to be stored")]
    Content(#[source] io::Error),
    #[error("cannot put what was signed into its form")]
    Seal(#[source] SealError),
    // The next five are bugs. They are errors and not passed over: a signature that was
    // asked for and left out would end with exit code 0.
    #[error("`{0}` has no key that was opened")]
    NoKey(String),
    #[error("`{0}` was not checked")]
    NoPlace(Place),
    #[error("something for `{0}` was not signed")]
    NoSignature(Place),
    #[error("a signature by `{0}` has nothing that verifies it")]
    NoVerifier(Arc<KeyReference>),
    /// Work has panicked.
    #[error("{0} ended unexpectedly")]
    Crashed(&'static str),
    #[error(transparent)]
    Generate(GenerateError),
    #[error(transparent)]
    Place(AttachError),
    #[error(transparent)]
    Mixed(Mixture),
    #[error("stopped {0}")]
    Stopped(Stop),
    /// Something visible was written, or may have been, before this failure.
    #[error("published in part")]
    InPart(#[source] Box<PhaseError>),
}

debug_as_display!(PhaseError);

impl PhaseError {
    /// The place that could not be written; none of any other failure.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Place(error) => Some(error.place()),
            _ => None,
        }
    }
}
