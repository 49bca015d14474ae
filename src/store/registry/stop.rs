//! Stopping a run without leaving an unknown session or manifest behind
//! (WIRE-60).

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::Registries;
use crate::http::Uncertainty;
use crate::store::Visible;

impl Registries {
    /// From now on requests fail, those under way too, except the ones whose
    /// answer is needed for cleaning up. Sessions can still be cancelled. Safe
    /// to repeat.
    pub fn stop(&self) {
        self.progress.stopping.send_replace(true);
    }

    /// Whether the run is to stop.
    pub fn is_stopping(&self) -> bool {
        *self.progress.stopping.borrow()
    }

    /// Waits until the run is stopped.
    pub async fn until_stopped(&self) {
        let mut stopping = self.progress.stopping.subscribe();
        // The sender lives as long as we do.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Waits for `time`, or until the run is stopped.
    pub async fn rest(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.until_stopped() => {}
        }
    }

    /// Whether others may see a change of this run: by a manifest that was put, or
    /// one that is being put right now.
    pub fn visible(&self) -> Visible {
        let is_uncertain = self.puts().iter().any(Uncertainty::is_there);
        let known = *self.progress.visible.borrow();
        match is_uncertain {
            true => known.max(Visible::Maybe),
            false => known,
        }
    }

    /// Waits until a manifest was written, or may have been.
    pub async fn until_written(&self) {
        let mut visible = self.progress.visible.subscribe();
        let _ = visible.wait_for(|visible| *visible > Visible::No).await;
    }

    /// Notes that a manifest is going to be put. If nobody awaits the end of that, it
    /// counts for as long as it is uncertain.
    pub(super) fn begin_put(&self, uncertainty: &Uncertainty) {
        self.puts().push(uncertainty.clone());
    }

    /// Notes what a manifest has changed that was put. It only grows, and only growth
    /// wakes those who wait.
    pub(super) fn end_put(&self, uncertainty: &Uncertainty, visible: Visible) {
        // Before it is forgotten: another thread may ask in between.
        self.progress
            .visible
            .send_if_modified(|known| visible > std::mem::replace(known, visible.max(*known)));
        self.puts().retain(|put| !put.is(uncertainty));
    }

    fn puts(&self) -> MutexGuard<'_, Vec<Uncertainty>> {
        let puts = self.progress.puts.lock();
        puts.unwrap_or_else(PoisonError::into_inner)
    }
}
