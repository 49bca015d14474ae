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

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_plain.then(|| text.parse().ok()).flatten();
        number
            .map(Number)
            .ok_or_else(|| E::custom("it is no number"))
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
        let time = text.parse().map(Time);
        time.map_err(|_| E::custom("it is no time of RFC 3339"))
    }
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
        for json in ["7", r#""7""#, "7.0", "0.7e1", r#""07""#] {
            assert_eq!(number(json), Some(7), "{json}");
        }
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for json in [
            "-1", r#""-1""#, "1.5", "1e300", r#""""#, r#""+1""#, "[]", "true",
        ] {
            assert_eq!(number(json), None, "{json}");
        }
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
