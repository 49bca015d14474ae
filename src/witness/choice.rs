//! Which services of a signing config are asked: as many as its rule wants, and
//! another operator's in place of one that fails.
//!
//! sigstore's own clients draw one at random for `ANY`, and fail with it. The rule
//! leaves the choice to the client, so that going on is within it (EVD-28, EVD-42).
//!
//! As many *rows* run at the same time as services have to vouch. Each takes the next
//! service that nobody has taken, until one vouches; no service is asked twice. Logs
//! have rows of their own in `log`, which also keep what failed.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use tracing::warn;

use crate::proof::trust::signing_config::{Choice, Service};
use crate::service::ServiceError;

/// How long a service may take while another could be asked in its place, and then
/// any service.
pub(super) struct Timeouts {
    /// Short: a slow service costs the run this time before another is tried.
    pub(super) with_spare: Duration,
    /// Beyond it the client's own patience and the run's deadline count.
    pub(super) with_none: Duration,
}

/// Asks as many services as have to vouch, all at once, and in place of one that
/// fails the next that was not asked. The answers are in the order of the services.
/// `ask` is called with the time that its service may take, and keeps to it.
///
/// The first row that fails ends the others: their requests are dropped. So this is for
/// witnesses that publish nothing.
///
/// # Errors
/// If fewer vouch: with the first failure of the last service's row. It is none if
/// the choice has no service at all.
pub(super) async fn ask<'a, T, F>(
    choice: &'a Choice,
    timeouts: &Timeouts,
    ask: impl Fn(&'a Service, Duration) -> F,
) -> Result<Vec<T>, Option<ServiceError>>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    let next = AtomicUsize::new(0);
    let row = async |_| {
        let mut first = None;
        loop {
            // The counter alone is shared, and it orders nothing else.
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(service) = choice.services.get(index) else {
                return Err(first);
            };
            let has_spare = next.load(Ordering::Relaxed) < choice.services.len();
            let within = match has_spare {
                true => timeouts.with_spare,
                false => timeouts.with_none,
            };
            match ask(service, within).await {
                Ok(answer) => return Ok((index, answer)),
                Err(error) => {
                    if next.load(Ordering::Relaxed) < choice.services.len() {
                        warn!("{error}; another operator is asked instead");
                    }
                    first.get_or_insert(error);
                }
            }
        }
    };
    // In the services' order: the same run gives the same bundle, whichever was faster.
    let mut answers = BTreeMap::new();
    answers.extend(try_join_all((0..choice.wanted()).map(row)).await?);
    Ok(answers.into_values().collect())
}
