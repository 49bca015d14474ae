//! One line of the log, as people read it or as machines do.
//!
//! Text looks as the lifecycle's: no time, no level but `Warning: ` and
//! `ERROR: ` in colour (lifecycle v0.21 `log/default_logger.go`). JSON is one
//! object: `time` (RFC 3339), `level`, `message`, and the event's other fields.
//!
//! An event is one line. Its text may come from a registry: control characters,
//! line breaks included, are spelled out, so that a registry can neither write
//! a line of its own nor colour one, also where the text of a JSON object is
//! printed.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tracing::field::{Field, Visit};

use crate::secret::{Secrets, Voice};

/// Fields that the words of a line name already; JSON has a member for each.
const NAMED: [&str; 3] = ["image", "place", "key"];

/// The least important lines that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    /// `error` and `fatal`: a failed run always says why.
    Error,
}

impl LogLevel {
    pub(super) fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl FromStr for LogLevel {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warn),
            "error" | "fatal" => Ok(Self::Error),
            _ => Err(InvalidLevel),
        }
    }
}

/// A log level that is none.
#[derive(PartialEq, Eq, thiserror::Error)]
#[error("invalid level")]
pub struct InvalidLevel;

debug_as_display!(InvalidLevel);

/// Whether escape sequences are written. On by default, also when stdout is no
/// terminal: platforms pass the lines on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    #[default]
    On,
    Off,
}

/// The reader of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// One object on each line, without colour.
    Json,
}

impl FromStr for LogFormat {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidFormat),
        }
    }
}

/// A format of the log that is none.
#[derive(PartialEq, Eq, thiserror::Error)]
#[error("invalid format")]
pub struct InvalidFormat;

debug_as_display!(InvalidFormat);

/// How lines are written: as text in colour, until somebody says otherwise.
/// Clones are the same style.
#[derive(Clone, Debug, Default)]
pub(super) struct Style(Arc<Switches>);

#[derive(Debug, Default)]
struct Switches {
    is_plain: AtomicBool,
    is_json: AtomicBool,
}

impl Style {
    pub(super) fn set(&self, colour: Colour, format: LogFormat) {
        let Switches { is_plain, is_json } = &*self.0;
        is_plain.store(colour == Colour::Off, Ordering::Relaxed);
        is_json.store(format == LogFormat::Json, Ordering::Relaxed);
    }

    pub(super) fn format(&self) -> LogFormat {
        match self.0.is_json.load(Ordering::Relaxed) {
            true => LogFormat::Json,
            false => LogFormat::Text,
        }
    }

    fn colour(&self) -> Colour {
        match self.0.is_plain.load(Ordering::Relaxed) {
            true => Colour::Off,
            false => Colour::On,
        }
    }
}

/// The parts of a line by their role. Some fields of an event are special:
///
/// - `hint` is the remedy of a warning or an error, on a line of its own;
/// - `lines` is text whose line breaks are ours: the caller has escaped its
///   foreign parts with [`escaped`];
/// - `image`, `place` and `key` are named by the words, and shown in JSON alone;
/// - other fields follow the message as ` name=value`.
#[derive(Default)]
pub(super) struct Line {
    level: LogLevel,
    message: String,
    fields: Vec<(&'static str, String)>,
    lines: String,
    hint: String,
}

impl Line {
    /// The line of an event; its fields are still to be recorded.
    pub(super) fn of(level: LogLevel) -> Self {
        Self {
            level,
            ..Self::default()
        }
    }

    /// A warning without fields.
    pub(super) fn warning(message: String) -> Self {
        Self {
            message,
            ..Self::of(LogLevel::Warn)
        }
    }

    /// The line with its end, several lines if it has a hint. None of `secrets`
    /// is in it, whatever the source of its text (SIG-15).
    pub(super) fn written(&self, style: &Style, secrets: &Secrets) -> String {
        // Scrubbed first: secrets are looked for in the text as it was said.
        let safe = |text: &str| {
            let text = secrets.scrubbed(text, Voice::Ours, &[]);
            escaped(&text).into_owned()
        };
        match style.format() {
            LogFormat::Text => self.text(style.colour(), safe),
            LogFormat::Json => self.json(safe),
        }
    }

    fn text(&self, colour: Colour, safe: impl Fn(&str) -> String) -> String {
        let (sequence, prefix) = match self.level {
            LogLevel::Error => ("\u{1b}[31;1m", "ERROR: "),
            LogLevel::Warn => ("\u{1b}[33;1m", "Warning: "),
            LogLevel::Info | LogLevel::Debug => ("", ""),
        };
        // The prefix alone is coloured, as in the lifecycle.
        let mut text = match colour {
            Colour::On if !prefix.is_empty() => format!("{sequence}{prefix}\u{1b}[0m"),
            Colour::On | Colour::Off => prefix.to_owned(),
        };
        text.push_str(&safe(self.message.trim_end_matches('\n')));
        for (name, value) in &self.fields {
            if !NAMED.contains(name) {
                text.push_str(&safe(&format!(" {name}={value}")));
            }
        }
        text.push('\n');
        // Line by line: their breaks are ours and are not to be escaped.
        for line in self.lines.lines() {
            text.push_str(&safe(line));
            text.push('\n');
        }
        if !self.hint.is_empty() {
            text.push_str("hint: ");
            text.push_str(&safe(&self.hint));
            text.push('\n');
        }
        text
    }

    /// All members are strings, and as safe as lines are: somebody may print one
    /// (SIG-83).
    fn json(&self, safe: impl Fn(&str) -> String) -> String {
        let mut message = safe(self.message.trim_end_matches('\n'));
        for line in self.lines.lines() {
            message.push('\n');
            message.push_str(&safe(line));
        }
        let mut members = vec![
            ("time", format!("{:.3}", Timestamp::now())),
            ("level", self.level.name().to_owned()),
            ("message", message),
        ];
        let fields = self.fields.iter();
        members.extend(fields.map(|(name, value)| (*name, safe(value))));
        if !self.hint.is_empty() {
            members.push(("hint", safe(&self.hint)));
        }
        // An object of strings has a text in any case.
        let mut text = serde_json::to_string(&Object(members)).unwrap_or_default();
        text.push('\n');
        text
    }

    fn add(&mut self, name: &'static str, value: fmt::Arguments<'_>) {
        // Writing to a string fails only if a value's own formatting does.
        let _ = match name {
            "message" => self.message.write_fmt(value),
            "lines" => self.lines.write_fmt(value),
            "hint" => self.hint.write_fmt(value),
            _ => {
                self.fields.push((name, value.to_string()));
                Ok(())
            }
        };
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }
}

/// Members in their order.
struct Object(Vec<(&'static str, String)>);

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Text without control characters (but tabs), line separators and characters that
/// nobody sees; they are spelled out as `\n` or `\u{1b}`. Text that was escaped is not
/// changed again.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    let is_hostile = |c: char| (c.is_control() && c != '\t') || is_unseen(c);
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hostile(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Whether a character breaks lines or is not seen itself: Unicode's `Bidi_Control`, by
/// which text reads otherwise than it is (CVE-2021-42574, "Trojan Source"), the other
/// format characters of `Default_Ignorable_Code_Point`, and blank letters. Selectors of
/// a variant (U+FE0F of many an emoji) belong to the character before them.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}
