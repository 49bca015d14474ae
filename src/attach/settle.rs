//! How long a place is watched after it was written (`spec/decisions/0007`).

use std::time::Duration;

/// The settle time is this many times half the window between our own last read
/// and our put, and so many times what we were woken late, within bounds.
const HALF_WINDOWS: u32 = 3;
const LATENESSES: u32 = 6;
const AT_LEAST: Duration = Duration::from_millis(20);
const AT_MOST: Duration = Duration::from_secs(5);

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
    pub(super) fn time(self, window: Duration, lateness: Duration) -> Duration {
        match self {
            Self::Measured => {
                let time =
                    window.saturating_mul(HALF_WINDOWS) / 2 + lateness.saturating_mul(LATENESSES);
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
        let time = |window, lateness| {
            let [window, lateness] = [window, lateness].map(Duration::from_millis);
            Settle::Measured.time(window, lateness).as_millis()
        };
        assert_eq!(time(100, 10), 210);
        assert_eq!(time(1, 1), 20);
        assert_eq!(time(60_000, 0), 5_000);
        let longest = Settle::Measured.time(Duration::MAX, Duration::ZERO);
        assert_eq!(longest, AT_MOST);
    }
}
