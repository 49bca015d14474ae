//! The failures of services, sorted by the user's remedy.
//!
//! [`Trouble`] says what happened, [`FaultKind`] what it means for the run. `cli`
//! makes the exit code of the latter, and the hint of both the service and the
//! trouble: no remedy is named here.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::stored::{GitLabProject, KubernetesSecret};
use super::variables::Unreadable;
use super::vault::VaultKey;
use crate::child::ChildError;
use crate::http::HttpError;

/// A service, as messages and remedies name it. Large names are boxed: errors
/// carry them through every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// A program `sigstore-kms-<name>`.
    Plugin(String),
    /// A program that signs, by its path.
    Program(String),
    Aws(AwsApi),
    /// The sources of credentials for AWS.
    AwsCredentials,
    GitLab(Box<GitLabProject>),
    Kubernetes(Box<KubernetesSecret>),
    Vault(Box<VaultKey>),
    /// The sources of identities at Azure.
    Azure,
    /// Azure Key Vault or Managed HSM, by its host.
    KeyVault(String),
    /// A registry of Azure's, by its host.
    ContainerRegistry(String),
    /// The sources of identities at Google.
    Google,
    GoogleKms,
    /// A certificate authority of sigstore's, by its host.
    CertificateAuthority(String),
    /// An authority that stamps by RFC 3161, by its host.
    TimestampAuthority(String),
    /// A transparency log, by its host.
    Log(String),
    /// A source of identity tokens, by its name in cosign.toml.
    TokenProvider(&'static str),
}

/// A service of Amazon's that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsApi {
    Kms,
    /// The Security Token Service.
    Sts,
    /// Private registries.
    Ecr,
    /// `public.ecr.aws`
    EcrPublic,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) => write!(f, "`sigstore-kms-{name}`"),
            Self::Program(path) => write!(f, "`{path}`"),
            Self::Aws(AwsApi::Kms) => f.write_str("AWS KMS"),
            Self::Aws(AwsApi::Sts) => f.write_str("AWS STS"),
            Self::Aws(AwsApi::Ecr) => f.write_str("Amazon ECR"),
            Self::Aws(AwsApi::EcrPublic) => f.write_str("Amazon ECR Public"),
            Self::AwsCredentials => f.write_str("credentials for AWS"),
            Self::GitLab(project) if project.host.is_empty() => f.write_str("GitLab"),
            Self::GitLab(project) => write!(f, "GitLab at `{}`", project.host),
            Self::Kubernetes(secret) if secret.host.is_empty() => f.write_str("Kubernetes"),
            Self::Kubernetes(secret) => write!(f, "Kubernetes at `{}`", secret.host),
            Self::Vault(key) if key.host.is_empty() => f.write_str(key.product),
            Self::Vault(key) => write!(f, "{} at `{}`", key.product, key.host),
            Self::Azure => f.write_str("Azure"),
            Self::KeyVault(host) | Self::ContainerRegistry(host) => write!(f, "`{host}`"),
            Self::Google => f.write_str("Google Cloud"),
            Self::GoogleKms => f.write_str("Google Cloud KMS"),
            Self::CertificateAuthority(host) => write!(f, "the certificate authority `{host}`"),
            Self::TimestampAuthority(host) => write!(f, "the timestamp authority `{host}`"),
            Self::Log(host) => write!(f, "the log `{host}`"),
            Self::TokenProvider(name) => write!(f, "identity tokens from `{name}`"),
        }
    }
}

/// A service did not do what it was asked for. The service's own words are
/// scrubbed, cut, and marked as such: a reader must not take them for ours.
#[derive(Debug)]
pub struct ServiceError {
    pub service: ServiceName,
    pub trouble: Trouble,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, trouble } = self;
        write!(f, "{service}: {trouble}")
    }
}

impl Error for ServiceError {
    /// The system's words for a file or a connection; other troubles say it all
    /// themselves.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.trouble {
            Trouble::File(error) => error.source(),
            Trouble::Http(error) => error.source(),
            _ => None,
        }
    }
}

/// A source without credentials, and why it has none.
pub type Tried = (&'static str, String);

/// Why a service did not do it. `action` is the request in words, with the
/// redacted URL; `answer` the service's own words, or nothing. One enum serves
/// all: the same trouble has the same meaning at every service, but for
/// witnesses.
#[derive(thiserror::Error)]
pub enum Trouble {
    /// A required variable is not set.
    #[error("`{0}` is not set")]
    NotSet(&'static str),
    /// A variable, a file or a field of it that cannot be used.
    #[error("`{name}` cannot be used: {reason}")]
    Setting { name: String, reason: &'static str },
    #[error(transparent)]
    File(#[from] Unreadable),
    /// Every source that was tried, in its order, with the reason why it has none:
    /// the reader looks for the one that was meant.
    #[error("no credentials were found; looked at {}", list(tried))]
    NoCredentials { tried: Vec<Tried> },
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A right is lacking, as far as the service says.
    #[error("access denied: {action}{answer}")]
    Denied { action: String, answer: Said },
    /// The service does not know the credentials, or knows them no more.
    #[error("the credentials are not known, or no more: {action}{answer}")]
    Expired { action: String, answer: Said },
    /// The service takes the time of the request for a wrong one. It is this
    /// machine's clock that has to be set.
    #[error("the service has another time than this machine: {action}{answer}")]
    Clock { action: String, answer: Said },
    /// No key of this name, or no such version.
    #[error("not found: {action}{answer}")]
    Missing { action: String, answer: Said },
    /// The key is there, and cannot sign as cosign verifies.
    #[error("the key cannot be used: {reason}")]
    Unfit { reason: String },
    /// The service does not serve anybody now. The client has asked again until its
    /// budget was spent.
    #[error("{action}: the service is not ready{answer}")]
    NotReady { action: String, answer: Said },
    #[error("{action}: unexpected status {status}{answer}")]
    Status {
        action: String,
        status: u16,
        answer: Said,
    },
    /// A redirect to where its credentials must not go (KEY-68).
    #[error("{action}: it redirects to `{to}`, where the credentials must not go")]
    Astray { action: String, to: String },
    /// An answer of a success that does not hold what was asked for.
    #[error("{action}: the answer cannot be used: {reason}")]
    Answer {
        action: String,
        reason: &'static str,
    },
    /// Evidence that does not hold. `reason` is fit to print.
    #[error("{action}: the answer proves nothing: {reason}")]
    Unproven { action: String, reason: String },
    /// A log that was closed, and is replaced by another.
    #[error("{action}: the log is frozen{answer}")]
    Frozen { action: String, answer: Said },
    /// More than a log takes, by its own word or by the limit here.
    #[error("{action}: a request of {length} bytes is too long{answer}")]
    Oversized {
        action: String,
        length: u64,
        answer: Said,
    },
    /// The body of a request could not be made.
    #[error("{action}: the request cannot be made: {reason}")]
    Unsent { action: String, reason: String },
    /// Told before anything is sent: keys that sign messages, and not digests, take
    /// them whole.
    #[error("a message of {length} bytes is longer than the {most} bytes that it signs")]
    TooLong { length: u64, most: u64 },
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The program says why it failed.
    #[error("it failed{0}")]
    Failed(Said),
    #[error("no such program was found")]
    NoProgram,
}

debug_as_display!(Trouble);

/// The meaning of a failure for the run: the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The same run may succeed later.
    Unreachable,
    /// Somebody has to change a right, a credential or a certificate first.
    Denied,
    /// The key, or a setting by which it is asked for, is not there or not fit.
    Key,
    /// A setting of the machine for whatever it asks is none: its proxy (SIG-64).
    Setting,
    /// The service was asked, and gave nothing that can be used.
    Signing,
    /// A witness does not vouch for us, or its evidence does not hold (EVD-29).
    Witness,
}

impl Trouble {
    /// A setting that cannot be used.
    pub fn setting(name: impl Into<String>, reason: &'static str) -> Self {
        Self::Setting {
            name: name.into(),
            reason,
        }
    }
}

impl ServiceName {
    /// The error of this service.
    pub fn failed(&self, trouble: impl Into<Trouble>) -> ServiceError {
        ServiceError {
            service: self.clone(),
            trouble: trouble.into(),
        }
    }

    /// Whether it is asked to vouch for us, and not for a key.
    fn is_witness(&self) -> bool {
        matches!(
            self,
            Self::CertificateAuthority(_)
                | Self::TimestampAuthority(_)
                | Self::Log(_)
                | Self::TokenProvider(_)
        )
    }
}

impl ServiceError {
    /// The meaning of the failure for the run.
    pub fn kind(&self) -> FaultKind {
        // A witness that lacks something is at fault itself; a variable or a file
        // that this machine lacks to ask one is told as for keys (EVD-29).
        let is_here = !matches!(
            self.trouble,
            Trouble::Missing { .. } | Trouble::Unfit { .. }
        );
        match (self.service.is_witness(), self.kind_of_trouble()) {
            (true, FaultKind::Key) if is_here => FaultKind::Key,
            (true, FaultKind::Setting) => FaultKind::Setting,
            (true, _) => FaultKind::Witness,
            (false, kind) => kind,
        }
    }

    /// The meaning at a service of keys. Exhaustive, so that a new trouble has to
    /// be sorted.
    fn kind_of_trouble(&self) -> FaultKind {
        match &self.trouble {
            Trouble::NotSet(_)
            | Trouble::Setting { .. }
            | Trouble::File(_)
            | Trouble::NoCredentials { .. }
            | Trouble::Missing { .. }
            | Trouble::Unfit { .. }
            | Trouble::NoProgram => FaultKind::Key,
            // A certificate that is not trusted is not trusted later either
            // (`spec/decisions/0024`).
            Trouble::Http(HttpError::Certificate { .. })
            | Trouble::Denied { .. }
            | Trouble::Expired { .. }
            | Trouble::Clock { .. } => FaultKind::Denied,
            Trouble::Http(error) if error.wants_certificate() => FaultKind::Denied,
            Trouble::Http(HttpError::ProxySetting { .. }) => FaultKind::Setting,
            // It is as long the next time.
            Trouble::Http(HttpError::TooLarge { .. }) => FaultKind::Signing,
            Trouble::Http(_) | Trouble::NotReady { .. } | Trouble::Astray { .. } => {
                FaultKind::Unreachable
            }
            Trouble::Unproven { .. } => FaultKind::Witness,
            Trouble::Frozen { .. } => FaultKind::Unreachable,
            Trouble::Status { status, .. } if *status >= 500 => FaultKind::Unreachable,
            Trouble::Status { .. }
            | Trouble::Answer { .. }
            | Trouble::TooLong { .. }
            | Trouble::Oversized { .. }
            | Trouble::Unsent { .. }
            | Trouble::Child(_)
            | Trouble::Failed(_) => FaultKind::Signing,
        }
    }
}

/// A service's own words, fit to print; nothing if it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(pub String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.is_empty() {
            true => Ok(()),
            false => write!(f, "; it says `{}`", self.0),
        }
    }
}

fn list(tried: &[Tried]) -> String {
    let tried = tried
        .iter()
        .map(|(source, why)| format!("{source} ({why})"));
    tried.collect::<Vec<_>>().join(", ")
}

/// How long a program may take for one answer (KEY-113): it may ask a service of
/// its own, or wait for a token's PIN pad.
pub const PROGRAM_TIME: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(service: ServiceName, trouble: Trouble) -> FaultKind {
        ServiceError { service, trouble }.kind()
    }

    /// EVD-29
    #[test]
    fn a_witness_that_does_not_vouch_for_us_is_no_fault_of_a_key() {
        let (action, answer) = (|| "POST /".to_owned(), Said::default);
        let reason = || "another imprint".to_owned();
        for service in [
            ServiceName::CertificateAuthority("a".to_owned()),
            ServiceName::TimestampAuthority("a".to_owned()),
            ServiceName::Log("a".to_owned()),
            ServiceName::TokenProvider("a"),
        ] {
            for trouble in [
                Trouble::Unproven {
                    action: action(),
                    reason: reason(),
                },
                Trouble::Denied {
                    action: action(),
                    answer: answer(),
                },
                Trouble::Missing {
                    action: action(),
                    answer: answer(),
                },
                Trouble::Answer {
                    action: action(),
                    reason: "it is damaged",
                },
            ] {
                assert_eq!(kind(service.clone(), trouble), FaultKind::Witness);
            }
            let kind = kind(service, Trouble::NotSet("SIGSTORE_ID_TOKEN"));
            assert_eq!(kind, FaultKind::Key);
        }
        let denied = Trouble::Denied {
            action: action(),
            answer: answer(),
        };
        assert_eq!(kind(ServiceName::GoogleKms, denied), FaultKind::Denied);
    }

    /// KEY-73, KEY-87
    #[test]
    fn an_answer_that_is_too_large_is_one_that_cannot_be_used() {
        let url = url::Url::parse("https://k.example/").unwrap();
        let kind = |service| {
            let url = (&url).into();
            kind(service, HttpError::TooLarge { url, limit: 3 }.into())
        };
        assert_eq!(kind(ServiceName::Aws(AwsApi::Kms)), FaultKind::Signing);
        assert_eq!(kind(ServiceName::Log("a".to_owned())), FaultKind::Witness);
    }

    /// SIG-64
    #[test]
    fn a_proxy_that_is_none_is_a_setting_of_the_machine_for_whomever_it_is() {
        let url = url::Url::parse("https://k.example/").unwrap();
        for service in [
            ServiceName::GoogleKms,
            ServiceName::Log("a".to_owned()),
            ServiceName::TokenProvider("a"),
        ] {
            let error = HttpError::ProxySetting {
                url: (&url).into(),
                variable: "HTTPS_PROXY",
                reason: "it is no URL of a proxy",
            };
            assert_eq!(kind(service, error.into()), FaultKind::Setting);
        }
    }
}
