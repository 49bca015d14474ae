//! The log: the events of this process that are shown, on stdout alone. The
//! form of a line is left to [`line`](super::line), the way to its reader to
//! [`output`](super::output).
//!
//! Errors go to stdout too, as those of the lifecycle's phases do (lifecycle v0.21
//! `log/default_logger.go`), whatever the Platform API specification says of stderr.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use super::line::{Colour, Line, LogFormat, LogLevel, Style};
use super::output::Output;
use crate::secret::Secrets;

/// The settings of the log. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    level: Arc<AtomicU8>,
    style: Style,
    output: Output,
    /// Values that no line may show.
    secrets: Secrets,
}

impl Log {
    /// Makes stdout the log of this process, from `info` on, as text in colour,
    /// until [`Log::show_from`] and [`Log::dress`] say otherwise.
    ///
    /// # Errors
    /// If this process has a log already.
    pub fn install(secrets: Secrets) -> Result<Self, AlreadyInstalled> {
        let log = Self::new(secrets);
        tracing::subscriber::set_global_default(log.subscriber(log.output.clone()))
            .map_err(|_| AlreadyInstalled)?;
        Ok(log)
    }

    /// Sets the least important level that is shown from now on.
    pub fn show_from(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Sets the form of lines from now on.
    pub fn dress(&self, colour: Colour, format: LogFormat) {
        self.style.set(colour, format);
    }

    /// The reader of the log.
    pub fn format(&self) -> LogFormat {
        self.style.format()
    }

    /// Writes the waiting lines, as far as their reader takes them without
    /// delay.
    pub fn drain(&self) {
        self.output.drain();
    }

    /// Writes all lines, as long as their reader takes some within `patience`.
    pub fn finish(&self, patience: impl Fn() -> Duration) {
        self.output.finish(patience);
    }

    fn new(secrets: Secrets) -> Self {
        let style = Style::default();
        Self {
            level: Arc::new(AtomicU8::new(LogLevel::default() as u8)),
            output: Output::new(style.clone()),
            style,
            secrets,
        }
    }

    fn shows(&self, metadata: &Metadata<'_>) -> bool {
        // The chatter of the HTTP and TLS libraries is shown at no level; the
        // lifecycle discards that of its libraries, too.
        let target = metadata.target();
        let is_ours = target == "signer" || target.starts_with("signer::");
        is_ours && LogLevel::of(*metadata.level()) as u8 >= self.level.load(Ordering::Relaxed)
    }

    fn subscriber<W>(&self, writer: W) -> impl Subscriber + Send + Sync + use<W>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let log = self.clone();
        let lines = tracing_subscriber::fmt::layer()
            .event_format(LineFormat(self.clone()))
            .with_writer(writer)
            // A closed stdout is no reason to write to stderr.
            .log_internal_errors(false);
        // Without the hint, the filter would be asked about each trace event of the
        // libraries.
        tracing_subscriber::registry().with(lines).with(
            dynamic_filter_fn(move |metadata, _| log.shows(metadata))
                .with_max_level_hint(LevelFilter::DEBUG),
        )
    }
}

/// A second log in one process.
#[derive(thiserror::Error)]
#[error("this process has a log already")]
pub struct AlreadyInstalled;

debug_as_display!(AlreadyInstalled);

struct LineFormat(Log);

impl<S, N> FormatEvent<S, N> for LineFormat
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
        let mut line = Line::of(LogLevel::of(*event.metadata().level()));
        event.record(&mut line);
        let Self(Log { style, secrets, .. }) = self;
        writer.write_str(&line.written(style, secrets))
    }
}

#[cfg(test)]
mod tests;
