//! The last words of a run that failed.

use std::error::Error;
use std::io::{self, Write as _};

use tracing::error;

use super::exit_code::Failure;
use super::line::LogFormat;
use super::operands::Operands;
use super::{Log, causes, hint, usage};

/// Says what failed, with its causes and its remedy, in the log's own format. A bad
/// flag is said on stderr, with the list of flags, as Go does (SIG-2); for machines
/// it is a line of the log like others (SIG-83).
pub(super) fn report(failure: &Failure, log: Option<&Log>) {
    let is_text = log.is_none_or(|log| log.format() == LogFormat::Text);
    if let Failure::Flag(bad) = failure
        && is_text
    {
        let hint = hint::of(failure).map(|hint| format!("hint: {hint}\n"));
        let hint = hint.unwrap_or_default();
        // The exit code says it too: as in Go, nobody has to take the words.
        let _ = write!(io::stderr(), "{bad}\n{}{hint}", usage::flags());
        return;
    }
    let (causes, hint) = (words(failure), hint::of(failure));
    let Operands { image, place, key } = Operands::of(failure);
    error!(hint = hint.as_deref(), image, place, key, "{causes}");
}

/// An error and its causes in one line, the cause last. Only the words of a parser
/// are left out; secrets are taken out where the line is written.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let causes = anyhow::Chain::new(error).map(causes::words);
    causes.collect::<Vec<_>>().join(": ")
}
