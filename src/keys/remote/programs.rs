//! Programs that sign: the handling of their words, and how many run at a time.

use std::thread::available_parallelism;

use tracing::debug;

use crate::secret::Secrets;
use crate::service::{ServiceName, quoted};

/// Hands a program's standard error on to the log, line by line, without our
/// secrets (KEY-113). The level is `debug`: most of it is of interest to nobody.
pub(super) fn pass_on(name: &ServiceName, words: &str, secrets: &Secrets) {
    for line in words.lines().filter(|line| !line.trim().is_empty()) {
        debug!("{name}: {}", quoted(line, secrets).0);
    }
}

/// As many programs run at a time (KEY-117).
pub(super) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}
