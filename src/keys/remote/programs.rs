//! Programs that sign: the handling of their words, and how many run at a time.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tracing::debug;

use crate::secret::Secrets;
use crate::service::{ServiceName, Variables, quoted};

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

/// The permits of the run's programs: each holds one while it runs. Keys sign side
/// by side, so that a bound for each key would be none for the machine.
pub(super) fn permits(variables: &Variables) -> Arc<Semaphore> {
    let make = || Ok::<_, Infallible>(Semaphore::new(processors()));
    let Ok(permits) = variables.shared("programs", make);
    permits
}
