//! Stopping a run without leaving an unknown session or manifest behind
//! (WIRE-60).

use std::time::Duration;

use super::Registries;
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

    /// Whether others may see a change of this run.
    pub fn visible(&self) -> Visible {
        *self.progress.visible.borrow()
    }

    /// Waits until a manifest was written, or may have been.
    pub async fn until_written(&self) {
        let mut visible = self.progress.visible.subscribe();
        let _ = visible.wait_for(|visible| *visible > Visible::No).await;
    }

    /// Notes what a request has changed. It only grows, and only growth wakes those
    /// who wait.
    pub(super) fn note(&self, visible: Visible) {
        self.progress
            .visible
            .send_if_modified(|known| visible > std::mem::replace(known, visible.max(*known)));
    }
}
