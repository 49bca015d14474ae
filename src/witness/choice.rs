//! Which services of a signing config are asked: as many as its rule wants, and
//! another operator's in place of one that fails.
//!
//! sigstore's own clients draw one at random for `ANY`, and fail with it. The rule
//! leaves the choice to the client, so that going on is within it (EVD-28, EVD-42).
//!
//! A service that takes long is no failure: another one is asked beside it, if there
//! is one, and the first answer counts. So none is given up that nobody takes the place
//! of. The request to the other one is dropped then, and the caller told: a log may have
//! taken what it was sent (EVD-95).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::timeout;
use tracing::warn;

use crate::http::Redacted;
use crate::proof::trust::signing_config::{Choice, Service};
use crate::service::ServiceError;

/// As many answers as the signing config wants.
#[derive(Debug)]
pub(super) struct Enough<'a, T> {
    /// In the order of the services.
    pub(super) answers: Vec<T>,
    /// The services that had not answered by then.
    pub(super) dropped: Vec<&'a Service>,
}

/// A service that is being asked.
struct Asked<'a, F> {
    index: usize,
    service: &'a Service,
    /// Boxed, so that it can go on after it was late.
    answer: Pin<Box<F>>,
    seat: Seat,
}

/// Whether the answer of a service is counted on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seat {
    Own,
    /// Another one is asked beside it.
    Taken,
}

/// An event of a service that is being asked.
enum Event<'a, T, F> {
    Answered(usize, T),
    Failed(usize, Seat, ServiceError),
    Late(Asked<'a, F>),
}

/// Asks as many services as have to vouch, all at once, and in place of one that
/// fails the next that was not asked; after `late`, the next beside it. No service is
/// asked twice.
///
/// Once there are enough answers, the requests that are still in flight are dropped: to a
/// service that was late, or to the one that was asked beside it. After a failure all
/// others are awaited: a log may publish what it is asked (EVD-39), and a late answer may
/// still be enough.
///
/// # Errors
/// If fewer vouch: the first failure that no other service took the place of. A choice has
/// enough services for its rule, so that fewer answers come with a failure.
pub(super) async fn ask<'a, T, F>(
    choice: &'a Choice,
    late: Duration,
    ask: impl Fn(&'a Service) -> F,
) -> Result<Enough<'a, T>, ServiceError>
where
    F: Future<Output = Result<T, ServiceError>>,
{
    let begin = |(index, service)| {
        let asked = Asked {
            index,
            service,
            answer: Box::pin(ask(service)),
            seat: Seat::Own,
        };
        asked.event(late)
    };
    let mut spares = choice.services.iter().enumerate();
    let first = spares.by_ref().take(choice.wanted());
    let mut asked: FuturesUnordered<_> = first.map(&begin).collect();
    // In the services' order: the same run gives the same bundle, whichever was faster.
    let (mut answers, mut ended, mut failure) = (BTreeMap::new(), BTreeSet::new(), None);
    while answers.len() < choice.wanted()
        && let Some(event) = asked.next().await
    {
        match event {
            Event::Answered(index, answer) => drop(answers.insert(index, answer)),
            Event::Failed(index, seat, error) => {
                ended.insert(index);
                let spare = match seat {
                    Seat::Own => spares.next(),
                    Seat::Taken => None,
                };
                if seat == Seat::Own && spare.is_none() {
                    failure.get_or_insert(error);
                } else {
                    warn!("{error}; another operator is asked instead");
                }
                asked.extend(spare.map(&begin));
            }
            Event::Late(mut one) => {
                if let Some(spare) = spares.next() {
                    warn!(
                        "{} takes long; another operator is asked as well",
                        one.service.host()
                    );
                    one.seat = Seat::Taken;
                    asked.push(begin(spare));
                }
                asked.push(one.event(Duration::MAX));
            }
        }
    }
    let is_enough = answers.len() == choice.wanted();
    ended.extend(answers.keys());
    let dropped = open(choice, spares.len(), &ended);
    let answers = answers.into_values().collect();
    match failure {
        Some(error) if !is_enough => Err(error),
        _ => Ok(Enough { answers, dropped }),
    }
}

/// The services that were asked, all but the last `spares`, and are not among those that
/// have answered or failed.
fn open<'a>(choice: &'a Choice, spares: usize, ended: &BTreeSet<usize>) -> Vec<&'a Service> {
    let asked = choice.services.len().saturating_sub(spares);
    let asked = choice.services.iter().enumerate().take(asked);
    let open = asked.filter(|(index, _)| !ended.contains(index));
    open.map(|(_, service)| service).collect()
}

/// The witnesses of one choice that have vouched. Two services may be one witness, at two
/// addresses: verifiers count what it says once, or refuse it (EVD-98).
pub(super) struct WitnessTally<W>(Mutex<HashMap<W, String>>);

impl<W> Default for WitnessTally<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W: Eq + Hash> WitnessTally<W> {
    /// Counts the witness that vouched at the address of `service`.
    ///
    /// # Errors
    /// If it has vouched at another address, in words.
    pub(super) fn count(&self, witness: W, service: &Service) -> Result<(), String> {
        let url = Redacted(&service.url).to_string();
        let mut vouching = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match vouching.insert(witness, url) {
            Some(other) => Err(format!("it is the same witness as `{other}`")),
            None => Ok(()),
        }
    }
}

impl<'a, F> Asked<'a, F> {
    /// The answer or failure, or that there is none `within` this time.
    async fn event<T>(mut self, within: Duration) -> Event<'a, T, F>
    where
        F: Future<Output = Result<T, ServiceError>>,
    {
        match timeout(within, &mut self.answer).await {
            Ok(Ok(answer)) => Event::Answered(self.index, answer),
            Ok(Err(error)) => Event::Failed(self.index, self.seat, error),
            Err(_) => Event::Late(self),
        }
    }
}

#[cfg(test)]
mod tests;
