//! Logs that take nothing more. A log that was replaced by another is frozen, and
//! answers 405 from then on: it is not asked again within a run (EVD-40). Rekor v2 does
//! so (rekor-tiles v2.3.0 `internal/server`), whose shards are replaced by others.
//!
//! All signatures of a run are sent at the same time. So the first request to a log
//! goes a little ahead, for a frozen log answers at once; one that does not answer
//! gets the others then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;

use crate::service::Said;

/// How far the first request goes ahead. Rekor v2 gathers entries for 250 ms
/// (Tessera's `DefaultBatchMaxAge`): those that come later wait for another checkpoint.
/// One that takes longer than this to say 405 is sent the others as well.
const AHEAD: Duration = Duration::from_millis(80);

/// The gates of a run's logs, by the log's address.
#[derive(Default)]
pub(super) struct Gates(Mutex<HashMap<Url, Arc<Gate>>>);

/// The state of one log: whether somebody has asked, and whether it takes entries.
pub(super) struct Gate {
    /// Whether somebody went ahead.
    has_first: AtomicBool,
    state: watch::Sender<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Open,
    Frozen(Said),
}

impl Gates {
    /// The gate of a log, the same for all who ask. The lock is held for no longer than
    /// that, so that a panic elsewhere leaves the map as good as it was.
    pub(super) fn of(&self, log: &Url) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(log.clone()).or_default())
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            has_first: AtomicBool::new(false),
            state: watch::Sender::new(State::Unknown),
        }
    }
}

impl Gate {
    /// Waits until a request may be sent: not at all for the first one, and then until
    /// its answer is there, or for [`AHEAD`]. One that goes ahead and is dropped leaves
    /// the state unknown, and costs each of the others that wait.
    ///
    /// # Errors
    /// With the words of a log that is frozen.
    pub(super) async fn pass(&self) -> Result<(), Said> {
        if self.has_first.swap(true, Ordering::Relaxed) {
            let mut state = self.state.subscribe();
            // A log that takes its time is no reason to wait longer.
            let _ = timeout(AHEAD, state.wait_for(|state| *state != State::Unknown)).await;
        }
        match &*self.state.borrow() {
            State::Frozen(words) => Err(words.clone()),
            State::Open | State::Unknown => Ok(()),
        }
    }

    /// The log answered something else than 405. A gate that was frozen stays so: the
    /// answer is of a request that was sent before.
    pub(super) fn open(&self) {
        self.state.send_if_modified(|state| {
            let is_news = *state == State::Unknown;
            if is_news {
                *state = State::Open;
            }
            is_news
        });
    }

    /// The log says that it takes nothing more.
    pub(super) fn freeze(&self, words: Said) {
        self.state.send_replace(State::Frozen(words));
    }
}
