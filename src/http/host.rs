//! What is known of one host while a run lasts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests that one host gets at the same time.
const AT_ONCE: usize = 8;

/// A host's limiter and its failures, shared by all tasks that ask it.
pub(super) struct Host {
    permits: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failing_since: Option<Instant>,
    not_before: Option<Instant>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(AT_ONCE),
            state: Mutex::default(),
        }
    }
}

impl Host {
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Waits until the time that the host asked for is over.
    pub(super) async fn wait_until_free(&self) {
        let not_before = self.state().not_before;
        if let Some(instant) = not_before {
            tokio::time::sleep_until(instant.into()).await;
        }
    }

    pub(super) fn answered(&self) {
        self.state().failing_since = None;
    }

    /// Notes a failure; says since when the host has been failing.
    pub(super) fn failed(&self) -> Instant {
        *self.state().failing_since.get_or_insert_with(Instant::now)
    }

    /// Nobody asks this host before `instant`.
    pub(super) fn pause_until(&self, instant: Instant) {
        let mut state = self.state();
        state.not_before = state.not_before.max(Some(instant));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
