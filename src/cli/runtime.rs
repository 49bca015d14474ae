//! The runtime that sends requests: one thread per processor, or this thread
//! alone where the system grants no more (SIG-59, `spec/decisions/0020`).
//! Computations and files have threads of their own ([`beside`](crate::beside)).

use std::fs::{File, read_dir};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tracing::warn;

use super::hint;

/// Five of the runtime, one for a connection, one for a file that is read
/// meanwhile.
const DESCRIPTORS: usize = 7;
/// A thread for work beside the requests, and one that this work starts.
const BESIDE: usize = 2;
/// Of a thread that only takes a lock. The limit is on threads, not on memory.
const STACK: usize = 64 * 1024;
/// How long threads may take to disappear.
const GOING: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_micros(50);

/// Starts the runtime. Where the system grants too few threads, this thread is to
/// drive it, by `block_on`, and a warning says so.
///
/// # Errors
/// On a process that may not open enough descriptors.
pub(super) fn start() -> io::Result<Runtime> {
    // The runtime would find lacking descriptors by a panic, and later.
    let spare: io::Result<Vec<File>> = (0..DESCRIPTORS).map(|_| File::open("/")).collect();
    drop(spare?);
    let workers = available_parallelism().map_or(1, usize::from);
    let mut builder = if are_granted(workers + BESIDE) {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(workers);
        builder
    } else {
        warn!(
            hint = hint::OF_THREADS,
            "the system grants no more threads: going on with one"
        );
        Builder::new_current_thread()
    };
    builder.enable_all().build()
}

/// Whether the system grants `count` threads, found by starting them for a
/// moment. A runtime cannot be asked: one that gets only some of its threads
/// panics, and waits for these for ever before the panic is reported.
fn are_granted(count: usize) -> bool {
    // All are there at once, held up by the lock: a thread that had ended would
    // leave its place to the next, and each of them would be granted.
    let before = threads();
    let together = Mutex::new(());
    let held = together.lock();
    let waiting = || drop(together.lock().unwrap_or_else(PoisonError::into_inner));
    let are_there = thread::scope(|scope| {
        let start = |_| {
            let thread = thread::Builder::new().stack_size(STACK);
            thread.spawn_scoped(scope, waiting).is_ok()
        };
        let are_there = (0..count).all(start);
        drop(held);
        are_there
    });
    are_cleared(before) && are_there
}

/// Whether only `before` threads are left soon: threads count until the system
/// has cleared them away, and those of the runtime would be refused meanwhile.
fn are_cleared(before: Option<usize>) -> bool {
    let since = Instant::now();
    while threads() > before {
        if since.elapsed() > GOING {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}

/// How many threads this process has, where `/proc` tells.
fn threads() -> Option<usize> {
    read_dir("/proc/self/task").ok().map(Iterator::count)
}
