//! How late this process is woken. Signers that run at the same time on one
//! machine wait for the processor as long as this one does, which the time of a
//! single request does not show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

const TICK: Duration = Duration::from_millis(5);

/// A watch on the clock, as long as this lives.
pub struct Lateness {
    worst: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Lateness {
    /// Begins to watch.
    pub fn watch() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&worst);
        let task = tokio::spawn(async move {
            loop {
                let before = Instant::now();
                tokio::time::sleep(TICK).await;
                let late = before.elapsed().saturating_sub(TICK).as_micros();
                noted.fetch_max(late.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { worst, task }
    }

    /// The longest that a tick was late.
    pub fn worst(&self) -> Duration {
        Duration::from_micros(self.worst.load(Ordering::Relaxed))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_held_up_is_noticed() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().build().unwrap();
        runtime.block_on(async {
            let lateness = Lateness::watch();
            tokio::time::sleep(TICK).await;
            std::thread::sleep(Duration::from_millis(300));
            tokio::time::sleep(TICK * 2).await;
            assert!(lateness.worst() > Duration::from_millis(250));
        });
    }
}
