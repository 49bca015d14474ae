//! A request, and its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;

use super::clients::Trust;
use super::own_tls::OwnTls;
use super::reach::{Astray, Lead, Reach, Zone, check_target};
use super::redact::{self, printable};
use super::silence::Pulse;
use crate::oci::Content;
use crate::secret::{Secrets, Voice};

/// Whether a request may be repeated when its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// A repetition has the same effect.
    Safe,
    /// A repetition would overwrite a write of others in between: it is sent
    /// after a 429 or a connection that was never made, and after nothing else.
    Ask,
}

/// The treatment of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    Followed,
    /// The redirect is the answer.
    Answered,
}

/// One request, which may be sent several times.
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Content>,
    pub trust: Trust,
    /// The TLS settings of a service that has its own. Left behind at a
    /// redirect to another origin.
    pub own_tls: Option<Arc<OwnTls>>,
    /// Any host if the user named it; fewer if another host led there.
    pub reach: Reach,
    pub replay: Replay,
    /// Whether an answer may get better, if the host's statuses do not tell.
    /// Asked of a [safe](Replay::Safe) request alone.
    pub is_passing: fn(&Response) -> bool,
    /// The bounds of a request to a host that may not be there at all.
    pub leash: Option<Leash>,
    /// The longest wait after which the request is still sent, or sent again.
    /// Counted from the call, its turn and all waits included.
    pub fresh_for: Duration,
    pub redirects: Redirects,
    /// The most bytes that the body of a success may have. More is an error, also
    /// if only a part is kept. Of any other answer the first 64 KiB are read.
    pub body_limit: u64,
    /// The part of a success's body that is kept.
    pub keep: Keep,
    /// Shared with the watch that says in the log what the run waits for.
    pub(super) pulse: Pulse,
    /// Shared with the caller, who may drop the request at any time.
    pub uncertainty: Uncertainty,
}

/// Whether a host may have carried out a request of which no answer says that it did
/// or did not: the request is under way, or an attempt of it got lost. Clones are the
/// same one.
#[derive(Clone, Default)]
pub struct Uncertainty(Arc<AtomicBool>);

impl Uncertainty {
    /// Whether it is there now. After a request that ended, too: its last attempt may
    /// have been refused, and an earlier one carried out.
    pub fn is_there(&self) -> bool {
        // Nothing else is handed over by it.
        self.0.load(Ordering::Relaxed)
    }

    /// An attempt begins. Gives whether an earlier one is in doubt.
    pub(super) fn begin(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// The attempt that began last surely came to nothing. What is `earlier` stays in
    /// doubt.
    pub(super) fn end(&self, earlier: bool) {
        self.0.store(earlier, Ordering::Relaxed);
    }

    /// Whether both are the same one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A host near by that answers soon or is not there, as the metadata services
/// of clouds: it is asked without a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leash {
    /// How long an answer may take to begin.
    pub time: Duration,
    /// How often it is asked at most.
    pub attempts: u32,
}

/// The part of a body that is kept. All of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    /// As many of its first bytes.
    First(usize),
    /// As many of its last bytes.
    Last(usize),
}

impl Request {
    /// A request without body or headers, whose answer has at most 64 KiB.
    pub fn new(method: Method, url: Url, trust: Trust) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            trust,
            own_tls: None,
            reach: Reach::Any,
            replay: Replay::Safe,
            is_passing: |response| is_passing(response.status),
            leash: None,
            fresh_for: Duration::MAX,
            redirects: Redirects::Followed,
            body_limit: 64 * 1024,
            keep: Keep::All,
            pulse: Pulse::default(),
            uncertainty: Uncertainty::default(),
        }
    }

    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// An answer, read as far as it counts.
#[derive(Debug)]
pub struct Response {
    /// The URL of the answer, after redirects.
    pub url: Url,
    /// The hosts that its request was allowed to connect to, and below the
    /// address that it did connect to, unless that was a proxy's.
    pub(super) reach: Reach,
    pub(super) peer: Option<IpAddr>,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How often the request was sent before this answer.
    pub attempts: u32,
    /// The secrets that a host was shown and may repeat.
    pub secrets: Secrets,
}

impl Response {
    /// A header's value, if it is there once and visible ASCII. Of a header
    /// that stands twice, two readers could take two values: it counts as none.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The host's own words in its body, fit to print; empty if it has none.
    /// Cut to some 300 characters and scrubbed.
    pub fn words(&self) -> String {
        self.printable(String::from_utf8_lossy(&self.body).trim())
    }

    /// The same as the end of a sentence about a request that was given up.
    pub(super) fn last_words(&self) -> String {
        match self.words() {
            words if words.is_empty() => words,
            words => format!(", last with `{words}`"),
        }
    }

    /// Text of this answer, fit to print: without the secrets that the host was
    /// shown, those of the URL included, then [as all text of
    /// others](printable).
    pub fn printable(&self, text: &str) -> String {
        // A pre-signed URL has its secret in the query, and the host has it
        // too.
        let shown = redact::secrets_of(&self.url);
        printable(&self.secrets.scrubbed(text, Voice::Theirs, &shown))
    }

    /// The address that `location` leads to, relative to this answer's URL. The
    /// only way to an address that a host names: what it gives keeps the rules
    /// (WIRE-14, WIRE-16).
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn leads_to(&self, location: &str) -> Result<Lead, Astray> {
        let url = self.url.join(location).map_err(|_| Astray::NoUrl)?;
        check_target(&self.url, &url)?;
        let reach = match url.origin() == self.url.origin() {
            true => self.reach,
            false => self.reach_elsewhere(),
        };
        Ok(Lead { url, reach })
    }

    /// The hosts that this answer may name. A host that was reached on the
    /// machine itself, by whatever name, may name others there
    /// (`spec/decisions/0014`).
    pub fn reach_elsewhere(&self) -> Reach {
        let peer = self.peer.map(Zone::of_address);
        match Zone::of(&self.url) == Zone::Loopback || peer == Some(Zone::Loopback) {
            true => Reach::Any,
            false => Reach::Outward,
        }
    }
}

/// Statuses that say "not now" (RFC 9110, RFC 6585, and those of proxies). 499
/// is of nginx, 520 to 524 are of Cloudflare; 501, 505 and 507 do not pass
/// (`spec/faults.md`, "What is asked for again").
pub fn is_passing(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        408 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524
    )
}

/// Whether a host that answers so surely did not carry out the request (WIRE-51).
/// 408, 425, 499 and what a server or gateway says of its own failure leave that
/// open, and so does "See other" (RFC 9110, section 15.4.4); "Not implemented" does
/// not.
pub fn is_refusal(status: StatusCode) -> bool {
    match status.as_u16() {
        303 | 408 | 425 | 499 => false,
        501 => true,
        status => (300..500).contains(&status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WIRE-51
    #[test]
    fn statuses_that_leave_open_what_happened_are_no_refusals() {
        let is_refusal = |status| is_refusal(StatusCode::from_u16(status).unwrap());
        for status in [200, 201, 303, 408, 425, 499, 500, 502, 503, 504, 507, 520] {
            assert!(!is_refusal(status), "{status}");
        }
        for status in [301, 304, 307, 400, 401, 403, 404, 409, 412, 429, 501] {
            assert!(is_refusal(status), "{status}");
        }
    }
}
