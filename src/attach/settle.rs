//! How long a place is watched after it was written (`spec/decisions/0007`).

use std::time::Duration;

use super::timing::{
    CONTENDED, CONTENDED_HALF_ANSWERS, LATENESSES, OWN_HALF_WINDOWS, QUIET_HALF_WINDOWS,
    RESTLESS_HALF_WINDOWS, SETTLE_AT_LEAST, SETTLE_AT_MOST, SOON,
};

/// The evidence of other signers at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contention {
    /// None was seen.
    Unseen,
    /// The place changed while we were at it.
    Seen,
    /// The place changes again and again: it is never left alone for a second.
    Restless,
}

/// The measurements of a run so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    /// Between the last read of the place and the end of the put.
    pub(super) window: Duration,
    /// The registry's slowest answer.
    pub(super) slowest: Duration,
    /// How late the process was woken.
    pub(super) lateness: Duration,
}

impl Measured {
    /// The time that they ask for, before lateness and bounds.
    fn time(self, contention: Contention) -> Duration {
        let halves = |time: Duration, count: u32| time.saturating_mul(count) / 2;
        let Self {
            window, slowest, ..
        } = self;
        let own = halves(window, OWN_HALF_WINDOWS);
        match contention {
            Contention::Unseen => {
                let quiet = halves(window, QUIET_HALF_WINDOWS).min(SOON);
                own.max(quiet).max(slowest)
            }
            Contention::Seen => {
                let slow = halves(slowest, CONTENDED_HALF_ANSWERS);
                CONTENDED.max(own).max(slow)
            }
            // Not the second: beside a cosign in a loop a place is left
            // alone for less.
            Contention::Restless => halves(window, RESTLESS_HALF_WINDOWS),
        }
    }
}

/// How long after a place was written it is looked at again: a signer that had
/// read before may have written over it by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settle {
    /// As long as follows from the time that our own write took, from the
    /// registry's slowest answer, and from how late we are woken.
    #[default]
    Measured,
    Fixed(Duration),
    /// Not at all. The place is not read again before it is written either.
    Off,
}

impl Settle {
    /// The time after a put.
    pub(super) fn time(self, measured: Measured, contention: Contention) -> Duration {
        let time = match self {
            // As the user said, without bounds.
            Self::Fixed(time) => return time,
            Self::Off => return Duration::ZERO,
            Self::Measured => measured.time(contention),
        };
        let late = measured.lateness.saturating_mul(LATENESSES);
        time.saturating_add(late)
            .clamp(SETTLE_AT_LEAST, SETTLE_AT_MOST)
    }

    /// The shortest time after which another of ours may have put, have looked
    /// back and be gone, if the registry answers it within `fastest`.
    /// How late we are woken says nothing of it: others may not be.
    pub(super) fn shortest(self, fastest: Duration) -> Duration {
        let measured = Measured {
            window: fastest.saturating_mul(2),
            ..Measured::default()
        };
        self.time(measured, Contention::Unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(window: u64, slowest: u64, lateness: u64) -> Measured {
        let [window, slowest, lateness] = [window, slowest, lateness].map(Duration::from_millis);
        Measured {
            window,
            slowest,
            lateness,
        }
    }

    #[test]
    fn the_time_follows_from_window_and_lateness_within_bounds() {
        let time = |window, lateness, others| {
            let measured = measured(window, 0, lateness);
            Settle::Measured.time(measured, others).as_millis()
        };
        assert_eq!(time(1, 1, Contention::Unseen), 30);
        assert_eq!(time(40, 1, Contention::Unseen), 126);
        assert_eq!(time(100, 1, Contention::Unseen), 186);
        assert_eq!(time(200, 1, Contention::Unseen), 306);
        assert_eq!(time(40, 1, Contention::Seen), 1006);
        assert_eq!(time(1000, 0, Contention::Seen), 1500);
        assert_eq!(time(40, 1, Contention::Restless), 206);
        assert_eq!(time(60_000, 0, Contention::Seen), 5_000);
        let longest = Measured {
            window: Duration::MAX,
            slowest: Duration::MAX,
            lateness: Duration::MAX,
        };
        let longest = Settle::Measured.time(longest, Contention::Unseen);
        assert_eq!(longest, SETTLE_AT_MOST);
    }

    #[test]
    fn the_time_is_no_shorter_than_the_slowest_answer() {
        let time = |slowest, others| {
            let measured = measured(2, slowest, 0);
            Settle::Measured.time(measured, others).as_millis()
        };
        assert_eq!(time(20, Contention::Unseen), 30);
        assert_eq!(time(700, Contention::Unseen), 700);
        assert_eq!(time(700, Contention::Seen), 1050);
        assert_eq!(time(20, Contention::Seen), 1000);
    }

    #[test]
    fn another_of_ours_waits_no_shorter_than_it_would_at_an_even_registry() {
        let [fastest, fixed] = [20, 1].map(Duration::from_millis);
        let shortest = Settle::Measured.shortest(fastest);
        assert_eq!(
            shortest,
            Settle::Measured.time(measured(40, 0, 0), Contention::Unseen)
        );
        assert_eq!(Settle::Fixed(fixed).shortest(fastest), fixed);
    }
}
