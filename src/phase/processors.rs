//! Computing on all processors, for work that would keep requests waiting.

use std::thread::available_parallelism;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::error::PhaseError;
use crate::beside;

/// Runs tasks beside the requests, as many at a time as there are processors;
/// gives their outcomes in the order of the tasks. All are the same `work`, in words. A
/// task that has begun runs to its end, also if this future is dropped.
///
/// # Errors
/// On the first task, in their order, that fails or panics; no more are begun then.
pub(super) async fn on_all_processors<T, F>(
    work: &'static str,
    tasks: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, PhaseError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, PhaseError> + Send + 'static,
{
    let processors = available_parallelism().map_or(1, usize::from);
    let running = tasks.into_iter().map(|task| async {
        let outcome = beside::run(task).await;
        outcome.unwrap_or(Err(PhaseError::Crashed(work)))
    });
    stream::iter(running)
        .buffered(processors)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crash_is_called_by_the_work() {
        let task = || -> Result<(), PhaseError> { panic!("on purpose") };
        let crashed = on_all_processors("reading documents", [task]).await;
        let said = crashed.unwrap_err().to_string();
        assert_eq!(said, "reading documents ended unexpectedly");
    }
}
