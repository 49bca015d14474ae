//! Values of JSON as protobuf writes and reads it (ProtoJSON, as Go's
//! `protojson` 1.36 reads it): 64-bit integers as strings or numbers, bytes in
//! either alphabet of base64 with or without padding, enumerations by name or
//! number, times of RFC 3339. A member that is `null` is absent; its name may be
//! written as in the `.proto` file.
//!
//! cosign and sigstore-go read the same trusted roots, signing configs and bundles by
//! `protojson`. A file that works there has to work here.

use std::fmt;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Go's `encoding/base64` takes unused bits that are not zero, unless it is strict.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// `bytes`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// `int64`, `uint32` and their like, as far as they are not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number(pub u64);

/// `google.protobuf.Timestamp`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

/// A value of an enumeration. Unknown ones are no error here: they come with
/// newer versions. The reader of the member decides whether it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnumValue {
    Name(String),
    Number(i64),
}

/// A member that is absent has the value 0 (proto3).
impl Default for EnumValue {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl EnumValue {
    /// Whether it is this value, by its name in the `.proto` file or by its number.
    pub fn is(&self, name: &str, number: i64) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Number(own) => *own == number,
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        // Go skips line breaks in base64.
        let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        // As `protojson` tells the alphabets apart; a text with both is none.
        let engine = match text.contains(['-', '_']) {
            true => &URL_SAFE,
            false => &STANDARD,
        };
        let bytes = engine.decode(text);
        bytes.map(Bytes).map_err(|_| E::custom("it is no base64"))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number that is not negative")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        let wrong = || E::invalid_value(Unexpected::Signed(number), &self);
        number.try_into().map(Number).map_err(|_| wrong())
    }

    /// `1e3` and `1.0` are integers. Beyond 2^53 there are several of one float, so
    /// that it says none of them.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        const MOST: f64 = 9_007_199_254_740_992.0;
        match number.fract() == 0.0 && (0.0..=MOST).contains(&number) {
            true => Ok(Number(number as u64)),
            false => Err(E::invalid_value(Unexpected::Float(number), &self)),
        }
    }

    /// A string holds a number of JSON and nothing more, no white space either.
    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let is_number = text.starts_with(|c: char| c.is_ascii_digit())
            && text.ends_with(|c: char| c.is_ascii_digit());
        let number = is_number.then(|| serde_json::from_str(text).ok());
        number.flatten().ok_or_else(|| E::custom("it is no number"))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time of RFC 3339")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        let time = of_rfc_3339(text).map(Time);
        time.ok_or_else(|| E::custom("it is no time of RFC 3339"))
    }
}

/// A time as RFC 3339 writes it, with capital letters and up to nine digits of a second;
/// jiff reads more. The last hours of the year 9999, which stand for no end, lie behind
/// the last moment that jiff counts.
fn of_rfc_3339(text: &str) -> Option<Timestamp> {
    const SECONDS: &str = "0000-00-00T00:00:00";
    let (moment, rest) = text.split_at_checked(SECONDS.len())?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            let digits = fraction.len() - zone.len();
            (1..=9).contains(&digits).then_some(zone)?
        }
        None => rest,
    };
    let is_zone = zone == "Z" || has_form(zone, "+00:00") || has_form(zone, "-00:00");
    // A leap second is none for Go.
    if !has_form(moment, SECONDS) || moment.ends_with(":60") || !is_zone {
        return None;
    }
    let last_day = || {
        let moment: DateTime = moment.parse().ok()?;
        (moment.year() == DateTime::MAX.year()).then_some(Timestamp::MAX)
    };
    text.parse().ok().or_else(last_day)
}

/// Whether a text has a digit wherever `form` has one, and else the same characters.
fn has_form(text: &str, form: &str) -> bool {
    let is_same = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(is_same)
}

impl<'de> Deserialize<'de> for EnumValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnumValueVisitor)
    }
}

struct EnumValueVisitor;

impl Visitor<'_> for EnumValueVisitor {
    type Value = EnumValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or a number")
    }

    /// One beyond `i64` is no value of any enumeration, and stays an unknown one.
    fn visit_u64<E: Error>(self, number: u64) -> Result<EnumValue, E> {
        Ok(EnumValue::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<EnumValue, E> {
        Ok(EnumValue::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EnumValue, E> {
        Ok(EnumValue::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_from_every_base64_that_go_reads() {
        let bytes = |json: &str| {
            serde_json::from_str::<Bytes>(json)
                .map(|bytes| bytes.0)
                .ok()
        };
        for json in [
            r#""-_8=""#,
            r#""+/8=""#,
            r#""-_8""#,
            r#""+/8""#,
            r#""+/\n8=""#,
        ] {
            assert_eq!(bytes(json), Some(vec![0xFB, 0xFF]), "{json}");
        }
        assert_eq!(bytes(r#""""#), Some(Vec::new()));
        for json in [r#""+/8_""#, r#""a""#, r#""+/8=a""#, "1", r#"" +/8=""#] {
            assert_eq!(bytes(json), None, "{json}");
        }
    }

    #[test]
    fn integers_are_read_from_strings_and_numbers() {
        let number = |json: &str| serde_json::from_str::<Number>(json).map(|n| n.0).ok();
        for json in [
            "7",
            r#""7""#,
            "7.0",
            "0.7e1",
            r#""7.0""#,
            r#""0.7e1""#,
            r#""\u0037""#,
        ] {
            assert_eq!(number(json), Some(7), "{json}");
        }
        assert_eq!(number(r#""1e3""#), Some(1000));
        assert_eq!(number(r#""18446744073709551615""#), Some(u64::MAX));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for json in [
            "-1",
            r#""-1""#,
            "1.5",
            r#""1.5""#,
            "1e300",
            r#""""#,
            r#""+1""#,
            r#""07""#,
            r#"" 7""#,
            r#""7\n""#,
            r#""7 7""#,
            r#""\"7\"""#,
            r#""[7]""#,
            "[]",
            "true",
        ] {
            assert_eq!(number(json), None, "{json}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_3339_alone() {
        let time = |text: &str| {
            let json = serde_json::to_string(text).unwrap();
            serde_json::from_str::<Time>(&json)
                .map(|time| time.0.as_nanosecond())
                .ok()
        };
        for text in [
            "1970-01-01T00:00:01Z",
            "1970-01-01T00:00:01.000000000Z",
            "1970-01-01T01:00:01+01:00",
            "1969-12-31T23:30:01.0-00:30",
        ] {
            assert_eq!(time(text), Some(1_000_000_000), "{text}");
        }
        for text in [
            "",
            "1970-01-01",
            "1970-01-01 00:00:01Z",
            "1970-01-01t00:00:01Z",
            "1970-01-01T00:00:01z",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:01",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:01.Z",
            "1970-01-01T00:00:01,5Z",
            "1970-01-01T00:00:01.0000000000Z",
            "1970-01-01T00:00:01+01",
            "1970-01-01T00:00:01+0100",
            "1970-01-01T00:00:01+01:00:00",
            "1970-01-01T00:00:01Z[UTC]",
            "1970-01-01T01:00:01+01:00[Europe/Berlin]",
            "19700101T000001Z",
            "+001970-01-01T00:00:01Z",
            "1970-02-30T00:00:01Z",
            " 1970-01-01T00:00:01Z",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        // The last second of Go's times, for keys without an end.
        let last = time("9999-12-31T23:59:59Z");
        assert_eq!(last, Some(Timestamp::MAX.as_nanosecond()));
        assert_eq!(time("9999-12-32T23:59:59Z"), None);
    }

    #[test]
    fn a_value_of_an_enumeration_has_a_name_and_a_number() {
        let value = |json: &str| serde_json::from_str::<EnumValue>(json).unwrap();
        for json in ["5", r#""FIVE""#] {
            assert!(value(json).is("FIVE", 5), "{json}");
            assert!(!value(json).is("SIX", 6), "{json}");
        }
    }
}
