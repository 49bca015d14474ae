//! Work that keeps a processor busy or waits for a file, beside the threads that
//! requests are sent on.
//!
//! Each piece of work gets a thread of its own, which ends with it: the system
//! takes its stack back, with any copies of a secret that lie there (KEY-40). A
//! pool would also have to be asked whether the system still grants a thread;
//! tokio's panics where it gets none (`spec/decisions/0020`).

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// glibc keeps the stack of a thread that has ended for the next one, and gives
/// all but its first 16 KiB back to the system (`advise_stack_range`). No work
/// lies in these.
const KEPT: usize = 32 * 1024;

/// Boxed, so that one piece of code starts the threads of all kinds of work.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// Work that panicked.
#[derive(thiserror::Error)]
#[error("it ended unexpectedly")]
pub(crate) struct Crashed;

debug_as_display!(Crashed);

/// Runs `work` on a thread of its own. Where the system grants none, this
/// thread runs it, and everything else waits meanwhile.
/// If the future is dropped, the work goes on to its end, and its outcome is
/// dropped there. The callers bound how many run at a time.
///
/// # Errors
/// On work that panics.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Crashed> {
    let (sender, outcome) = oneshot::channel();
    let answering = Box::new(move || {
        // The receiver is gone if the run has ended; the outcome is not needed
        // then.
        let _ = sender.send(work());
    });
    if let Err(answering) = spawn(answering) {
        answering();
    }
    outcome.await.map_err(|_| Crashed)
}

/// Starts `work` on a thread of its own.
///
/// # Errors
/// Gives `work` back where the system grants no thread.
pub(crate) fn spawn(work: Work) -> Result<(), Work> {
    let work = Arc::new(Mutex::new(Some(work)));
    let there = Arc::clone(&work);
    let on_thread = move || {
        if let Some(work) = take(&there) {
            below(work);
        }
    };
    let thread = thread::Builder::new().name("work".to_owned());
    match thread.spawn(on_thread) {
        Ok(_) => Ok(()),
        // The thread's closure is gone, and its share of the work with it.
        Err(_) => take(&work).map_or(Ok(()), Err),
    }
}

/// Does `work` deeper in the stack than the part that glibc keeps.
#[inline(never)]
fn below(work: Work) {
    let above = [0_u8; KEPT];
    black_box(&above);
    work();
    black_box(&above);
}

fn take(slot: &Mutex<Option<Work>>) -> Option<Work> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_gets_a_thread_of_its_own() {
        let here = thread::current().id();
        let there = run(|| thread::current().id()).await.unwrap();
        assert_ne!(here, there);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error() {
        assert!(run(|| panic!("on purpose")).await.is_err());
    }
}
