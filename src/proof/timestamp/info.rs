//! The content that an authority signs: a time and an imprint (RFC 3161, section
//! 2.4.2, `TSTInfo`).
//!
//! Policy, serial number, accuracy and the authority's own name are passed over, as
//! sigstore's verifiers do: the signer's certificate says who it is.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use pkcs8::der::{AnyRef, Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

use super::cms::{algorithm, id, integer};
use super::error::TimestampError;
use super::hash::hash_of;
use crate::proof::der::{is_constructed, next, parts, whole};
use crate::signature::Hash;

/// A `TSTInfo`.
pub(super) struct Info<'a> {
    pub hash: Hash,
    /// That hash of what was stamped.
    pub imprint: &'a [u8],
    pub time: jiff::Timestamp,
    /// The number's own bytes.
    pub nonce: Option<&'a [u8]>,
}

impl<'a> Info<'a> {
    pub(super) fn read(content: &'a [u8]) -> Result<Self, TimestampError> {
        let mut info = parts(AnyRef::from_der(content)?)?;
        let version = u8::from_der(whole(&mut info)?)?;
        if version != 1 {
            return Err(TimestampError::Version(version));
        }
        // In the order of section 2.4.2: version, policy, messageImprint, serialNumber,
        // genTime, and what may be left out.
        let _policy = id(&mut info)?;
        let mut imprint = parts(next(&mut info)?)?;
        let hash = hash_of(algorithm(next(&mut imprint)?)?)?;
        let hashed = next(&mut imprint)?;
        hashed.tag().assert_eq(Tag::OctetString)?;
        imprint.finish()?;
        let _serial = integer(next(&mut info)?)?;
        let time = next(&mut info)?;
        time.tag().assert_eq(Tag::GeneralizedTime)?;
        Ok(Self {
            hash,
            imprint: hashed.value(),
            time: generalized_time(time.value()).ok_or(TimestampError::Malformed)?,
            nonce: nonce(info)?,
        })
    }
}

/// The nonce among the parts that may be left out, in their order: `accuracy`,
/// `ordering`, `nonce`, `tsa` and `extensions`. Each has a tag of its own, and comes
/// once at the most.
fn nonce(mut rest: SliceReader<'_>) -> Result<Option<&[u8]>, TimestampError> {
    let mut nonce = None;
    let mut last = 0;
    while !rest.is_finished() {
        let part = next(&mut rest)?;
        let rank = match part.tag() {
            Tag::Sequence => 1,
            Tag::Boolean => 2,
            Tag::Integer => {
                nonce = Some(part.value());
                3
            }
            _ if is_constructed(&part, 0) => 4,
            _ if is_constructed(&part, 1) => 5,
            _ => return Err(TimestampError::Malformed),
        };
        if rank <= last {
            return Err(TimestampError::Malformed);
        }
        last = rank;
    }
    Ok(nonce)
}

/// `YYYYMMDDhhmmss[.f…]Z`: in UTC, with seconds, and a fraction of up to nine digits
/// (RFC 3161 allows one; RFC 5280 does not), without a zero at its end. `der` reads no
/// fractions.
pub(super) fn generalized_time(text: &[u8]) -> Option<jiff::Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !is_number(whole) {
        return None;
    }
    let nanoseconds = match fraction {
        None => 0,
        Some(text) if matches!(text.len(), 1..=9) && is_number(text) && !text.ends_with('0') => {
            format!("{text:0<9}").parse().ok()?
        }
        Some(_) => return None,
    };
    let (year, rest) = whole.split_at_checked(4)?;
    let two = |at: usize| rest.get(at..at.checked_add(2)?)?.parse::<i8>().ok();
    let date = DateTime::new(
        year.parse().ok()?,
        two(0)?,
        two(2)?,
        two(4)?,
        two(6)?,
        two(8)?,
        nanoseconds,
    );
    let zoned = TimeZone::UTC.to_timestamp(date.ok()?);
    zoned.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_with_seconds() {
        let time = |text: &str| generalized_time(text.as_bytes()).map(|time| time.to_string());
        for (text, expected) in [
            ("20261127084211Z", "2026-11-27T08:42:11Z"),
            ("20261127084211.5Z", "2026-11-27T08:42:11.5Z"),
            (
                "20261127084211.123456789Z",
                "2026-11-27T08:42:11.123456789Z",
            ),
            ("00010101000000Z", "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "Z",
            "202611270842Z",
            "20261127084211",
            "20261127084211+0100",
            "20261127084211.Z",
            "20261127084211.50Z",
            "20261127084211.1234567891Z",
            "20261127084211,5Z",
            "20261327084211Z",
            "20260230084211Z",
            "20261127246000Z",
            "2026112708421éZ",
            "-0261127084211Z",
            "+0261127084211Z",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
