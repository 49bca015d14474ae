//! When a request is sent again, and after which wait (SIG-45; the table is in
//! `spec/faults.md`, "What is asked for again").

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{DATE, RETRY_AFTER};
use tracing::warn;

use super::error::HttpError;
use super::host::{Host, LastFailure};
use super::redact::Redacted;
use super::{Leash, Replay, Request, Response};

/// The longest first wait; it doubles with each attempt, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(20);
/// The attempt after which the user is told why nothing happens.
const WORTH_A_WORD: u32 = 4;

/// An outcome that may get better.
pub(super) enum PassingFailure {
    Answer(Response),
    Error(HttpError),
}

impl PassingFailure {
    /// Gives the answer back if a repetition would not help or could harm.
    pub(super) fn of_answer(response: Response, request: &Request) -> Result<Response, Self> {
        let again = match request.replay {
            Replay::Safe => (request.is_passing)(&response),
            // The host did nothing. After any other failure a write of others
            // may stand there, which the same request would erase.
            Replay::Ask => response.status == StatusCode::TOO_MANY_REQUESTS,
        };
        if again {
            Err(Self::Answer(response))
        } else {
            Ok(response)
        }
    }

    /// Gives the error back if a repetition would not help or could harm.
    pub(super) fn of_error(error: HttpError, replay: Replay) -> Result<Self, HttpError> {
        let again = match error {
            // It may have been carried out.
            HttpError::Broken { .. } | HttpError::Silence { .. } => replay == Replay::Safe,
            _ => error.is_passing(),
        };
        if again {
            Ok(Self::Error(error))
        } else {
            Err(error)
        }
    }
}

impl PassingFailure {
    /// Whether the host complains of too many requests.
    fn is_complaint(&self) -> bool {
        matches!(self, Self::Answer(response) if response.status == StatusCode::TOO_MANY_REQUESTS)
    }

    /// The failure as the host's other requests need to know it. Only silence
    /// ends the requests of others at once: see [`Host::given_up`].
    fn trouble(&self) -> LastFailure {
        match self {
            Self::Answer(_) => LastFailure::Answer(self.words()),
            Self::Error(_) => LastFailure::Silence(self.words()),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Answer(response) => {
                format!(
                    "{} answers {}",
                    Redacted(&response.url),
                    response.status.as_u16()
                )
            }
            Self::Error(error) => error.to_string(),
        }
    }
}

/// The waits of one request: full jitter, bounded by the budget of its host,
/// by its own, and by the run's deadline.
pub(super) struct Pace {
    /// Of the host: see [`Host::failing_since`].
    budget: Duration,
    deadline: Instant,
    attempts: u32,
    /// Of this request: others may be answered meanwhile, which excuses the
    /// host and not this request.
    failing_since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(budget: Duration, deadline: Instant) -> Self {
        Self {
            budget,
            deadline,
            attempts: 0,
            failing_since: None,
        }
    }

    /// The attempts that failed.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When an attempt that begins at `began` is the last one.
    pub(super) fn end(&self, host: &Host, began: Instant) -> Instant {
        let since = host.failing_since().into_iter().chain(self.failing_since);
        (since.fold(began, Instant::min) + self.budget).min(self.deadline)
    }

    /// How long to wait before the attempt after one that began at `began`.
    pub(super) fn next(
        &mut self,
        host: &Host,
        failure: PassingFailure,
        began: Instant,
        leash: Option<Leash>,
    ) -> Result<Duration, HttpError> {
        self.attempts += 1;
        // A host that may not be there at all is not waited for.
        if leash.is_some_and(|leash| self.attempts >= leash.attempts) {
            return Err(give_up(failure, self.attempts, None));
        }
        self.failing_since.get_or_insert(began);
        host.failed(began, failure.trouble());
        let end = self.end(host, began);
        let asked = match &failure {
            PassingFailure::Answer(response) => retry_after(response),
            PassingFailure::Error(_) => None,
        };
        let now = Instant::now();
        if let Some(asked) = asked {
            // The user learns at once how long the registry wants to be left
            // alone.
            if now + asked > self.deadline {
                return Err(give_up(failure, self.attempts, Some(asked)));
            }
            // A wait that the host asks for is not charged to its budget.
            host.pause_until(now + asked);
            host.excused();
            self.failing_since = None;
            return Ok(asked);
        }
        if failure.is_complaint() {
            host.complained(began);
        }
        let wait = jittered(self.attempts);
        // No attempt would be left after this wait.
        if now + wait > end {
            return Err(give_up(failure, self.attempts, None));
        }
        if self.attempts == WORTH_A_WORD && host.silence(|silence| silence.is_news(now)) {
            let left = end.saturating_duration_since(now).as_secs();
            warn!("{}; trying again for up to {left} s", failure.words());
        }
        Ok(wait)
    }
}

/// Any time up to the ceiling: requests that failed together do not come back
/// together.
fn jittered(attempts: u32) -> Duration {
    let ceiling = SHORTEST
        .saturating_mul(1 << attempts.saturating_sub(1).min(10))
        .min(LONGEST);
    ceiling.mul_f64(fastrand::f64())
}

fn give_up(failure: PassingFailure, attempts: u32, asked: Option<Duration>) -> HttpError {
    match (failure, asked) {
        (PassingFailure::Error(error), _) => error,
        (PassingFailure::Answer(response), Some(wait)) => HttpError::WaitTooLong {
            url: (&response.url).into(),
            status: response.status,
            wait,
        },
        (PassingFailure::Answer(response), None) => HttpError::Overloaded {
            url: (&response.url).into(),
            status: response.status,
            attempts,
            answer: response.last_words(),
        },
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3). An
/// unreadable value and a past time count as absent.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.header(RETRY_AFTER.as_str())?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // Too large for a number is too long as well; clamped, so that it can
        // be added to a time (case 17).
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        let wait = Duration::from_secs(seconds.min(u64::from(u32::MAX)));
        return (!wait.is_zero()).then_some(wait);
    }
    let time = |text: &str| {
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        parser.parse_timestamp(text.trim()).ok()
    };
    // By the clock that wrote the time: ours may be years off.
    let now = response.header(DATE.as_str()).and_then(time);
    let now = now.unwrap_or_else(jiff::Timestamp::now);
    let wait = time(text)?.as_second().checked_sub(now.as_second())?;
    u64::try_from(wait)
        .ok()
        .filter(|wait| *wait > 0)
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Reach;
    use reqwest::header::{HeaderMap, HeaderValue};

    fn asked(value: &str) -> Option<Duration> {
        asked_at(None, value)
    }

    /// The wait that a registry asks for whose own clock says `date`.
    fn asked_at(date: Option<&'static str>, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        retry_after(&Response {
            url: "http://r.io".parse().unwrap(),
            reach: Reach::Any,
            peer: None,
            status: StatusCode::TOO_MANY_REQUESTS,
            headers,
            body: Default::default(),
            attempts: 1,
            secrets: Default::default(),
        })
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(asked("2"), Some(Duration::from_secs(2)));
        let date = jiff::Timestamp::now() + Duration::from_secs(90);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&date)
            .unwrap();
        let wait = asked(&date).unwrap().as_secs();
        assert!((88..=90).contains(&wait), "{wait}");
    }

    #[test]
    fn a_date_counts_from_the_clock_of_who_wrote_it() {
        let date = "Wed, 21 Oct 2015 07:28:30 GMT";
        let before = asked_at(Some("Wed, 21 Oct 2015 07:28:00 GMT"), date);
        assert_eq!(before, Some(Duration::from_secs(30)));
        assert_eq!(asked_at(Some("Wed, 21 Oct 2045 07:28:00 GMT"), date), None);
        assert_eq!(asked_at(Some("just now"), date), None);
    }

    #[test]
    fn a_retry_after_that_cannot_be_meant_is_ignored_or_clamped() {
        for value in [
            "-1",
            "soon",
            "",
            "1.5",
            "0",
            "Wed, 21 Oct 2015 07:28:00 GMT",
        ] {
            assert_eq!(asked(value), None, "{value}");
        }
        assert!(asked("1000000000000000000").unwrap() > Duration::from_secs(1_000_000));
        assert!(asked("99999999999999999999999").is_some());
    }

    #[test]
    fn waits_grow_with_full_jitter_up_to_a_limit() {
        for attempts in 1..40 {
            assert!(jittered(attempts) <= LONGEST);
        }
        assert!(jittered(1) <= SHORTEST);
    }
}
