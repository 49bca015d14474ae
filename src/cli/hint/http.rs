//! Remedies for requests without a usable answer, whoever was asked. Registries,
//! services of keys and witnesses have words of their own for some of these errors.

use rustls::AlertDescription;

use super::{Hint, RUN_AGAIN, say};
use crate::http::roots::{BUNDLE, Roots};
use crate::http::{Astray, HttpError};

pub(super) fn of_http(error: &HttpError) -> Hint {
    match error {
        HttpError::Certificate { roots, .. } => match roots {
            // Nobody vouches for it. Without roots to name, the certificate itself
            // has a fault: another name, or a time that is over.
            Some(roots) => Some(of_roots(roots).into()),
            None => say(
                "the host must show another certificate, or be asked by a name that its \
                 certificate has; a newer certificate of its authority is named with \
                 `SSL_CERT_FILE`",
            ),
        },
        HttpError::ProxyDenied { .. } => {
            say("give user and password in `HTTPS_PROXY`, or list the host in `NO_PROXY`")
        }
        HttpError::Proxy { .. } => say("check `HTTPS_PROXY` and `NO_PROXY`; running again is safe"),
        HttpError::ProxySetting { variable, .. } => Some(
            format!("set `{variable}` to `http://<host>:<port>`, or list the host in `NO_PROXY`")
                .into(),
        ),
        HttpError::Alert { .. } if error.wants_certificate() => say(
            "the host wants a client certificate, and the signer shows none: let it in without one, \
             or by another address",
        ),
        HttpError::Alert { alert, .. } => say(of_alert(*alert)),
        HttpError::Incompatible { .. } => say(
            "the signer speaks TLS 1.2 with ECDHE, and TLS 1.3: set up the host for one of them",
        ),
        HttpError::OutOfTime { .. } => {
            Some(format!("`-timeout` sets the time; {RUN_AGAIN}").into())
        }
        HttpError::Descriptors { .. } => {
            say("raise the limit on open files (`ulimit -n`); running again is safe")
        }
        HttpError::Tls { .. } => say(
            "what answers there speaks no TLS: check the URL or the endpoint that is set, and the \
             proxies",
        ),
        HttpError::Connect { .. }
        | HttpError::Dns { .. }
        | HttpError::Silence { .. }
        | HttpError::GivenUp { .. } => {
            say("check the name, the network and `HTTPS_PROXY`; running again is safe")
        }
        HttpError::Broken { .. }
        | HttpError::Overloaded { .. }
        | HttpError::Outdated { .. }
        | HttpError::WaitTooLong { .. } => {
            say("running again later is safe and completes what is missing")
        }
        HttpError::Redirect { reason, .. } => of_astray(*reason),
        HttpError::Content { .. }
        | HttpError::TooLarge { .. }
        | HttpError::Nonsense { .. }
        | HttpError::Inward { .. }
        | HttpError::NotAHost { .. } => None,
    }
}

/// A service's own setting that names no proxy.
pub(super) fn of_proxy(setting: &str) -> String {
    format!("write `{setting}` as `http://<host>:<port>`")
}

/// A registry that leads to a forbidden address (`spec/decisions/0014`). Two of the
/// reasons are settings of the registry that its operator can mend.
pub(super) fn of_astray(reason: Astray) -> Hint {
    match reason {
        Astray::Downgrade => say(
            "the host takes itself for one that is reached in plain HTTP: correct its external URL, \
             or let the proxy in front of it send `X-Forwarded-Proto: https`",
        ),
        Astray::PlainElsewhere => say(
            "the address that it leads to has to begin with `https://`: nobody else's is asked in \
             plain HTTP",
        ),
        Astray::Nowhere
        | Astray::NoUrl
        | Astray::TooOften
        | Astray::NotHttp
        | Astray::Link
        | Astray::Inside
        | Astray::Loopback => None,
    }
}

/// None of the roots vouches for a certificate. Where no bundle was found, the
/// remedy says so: many containers have none.
pub(super) fn of_roots(roots: &Roots) -> String {
    if roots.certificates.is_empty() {
        return format!(
            "there are no root certificates here: mount a bundle at `{BUNDLE}`, or name one with \
             `SSL_CERT_FILE`; found {roots}"
        );
    }
    format!(
        "add the root certificate of its authority with `SSL_CERT_FILE` or `SSL_CERT_DIR`; there are \
         {roots}"
    )
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "the host shares no cipher with the signer (TLS 1.3, or TLS 1.2 with ECDHE and \
             AES-GCM or ChaCha20), or wants a client certificate, which the signer does not show"
        }
        AlertDescription::ProtocolVersion => {
            "the signer speaks TLS 1.2 and 1.3: set up the host for one"
        }
        AlertDescription::UnrecognisedName => {
            "who answers at this address does not serve that name: check the name, and its address"
        }
        _ => "the log of the host, or of the server before it, may say why",
    }
}
