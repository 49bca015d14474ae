//! When a host last moved bytes, and when a line of the log is due about one that
//! does not: after ten seconds, then now and then (SIG-80).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest that a host keeps a run waiting without a word.
pub(super) const FIRST: Duration = Duration::from_secs(10);
/// Between two lines about the same wait.
const AGAIN: Duration = Duration::from_secs(30);

/// When a host last moved bytes for the run, and when a line last said that it
/// does not. All requests to it share the lines.
#[derive(Default)]
pub(super) struct Silence {
    heard_at: Option<Instant>,
    /// Of whatever request: a host is named once, however many wait.
    said_at: Option<Instant>,
}

impl Silence {
    /// The host took bytes of a request, or gave some of an answer.
    pub(super) fn broke(&mut self, now: Instant) {
        self.heard_at = Some(now);
    }

    /// Since when a request that is not sent yet, of `asked_at`, waits for a host
    /// that does nothing.
    pub(super) fn since(&self, asked_at: Instant) -> Instant {
        self.heard_at
            .map_or(asked_at, |heard_at| heard_at.max(asked_at))
    }

    /// When the next line is due about a request that waits since then.
    pub(super) fn due(&self, since: Instant) -> Instant {
        match self.said_at {
            None => since + FIRST,
            // The same wait goes on.
            Some(said_at) if said_at >= since => said_at + AGAIN,
            // Something moved since that line: a new wait.
            Some(said_at) => said_at.max(since) + FIRST,
        }
    }

    /// Whether a line is due; the caller then writes it.
    pub(super) fn is_due(&mut self, since: Instant, now: Instant) -> bool {
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
    /// The request is sent, perhaps again. The first time counts: a repetition
    /// is no sign of the host.
    pub(super) fn begin(&self, began: Instant) {
        self.last_mut().get_or_insert(began);
    }

    /// Bytes went over the line.
    pub(super) fn beat(&self) {
        *self.last_mut() = Some(Instant::now());
    }

    pub(super) fn last(&self) -> Option<Instant> {
        *self.last_mut()
    }

    fn last_mut(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
