//! A streaming check that bytes are one JSON object (RFC 8259).
//!
//! It holds one state and one bit per open container, never a value: a document
//! of any size is checked while it flows by. It accepts exactly the grammar in
//! strict UTF-8, and reports valid values that no reader written in Go accepts
//! (SBOM-7).
//!
//! `serde_json` can ignore values as well, and then checks neither their UTF-8 nor how
//! deep they lie. A fuzzer holds both to the same grammar.

/// The deepest nesting that is accepted. Go's `encoding/json` and protobuf stop
/// at 10 000, and a document is embedded in a statement before they read it.
pub(super) const MAX_DEPTH: usize = 9_990;

/// Why bytes are not one JSON object.
#[derive(thiserror::Error, PartialEq, Eq)]
#[error("{reason}, at byte {offset}")]
pub struct JsonError {
    /// Counted from 0.
    pub offset: u64,
    pub reason: JsonFault,
}

debug_as_display!(JsonError);

/// The input that was found instead of JSON.
#[derive(Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum JsonFault {
    #[error("it starts with a byte order mark")]
    ByteOrderMark,
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("the JSON ends too early")]
    Truncated,
    #[error("something follows the JSON object")]
    Trailing,
    #[error("a character stands where JSON allows none")]
    Unexpected,
    #[error("a number is malformed")]
    Number,
    #[error("a string holds a control character")]
    ControlCharacter,
    #[error("a string holds an unknown escape")]
    Escape,
    #[error("it is not UTF-8")]
    Utf8,
    #[error("it is nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

debug_as_display!(JsonFault);

/// Properties of a valid document on which readers disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Remarks {
    /// Some number is infinite as a float64 (`1e400`).
    pub exceeds_float64: bool,
    /// Some string holds an escaped surrogate without its pair (`"\ud800"`).
    pub lone_surrogate: bool,
}

/// The most characters of a number that are kept to see whether it is infinite as
/// a float64; the others do not count.
const LONGEST_NUMBER: usize = 4096;

fn is_infinite(number: &[u8]) -> bool {
    let number = std::str::from_utf8(number).unwrap_or_default();
    number.parse().is_ok_and(f64::is_infinite)
}

/// Checks bytes as they come. After an error it is of no more use.
pub(super) struct Validator {
    state: Expecting,
    open: Nesting,
    /// The number that is being read, as far as it is kept.
    number: Vec<u8>,
    /// Whether the last character was the first half of an escaped surrogate pair.
    high_surrogate: bool,
    remarks: Remarks,
    /// Of the next byte.
    offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expecting {
    /// The object itself: no other value is a document.
    Start,
    /// A name, or the end of an empty object.
    FirstName,
    /// A name: after a comma no end may follow.
    Name,
    Colon,
    /// A value, or the end of an empty array.
    FirstItem,
    Value,
    /// A comma, or the end of the innermost container.
    AfterValue,
    Text(Half, TextStep),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Number(NumberState),
    /// Whitespace alone.
    End,
}

/// The half of a member that a string is; a value may stand in an array too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Name,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextStep {
    Plain,
    Escape,
    /// Hexadecimal digits still to come, and the value of those read.
    Hex(u8, u16),
    /// Continuation bytes still to come, and the bounds of the next one.
    Utf8(u8, u8, u8),
}

/// The part of a number that was read last (RFC 8259, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberState {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Mark,
    Sign,
    Exponent,
}

impl NumberState {
    /// Whether a number may end here.
    fn is_complete(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::Exponent
        )
    }
}

impl Default for Validator {
    fn default() -> Self {
        Self {
            state: Expecting::Start,
            open: Nesting::default(),
            number: Vec::new(),
            high_surrogate: false,
            remarks: Remarks::default(),
            offset: 0,
        }
    }
}

impl Validator {
    /// Checks the next bytes.
    ///
    /// # Errors
    /// On the first byte that cannot belong to a JSON object.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), JsonError> {
        while let Some((byte, rest)) = bytes.split_first() {
            // Most bytes of a document are plain text of strings: they are passed over in
            // one go.
            if matches!(self.state, Expecting::Text(_, TextStep::Plain)) {
                let plain = bytes.iter().take_while(|b| is_plain(**b)).count();
                if plain > 0 {
                    self.break_pair();
                    self.offset += plain as u64;
                    bytes = bytes.get(plain..).unwrap_or_default();
                    continue;
                }
            }
            self.step(*byte).map_err(|reason| self.error(reason))?;
            self.offset += 1;
            bytes = rest;
        }
        Ok(())
    }

    /// Says that no byte follows.
    ///
    /// # Errors
    /// On a document that is not complete.
    pub(super) fn finish(self) -> Result<Remarks, JsonError> {
        match self.state {
            Expecting::End => Ok(self.remarks),
            Expecting::Start => Err(self.error(JsonFault::NotAnObject)),
            _ => Err(self.error(JsonFault::Truncated)),
        }
    }

    fn error(&self, reason: JsonFault) -> JsonError {
        JsonError {
            offset: self.offset,
            reason,
        }
    }

    /// One byte. Strings, numbers and literals know their bytes; between tokens
    /// whitespace is allowed.
    fn step(&mut self, byte: u8) -> Result<(), JsonFault> {
        match self.state {
            Expecting::Text(role, text) => self.text(role, text, byte),
            Expecting::Number(number) => self.number(number, byte),
            Expecting::Literal(rest) => self.literal(rest, byte),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => Ok(()),
            _ => self.structure(byte),
        }
    }

    fn structure(&mut self, byte: u8) -> Result<(), JsonFault> {
        match (self.state, byte) {
            (Expecting::Start, b'{') => self.open(JsonContainer::Object),
            // RFC 8259, section 8.1, lets readers skip it; Go's do not.
            (Expecting::Start, 0xEF) if self.offset == 0 => Err(JsonFault::ByteOrderMark),
            (Expecting::Start, _) => Err(JsonFault::NotAnObject),
            (Expecting::FirstName | Expecting::Name, b'"') => {
                self.go(Expecting::Text(Half::Name, TextStep::Plain))
            }
            (Expecting::FirstName, b'}') => self.close(JsonContainer::Object),
            (Expecting::Colon, b':') => self.go(Expecting::Value),
            (Expecting::FirstItem, b']') => self.close(JsonContainer::Array),
            (Expecting::FirstItem | Expecting::Value, _) => self.value(byte),
            (Expecting::AfterValue, b',') => match self.open.innermost() {
                JsonContainer::Object => self.go(Expecting::Name),
                JsonContainer::Array => self.go(Expecting::Value),
            },
            (Expecting::AfterValue, b'}') => self.close(JsonContainer::Object),
            (Expecting::AfterValue, b']') => self.close(JsonContainer::Array),
            (Expecting::End, _) => Err(JsonFault::Trailing),
            _ => Err(JsonFault::Unexpected),
        }
    }

    fn value(&mut self, byte: u8) -> Result<(), JsonFault> {
        match byte {
            b'{' => self.open(JsonContainer::Object),
            b'[' => self.open(JsonContainer::Array),
            b'"' => self.go(Expecting::Text(Half::Value, TextStep::Plain)),
            b't' => self.go(Expecting::Literal(b"rue")),
            b'f' => self.go(Expecting::Literal(b"alse")),
            b'n' => self.go(Expecting::Literal(b"ull")),
            b'-' | b'0'..=b'9' => {
                self.number.clear();
                self.number.push(byte);
                self.go(Expecting::Number(match byte {
                    b'-' => NumberState::Minus,
                    b'0' => NumberState::Zero,
                    _ => NumberState::Integer,
                }))
            }
            _ => Err(JsonFault::Unexpected),
        }
    }

    fn go(&mut self, state: Expecting) -> Result<(), JsonFault> {
        self.state = state;
        Ok(())
    }

    fn open(&mut self, container: JsonContainer) -> Result<(), JsonFault> {
        self.open.push(container)?;
        self.go(match container {
            JsonContainer::Object => Expecting::FirstName,
            JsonContainer::Array => Expecting::FirstItem,
        })
    }

    fn close(&mut self, container: JsonContainer) -> Result<(), JsonFault> {
        if self.open.innermost() != container {
            return Err(JsonFault::Unexpected);
        }
        self.open.pop();
        self.go(match self.open.depth {
            0 => Expecting::End,
            _ => Expecting::AfterValue,
        })
    }

    fn literal(&mut self, rest: &'static [u8], byte: u8) -> Result<(), JsonFault> {
        match rest.split_first() {
            Some((expected, [])) if *expected == byte => self.go(Expecting::AfterValue),
            Some((expected, rest)) if *expected == byte => self.go(Expecting::Literal(rest)),
            _ => Err(JsonFault::Unexpected),
        }
    }

    /// A byte after a part of a number. The first byte that does not belong to it ends
    /// it, and is then read as a byte behind a value.
    fn number(&mut self, number: NumberState, byte: u8) -> Result<(), JsonFault> {
        use NumberState::{Exponent, Fraction, Integer, Mark, Minus, Point, Sign, Zero};
        let next = match (number, byte) {
            (Minus, b'0') => Zero,
            (Minus, b'1'..=b'9') | (Integer, b'0'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Integer | Fraction, b'e' | b'E') => Mark,
            (Mark, b'+' | b'-') => Sign,
            (Mark | Sign | Exponent, b'0'..=b'9') => Exponent,
            _ if number.is_complete() => {
                self.remarks.exceeds_float64 |= is_infinite(&self.number);
                self.state = Expecting::AfterValue;
                return self.step(byte);
            }
            _ => return Err(JsonFault::Number),
        };
        if self.number.len() < LONGEST_NUMBER {
            self.number.push(byte);
        }
        self.go(Expecting::Number(next))
    }

    fn text(&mut self, role: Half, text: TextStep, byte: u8) -> Result<(), JsonFault> {
        let next = match (text, byte) {
            (TextStep::Plain, b'"') => {
                self.break_pair();
                return self.go(match role {
                    Half::Name => Expecting::Colon,
                    Half::Value => Expecting::AfterValue,
                });
            }
            (TextStep::Plain, b'\\') => TextStep::Escape,
            (TextStep::Plain, 0..=0x1F) => return Err(JsonFault::ControlCharacter),
            (TextStep::Plain, _) => {
                self.break_pair();
                lead(byte)?
            }
            (TextStep::Escape, b'u') => TextStep::Hex(4, 0),
            (TextStep::Escape, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.break_pair();
                TextStep::Plain
            }
            (TextStep::Escape, _) => return Err(JsonFault::Escape),
            (TextStep::Hex(left, value), _) => self.hex(left, value, byte)?,
            (TextStep::Utf8(left, low, high), _) => match (left, (low..=high).contains(&byte)) {
                (_, false) => return Err(JsonFault::Utf8),
                (0 | 1, true) => TextStep::Plain,
                (_, true) => TextStep::Utf8(left - 1, 0x80, 0xBF),
            },
        };
        self.go(Expecting::Text(role, next))
    }

    /// A digit of `\uXXXX`; the last one tells whether it is one of two surrogates.
    fn hex(&mut self, left: u8, value: u16, byte: u8) -> Result<TextStep, JsonFault> {
        let digit = char::from(byte).to_digit(16).ok_or(JsonFault::Escape)?;
        let value = value << 4 | digit as u16;
        if left > 1 {
            return Ok(TextStep::Hex(left - 1, value));
        }
        match (self.high_surrogate, value) {
            (true, 0xDC00..=0xDFFF) => self.high_surrogate = false,
            (_, 0xD800..=0xDBFF) => {
                self.break_pair();
                self.high_surrogate = true;
            }
            (_, 0xDC00..=0xDFFF) => self.remarks.lone_surrogate = true,
            _ => self.break_pair(),
        }
        Ok(TextStep::Plain)
    }

    /// No second half of a surrogate pair follows the first.
    fn break_pair(&mut self) {
        self.remarks.lone_surrogate |= self.high_surrogate;
        self.high_surrogate = false;
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7F) && byte != b'"' && byte != b'\\'
}

/// The bytes that must follow the first byte of a character (RFC 3629, section
/// 4).
fn lead(byte: u8) -> Result<TextStep, JsonFault> {
    Ok(match byte {
        0..=0x7F => TextStep::Plain,
        0xC2..=0xDF => TextStep::Utf8(1, 0x80, 0xBF),
        0xE0 => TextStep::Utf8(2, 0xA0, 0xBF),
        0xED => TextStep::Utf8(2, 0x80, 0x9F),
        0xE1..=0xEF => TextStep::Utf8(2, 0x80, 0xBF),
        0xF0 => TextStep::Utf8(3, 0x90, 0xBF),
        0xF1..=0xF3 => TextStep::Utf8(3, 0x80, 0xBF),
        0xF4 => TextStep::Utf8(3, 0x80, 0x8F),
        _ => return Err(JsonFault::Utf8),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JsonContainer {
    Object,
    Array,
}

/// The open containers, one bit each.
#[derive(Default)]
struct Nesting {
    /// A bit that is set stands for an object. The words of containers that were closed
    /// stay: the next one overwrites its bit.
    objects: Vec<u64>,
    depth: usize,
}

impl Nesting {
    fn push(&mut self, container: JsonContainer) -> Result<(), JsonFault> {
        if self.depth == MAX_DEPTH {
            return Err(JsonFault::TooDeep);
        }
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if word == self.objects.len() {
            self.objects.push(0);
        }
        if let Some(word) = self.objects.get_mut(word) {
            match container {
                JsonContainer::Object => *word |= bit,
                JsonContainer::Array => *word &= !bit,
            }
        }
        self.depth += 1;
        Ok(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn innermost(&self) -> JsonContainer {
        let last = self.depth.saturating_sub(1);
        match self.objects.get(last / 64) {
            Some(word) if word & (1 << (last % 64)) != 0 => JsonContainer::Object,
            _ => JsonContainer::Array,
        }
    }
}

#[cfg(test)]
mod tests;
