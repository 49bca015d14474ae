//! The errors of the HTTP library, sorted by what a user can do.

use std::error::Error;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use rustls::{AlertDescription, CertificateError};
use url::Url;

use super::{Cause, HttpError, is_about_us};
use crate::http::reach::Inward;
use crate::http::redact::{RedactedUrl, printable};
use crate::http::roots::LazyRoots;
use crate::http::verifier::UnfitRoot;

impl HttpError {
    /// The HTTP library's error, sorted by the user's remedy.
    pub(in crate::http) fn sending(url: &Url, error: reqwest::Error, roots: &LazyRoots) -> Self {
        let url = RedactedUrl::from(url);
        // The library prints URLs with their secrets.
        let error = error.without_url();
        if let Some(address) = find(&error, |error| {
            Some(error.downcast_ref::<Inward>()?.address)
        }) {
            return Self::Inward { url, address };
        }
        // All is read from the chain of causes before it is cut to the
        // innermost.
        let tls = tls_error(&error).cloned();
        let alert = alert(&error);
        let tunnel = tunnel_error(&error);
        let is_nonsense = is_nonsense(&error);
        let (is_connect, is_dns) = (error.is_connect(), error.is_dns());
        let is_timeout = error.is_timeout();
        let source: Cause = match error.source() {
            Some(_) => innermost(error),
            None => error.into(),
        };
        // A connection that fails for want of a descriptor looks like a host that is
        // not there, where the user would look in vain.
        if (is_connect || is_dns) && no_descriptor_is_left() {
            return Self::Descriptors { url };
        }
        // The host says itself why it ends the handshake; through a tunnel it may be
        // the proxy that does. TLS 1.3 asks for our certificate before the request,
        // and says after it that there is none.
        let ends_handshake = |alert: &AlertDescription| is_connect || is_about_us(*alert);
        if let (None, Some(alert)) = (&tunnel, alert.filter(ends_handshake)) {
            return Self::Alert { url, alert };
        }
        // After the handshake the host may have carried out the request, whatever it
        // makes of TLS.
        match (tunnel, tls.filter(|_| is_connect)) {
            // A tunnel first: TLS behind it was not spoken with the host.
            (Some(Tunnel::Denied), _) => Self::ProxyDenied { url },
            (Some(Tunnel::Failed), _) => Self::Proxy { url, source },
            (None, Some(rustls::Error::InvalidCertificate(reason))) => Self::Certificate {
                url,
                roots: lacks_root(&reason).then(|| Arc::clone(roots.load())),
                source: match unfit_root(&reason) {
                    Some(root) => root.into(),
                    None => source,
                },
            },
            // The bytes are no record of TLS.
            (None, Some(rustls::Error::InvalidMessage(_))) => Self::Tls { url, source },
            (None, Some(_)) => Self::Incompatible { url, source },
            (None, None) if is_dns => Self::Dns { url, source },
            (None, None) if is_nonsense => Self::Nonsense { url, source },
            (None, None) if is_connect || is_timeout => Self::Connect { url, source },
            (None, None) => Self::Broken { url, source },
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
    printable(&cause.to_string()).into()
}

/// The alert that a server answered. HTTP/2 hands on the words alone.
fn alert(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    if let Some(rustls::Error::AlertReceived(alert)) = tls_error(error) {
        return Some(*alert);
    }
    find(error, |error| {
        let words = error.to_string();
        let (_, name) = words.split_once("received fatal alert: ")?;
        let mut known = (0..=u8::MAX).map(AlertDescription::from);
        known.find(|alert| format!("{alert:?}") == name)
    })
}

/// Found by opening one: the resolver does not say why it fails.
fn no_descriptor_is_left() -> bool {
    let is_limit = |error: io::Error| {
        let limits = [Errno::EMFILE, Errno::ENFILE];
        limits
            .iter()
            .any(|limit| error.raw_os_error() == Some(*limit as i32))
    };
    std::fs::File::open("/").is_err_and(is_limit)
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    find(error, |error| error.downcast_ref::<rustls::Error>())
}

/// Looks through an error and its causes, also those that an I/O error wraps.
fn find<'a, T>(
    error: &'a (dyn Error + 'static),
    wanted: impl Fn(&'a (dyn Error + 'static)) -> Option<T> + Copy,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = wanted(error) {
            return Some(found);
        }
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(wrapped) = wrapped
            && let Some(found) = find(wrapped, wanted)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Whether another root could help. An authority with a new key keeps its name,
/// so that the old root fails with a bad signature.
fn lacks_root(reason: &CertificateError) -> bool {
    let is_unknown = matches!(
        reason,
        CertificateError::UnknownIssuer | CertificateError::BadSignature
    );
    is_unknown || unfit_root(reason).is_some()
}

fn unfit_root(reason: &CertificateError) -> Option<UnfitRoot> {
    match reason {
        CertificateError::Other(other) => other.0.downcast_ref().copied(),
        _ => None,
    }
}

enum Tunnel {
    /// 407: the proxy wants credentials.
    Denied,
    Failed,
}

/// The proxy's answer to `CONNECT`, or to SOCKS. The library's types are
/// private, so that only their words can be read.
fn tunnel_error(error: &(dyn Error + 'static)) -> Option<Tunnel> {
    const STARTS: [&str; 2] = ["tunnel error: ", "SOCKS error: "];
    const DENIALS: [&str; 3] = [
        "proxy authorization required",
        "credentials not accepted",
        "server does not support user/pass authentication",
    ];
    let words = find(error, |error| {
        let words = error.to_string();
        let is_one = STARTS.iter().any(|start| words.starts_with(start));
        is_one.then_some(words)
    })?;
    let is_denied = DENIALS.iter().any(|end| words.ends_with(end));
    Some(if is_denied {
        Tunnel::Denied
    } else {
        Tunnel::Failed
    })
}

/// Whether a host's answer is not HTTP, or too large. `hyper` counts both as
/// errors of its parser.
fn is_nonsense(error: &(dyn Error + 'static)) -> bool {
    let parsing = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<hyper::Error>()?;
        error.is_parse().then_some(())
    };
    find(error, parsing).is_some()
}
