//! The log's lines about a host that keeps the run waiting: nothing for ten
//! seconds, then a line now and then that names the host, the request, and the
//! time after which it is given up.

use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;
use tracing::warn;
use url::Url;

use super::error::HttpError;
use super::host::{Host, LastFailure};
use super::patience::patience;
use super::redact::Redacted;
use super::{Client, Request};

impl Client {
    /// The outcome of `work`, or an error as soon as the run's time is over. As
    /// long as the host does nothing for `request`, or for `others` that ask
    /// the same in another way, says so. At the deadline `work` is dropped,
    /// wherever it is.
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
            // A request that was sent waits for itself; one that waits for its
            // turn waits for whatever the host does.
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
            // Bytes may have moved since the line was due.
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
        // The budget, and one answer that may take its whole time after it.
        let end = began + self.retry_budget + patience(request);
        let left = seconds(end.min(self.deadline).saturating_duration_since(now));
        let trouble = match host.trouble() {
            Some(LastFailure::Silence(words) | LastFailure::Answer(words)) => format!(" ({words})"),
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
