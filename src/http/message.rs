//! A request, and its answer.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;

use super::clients::Trust;
use super::reach::Reach;
use super::redact::{self, printable};
use super::waiting::Pulse;
use crate::oci::Content;
use crate::secret::{Secrets, Voice};

/// Whether a request may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// It says the same however often it is sent.
    Safe,
    /// It would overwrite what somebody else wrote in between: a 429 or a
    /// connection that never came about is repeated, everything else answered.
    Ask,
}

/// What becomes of an answer that sends a request elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    Followed,
    /// It is the answer.
    Answered,
}

/// One request, which may be sent several times.
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Content>,
    pub trust: Trust,
    pub reach: Reach,
    pub replay: Replay,
    /// It is not sent, nor sent again, when it has waited for longer.
    pub fresh_for: Duration,
    pub redirects: Redirects,
    /// The most bytes that an answer's body may have.
    pub body_limit: u64,
    /// How much of a body is kept.
    pub keep: Keep,
    pub(super) pulse: Pulse,
}

/// What is kept of an answer's body. All of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    All,
    /// As many of its last bytes.
    Last(usize),
}

impl Request {
    /// A request without body or headers, whose answer's body is at most
    /// 64 KiB.
    pub fn new(method: Method, url: Url, trust: Trust) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            trust,
            reach: Reach::Any,
            replay: Replay::Safe,
            fresh_for: Duration::MAX,
            redirects: Redirects::Followed,
            body_limit: 64 * 1024,
            keep: Keep::All,
            pulse: Pulse::default(),
        }
    }

    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Response {
    /// Where the answer came from, after redirects.
    pub url: Url,
    /// Whom its request could connect to, and whom it did, if that was no proxy.
    pub(super) reach: Reach,
    pub(super) peer: Option<IpAddr>,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How often the request was sent before this answer came.
    pub attempts: u32,
    /// What a host may repeat of what it was shown.
    pub secrets: Secrets,
}

impl Response {
    /// A header's value, if it is there once and visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    }

    /// The host's own words in its body, fit to print; empty if it said nothing.
    pub fn words(&self) -> String {
        self.printable(String::from_utf8_lossy(&self.body).trim())
    }

    /// Text of this answer, fit to print: without what the host was shown, in
    /// the URL too, then [as all text of others](printable).
    pub fn printable(&self, text: &str) -> String {
        let shown = redact::secrets_of(&self.url);
        printable(&self.secrets.scrubbed(text, Voice::Theirs, &shown))
    }
}
