//! The two ends that a run gets from outside: a signal, and the end of its
//! time.
//!
//! The run is told first, and ends by itself: it learns the outcome of its
//! requests and cancels its upload sessions. A thread beside it ends the
//! process if the run does not hear, or is too slow. Where the system grants no
//! thread, the run is told all the same. `spec/decisions/0020` says why there
//! are two, and why signals set flags and do no more.
//!
//! SIG-57 grants two seconds after a signal and three after the end of
//! `-timeout`. Without hearing, a run takes `HEARING` +
//! [`CANCELLING_WHEN_STOPPED`](crate::store::registry::CANCELLING_WHEN_STOPPED) +
//! `READING_WHEN_STOPPED`, 1.5 s; with hearing, `ENDING` +
//! `READING_WHEN_STOPPED`, 2.0 s; `LATE` comes on top for `-timeout` alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tokio::runtime::Builder;

use super::exit_code::Failure;
use super::failing::report;
use super::log::Log;
use crate::phase::{PhaseError, Stop};
use crate::store::Visible;
use crate::store::registry::Registries;

const TICK: Duration = Duration::from_millis(20);
/// Time for requests to fail first: their errors say more than that time is
/// over.
const LATE: Duration = Duration::from_millis(300);
/// Time for a run that is able to end by itself to hear, on a machine under
/// load.
const HEARING: Duration = Duration::from_millis(600);
/// Time for such a run to end: less than two seconds.
const ENDING: Duration = Duration::from_millis(1800);
/// How long the log waits for a reader that has stopped reading (SIG-58).
const READING: Duration = Duration::from_secs(5);
const READING_WHEN_STOPPED: Duration = Duration::from_millis(200);
/// Room for a request with TLS, which cancels a session.
const STACK: usize = 512 * 1024;

/// Looks whether the run is to end. Clones are the same watch.
#[derive(Clone)]
pub(super) struct Watch(Arc<RunState>);

struct RunState {
    began: Instant,
    /// The flags that signal handlers set. Nothing else is handed over through
    /// them, so that no order of memory is needed.
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
    /// How long the run may take, once that is known.
    time: Mutex<Option<Duration>>,
    stage: Mutex<Stage>,
    /// From the first request on.
    registries: OnceLock<Arc<Registries>>,
    log: Option<Log>,
}

enum Stage {
    /// Nothing has been sent.
    Preparing,
    Running {
        registries: Arc<Registries>,
        /// The run was told to end, or has ended by itself.
        has_heard: bool,
    },
    /// The last files are being written, which is better done than broken off.
    Finishing,
    /// With this exit code, unless something else fails.
    Ended(u8),
}

impl Watch {
    /// Begins to watch; the time of the run begins too.
    pub(super) fn start(log: Option<Log>) -> Self {
        let watch = Self(Arc::new(RunState {
            began: Instant::now(),
            interrupted: Arc::default(),
            terminated: Arc::default(),
            time: Mutex::new(None),
            stage: Mutex::new(Stage::Preparing),
            registries: OnceLock::new(),
            log,
        }));
        for (signal, flag) in [
            (SIGINT, &watch.0.interrupted),
            (SIGTERM, &watch.0.terminated),
        ] {
            // Without it the signal ends the process, as it did before.
            let _ = flag::register(signal, Arc::clone(flag));
        }
        let watching = watch.clone();
        let thread = thread::Builder::new().name("watch".to_owned());
        let _ = thread.stack_size(STACK).spawn(move || watching.watch());
        watch
    }

    /// Sets how long the run may take, from the start of the process; gives when
    /// that is over.
    pub(super) fn grant(&self, time: Duration) -> Instant {
        *self.0.time.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
        self.0.began + time
    }

    /// How long the run has taken so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Notes that the run sends requests from now on. A process that is ended by
    /// force cancels the sessions of `registries` first, unless the run has heard
    /// that it is to end: then that was up to it.
    pub(super) fn run(&self, registries: &Arc<Registries>) {
        let _ = self.0.registries.set(Arc::clone(registries));
        *self.stage() = Stage::Running {
            registries: Arc::clone(registries),
            has_heard: false,
        };
    }

    /// Whether others may see a change by this run.
    pub(super) fn visible(&self) -> Visible {
        let registries = self.0.registries.get();
        registries.map_or(Visible::No, |registries| registries.visible())
    }

    /// Notes that the run sends nothing, and writes its last files: it has
    /// [`ENDING`] for them when it is to end, and has failed after that.
    pub(super) fn finish(&self) {
        *self.stage() = Stage::Finishing;
    }

    /// Notes that the run sends nothing any more; it ends with `code`, also by
    /// force. May be called again with another code, until the process ends.
    pub(super) fn end(&self, code: u8) {
        *self.stage() = Stage::Ended(code);
    }

    /// Waits until the run is to end. Dropped, it says that the run ended by
    /// itself. It wants to be polled all along: a run that computes on the
    /// runtime's threads instead does not hear, and is ended by force.
    pub(super) async fn stopped(&self) -> Stop {
        let _hearing = Hearing(self);
        loop {
            if let Some(stop) = self.stop() {
                return stop;
            }
            // Lines that found stdout full would otherwise wait for the next line
            // (SIG-58).
            if let Some(log) = &self.0.log {
                log.drain();
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// How long the log may wait for its reader.
    pub(super) fn patience(&self) -> Duration {
        match self.stop() {
            None => READING,
            Some(_) => READING_WHEN_STOPPED,
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reason to end, if there is one. A signal wins over the end of the time;
    /// their exit codes differ (SIG-18, SIG-46).
    fn stop(&self) -> Option<Stop> {
        if self.0.terminated.load(Ordering::Relaxed) {
            return Some(Stop::Terminate);
        }
        if self.0.interrupted.load(Ordering::Relaxed) {
            return Some(Stop::Interrupt);
        }
        let time = *self.0.time.lock().unwrap_or_else(PoisonError::into_inner);
        let time = time.filter(|time| self.0.began.elapsed() >= *time + LATE)?;
        Some(Stop::OutOfTime(time))
    }

    /// The thread beside the run; it ends with the process.
    fn watch(&self) {
        let stop = loop {
            thread::sleep(TICK);
            if let Some(stop) = self.stop() {
                break stop;
            }
        };
        let since = Instant::now();
        loop {
            // Held to the end of the turn, so that the run does not end
            // meanwhile.
            let stage = self.stage();
            let is_late = since.elapsed() > ENDING;
            match &*stage {
                // Reading a file or a key ends by itself when the time is over,
                // with an error that names the file. A signal ends the process at
                // once: nothing was sent, so that no session is open and no receipt
                // is due.
                Stage::Preparing if is_late || !matches!(stop, Stop::OutOfTime(_)) => {
                    self.end_process(stop);
                }
                Stage::Finishing if is_late => self.end_process(stop),
                Stage::Running {
                    registries,
                    has_heard: false,
                } if since.elapsed() > HEARING => {
                    cancel_sessions(registries);
                    self.end_process(stop);
                }
                // The run has heard: cancelling its sessions was up to it.
                Stage::Running { .. } if is_late => self.end_process(stop),
                // The receipt or the log takes too long.
                Stage::Ended(code) if is_late => std::process::exit((*code).into()),
                Stage::Preparing | Stage::Running { .. } => {}
                Stage::Finishing | Stage::Ended(_) => {}
            }
            drop(stage);
            thread::sleep(TICK);
        }
    }

    /// Ends the process in the place of the run, which is in whatever state: no
    /// destructor runs, and no receipt is written (SIG-57).
    fn end_process(&self, stop: Stop) -> ! {
        let mut error = PhaseError::Stopped(stop);
        if self.visible() > Visible::No {
            error = PhaseError::InPart(Box::new(error));
        }
        let failure = Failure::Phase(error);
        report(&failure, self.0.log.as_ref());
        if let Some(log) = &self.0.log {
            log.finish(|| READING_WHEN_STOPPED);
        }
        std::process::exit(failure.exit_code().into());
    }
}

/// Uses a runtime of its own: the run's may be busy.
fn cancel_sessions(registries: &Registries) {
    // Otherwise the run could open sessions behind the ones that are cancelled.
    registries.stop();
    let cancel = || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(registries.cancel_sessions());
        std::io::Result::Ok(())
    };
    // A failure does not matter: registries drop sessions by themselves, later.
    let _ = catch_unwind(AssertUnwindSafe(cancel));
}

/// Dropped where the run was told to end, and where it ended without being told.
struct Hearing<'a>(&'a Watch);

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        if let Stage::Running { has_heard, .. } = &mut *self.0.stage() {
            *has_heard = true;
        }
    }
}

#[cfg(test)]
mod tests;
