//! What the programs that sign have in common: their words, and how many run.

use std::thread::available_parallelism;

use tracing::debug;

use crate::secret::Secrets;
use crate::service::{ServiceName, quoted};

/// Hands a program's standard error on to the log, line by line.
pub(super) fn pass_on(name: &ServiceName, words: &str, secrets: &Secrets) {
    for line in words.lines().filter(|line| !line.trim().is_empty()) {
        debug!("{name}: {}", quoted(line, secrets).0);
    }
}

/// As many programs at a time.
pub(super) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}
