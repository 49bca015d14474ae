//! The forms of a secret: as it is, in base64, in hexadecimal; and the escapes
//! of a text that holds it (`spec/decisions/0015`).
//!
//! Knows no rules for how much of a form has to be there: those are `scrub`'s.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// A way to write the bytes of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretEncoding {
    Plain,
    /// Base64, at any offset of a longer encoded text.
    Base64,
    Hexadecimal,
}

/// Shows every form of `value`, [folded], to `visit`. The forms are
/// secrets too, and are wiped when it returns: none is kept.
pub(super) fn each(value: &[u8], mut visit: impl FnMut(SecretEncoding, &[u8])) {
    visit(SecretEncoding::Plain, &folded(value));
    // The bytes before it shift its bits by none, two or four.
    for before in 0..3 {
        let mut bytes = Zeroizing::new(Vec::with_capacity(before + value.len()));
        bytes.resize(before, 0);
        bytes.extend_from_slice(value);
        let mut encoded = Zeroizing::new(vec![0; bytes.len() * 4 / 3 + 4]);
        let length = STANDARD_NO_PAD.encode_slice(&*bytes, &mut encoded);
        // Only the digits that encode no bits of other bytes.
        let own = (8 * before).div_ceil(6)..8 * bytes.len() / 6;
        if let (Ok(_), Some(own)) = (length, encoded.get(own)) {
            visit(SecretEncoding::Base64, &folded(own));
        }
    }
    let mut digits = Zeroizing::new(vec![0; 2 * value.len()]);
    if hex::encode_to_slice(value, &mut digits).is_ok() {
        visit(SecretEncoding::Hexadecimal, &digits);
    }
}

/// Bytes as they are compared: in lower case, the two alphabets of base64 as
/// one. That hides a little more than the secret, and nothing less.
pub(super) fn folded(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut folded = Zeroizing::new(Vec::with_capacity(bytes.len()));
    folded.extend(bytes.iter().map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte.to_ascii_lowercase(),
    }));
    folded
}

/// Text, with the place of each of its bytes in the original: a secret that is
/// found behind escapes is hidden where the escapes stand.
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    origins: Vec<Range<usize>>,
}

impl View {
    pub(super) fn of(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            origins: (0..text.len()).map(|at| at..at + 1).collect(),
        }
    }

    /// The place of these bytes in the original.
    pub(super) fn origin(&self, bytes: Range<usize>) -> Range<usize> {
        let first = self.origins.get(bytes.start);
        let last = self.origins.get(bytes.end.saturating_sub(1));
        match (first, last) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// The same without one layer of escapes, as JSON, URLs, HTML and Rust
    /// write them, all at once: the text does not say which it is. None: it has no
    /// escapes.
    pub(super) fn unescaped(&self) -> Option<Self> {
        let is_mark = |byte: &u8| matches!(byte, b'\\' | b'%' | b'&');
        if !self.bytes.iter().any(is_mark) {
            return None;
        }
        let mut plain = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            origins: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        while let Some(rest @ [byte, ..]) = self.bytes.get(at..) {
            let (character, length) = escape(rest).unwrap_or((Unescaped::Byte(*byte), 1));
            let origin = self.origin(at..at + length);
            match character {
                Unescaped::Byte(byte) => plain.bytes.push(byte),
                Unescaped::Character(character) => {
                    let bytes = character.encode_utf8(&mut [0; 4]).as_bytes().to_vec();
                    plain.bytes.extend(bytes);
                }
            }
            // Each byte of a character stands for its whole escape.
            plain.origins.resize(plain.bytes.len(), origin);
            at += length;
        }
        (plain.bytes != self.bytes).then_some(plain)
    }
}

enum Unescaped {
    Byte(u8),
    Character(char),
}

/// The escape that `text` begins with, and its length.
fn escape(text: &[u8]) -> Option<(Unescaped, usize)> {
    match text.first()? {
        b'%' => Some((Unescaped::Byte(hexadecimal(text.get(1..3)?)? as u8), 3)),
        b'\\' => backslash(text),
        b'&' => entity(text),
        _ => None,
    }
}

/// `\n` and its like, `\x41`, `\u0041`, and Rust's `\u{41}`.
fn backslash(text: &[u8]) -> Option<(Unescaped, usize)> {
    let byte = match text.get(1)? {
        b'u' if text.get(2) == Some(&b'{') => {
            let end = text.iter().take(10).position(|byte| *byte == b'}')?;
            let character = char::from_u32(hexadecimal(text.get(3..end)?)?)?;
            return Some((Unescaped::Character(character), end + 1));
        }
        b'u' => return utf16(text),
        b'x' => return Some((Unescaped::Byte(hexadecimal(text.get(2..4)?)? as u8), 4)),
        mark @ (b'/' | b'"' | b'\'' | b'\\') => *mark,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'0' => 0,
        _ => return None,
    };
    Some((Unescaped::Byte(byte), 2))
}

/// `\u0041`, or two of them for one character.
fn utf16(text: &[u8]) -> Option<(Unescaped, usize)> {
    let first = hexadecimal(text.get(2..6)?)?;
    if let Some(character) = char::from_u32(first) {
        return Some((Unescaped::Character(character), 6));
    }
    let second = text.get(6..12)?.strip_prefix(b"\\u")?;
    let units = [first as u16, hexadecimal(second)? as u16];
    let character = char::decode_utf16(units).next()?.ok()?;
    Some((Unescaped::Character(character), 12))
}

/// The entities that encoders of HTML write, and characters by their numbers.
fn entity(text: &[u8]) -> Option<(Unescaped, usize)> {
    let end = text.iter().take(12).position(|byte| *byte == b';')?;
    let character = match text.get(1..end)? {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hexadecimal(digits)?)?,
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some((Unescaped::Character(character), end + 1))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| are_digits)?;
    u32::from_str_radix(digits, 16).ok()
}
