//! The failures between the signer and a host, sorted by what a user can do.
//!
//! URLs are redacted when the error is made; a host's own words are scrubbed of
//! secrets and cut (SIG-15).

mod library;

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use rustls::AlertDescription;
use url::Url;

use super::message::is_refusal;
use super::reach::Astray;
use super::redact::{RedactedUrl, printable};
use super::roots::Roots;
use crate::oci::Registry;

/// A request without a usable answer.
#[derive(thiserror::Error)]
pub enum HttpError {
    /// No connection: refused, no route, or not within ten seconds.
    #[error("cannot connect to `{url}`")]
    Connect {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    /// Named by itself: the host has nothing to do with it.
    #[error("cannot connect to `{url}`, since this process may open no more files")]
    Descriptors { url: RedactedUrl },
    #[error("cannot find the host of `{url}`")]
    Dns {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    #[error("the certificate of `{url}` is not trusted")]
    Certificate {
        url: RedactedUrl,
        /// The trusted roots, if the certificate lacks one of them.
        roots: Option<Arc<Roots>>,
        #[source]
        source: Cause,
    },
    /// The answer to the handshake is no TLS: mostly a server of plain HTTP.
    #[error("`{url}` does not speak TLS as it should")]
    Tls {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    /// The server says why it ends the handshake, and proves thereby that it
    /// speaks TLS (SIG-61).
    #[error("`{url}` refuses to speak TLS with the signer: alert `{}`", name(*alert))]
    Alert {
        url: RedactedUrl,
        alert: AlertDescription,
    },
    /// TLS that comes to nothing: no version or cipher in common, a server that
    /// breaks the protocol, settings of ours that fit no connection.
    #[error("`{url}` speaks another TLS than the signer")]
    Incompatible {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    /// An answer had begun, or could have: the host may have carried out the
    /// request.
    #[error("the connection to `{url}` broke")]
    Broken {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    /// A fault of the machine or of the signer. The host got a part at most.
    #[error("what is to be sent to `{url}` cannot be read")]
    Content {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    /// 407, or the refusal of a SOCKS proxy.
    #[error("the proxy lets nobody through to `{url}` without credentials")]
    ProxyDenied { url: RedactedUrl },
    /// Said by the proxy, so that it may pass as a failure of the host may.
    #[error("the proxy does not reach `{url}`")]
    Proxy {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    /// The variable's value is not repeated: it may hold a password.
    #[error("`{variable}` names no proxy to ask `{url}` through: {reason}")]
    ProxySetting {
        url: RedactedUrl,
        variable: &'static str,
        reason: &'static str,
    },
    /// Bytes that are no HTTP, or headers without end (case 72).
    #[error("the answer of `{url}` cannot be read")]
    Nonsense {
        url: RedactedUrl,
        #[source]
        source: Cause,
    },
    #[error("the run's time of {0} s was over before `{url}` answered", time.as_secs_f64())]
    OutOfTime { url: RedactedUrl, time: Duration },
    #[error("`{url}` did not answer within {0:.0} s", patience.as_secs_f64())]
    Silence {
        url: RedactedUrl,
        patience: Duration,
    },
    /// Another request of the run has used up the retry budget of the host.
    #[error("`{url}` was not asked any more: {failure}")]
    GivenUp { url: RedactedUrl, failure: String },
    /// The request was not sent, or was refused for now, until it was too old.
    #[error("`{url}` had too much to do until it was too late")]
    Outdated { url: RedactedUrl },
    #[error("the answer of `{url}` is larger than {limit} bytes")]
    TooLarge { url: RedactedUrl, limit: u64 },
    #[error("`{url}` redirects where it must not: {reason}{}", named(to))]
    Redirect {
        url: RedactedUrl,
        /// The target, if it is a URL.
        to: Option<RedactedUrl>,
        reason: Astray,
    },
    #[error("`{url}` is not asked: another host leads there, and its name stands for {address}")]
    Inward { url: RedactedUrl, address: IpAddr },
    /// The last of the answers that may get better, when the budget was spent.
    #[error("`{url}` answered {} to {}{answer}", status.as_u16(), each(*attempts))]
    Overloaded {
        url: RedactedUrl,
        status: StatusCode,
        attempts: u32,
        answer: String,
    },
    #[error("`{host}` is not a host that can be asked")]
    NotAHost { host: Registry },
    /// A `Retry-After` that ends after the run (case 16).
    #[error("`{url}` asks to wait {0} s, longer than this run may take", wait.as_secs())]
    WaitTooLong {
        url: RedactedUrl,
        status: StatusCode,
        wait: Duration,
    },
}

debug_as_display!(HttpError);

/// A cause from the HTTP library, which never names a URL.
type Cause = Box<dyn Error + Send + Sync>;

impl HttpError {
    pub(super) fn silence(url: &Url, patience: Duration) -> Self {
        Self::Silence {
            url: url.into(),
            patience,
        }
    }

    pub(super) fn given_up(url: &Url, failure: String) -> Self {
        Self::GivenUp {
            url: url.into(),
            failure,
        }
    }

    pub(super) fn outdated(url: &Url) -> Self {
        Self::Outdated { url: url.into() }
    }

    pub(super) fn out_of_time(url: &Url, time: Duration) -> Self {
        Self::OutOfTime {
            url: url.into(),
            time,
        }
    }

    pub(super) fn content(url: &Url, reason: &str) -> Self {
        Self::Content {
            url: url.into(),
            source: printable(reason).into(),
        }
    }

    pub(super) fn proxy_setting(url: &Url, variable: &'static str, reason: &'static str) -> Self {
        Self::ProxySetting {
            url: url.into(),
            variable,
            reason,
        }
    }

    /// TLS that cannot be set up at all.
    pub(super) fn tls(url: &Url, error: rustls::Error) -> Self {
        Self::Incompatible {
            url: url.into(),
            source: error.into(),
        }
    }

    /// Whether the registry wants a client certificate.
    pub fn wants_certificate(&self) -> bool {
        matches!(self, Self::Alert { alert, .. } if is_about_us(*alert))
    }

    /// Whether the same request may do better later. TLS that cannot be read, a
    /// bad certificate and an alert are not among them: no time mends them
    /// (SIG-60, SIG-61). A descriptor may become free: other requests of the run end.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Descriptors { .. }
                | Self::Dns { .. }
                | Self::Proxy { .. }
                | Self::Broken { .. }
                | Self::Silence { .. }
        )
    }

    /// Whether the host surely did not carry out the attempt that ended so: it got
    /// none, or answered that it wants one later or elsewhere. For a manifest the
    /// difference is that between the exit codes 111 and 117.
    pub(super) fn is_undone(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Descriptors { .. }
            | Self::Dns { .. }
            | Self::Certificate { .. }
            | Self::Tls { .. }
            | Self::Alert { .. }
            | Self::Incompatible { .. }
            | Self::Content { .. }
            | Self::ProxyDenied { .. }
            | Self::Proxy { .. }
            | Self::ProxySetting { .. }
            | Self::GivenUp { .. }
            | Self::Outdated { .. }
            | Self::Redirect { .. }
            | Self::Inward { .. }
            | Self::NotAHost { .. } => true,
            Self::Overloaded { status, .. } | Self::WaitTooLong { status, .. } => {
                is_refusal(*status)
            }
            Self::Broken { .. }
            | Self::Nonsense { .. }
            | Self::OutOfTime { .. }
            | Self::Silence { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    pub(super) fn redirect(url: &Url, reason: Astray) -> Self {
        Self::Redirect {
            url: url.into(),
            to: None,
            reason,
        }
    }

    pub(super) fn misled(url: &Url, to: &Url, reason: Astray) -> Self {
        Self::Redirect {
            url: url.into(),
            to: Some(to.into()),
            reason,
        }
    }
}

fn each(attempts: u32) -> String {
    match attempts {
        1 => "the only attempt".to_owned(),
        _ => format!("each of {attempts} attempts"),
    }
}

fn named(to: &Option<RedactedUrl>) -> String {
    to.as_ref()
        .map(|to| format!(" (`{to}`)"))
        .unwrap_or_default()
}

/// The alert's name as RFC 8446 writes it.
fn name(alert: AlertDescription) -> String {
    let mut name = String::new();
    let mut was_small = false;
    for letter in format!("{alert:?}").chars() {
        if letter.is_uppercase() && was_small {
            name.push('_');
        }
        was_small = letter.is_lowercase();
        name.extend(letter.to_lowercase());
    }
    name.replace("unrecognised", "unrecognized")
}

/// Whether an alert is about the client certificate that the signer does not
/// show. `certificate_required` is of TLS 1.3 alone (RFC 8446, section 6.2);
/// before it, servers answer a missing one with others of these.
fn is_about_us(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `spec/faults.md`, C15b.
    #[test]
    fn a_connection_without_a_descriptor_is_tried_again() {
        let url: Url = "https://r.io/v2/".parse().unwrap();
        let error = HttpError::Descriptors { url: (&url).into() };
        assert!(error.is_passing() && error.is_undone());
    }
}
