//! Periods of validity, as trusted roots and signing configs state them. Those of
//! certificates are the certificates' own.

use jiff::Timestamp;
use serde::Deserialize;

use crate::proof::protojson::Time;

/// The time in which something is valid, its ends included. An absent end is
/// open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl Validity {
    /// Whether a moment belongs to the period, by nanoseconds.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

/// `dev.sigstore.common.v1.TimeRange`. An absent range is open at both ends; where the
/// specification wants a start, its reader asks.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct WrittenRange {
    start: Option<Time>,
    end: Option<Time>,
}

impl From<Option<WrittenRange>> for Validity {
    fn from(range: Option<WrittenRange>) -> Self {
        let range = range.unwrap_or_default();
        Self {
            start: range.start.map(|time| time.0),
            end: range.end.map(|time| time.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_period_belong_to_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let valid = Validity {
            start: Some(at(10)),
            end: Some(at(20)),
        };
        let inside = [9, 10, 20, 21].map(|second| valid.contains(at(second)));
        assert_eq!(inside, [false, true, true, false]);
        assert!(Validity::default().contains(at(0)));
    }
}
