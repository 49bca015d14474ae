//! How long an answer may take, and the lines about one that takes its time.

use std::time::{Duration, Instant};

use tracing::info;
use url::Url;

use super::message::Request;
use super::redact::Redacted;
use super::silence::FIRST;
use crate::oci::Content;
use crate::words::ByteCount;

/// How long a host may stay silent: before an answer begins, and between two
/// pieces of it (SIG-45).
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// The slowest transfer that is not given up, in bytes per second. A body of
/// unknown length gets the time of the longest that its reader takes.
pub(super) const SLOWEST: u64 = 32 * 1024;

/// How long an answer to `request` may take to begin. The body is sent within
/// it.
pub(super) fn patience(request: &Request) -> Duration {
    if let Some(leash) = request.leash {
        return leash.time;
    }
    let length = request.body.as_ref().map_or(0, Content::length);
    SILENCE + Duration::from_secs(length / SLOWEST)
}

/// An answer's body that takes its time: a line each ten seconds says how much of
/// it is there, and that the host is not silent (SIG-80).
pub(super) struct Arrival<'a> {
    url: &'a Url,
    all: Option<u64>,
    due: Instant,
}

impl<'a> Arrival<'a> {
    /// Begins to read a body, of `all` bytes if that is known.
    pub(super) fn new(url: &'a Url, all: Option<u64>) -> Self {
        Self {
            url,
            all,
            due: Instant::now() + FIRST,
        }
    }

    /// Notes that `length` bytes have arrived.
    pub(super) fn note(&mut self, length: u64) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now + FIRST;
        let all = self.all.map(|all| format!(" of {}", ByteCount(all)));
        let (read, all) = (ByteCount(length), all.unwrap_or_default());
        info!("Read {read}{all} from {}", Redacted(self.url));
    }
}
