//! Values as Go reads and prints them (Go 1.26, packages `flag`, `strconv` and
//! `time`): platforms write their flags for a Go program.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// Why a value was refused, in the words of Go's `flag` (`numError`): no value of
/// its kind, or a number that is too large or too small.
pub(super) const PARSE: &str = "parse error";
pub(super) const NOT_A_SIZE: &str = "parse error: write a number, or one of KiB, MiB or GiB (4MiB)";
pub(super) const RANGE: &str = "value out of range";

/// `strconv.ParseBool`.
pub(super) fn boolean(text: &OsStr) -> Option<bool> {
    match text.as_bytes() {
        b"1" | b"t" | b"T" | b"TRUE" | b"true" | b"True" => Some(true),
        b"0" | b"f" | b"F" | b"FALSE" | b"false" | b"False" => Some(false),
        _ => None,
    }
}

/// `strconv.Atoi`, for the id of a user or a group. The id with all bits set is
/// refused: to the kernel it means "no change".
pub(super) fn id(text: &OsStr) -> Result<u32, &'static str> {
    let (negative, digits) = unsigned(text.to_str().ok_or(PARSE)?);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return Err(PARSE);
    }
    match digits.parse() {
        // Go reads `-0` as 0.
        Ok(0) => Ok(0),
        Ok(id) if !negative && id != u32::MAX => Ok(id),
        _ => Err(RANGE),
    }
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// `time.ParseDuration`, for a duration that is not negative.
pub(super) fn duration(text: &OsStr) -> Result<Duration, &'static str> {
    let text = text.to_str().ok_or(PARSE)?;
    let (negative, mut rest) = unsigned(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(PARSE);
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let (term, after) = duration_term(rest).ok_or(PARSE)?;
        // Of a duration that is too long, Go says `parse error` as well.
        nanoseconds = nanoseconds.checked_add(term).ok_or(PARSE)?;
        rest = after;
    }
    // Go counts in an int64.
    if nanoseconds > i64::MAX as u64 {
        return Err(PARSE);
    }
    if negative && nanoseconds > 0 {
        return Err("must not be negative");
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The nanoseconds of one number with its unit, and the text after it.
fn duration_term(text: &str) -> Option<(u64, &str)> {
    let (whole, rest) = split_digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest
        .find(|c: char| c == '.' || c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(unit_end)?;
    let unit = nanoseconds(unit)?;
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    Some((
        unit.checked_mul(whole)?.checked_add(part(unit, fraction))?,
        rest,
    ))
}

fn nanoseconds(unit: &str) -> Option<u64> {
    match unit {
        "ns" => Some(1),
        // The micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// `0.<digits>` of a unit, rounded down. No unit has more than 13 digits, so that
/// 18 digits are enough for a nanosecond, and the product fits 128 bits. Go stops
/// there as well (`leadingFraction`).
fn part(unit: u64, digits: &str) -> u64 {
    let mut scale: u128 = 1;
    let mut value: u128 = 0;
    for digit in digits.bytes().take(18) {
        value = value * 10 + u128::from(digit.saturating_sub(b'0'));
        scale *= 10;
    }
    u64::try_from(u128::from(unit) * value / scale).unwrap_or(0)
}

/// A number of bytes or of other things, more than 0; a binary unit multiplies
/// it (SIG-2). Go has no such flag.
pub(super) fn size(text: &OsStr) -> Result<u64, &'static str> {
    let text = text.to_str().ok_or(NOT_A_SIZE)?;
    let (digits, unit) = split_digits(text);
    let shift = match unit {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(NOT_A_SIZE),
    };
    if digits.is_empty() {
        return Err(NOT_A_SIZE);
    }
    let number: u64 = digits.parse().map_err(|_| RANGE)?;
    match number.checked_mul(1 << shift) {
        Some(0) => Err("must be more than 0"),
        // The kernel counts the bytes of a file in an i64: no file is larger.
        Some(size) if size <= i64::MAX as u64 => Ok(size),
        _ => Err(RANGE),
    }
}

/// `strconv.Quote`, with which Go's `flag` shows a bad value. The result has no
/// control character, so that the value can be printed.
pub(super) fn quoted(text: &OsStr) -> String {
    let mut quoted = String::from('"');
    for chunk in text.as_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|c| quote(c, &mut quoted));
        for byte in chunk.invalid() {
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

fn quote(c: char, quoted: &mut String) {
    let escape = match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        _ => "",
    };
    let code = u32::from(c);
    // Writing to a string cannot fail.
    let _ = match (escape, code) {
        ("", 0..0x20 | 0x7f) => write!(quoted, "\\x{code:02x}"),
        ("", 0x20..0x7f) => write!(quoted, "{c}"),
        // Rust and Go agree on the printable characters, except combining
        // marks.
        ("", _) if c.escape_debug().len() == 1 => write!(quoted, "{c}"),
        ("", ..=0xffff) => write!(quoted, "\\u{code:04x}"),
        ("", _) => write!(quoted, "\\U{code:08x}"),
        (escape, _) => write!(quoted, "{escape}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn booleans_are_those_of_go() {
        for text in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(boolean(os(text)), Some(true), "{text}");
        }
        for text in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(boolean(os(text)), Some(false), "{text}");
        }
        for text in ["", "tRUE", "yes", "2", " 1"] {
            assert_eq!(boolean(os(text)), None, "{text}");
        }
    }

    #[test]
    fn ids_are_decimal() {
        for (text, id_) in [
            ("0", 0),
            ("-0", 0),
            ("+5", 5),
            ("010", 10),
            ("4294967294", 4_294_967_294),
        ] {
            assert_eq!(id(os(text)), Ok(id_), "{text}");
        }
        for text in [
            "", "-", "a\"b", "0x10", "1_0", "1.0", " 1", "--1", "\u{661}",
        ] {
            assert_eq!(id(os(text)), Err(PARSE), "{text}");
        }
        for text in ["-5", "4294967295", "4294967296", "99999999999999999999"] {
            assert_eq!(id(os(text)), Err(RANGE), "{text}");
        }
        assert_eq!(id(OsStr::from_bytes(b"\xff")), Err(PARSE));
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("0s", 0),
            ("-0s", 0),
            ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            ("1h2m", 3_720_000_000_000),
            ("1.s", 1_000_000_000),
            (".5us", 500),
            ("3\u{b5}s", 3_000),
            ("3\u{3bc}s", 3_000),
            ("1m1.000000001s", 61_000_000_001),
            ("0.9ns", 0),
            ("0.3333333333333333333333h", 1_200_000_000_000 - 1),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            let expected = Duration::from_nanos(nanoseconds);
            assert_eq!(duration(os(text)), Ok(expected), "{text}");
        }
        for text in [
            "",
            "+",
            "5",
            "1.5",
            ".s",
            ".",
            "s",
            "1S",
            "1d",
            "1s5",
            "1 s",
            "1s ",
            "1e3s",
            "9999999h",
            "9223372036854775808ns",
            "99999999999999999999ns",
            "9223372036854775807ns1ns",
        ] {
            assert_eq!(duration(os(text)), Err(PARSE), "{text}");
        }
        assert_eq!(duration(os("-1s")), Err("must not be negative"));
    }

    #[test]
    fn sizes_have_binary_units_or_none() {
        for (text, size_) in [
            ("1", 1),
            ("010", 10),
            ("3KiB", 3 << 10),
            ("512MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(size(os(text)), Ok(size_), "{text}");
        }
        for text in [
            "", "MiB", "-1", "+1", "1.5GiB", "1MB", "1mib", "1 MiB", "1MiB ", "0x10",
        ] {
            assert_eq!(size(os(text)), Err(NOT_A_SIZE), "{text}");
        }
        for text in [
            "9223372036854775808",
            "8589934592GiB",
            "99999999999999999999",
        ] {
            assert_eq!(size(os(text)), Err(RANGE), "{text}");
        }
        for text in ["0", "0GiB"] {
            assert_eq!(size(os(text)), Err("must be more than 0"), "{text}");
        }
    }

    #[test]
    fn values_are_quoted_as_go_quotes() {
        for (text, go) in [
            (&b"maybe"[..], r#""maybe""#),
            (b"a\"b\\", r#""a\"b\\""#),
            (
                b"\xff\x01\n\xc2\xad\xe2\x80\x8b\xc3\xa4",
                r#""\xff\x01\n\u00ad\u200bä""#,
            ),
            (b"\x1b[31m\x7f'", r#""\x1b[31m\x7f'""#),
            (b"\xf3\xa0\x80\x81", r#""\U000e0001""#),
        ] {
            assert_eq!(quoted(OsStr::from_bytes(text)), go);
        }
    }
}
