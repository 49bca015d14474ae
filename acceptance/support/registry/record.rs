//! The record of what clients asked.

use std::fmt;
use std::time::Instant;

use axum::http::Version;

/// One request and how it ended.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub version: Version,
    /// `Basic` or `Bearer`, never the credential.
    pub authorization: Option<String>,
    pub user_agent: Option<String>,
    /// The length of the request's body, as far as it was read.
    pub sent: usize,
    /// Absent while it runs, and when the connection was cut.
    pub status: Option<u16>,
    /// When its head had arrived.
    pub began: Instant,
    /// When its answer was ready to leave; absent as the status is.
    pub ended: Option<Instant>,
}

impl Exchange {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Whether it may change what readers of the registry see, or prepares to.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
            && self.path() != "/token"
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or("cut".to_owned(), |s| s.to_string());
        write!(f, "{} {} {status}", self.method, self.target)
    }
}

/// A list of exchanges, in the order of arrival.
#[derive(Clone)]
pub struct Exchanges(Vec<Exchange>);

impl Exchanges {
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        Self(exchanges)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Exchange> {
        self.0.iter()
    }

    /// Those with this method whose target contains `part`.
    pub fn of(&self, method: &str, part: &str) -> Self {
        self.filter(|e| e.method == method && e.target.contains(part))
    }

    /// `POST`, `PUT`, `PATCH` and `DELETE`, but not of tokens.
    pub fn writes(&self) -> Self {
        self.filter(Exchange::is_write)
    }

    /// `PUT` and `PATCH`: what stores something.
    pub fn puts(&self) -> Self {
        self.filter(|e| matches!(e.method.as_str(), "PUT" | "PATCH"))
    }

    /// The place of the first with this method whose target contains `part`.
    pub fn position(&self, method: &str, part: &str) -> Option<usize> {
        let matches = |e: &Exchange| e.method == method && e.target.contains(part);
        self.0.iter().position(matches)
    }

    /// The most requests of which each began after the one before it had been
    /// answered: the round trips that a client waits for in a row.
    pub fn longest_chain(&self) -> usize {
        let mut spans: Vec<_> = self
            .0
            .iter()
            .filter_map(|e| Some((e.ended?, e.began)))
            .collect();
        spans.sort();
        // The span that ends first leaves the most room for others.
        let mut last = None;
        let mut length = 0;
        for (ended, began) in spans {
            if last.is_none_or(|last| last <= began) {
                last = Some(ended);
                length += 1;
            }
        }
        length
    }

    pub fn filter(&self, keep: impl Fn(&Exchange) -> bool) -> Self {
        Self(self.0.iter().filter(|e| keep(e)).cloned().collect())
    }
}

/// One request per line, as a failed assertion shows them.
impl fmt::Display for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|e| writeln!(f, "{e}"))
    }
}

impl fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests:\n{self}", self.len())
    }
}
