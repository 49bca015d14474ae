//! How late this process is woken. Signers that run at the same time on one
//! machine wait for the processor as long as this one does, which the time of a
//! single request does not show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::timing::TICK;

/// The thread keeps a time and a counter.
const STACK: usize = 64 * 1024;

/// A watch on the clock, as long as this lives. It has a thread of its own: a task
/// of the runtime would also measure the runtime's own queue.
pub struct Lateness {
    worst: Arc<Worst>,
    /// The thread ends when this is dropped.
    _until: Sender<()>,
}

impl Lateness {
    /// Begins to watch. Where there is no thread for it, nothing is noticed.
    pub fn watch() -> Self {
        let worst = Arc::new(Worst::default());
        let (until, dropped) = channel();
        let noted = Arc::clone(&worst);
        let ticking = move || {
            let mut before = Instant::now();
            while dropped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                noted.note(before.elapsed());
                before = Instant::now();
            }
        };
        let thread = thread::Builder::new().name("lateness".to_owned());
        // Without a thread the settle time is that of an idle machine.
        let _ = thread.stack_size(STACK).spawn(ticking);
        Self {
            worst,
            _until: until,
        }
    }

    /// The longest that a tick was late. It only grows, also while a place
    /// settles.
    pub fn worst(&self) -> Duration {
        Duration::from_micros(self.worst.0.load(Ordering::Relaxed))
    }
}

/// In microseconds.
#[derive(Default)]
struct Worst(AtomicU64);

impl Worst {
    /// Takes how long a tick took.
    fn note(&self, took: Duration) {
        let late = took.saturating_sub(TICK).as_micros();
        let late = late.try_into().unwrap_or(u64::MAX);
        self.0.fetch_max(late, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_tick_counts() {
        let worst = Worst::default();
        for milliseconds in [2, 5, 305, 9] {
            worst.note(Duration::from_millis(milliseconds));
        }
        assert_eq!(worst.0.into_inner(), 300_000);
    }

    #[test]
    fn the_watch_ticks_until_it_is_dropped() {
        let lateness = Lateness::watch();
        let worst = Arc::downgrade(&lateness.worst);
        let started = Instant::now();
        // No tick is on time to the microsecond.
        while lateness.worst() == Duration::ZERO {
            assert!(started.elapsed() < Duration::from_secs(60));
            thread::sleep(TICK);
        }
        drop(lateness);
        while worst.strong_count() > 0 {
            assert!(started.elapsed() < Duration::from_secs(60));
            thread::sleep(TICK);
        }
    }
}
