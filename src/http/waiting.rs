//! The log's lines about a host that keeps the run waiting: nothing for ten
//! seconds, then a line now and then that names the host, the request, and the
//! time after which it is given up.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;
use tracing::{info, warn};
use url::Url;

use super::error::HttpError;
use super::host::{Host, Trouble};
use super::redact::Redacted;
use super::{Client, Request, SILENCE, SLOWEST};
use crate::oci::Content;
use crate::words::Bytes;

/// The longest that a host keeps a run waiting without a word.
const FIRST: Duration = Duration::from_secs(10);
/// Between two lines about the same wait.
const AGAIN: Duration = Duration::from_secs(30);

/// How long an answer to `request` may take to begin.
pub(super) fn patience(request: &Request) -> Duration {
    let length = request.body.as_ref().map_or(0, Content::length);
    SILENCE + Duration::from_secs(length / SLOWEST)
}

/// When a host last moved bytes for the run, and when a line last said that it
/// does not. All requests to it share the lines.
#[derive(Default)]
pub(super) struct Silence {
    heard_at: Option<Instant>,
    said_at: Option<Instant>,
}

impl Silence {
    /// The host took bytes of a request, or gave some of an answer.
    pub(super) fn broke(&mut self, now: Instant) {
        self.heard_at = Some(now);
    }

    /// Since when a request that is not sent yet, of `asked_at`, waits for a host
    /// that does nothing.
    fn since(&self, asked_at: Instant) -> Instant {
        self.heard_at
            .map_or(asked_at, |heard_at| heard_at.max(asked_at))
    }

    /// When the next line is due about a request that waits since then.
    fn due(&self, since: Instant) -> Instant {
        match self.said_at {
            None => since + FIRST,
            Some(said_at) if said_at >= since => said_at + AGAIN,
            Some(said_at) => said_at.max(since) + FIRST,
        }
    }

    /// Whether a line is due; the caller then writes it.
    fn is_due(&mut self, since: Instant, now: Instant) -> bool {
        let is_due = now >= self.due(since);
        if is_due {
            self.said_at = Some(now);
        }
        is_due
    }

    /// Whether no line about the host was written for a while, as above.
    pub(super) fn is_news(&mut self, now: Instant) -> bool {
        let is_news = self.said_at.is_none_or(|said_at| now >= said_at + FIRST);
        if is_news {
            self.said_at = Some(now);
        }
        is_news
    }
}

/// When a request was first sent, or when bytes of it or of a good answer last
/// went over the line. Clones are the same pulse.
#[derive(Clone, Default)]
pub(super) struct Pulse(Arc<Mutex<Option<Instant>>>);

impl Pulse {
    /// The request is sent, perhaps again.
    pub(super) fn begin(&self, began: Instant) {
        self.last_mut().get_or_insert(began);
    }

    /// Bytes went over the line.
    pub(super) fn beat(&self) {
        *self.last_mut() = Some(Instant::now());
    }

    fn last(&self) -> Option<Instant> {
        *self.last_mut()
    }

    fn last_mut(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// The outcome of `work`, or an error as soon as the run's time is over. As
    /// long as the host does nothing for `request`, or for `others` that ask the
    /// same in another way, says so.
    pub(super) async fn in_time<T>(
        &self,
        request: &Request,
        others: &[Request],
        work: impl Future<Output = Result<T, HttpError>>,
    ) -> Result<T, HttpError> {
        let too_late = || HttpError::out_of_time(&request.url, self.time);
        if Instant::now() >= self.deadline {
            return Err(too_late());
        }
        let (host, asked_at) = (self.host(&request.url), Instant::now());
        let since = || {
            let pulses = std::iter::once(request).chain(others);
            let last = pulses.filter_map(|request| request.pulse.last()).max();
            last.unwrap_or_else(|| host.silence(|silence| silence.since(asked_at)))
        };
        let mut work = pin!(work);
        loop {
            let began = since();
            let due = host.silence(|silence| silence.due(began));
            let until = due.min(self.deadline);
            if let Ok(outcome) = timeout_at(until.into(), work.as_mut()).await {
                return outcome;
            }
            let now = Instant::now();
            if now >= self.deadline {
                return Err(too_late());
            }
            let since = since();
            if host.silence(|silence| silence.is_due(since, now)) {
                self.say_waiting(request, &host, since);
            }
        }
    }

    fn say_waiting(&self, request: &Request, host: &Host, since: Instant) {
        let now = Instant::now();
        let seconds = |time: Duration| time.as_secs_f64().round();
        let name = request.url.origin().ascii_serialization();
        let waited = seconds(now.saturating_duration_since(since));
        let what = format!("{} {}", request.method, path(&request.url));
        if let Some(pause) = host.paused_until().filter(|until| *until > now) {
            let left = seconds(pause - now);
            warn!("{name} asks to be left alone: {what} waits for another {left} s");
            return;
        }
        let began = host.failing_since().map_or(since, |began| began.min(since));
        let end = began + self.retry_budget + patience(request);
        let left = seconds(end.min(self.deadline).saturating_duration_since(now));
        let trouble = match host.trouble() {
            Some(Trouble::Silence(words) | Trouble::Answer(words)) => format!(" ({words})"),
            None => String::new(),
        };
        warn!(
            "Waiting for {name} for {waited} s: no answer to {what} yet{trouble}; giving up after \
             another {left} s at most"
        );
    }
}

/// The path of a URL with its query, redacted.
fn path(url: &Url) -> String {
    let shown = Redacted(url).to_string();
    let origin = url.origin().ascii_serialization();
    shown.strip_prefix(&origin).unwrap_or(&shown).to_owned()
}

/// An answer's body that takes its time.
pub(super) struct Reading<'a> {
    url: &'a Url,
    all: Option<u64>,
    due: Instant,
}

impl<'a> Reading<'a> {
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
        let all = self.all.map(|all| format!(" of {}", Bytes(all)));
        let (read, all) = (Bytes(length), all.unwrap_or_default());
        info!("Read {read}{all} from {}", Redacted(self.url));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// SIG-80
    #[test]
    fn a_line_is_due_after_ten_seconds_and_then_each_half_minute() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        let mut said = Vec::new();
        for second in 0..=120 {
            // Two requests wait for the same host.
            let now = start + SECOND * second;
            for asked_at in [start, start + SECOND] {
                if silence.is_due(asked_at, now) {
                    said.push(second);
                }
            }
        }
        assert_eq!(said, [10, 40, 70, 100]);
    }

    /// SIG-80
    #[test]
    fn a_request_that_waits_for_its_turn_waits_for_a_host_that_does_nothing() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        assert_eq!(silence.since(start), start);
        silence.broke(start + SECOND * 8);
        let since = silence.since(start);
        assert_eq!(since, start + SECOND * 8);
        assert!(!silence.is_due(since, start + SECOND * 17));
        assert!(silence.is_due(since, start + SECOND * 18));
        silence.broke(start + SECOND * 19);
        let since = silence.since(start);
        assert!(!silence.is_due(since, start + SECOND * 28));
        assert!(silence.is_due(since, start + SECOND * 29));
        assert_eq!(silence.since(start + SECOND * 40), start + SECOND * 40);
    }

    #[test]
    fn a_request_waits_since_it_was_first_sent_or_its_bytes_last_moved() {
        let (pulse, began) = (Pulse::default(), Instant::now());
        assert_eq!(pulse.last(), None);
        pulse.begin(began);
        pulse.begin(began + SECOND);
        assert_eq!(pulse.last(), Some(began));
        pulse.clone().beat();
        let moved = pulse.last().unwrap();
        assert!(moved >= began && moved < began + SECOND, "{moved:?}");
    }

    #[test]
    fn a_host_of_which_something_was_said_is_no_news() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        assert!(silence.is_news(start));
        assert!(!silence.is_news(start + SECOND * 9));
        assert!(!silence.is_due(start, start + SECOND * 10));
        assert!(silence.is_news(start + SECOND * 11));
    }
}
