//! The sources of credentials, and their bounds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The most bytes that one source may have (`spec/limits.md`).
pub const MAX_LENGTH: usize = 1024 * 1024;
/// How long a credential helper may take (`spec/faults.md`, case 68).
pub(super) const HELPER_TIME: Duration = Duration::from_secs(10);

/// The source of a credential. It prints as messages name it; no message names
/// a user (SIG-15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    CnbRegistryAuth,
    DockerAuthConfig,
    /// Or podman's `auth.json`.
    DockerConfig(PathBuf),
    /// The credential helper with this name, named by this file.
    Helper {
        program: String,
        config: PathBuf,
    },
    /// The identity of the place.
    Ambient(Cloud),
}

/// A cloud with registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    Amazon,
    Azure,
    Google,
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amazon => "the identity in AWS",
            Self::Azure => "the identity in Azure",
            Self::Google => "the identity in Google Cloud",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CnbRegistryAuth => f.write_str("CNB_REGISTRY_AUTH"),
            Self::DockerAuthConfig => f.write_str("DOCKER_AUTH_CONFIG"),
            Self::DockerConfig(path) => write!(f, "`{}`", path.display()),
            Self::Helper { program, config } => {
                write!(f, "helper `{program}` of `{}`", config.display())
            }
            Self::Ambient(cloud) => write!(f, "{cloud}"),
        }
    }
}
