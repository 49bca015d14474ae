//! The one map from a failure to the exit code (`spec/signer.md`, "Outputs" and
//! SIG-18). Platforms tell by it whether running again can help: 111, 117 and 119
//! say so.

use std::io;
use std::path::PathBuf;

use super::{
    FlagError, InputsError, InvalidFormat, InvalidLevel, PlatformApiError, PrivilegesError,
};
use crate::config::{ConfigError, ReportError};
use crate::keys::{FolderError, KeyPairError, OpenError, SignError};
use crate::phase::{DestinationError, GenerateError, PhaseError, Stop};
use crate::service::FaultKind;
use crate::store::registry::credentials::CredentialsError;
use crate::store::{FailureKind, Visible};

const UNEXPECTED: u8 = 1;
const FLAG: u8 = 2;
const INVALID_INPUT: u8 = 3;
const PLATFORM_API: u8 = 11;
const UNREACHABLE: u8 = 111;
const SIGNING: u8 = 112;
const ACCESS_DENIED: u8 = 113;
const IMAGE: u8 = 114;
const KEY: u8 = 115;
const SBOM: u8 = 116;
const IN_PART: u8 = 117;
const REFUSED: u8 = 118;
const WITNESS: u8 = 119;

/// Every code, and how `-h`, the manual and the README explain it.
pub(super) const MEANINGS: [(u8, &str); 14] = [
    (
        0,
        "everything that was asked for is published and was read back",
    ),
    (
        UNEXPECTED,
        "unexpected error, or a signal before anything visible was written",
    ),
    (FLAG, "bad flag"),
    (
        INVALID_INPUT,
        "invalid flags, variables, report or cosign.toml",
    ),
    (PLATFORM_API, "Platform API not supported"),
    (
        UNREACHABLE,
        "registry, or the service of a key, unreachable or overloaded: running again may help",
    ),
    (SIGNING, "signing failed"),
    (
        ACCESS_DENIED,
        "access denied, or a certificate that is not trusted",
    ),
    (
        IMAGE,
        "image missing, or a tag no longer points at the digest of the report",
    ),
    (KEY, "key or password"),
    (SBOM, "SBOM"),
    (
        IN_PART,
        "published in part: the log names the places, and running again completes it",
    ),
    (
        REFUSED,
        "the registry refuses the change, or what stands there cannot be added to",
    ),
    (
        WITNESS,
        "certificate authority, timestamp authority, log or identity provider unreachable or \
         refusing, or its answer proves nothing: running again may help",
    ),
];

/// Everything that ends a run early. Messages that the lifecycle has as well are the
/// lifecycle's.
#[derive(thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Flag(FlagError),
    #[error(transparent)]
    PlatformApi(PlatformApiError),
    #[error("failed to parse log level")]
    LogLevel(#[source] InvalidLevel),
    #[error("failed to parse log format")]
    LogFormat(#[source] InvalidFormat),
    #[error(transparent)]
    Inputs(InputsError),
    #[error(transparent)]
    Report(ReportError),
    #[error(transparent)]
    Config(ConfigError),
    /// Before anything was sent, or after a run that changed nothing or failed itself.
    #[error("cannot write the receipt to `{path}`")]
    Receipt {
        path: PathBuf,
        #[source]
        source: DestinationError,
    },
    /// After a run that has changed something in a registry, and succeeded.
    #[error("everything is published, but cannot write the receipt to `{path}`")]
    Unreported {
        path: PathBuf,
        #[source]
        source: DestinationError,
    },
    /// A source of credentials that cannot be read as one, found before anything is sent
    /// (SIG-70, SIG-71). Credentials that a registry refuses are a step's failure.
    #[error("failed to resolve keychain")]
    Credentials(#[source] CredentialsError),
    #[error(transparent)]
    Privileges(PrivilegesError),
    #[error("cannot make a key pair")]
    KeyPair(#[source] KeyPairError),
    /// A folder that takes no messages, found before anything is sent (EVD-71).
    #[error("cannot generate what is to be signed")]
    Generate(#[source] GenerateError),
    #[error("failed to sign")]
    Phase(#[source] PhaseError),
    /// The runtime, for lack of file descriptors.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// Outside of the steps; others may see a change of the run's by then. The log has the
    /// place of the panic, and nothing has its message.
    #[error("internal error: this is a bug of the signer, please report it")]
    Panic(Visible),
}

debug_as_display!(Failure);

impl Failure {
    /// The code that the process exits with. It follows from the failure alone: one
    /// after something was published is a [`PhaseError::InPart`].
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Flag(_) => FLAG,
            Self::PlatformApi(_) => PLATFORM_API,
            Self::LogLevel(_)
            | Self::LogFormat(_)
            | Self::Inputs(_)
            | Self::Report(_)
            | Self::Config(_)
            | Self::Credentials(_)
            | Self::Generate(_)
            | Self::Receipt { .. } => INVALID_INPUT,
            // Something is published, and nobody has the record of it.
            Self::Unreported { .. } => IN_PART,
            Self::Panic(visible) if *visible > Visible::No => IN_PART,
            Self::Privileges(_) | Self::Start(_) | Self::Panic(_) => UNEXPECTED,
            Self::KeyPair(error) => of_key_pair(error),
            Self::Phase(error) => of_phase(error),
        }
    }
}

/// The code of a run that succeeded, except that its receipt may be lacking.
pub(super) fn without_receipt(is_lacking: bool) -> u8 {
    match is_lacking {
        true => IN_PART,
        false => 0,
    }
}

fn of_key_pair(error: &KeyPairError) -> u8 {
    match error {
        KeyPairError::Exists(_) | KeyPairError::Write { .. } => INVALID_INPUT,
        KeyPairError::Seal(_) => KEY,
        KeyPairError::NoRandom => UNEXPECTED,
    }
}

/// The code of a step that failed. Codes of what was asked for (3) and of what it
/// points to (115) differ: `cosign.toml` is right where a key file is not there.
fn of_phase(error: &PhaseError) -> u8 {
    match error {
        PhaseError::Contradiction { .. }
        | PhaseError::OwnTag { .. }
        | PhaseError::KeyUri { .. }
        | PhaseError::NeedlessPassword { .. }
        | PhaseError::Witnesses { .. }
        | PhaseError::Generate(_)
        | PhaseError::Unlogged { .. }
        | PhaseError::NoTags => INVALID_INPUT,
        PhaseError::SecretFile(_) | PhaseError::OwnCertificate(_) => KEY,
        PhaseError::Key { source, .. } => of_opening(source),
        PhaseError::Read { source, .. } => of_kind(source.kind(), IMAGE),
        PhaseError::Manifest { .. }
        | PhaseError::Moved { .. }
        | PhaseError::TagGone { .. }
        | PhaseError::Missing { .. } => IMAGE,
        PhaseError::WriteAccess { source, .. } => of_kind(source.kind(), ACCESS_DENIED),
        // A document is the only content that can come to be unreadable later, and
        // the only one that is too long for a log (EVD-43).
        PhaseError::Sbom { .. } | PhaseError::TooLongForLog { .. } | PhaseError::Content(_) => SBOM,
        PhaseError::SbomLayer { source, .. } => of_kind(source.kind(), SBOM),
        PhaseError::Sign { source, .. } | PhaseError::CertificateRequest { source, .. } => {
            match source {
                SignError::Service(error) => of_fault(error.kind()),
                // EVD-77: the messages were signed for another key.
                SignError::Folder(error) if matches!(**error, FolderError::OtherKey { .. }) => KEY,
                SignError::Crashed => UNEXPECTED,
                _ => SIGNING,
            }
        }
        PhaseError::Witness { source, .. } | PhaseError::Certificate { source, .. } => {
            of_fault(source.kind())
        }
        PhaseError::Seal(_) => SIGNING,
        // SIG-46: with more time it might have ended well. A signal is no fault of a
        // registry's.
        PhaseError::Stopped(Stop::OutOfTime(_)) => UNREACHABLE,
        // Of these all but the signal are bugs.
        PhaseError::NoKey(_)
        | PhaseError::NoPlace(_)
        | PhaseError::NoSignature(_)
        | PhaseError::NoVerifier(_)
        | PhaseError::Crashed(_)
        | PhaseError::Stopped(_) => UNEXPECTED,
        PhaseError::Place(error) => of_kind(error.kind(), REFUSED),
        PhaseError::Mixed(_) => REFUSED,
        PhaseError::InPart(source) => match &**source {
            // Running again cannot help, so that 118 wins over 117 (SIG-18).
            PhaseError::Place(error) if error.kind() == FailureKind::Refused => REFUSED,
            _ => IN_PART,
        },
    }
}

fn of_opening(error: &OpenError) -> u8 {
    match error {
        OpenError::Key(_)
        | OpenError::NotSet(_)
        | OpenError::EmptyVariable(_)
        | OpenError::File(_) => KEY,
        OpenError::Service(error) => of_fault(error.kind()),
        OpenError::Crashed => UNEXPECTED,
    }
}

/// The code of the failure of a key's service, or of a witness.
fn of_fault(kind: FaultKind) -> u8 {
    match kind {
        FaultKind::Unreachable => UNREACHABLE,
        FaultKind::Denied => ACCESS_DENIED,
        FaultKind::Key => KEY,
        FaultKind::Setting => INVALID_INPUT,
        FaultKind::Signing => SIGNING,
        FaultKind::Witness => WITNESS,
    }
}

/// The code of a registry's failure. `content` is the code for an answer
/// without the expected bytes.
fn of_kind(kind: FailureKind, content: u8) -> u8 {
    match kind {
        FailureKind::Unreachable => UNREACHABLE,
        FailureKind::Denied => ACCESS_DENIED,
        FailureKind::Refused => REFUSED,
        FailureKind::Content => content,
        // No registry's fault: what is to be stored cannot be read or built.
        FailureKind::Local => SIGNING,
        // A proxy that a variable names (SIG-64, SIG-65).
        FailureKind::Setting => INVALID_INPUT,
        FailureKind::Stopped => UNEXPECTED,
    }
}
