//! What can go wrong between the signer and a host.

use std::error::Error;
use std::time::Duration;

use url::Url;

use super::redact::Redacted;

/// A request that got no usable answer. URLs are redacted.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("cannot connect to `{url}`")]
    Connect {
        url: String,
        #[source]
        source: Cause,
    },
    #[error("cannot find the host of `{url}`")]
    Dns {
        url: String,
        #[source]
        source: Cause,
    },
    #[error("the certificate of `{url}` is not trusted")]
    Certificate {
        url: String,
        #[source]
        source: Cause,
    },
    #[error("`{url}` does not speak TLS as it should")]
    Tls {
        url: String,
        #[source]
        source: Cause,
    },
    #[error("the connection to `{url}` broke")]
    Broken {
        url: String,
        #[source]
        source: Cause,
    },
    #[error("`{url}` did not answer within {0:.0} s", patience.as_secs_f64())]
    Silence { url: String, patience: Duration },
    #[error("the answer of `{url}` is larger than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    #[error("`{url}` redirects where it must not: {reason}")]
    Redirect { url: String, reason: &'static str },
    #[error("`{url}` answered {status} to each of {attempts} attempts{answer}")]
    Overloaded {
        url: String,
        status: u16,
        attempts: u32,
        answer: String,
    },
    #[error("`{host}` is not a host that can be asked")]
    NotAHost { host: String },
    #[error("`{url}` asks to wait {0} s, longer than this run may take", wait.as_secs())]
    WaitTooLong { url: String, wait: Duration },
}

/// A cause from the HTTP library, which never names a URL.
type Cause = Box<dyn Error + Send + Sync>;

impl HttpError {
    pub(super) fn silence(url: &Url, patience: Duration) -> Self {
        Self::Silence {
            url: Redacted(url).to_string(),
            patience,
        }
    }

    pub(super) fn redirect(url: &Url, reason: &'static str) -> Self {
        Self::Redirect {
            url: Redacted(url).to_string(),
            reason,
        }
    }

    /// What the HTTP library says, sorted by what a user can do about it.
    pub(super) fn sending(url: &Url, error: reqwest::Error) -> Self {
        let url = Redacted(url).to_string();
        let error = error.without_url();
        let tls = tls_error(&error).cloned();
        let (is_connect, is_dns) = (error.is_connect(), error.is_dns());
        let is_timeout = error.is_timeout();
        let source: Cause = match error.source() {
            Some(_) => innermost(error),
            None => error.into(),
        };
        match tls {
            Some(rustls::Error::InvalidCertificate(_)) => Self::Certificate { url, source },
            Some(_) => Self::Tls { url, source },
            None if is_dns => Self::Dns { url, source },
            None if is_connect || is_timeout => Self::Connect { url, source },
            None => Self::Broken { url, source },
        }
    }

    /// What to try, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Certificate { .. } => Some(
                "add the registry's root certificate with `SSL_CERT_FILE` or `SSL_CERT_DIR`"
                    .to_owned(),
            ),
            Self::Tls { .. } => Some(
                "if the registry speaks plain HTTP, list it with `-insecure-registry`".to_owned(),
            ),
            Self::Connect { .. } | Self::Dns { .. } | Self::Silence { .. } => Some(
                "check the name, the network and `HTTPS_PROXY`; running again is safe".to_owned(),
            ),
            Self::Broken { .. } | Self::Overloaded { .. } | Self::WaitTooLong { .. } => {
                Some("running again later is safe and completes what is missing".to_owned())
            }
            Self::TooLarge { .. } | Self::Redirect { .. } | Self::NotAHost { .. } => None,
        }
    }
}

/// The library's own words are its innermost cause; the layers above it say
/// only "error sending request".
fn innermost(error: reqwest::Error) -> Cause {
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    super::redact::printable(&cause.to_string()).into()
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped
            && let Some(tls) = tls_error(wrapped)
        {
            return Some(tls);
        }
        next = error.source();
    }
    None
}
