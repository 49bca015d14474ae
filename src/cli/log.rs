//! Log lines as the lifecycle's: everything on stdout, no time, no level but
//! `Warning: ` and `ERROR: ` in colour (lifecycle v0.21 `log/default_logger.go`).
//!
//! An event is one line. Its text may come from a registry: control
//! characters, line breaks included, are printed escaped, so that nobody else
//! can write a line or colour it. Three fields are special:
//!
//! - `hint` is the remedy of a warning or an error, on a line of its own;
//! - `lines` is text whose line breaks are ours: who passes it has escaped the
//!   foreign parts of it with [`escaped`];
//! - other fields follow the message as ` name=value`.
//!
//! No line shows a secret of the run, wherever its text comes from.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use super::output::Output;
use crate::secret::{Secrets, Voice};

/// The least important lines that are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    #[default]
    Info,
    Warn,
    /// `error` and `fatal`: a failed run always says why.
    Error,
}

impl Level {
    fn of(metadata: &Metadata<'_>) -> Self {
        match *metadata.level() {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

impl FromStr for Level {
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

/// A log level that is none. The message is the whole line that the lifecycle
/// prints.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse log level: invalid level")]
pub struct InvalidLevel;

/// Whether escape sequences are written. On by default, also when stdout is no
/// terminal: platforms pass the lines on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    #[default]
    On,
    Off,
}

/// The settings of the log. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    level: Arc<AtomicU8>,
    coloured: Arc<AtomicBool>,
    output: Output,
    /// What no line may show.
    secrets: Secrets,
}

impl Log {
    /// Makes stdout the log of this process, from `info` on and in colour,
    /// until [`Log::configure`] says otherwise.
    ///
    /// # Errors
    /// If this process has a log already.
    pub fn install(secrets: Secrets) -> Result<Self, AlreadyInstalled> {
        let log = Self::new(secrets);
        tracing::subscriber::set_global_default(log.subscriber(log.output.clone()))
            .map_err(|_| AlreadyInstalled)?;
        Ok(log)
    }

    /// Sets what is shown from now on.
    pub fn configure(&self, level: Level, colour: Colour) {
        self.level.store(level as u8, Ordering::Relaxed);
        self.coloured.store(colour == Colour::On, Ordering::Relaxed);
    }

    /// Writes lines that wait for their reader, as far as it takes them.
    pub fn drain(&self) {
        self.output.drain();
    }

    /// Writes all lines, as long as somebody goes on reading them within
    /// `patience`.
    pub fn finish(&self, patience: impl Fn() -> Duration) {
        self.output.finish(patience);
    }

    fn new(secrets: Secrets) -> Self {
        Self {
            level: Arc::new(AtomicU8::new(Level::default() as u8)),
            coloured: Arc::new(AtomicBool::new(true)),
            output: Output::default(),
            secrets,
        }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        // The chatter of the HTTP and TLS libraries is shown at no level.
        let target = metadata.target();
        let is_ours = target == "signer" || target.starts_with("signer::");
        is_ours && Level::of(metadata) as u8 >= self.level.load(Ordering::Relaxed)
    }

    fn subscriber<W>(&self, writer: W) -> impl Subscriber + Send + Sync + use<W>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let log = self.clone();
        let lines = tracing_subscriber::fmt::layer()
            .event_format(Lines(self.clone()))
            .with_writer(writer)
            // A closed stdout is no reason to write to stderr.
            .log_internal_errors(false);
        tracing_subscriber::registry().with(lines).with(
            dynamic_filter_fn(move |metadata, _| log.shows(metadata))
                .with_max_level_hint(LevelFilter::DEBUG),
        )
    }
}

/// A second log in one process.
#[derive(Debug, thiserror::Error)]
#[error("this process has a log already")]
pub struct AlreadyInstalled;

struct Lines(Log);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let (colour, prefix) = match Level::of(event.metadata()) {
            Level::Error => ("\u{1b}[31;1m", "ERROR: "),
            Level::Warn => ("\u{1b}[33;1m", "Warning: "),
            Level::Info | Level::Debug => ("", ""),
        };
        if !prefix.is_empty() && self.0.coloured.load(Ordering::Relaxed) {
            write!(writer, "{colour}{prefix}\u{1b}[0m")?;
        } else {
            writer.write_str(prefix)?;
        }
        self.print(&mut writer, parts.message.trim_end_matches('\n'))?;
        self.print(&mut writer, &parts.fields)?;
        writer.write_char('\n')?;
        for line in parts.lines.lines() {
            self.print(&mut writer, line)?;
            writer.write_char('\n')?;
        }
        if !parts.hint.is_empty() {
            writer.write_str("hint: ")?;
            self.print(&mut writer, &parts.hint)?;
            writer.write_char('\n')?;
        }
        Ok(())
    }
}

impl Lines {
    /// Whoever the text comes from, it shows no secret of the run.
    fn print(&self, writer: &mut Writer<'_>, text: &str) -> fmt::Result {
        let text = self.0.secrets.scrubbed(text, Voice::Ours, &[]);
        writer.write_str(&escaped(&text))
    }
}

/// The fields of an event by their role.
#[derive(Default)]
struct Parts {
    message: String,
    fields: String,
    lines: String,
    hint: String,
}

impl Parts {
    fn add(&mut self, name: &str, value: fmt::Arguments<'_>) {
        // Writing to a string fails only if a value's own formatting does.
        let _ = match name {
            "message" => self.message.write_fmt(value),
            "lines" => self.lines.write_fmt(value),
            "hint" => self.hint.write_fmt(value),
            // The words name them.
            "image" | "place" | "key" => Ok(()),
            _ => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }
}

/// Text without control characters (but tabs), line separators and marks that
/// turn the direction of writing; they are spelled out as `\n` or `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_hostile = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c,
                '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing::{debug, error, info, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: &Log, events: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = log.subscriber(move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn logged_at(level: Level, colour: Colour, events: impl FnOnce()) -> String {
        let log = Log::new(Secrets::default());
        log.configure(level, colour);
        logged(&log, events)
    }

    fn every_level() {
        debug!("d");
        info!("i");
        warn!("w");
        error!("e");
    }

    /// SIG-19
    #[test]
    fn lines_look_as_the_lifecycles() {
        assert_eq!(
            logged_at(Level::Debug, Colour::On, every_level),
            "d\ni\n\u{1b}[33;1mWarning: \u{1b}[0mw\n\u{1b}[31;1mERROR: \u{1b}[0me\n"
        );
        assert_eq!(
            logged_at(Level::Debug, Colour::Off, every_level),
            "d\ni\nWarning: w\nERROR: e\n"
        );
    }

    #[test]
    fn the_level_says_what_is_shown() {
        for (level, shown) in [
            (Level::Info, "i\nWarning: w\nERROR: e\n"),
            (Level::Warn, "Warning: w\nERROR: e\n"),
            (Level::Error, "ERROR: e\n"),
        ] {
            assert_eq!(logged_at(level, Colour::Off, every_level), shown);
        }
    }

    #[test]
    fn a_log_starts_in_colour_at_info_and_can_be_configured_later() {
        let log = Log::new(Secrets::default());
        let shown = logged(&log, || {
            every_level();
            log.configure(Level::Error, Colour::Off);
            every_level();
            log.configure(Level::Debug, Colour::Off);
            debug!("again");
        });
        assert_eq!(
            shown,
            "i\n\u{1b}[33;1mWarning: \u{1b}[0mw\n\u{1b}[31;1mERROR: \u{1b}[0me\nERROR: e\nagain\n"
        );
    }

    #[test]
    fn only_our_own_events_are_shown() {
        let shown = logged_at(Level::Debug, Colour::Off, || {
            error!(target: "reqwest::connect", "theirs");
            error!(target: "hyper", "theirs");
            error!(target: "signer_spy", "theirs");
            info!(target: "signer", "ours");
            info!(target: "signer::store", "ours");
            tracing::trace!("nobody's");
        });
        assert_eq!(shown, "ours\nours\n");
    }

    /// SIG-19
    #[test]
    fn nobody_else_can_write_a_line_or_a_colour() {
        let shown = logged_at(Level::Info, Colour::On, || {
            info!(
                "the registry says: {}",
                "no\nERROR: all is lost\r\u{1b}[2J\u{0}\u{9b}1m\u{202e}\u{2028}\u{7f}\ttab ä 😀"
            );
        });
        assert_eq!(
            shown,
            "the registry says: no\\nERROR: all is lost\\r\\u{1b}[2J\\u{0}\\u{9b}1m\\u{202e}\
             \\u{2028}\\u{7f}\ttab ä 😀\n"
        );
    }

    /// SIG-15
    #[test]
    fn no_part_of_a_line_shows_a_secret_whoever_wrote_it() {
        let secrets = Secrets::default();
        secrets.remember(b"canary-password");
        let shown = logged(&Log::new(secrets), || {
            let word = "canary-password";
            info!(%word, lines = format!("a {word}"), hint = word, "see {word}\n{word}");
        });
        assert_eq!(shown, "see …\\n… word=…\na …\nhint: …\n");
    }

    #[test]
    fn a_line_break_at_the_end_of_a_message_is_not_doubled() {
        assert_eq!(logged_at(Level::Info, Colour::Off, || info!("a\n")), "a\n");
        assert_eq!(logged_at(Level::Info, Colour::Off, || info!("")), "\n");
    }

    /// SIG-19
    #[test]
    fn a_hint_has_a_line_of_its_own() {
        let shown = logged_at(Level::Error, Colour::Off, || {
            error!(hint = "do\nthis", "failed to sign");
        });
        assert_eq!(shown, "ERROR: failed to sign\nhint: do\\nthis\n");
    }

    #[test]
    fn our_own_line_breaks_are_kept() {
        let shown = logged_at(Level::Warn, Colour::Off, || {
            warn!(lines = "\ta\u{1b}\n\tb", "first");
        });
        assert_eq!(shown, "Warning: first\n\ta\\u{1b}\n\tb\n");
    }

    #[test]
    fn fields_follow_the_message() {
        let shown = logged_at(Level::Debug, Colour::Off, || {
            let url = "https://r.io/v2/\n";
            debug!(method = "GET", %url, status = 200, "sent");
        });
        assert_eq!(
            shown,
            "sent method=GET url=https://r.io/v2/\\n status=200\n"
        );
    }

    #[test]
    fn levels_are_those_of_the_lifecycle_in_any_case() {
        for (text, level) in [
            ("debug", Level::Debug),
            ("INFO", Level::Info),
            ("Warn", Level::Warn),
            ("warning", Level::Warn),
            ("error", Level::Error),
            ("fatal", Level::Error),
        ] {
            assert_eq!(text.parse(), Ok(level));
        }
        for text in ["", "trace", "verbose", " info"] {
            assert_eq!(
                text.parse::<Level>().unwrap_err().to_string(),
                "failed to parse log level: invalid level"
            );
        }
    }

    #[test]
    fn text_without_control_characters_is_not_copied() {
        assert!(matches!(escaped("a\tb ä"), Cow::Borrowed(_)));
    }
}
