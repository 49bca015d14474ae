//! Numbers as people read them, in the log and in errors.

use std::fmt;

/// So many of something: `1 image`, `2 images`. The noun is a regular one, in the
/// singular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub usize, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        let ending = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {noun}{ending}")
    }
}

/// So many bytes: `812 bytes`, `1.5 kB`, `12.0 MB`. Units are those of SI, as
/// `docker` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteCount(pub u64);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        if self.0 < 1000 {
            let ending = if self.0 == 1 { "" } else { "s" };
            return write!(f, "{} byte{ending}", self.0);
        }
        let mut amount = self.0 as f64 / 1000.0;
        let mut units = UNITS.into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            // A larger amount would be rounded to four digits.
            if amount < 999.95 {
                break;
            }
            (amount, unit) = (amount / 1000.0, larger);
        }
        write!(f, "{amount:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        for (count, text) in [(0, "0 documents"), (1, "1 document"), (2, "2 documents")] {
            assert_eq!(Count(count, "document").to_string(), text);
        }
    }

    #[test]
    fn bytes_have_the_unit_in_which_they_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (1_250_000, "1.2 MB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (12_000_000, "12.0 MB"),
            (2_000_000_000, "2.0 GB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(ByteCount(bytes).to_string(), text);
        }
    }
}
