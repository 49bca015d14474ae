//! Stopping in the middle of a run without leaving something behind that
//! nobody knows of.

use std::time::Duration;

use tokio::sync::watch;

use super::{Ask, Registries, StoreError};
use crate::http::Response;
use crate::oci::Repository;

/// What becomes of a request when the run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenStopped {
    /// Dropped, or not sent at all: it leaves nothing behind.
    Drop,
    /// Not sent; but if it is under way, its answer is awaited, since the
    /// registry may have granted or written something.
    Await,
}

/// Whether the run is to stop, and whether it has written something.
pub(super) struct Progress {
    stopping: watch::Sender<bool>,
    has_written: watch::Sender<bool>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            stopping: watch::Sender::new(false),
            has_written: watch::Sender::new(false),
        }
    }
}

impl Registries {
    /// From now on requests fail, those under way too, except what has to be
    /// known for cleaning up. Sessions can still be cancelled.
    pub fn stop(&self) {
        self.progress.stopping.send_replace(true);
    }

    /// Whether the run is to stop.
    pub fn is_stopping(&self) -> bool {
        *self.progress.stopping.borrow()
    }

    /// Waits until the run is stopped.
    pub async fn stopped(&self) {
        let mut stopping = self.progress.stopping.subscribe();
        // The sender lives as long as we do.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }

    /// Waits for `time`, or until the run is stopped.
    pub async fn rest(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stopped() => {}
        }
    }

    /// Whether a manifest was written, or may have been.
    pub fn has_written(&self) -> bool {
        *self.progress.has_written.borrow()
    }

    /// Waits until a manifest was written, or may have been.
    pub async fn written(&self) {
        let mut written = self.progress.has_written.subscribe();
        let _ = written.wait_for(|written| *written).await;
    }

    pub(super) fn note_write(&self) {
        self.progress.has_written.send_replace(true);
    }

    pub(super) async fn send(
        &self,
        repository: &Repository,
        ask: &Ask<'_>,
    ) -> Result<Response, StoreError> {
        match (ask.when_stopped, self.is_stopping()) {
            (_, true) => Err(StoreError::Stopped),
            (WhenStopped::Await, false) => self.exchange(repository, ask).await,
            (WhenStopped::Drop, false) => tokio::select! {
                response = self.exchange(repository, ask) => response,
                () = self.stopped() => Err(StoreError::Stopped),
            },
        }
    }
}
