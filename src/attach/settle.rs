//! How long a place is watched after it was written (`spec/decisions/0007`).

use std::time::Duration;

/// Halves of the window between our own last read and our put, two round trips,
/// that are waited for in any case: what another of ours may take.
const HALF_WINDOWS: u32 = 3;
/// The same for cosign, which takes some ten round trips from reading to writing:
/// where nobody was seen, if it is over soon, …
const QUIET_HALF_WINDOWS: u32 = 6;
const SOON: Duration = Duration::from_millis(180);
/// … and where somebody was.
const CONTENDED_HALF_WINDOWS: u32 = 10;
/// How often the time by which we were woken late is added.
const LATENESSES: u32 = 6;
const AT_LEAST: Duration = Duration::from_millis(30);
const AT_MOST: Duration = Duration::from_secs(5);

/// What is known of other signers of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// None was seen.
    Unseen,
    /// The place changed while we were at it.
    Seen,
}

/// How long after a place was written it is looked at again: a signer that had
/// read before may have written over it by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Settle {
    /// As long as follows from the time that our own write took, and from how
    /// late we are woken.
    #[default]
    Measured,
    Fixed(Duration),
    /// Not at all. The place is not read again before it is written either.
    Off,
}

impl Settle {
    /// The time after a put that came `window` after the last read, if this
    /// process is woken that late.
    pub(super) fn time(self, window: Duration, lateness: Duration, others: Others) -> Duration {
        let halves = |count: u32| window.saturating_mul(count) / 2;
        match self {
            Self::Measured => {
                let time = match others {
                    Others::Unseen => halves(QUIET_HALF_WINDOWS)
                        .min(SOON)
                        .max(halves(HALF_WINDOWS)),
                    Others::Seen => halves(CONTENDED_HALF_WINDOWS),
                };
                let time = time.saturating_add(lateness.saturating_mul(LATENESSES));
                time.clamp(AT_LEAST, AT_MOST)
            }
            Self::Fixed(time) => time,
            Self::Off => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_follows_from_window_and_lateness_within_bounds() {
        let time = |window, lateness, others| {
            let [window, lateness] = [window, lateness].map(Duration::from_millis);
            Settle::Measured.time(window, lateness, others).as_millis()
        };
        assert_eq!(time(1, 1, Others::Unseen), 30);
        assert_eq!(time(40, 1, Others::Unseen), 126);
        assert_eq!(time(100, 1, Others::Unseen), 186);
        assert_eq!(time(200, 1, Others::Unseen), 306);
        assert_eq!(time(40, 1, Others::Seen), 206);
        assert_eq!(time(60_000, 0, Others::Seen), 5_000);
        let longest = Settle::Measured.time(Duration::MAX, Duration::MAX, Others::Unseen);
        assert_eq!(longest, AT_MOST);
    }
}
