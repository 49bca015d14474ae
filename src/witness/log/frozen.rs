//! Logs that take nothing more. A log that was replaced by another is frozen, and
//! answers 405 from then on: it is not asked again within a run (EVD-40). Rekor v2 does
//! so (rekor-tiles v2.3.0 `internal/server`), whose shards are replaced by others.
//!
//! All signatures of a run are sent at the same time, and a log that is well answers them
//! late, with its next checkpoint. So a log of many is asked for an empty entry first,
//! which one that is well refuses at once, and one that is frozen as it refuses every
//! entry (`spec/decisions/0032`).

use tokio::sync::OnceCell;

use super::ask::Asking;
use crate::oci::Content;
use crate::service::{Said, ServiceError, Trouble};

/// As many signatures are sent without a question before: a frozen log may be asked as
/// often as that (EVD-40).
pub(super) const FEW: usize = 2;

/// An entry of no kind.
const EMPTY: &[u8] = b"{}";

/// The one question to a log, which the first signature asks for all of them. If that one
/// is dropped meanwhile, the next one asks.
#[derive(Default)]
pub(super) struct Gate(OnceCell<State>);

enum State {
    /// It takes entries, as far as is known. Whatever else is wrong with a log, each
    /// signature learns by itself.
    Open,
    Frozen(Said),
}

impl Gate {
    /// Waits until the log has answered, and no less: its answer to an entry would take
    /// as long.
    ///
    /// # Errors
    /// With the words of a log that is frozen.
    pub(super) async fn pass(&self, asking: &Asking<'_>, path: &str) -> Result<(), Said> {
        let state = self.0.get_or_init(|| async {
            match asking.post(path, Content::from(EMPTY.to_vec())).await {
                Err(ServiceError {
                    trouble: Trouble::Frozen { answer, .. },
                    ..
                }) => State::Frozen(answer),
                _ => State::Open,
            }
        });
        match state.await {
            State::Open => Ok(()),
            State::Frozen(words) => Err(words.clone()),
        }
    }
}
