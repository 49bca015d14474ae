//! Registries that take a moment to show what the exporter has just pushed:
//! they answer 404, or with the build before, for a few seconds
//! (`spec/decisions/0022`).

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::store::registry::Registries;

/// How long a registry may take, as for what the signer itself has written.
const LONGEST: Duration = Duration::from_secs(5);
/// The waits double from the first to the longest: some fifteen looks in all.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// One run's grace period for what is not shown yet: it ends for everything so long
/// after the first disappointment, so that an image that is gone, with all its tags and
/// blobs, is told after five seconds and not after five for each. A run that is never
/// disappointed asks nothing twice.
pub(super) struct GracePeriod<'a> {
    registries: &'a Registries,
    /// Set by the first look that finds too little.
    end: OnceLock<Instant>,
}

impl<'a> GracePeriod<'a> {
    pub(super) fn new(registries: &'a Registries) -> Self {
        Self {
            registries,
            end: OnceLock::new(),
        }
    }

    /// Looks until the answer is none that `may_change`, or until the period is
    /// over. Gives the last answer. `may_change` is shown every answer, in their order,
    /// and may remember them.
    pub(super) async fn look<A>(
        &self,
        look: impl AsyncFn() -> A,
        mut may_change: impl FnMut(&A) -> bool,
    ) -> A {
        let mut answer = look().await;
        for round in 0.. {
            if !may_change(&answer) {
                break;
            }
            let Some(wait) = wait(round, self.left()) else {
                break;
            };
            // A run that was stopped is told so by its next request.
            self.registries.rest(wait).await;
            answer = look().await;
        }
        answer
    }

    /// The rest of the period; `-retry-budget`, and half of the rest of `-timeout`, may
    /// end it earlier (SIG-66).
    fn left(&self) -> Duration {
        let end = self
            .end
            .get_or_init(|| Instant::now() + self.registries.patience(LONGEST));
        end.saturating_duration_since(Instant::now())
    }
}

/// How long to wait before looking again; the last look is at the very end.
fn wait(round: u32, left: Duration) -> Option<Duration> {
    let ceiling = FIRST_WAIT
        .saturating_mul(1 << round.min(10))
        .min(LONGEST_WAIT);
    // Full jitter would look again at once now and then.
    let wait = ceiling.mul_f64(0.5 + fastrand::f64() / 2.0);
    (!left.is_zero()).then_some(wait.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_with_the_period() {
        assert!(wait(0, LONGEST).unwrap() <= FIRST_WAIT);
        for round in 0..100 {
            let wait = wait(round, LONGEST).unwrap();
            assert!((FIRST_WAIT / 2..=LONGEST_WAIT).contains(&wait), "{wait:?}");
        }
        assert_eq!(wait(9, FIRST_WAIT / 2), Some(FIRST_WAIT / 2));
        assert_eq!(wait(0, Duration::ZERO), None);
    }

    #[test]
    fn five_seconds_take_about_fifteen_looks() {
        for _ in 0..100 {
            let (mut left, mut looks) = (LONGEST, 0);
            while let Some(wait) = wait(looks, left) {
                left -= wait;
                looks += 1;
            }
            assert!((11..=22).contains(&looks), "{looks}");
        }
    }
}
