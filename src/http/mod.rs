//! One HTTP client for everything the signer asks: timeouts, retries within a
//! budget, a limit per host, size caps, redirects by rule, redacted logs.
//!
//! Knows no registry: hosts, questions and credentials are `store`'s. Any status
//! but those that may pass is an answer, whose meaning is the caller's; remedies
//! are `cli::hint`'s. Implements RFC 9110 as far as a registry client needs it.

mod body;
mod certificate;
mod clients;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod host;
mod message;
mod names;
mod own_tls;
mod patience;
mod proxies;
mod reach;
mod redact;
mod redirect;
mod retry;
pub mod roots;
mod silence;
mod verifier;
mod waiting;
mod warning;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap};
use tokio::time::timeout;
use tracing::{debug, warn};
use url::Url;

pub use clients::{IN_ONE_PIECE, Trust};
pub use error::HttpError;
pub use host::{AT_ONCE, Times};
pub use message::{
    Keep, Leash, Redirects, Replay, Request, Response, Uncertainty, is_passing, is_refusal,
};
pub use own_tls::{OwnTls, UnfitTls};
pub use proxies::{Proxies, ProxyVariable};
pub use reach::{Astray, Lead, Reach, Zone, check_target, check_zones};
pub use redact::{Redacted, RedactedUrl, printable};
pub use reqwest::{Method, StatusCode, header};

use crate::oci::Content;
use crate::secret::Secrets;
use clients::{Clients, ContentFailure, streamed};
use host::{Host, LastFailure};
use patience::{SILENCE, patience};
use retry::{Pace, PassingFailure};
use roots::LazyRoots;

/// The network settings of a run.
pub struct Settings {
    pub roots: LazyRoots,
    pub proxies: Proxies,
    /// The secrets that hosts are shown; a proxy's password is added.
    pub secrets: Secrets,
    pub user_agent: String,
    /// For how long a failing host is asked again, by all requests together
    /// (SIG-45).
    pub retry_budget: Duration,
    /// How long the run may take. For messages.
    pub time: Duration,
    /// The time by which all of its requests have ended (SIG-46): `time` after
    /// the start of the process.
    pub until: Instant,
}

/// The client. One for the whole run: it holds the connections and the state of
/// each host.
pub struct Client {
    clients: Clients,
    secrets: Secrets,
    /// By origin: another port may be another server.
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    retry_budget: Duration,
    time: Duration,
    deadline: Instant,
}

/// One question, in the ways in which it may be asked.
struct Ways<'a> {
    /// Its method and bounds, and its host's turns and failures, count for all.
    first: &'a Request,
    others: &'a [Request],
    /// Whether an answer ends the search, but for that of the last way.
    is_answer: &'a (dyn Fn(&Response) -> bool + Sync),
}

impl<'a> Ways<'a> {
    fn only(request: &'a Request) -> Self {
        Self {
            first: request,
            others: &[],
            is_answer: &|_| true,
        }
    }
}

/// Whether the host surely did not carry out the attempt.
fn is_undone(outcome: &Result<(usize, Response), HttpError>) -> bool {
    match outcome {
        Ok((_, response)) => is_refusal(response.status),
        Err(error) => error.is_undone(),
    }
}

/// One hop of a request.
struct Leg {
    url: Url,
    headers: HeaderMap,
    trust: Trust,
    own_tls: Option<Arc<OwnTls>>,
    reach: Reach,
}

impl Client {
    pub fn new(settings: Settings) -> Self {
        settings.proxies.remember(&settings.secrets);
        Self {
            secrets: settings.secrets,
            clients: Clients::new(settings.roots, settings.proxies, settings.user_agent),
            hosts: Mutex::default(),
            retry_budget: settings.retry_budget,
            time: settings.time,
            deadline: settings.until,
        }
    }

    /// How much of `longest` may be spent on an answer that may get better: at
    /// most the retry budget, and at most half of the run's remaining time, so
    /// that the run can still act on the answer.
    pub fn patience(&self, longest: Duration) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        longest.min(self.retry_budget).min(left / 2)
    }

    /// The secrets that hosts are shown; they are not printed when a host
    /// repeats them.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Sends `request` until it gets a usable answer, or the budget is spent.
    /// An error status that is not worth a retry is an answer. The future may
    /// be dropped at any time, which ends the request; what the host did is not
    /// known then.
    ///
    /// # Errors
    /// On everything but an answer; with the last answer if it never got better.
    pub async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let (_, answer) = self.persist(&Ways::only(request)).await?;
        Ok(answer)
    }

    /// As [`send`](Self::send), with several ways to ask for the same: each
    /// attempt goes through them until `is_answer` accepts an answer. Gives the
    /// index of that way. An untrusted certificate, a TLS alert or a refused
    /// redirect stops: a later way would be less safe.
    ///
    /// # Errors
    /// As `send`; with the error of the first way that may get better, or else
    /// of the first.
    pub async fn send_one_of(
        &self,
        first: &Request,
        others: &[Request],
        is_answer: impl Fn(&Response) -> bool + Sync,
    ) -> Result<(usize, Response), HttpError> {
        let ways = Ways {
            first,
            others,
            is_answer: &is_answer,
        };
        self.persist(&ways).await
    }

    /// How long the host of `url` has taken to answer so far.
    pub fn times(&self, url: &Url) -> Times {
        self.host(url).times()
    }

    /// Sends `request` once, also after the run's time is over: for tidying up.
    /// It waits for no turn, and for as long as an answer may take: a caller
    /// that has less time drops it.
    ///
    /// # Errors
    /// On everything but an answer.
    pub async fn send_once(&self, request: &Request) -> Result<Response, HttpError> {
        self.attempt(request).await
    }

    /// Makes attempts until one gives a usable outcome, within the budget.
    async fn persist(&self, ways: &Ways<'_>) -> Result<(usize, Response), HttpError> {
        let repeating = self.repeat(ways);
        self.in_time(ways.first, ways.others, repeating).await
    }

    /// Makes attempts, with waits between them, until one gives a usable outcome or
    /// none is left.
    async fn repeat(&self, ways: &Ways<'_>) -> Result<(usize, Response), HttpError> {
        let request = ways.first;
        let host = self.host(&request.url);
        let mut pace = Pace::new(self.retry_budget, self.deadline);
        let asked_at = Instant::now();
        loop {
            let (began, outcome) = {
                // Given back with the outcome: a request that waits to be
                // repeated keeps no turn from others.
                let permit = host.enter().await;
                // An attempt that ends here was not sent; earlier ones may have
                // been.
                if asked_at.elapsed() > request.fresh_for {
                    return Err(HttpError::outdated(&request.url));
                }
                if let Some(failure) = host.given_up(self.retry_budget) {
                    return Err(HttpError::given_up(&request.url, failure));
                }
                request.pulse.begin(permit.began);
                let end = pace.end(&host, permit.began);
                let earlier = request.uncertainty.begin();
                let outcome = self.attempt_each(ways, end).await;
                if is_undone(&outcome) {
                    request.uncertainty.end(earlier);
                }
                (permit.began, outcome)
            };
            let failure = match outcome {
                Ok((way, response)) => match PassingFailure::of_answer(response, request) {
                    Ok(mut response) => {
                        host.answered(began);
                        let sent = request.body.as_ref().map_or(0, Content::length);
                        if sent.max(response.body.len() as u64) <= host::LITTLE {
                            host.took(began.elapsed());
                        }
                        response.attempts = pace.attempts() + 1;
                        return Ok((way, response));
                    }
                    Err(failure) => failure,
                },
                Err(error) => {
                    // A silence counts against the host even if the request is
                    // not repeated.
                    if let HttpError::Silence { .. } = &error {
                        host.failed(began, LastFailure::Silence(error.to_string()));
                    }
                    PassingFailure::of_error(error, request.replay)?
                }
            };
            let wait = pace.next(&host, failure, began, request.leash)?;
            debug!(
                "Waiting {wait:.1?} before asking {} again",
                Redacted(&request.url)
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Tries one way after the other, once each, until one gives an answer.
    async fn attempt_each(
        &self,
        ways: &Ways<'_>,
        end: Instant,
    ) -> Result<(usize, Response), HttpError> {
        let Ways {
            first,
            others,
            is_answer,
        } = ways;
        let mut failed: Option<HttpError> = None;
        for (index, way) in std::iter::once(*first).chain(*others).enumerate() {
            let error = match self.attempt(way).await {
                Ok(answer) if index == others.len() || is_answer(&answer) => {
                    return Ok((index, answer));
                }
                // A plain answer of a port that speaks TLS, say.
                Ok(_) => continue,
                // A host did answer in this way.
                Err(
                    error @ (HttpError::Certificate { .. }
                    | HttpError::Alert { .. }
                    | HttpError::Incompatible { .. }
                    | HttpError::ProxySetting { .. }
                    | HttpError::Redirect { .. }
                    | HttpError::Inward { .. }
                    | HttpError::TooLarge { .. }),
                ) => return Err(error),
                // Another way may be silent for as long.
                Err(error @ HttpError::Silence { .. }) if Instant::now() >= end => {
                    return Err(error);
                }
                Err(error) => error,
            };
            failed = match failed {
                Some(earlier) if earlier.is_passing() || !error.is_passing() => Some(earlier),
                _ => Some(error),
            };
        }
        // The last way gave an answer or an error.
        Err(failed.unwrap_or_else(|| HttpError::silence(&first.url, SILENCE)))
    }

    /// Sends `request` once, without retries, and follows redirects.
    async fn attempt(&self, request: &Request) -> Result<Response, HttpError> {
        let mut leg = Leg {
            url: request.url.clone(),
            headers: request.headers.clone(),
            trust: request.trust,
            own_tls: request.own_tls.clone(),
            reach: request.reach,
        };
        for _ in 0..=redirect::MOST {
            let response = self.exchange(request, &leg).await?;
            let Some(next) = redirect::target(request, &response)? else {
                return Ok(response);
            };
            // The user trusts a host; a redirect's target is another one.
            if next.url.origin() != leg.url.origin() {
                leg.headers.remove(AUTHORIZATION);
                leg.trust = Trust::Verified;
                leg.own_tls = None;
            }
            leg.reach = next.reach;
            leg.url = next.url;
        }
        Err(HttpError::redirect(&leg.url, Astray::TooOften))
    }

    async fn exchange(&self, request: &Request, leg: &Leg) -> Result<Response, HttpError> {
        let started = Instant::now();
        let result = self.exchange_quietly(request, leg).await;
        let took = started.elapsed();
        match &result {
            Ok(response) => {
                debug!(
                    "{} {} {} ({took:.1?})",
                    request.method,
                    Redacted(&leg.url),
                    response.status.as_u16()
                );
                self.show_warnings(response);
            }
            Err(error) => debug!(
                "{} {} failed ({took:.1?}): {error}",
                request.method,
                Redacted(&leg.url)
            ),
        }
        result
    }

    async fn exchange_quietly(&self, request: &Request, leg: &Leg) -> Result<Response, HttpError> {
        let url = &leg.url;
        // A leash goes first: a metadata service has no settings of its own.
        let client = match (&leg.own_tls, request.leash) {
            (_, Some(_)) => self.clients.leashed(url)?,
            (Some(own), None) if leg.trust == Trust::Verified => self.clients.own(own, url)?,
            _ => self.clients.of(leg.trust, leg.reach, url)?,
        };
        let mut builder = client
            .request(request.method.clone(), url.clone())
            .headers(leg.headers.clone());
        let unreadable = ContentFailure::default();
        let length = request.body.as_ref().map_or(0, Content::length);
        if let Some(content) = &request.body {
            // Without a length of its own, a streamed body would go out in
            // chunks.
            let body = streamed(content, &unreadable, self.moving(request));
            builder = builder.header(CONTENT_LENGTH, length).body(body);
        }
        let patience = patience(request);
        // From the connection to the headers of the answer; the body is sent
        // meanwhile.
        let mut answer = timeout(patience, builder.send())
            .await
            .map_err(|_| HttpError::silence(url, patience))?
            .map_err(|error| match unreadable.error(url) {
                Some(content) => content,
                None => self.clients.error(url, error),
            })?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let peer = answer.remote_addr().as_ref().map(SocketAddr::ip);
        let body = self.read_body(url, &mut answer, request).await?;
        Ok(Response {
            url: url.clone(),
            reach: leg.reach,
            // A proxy's address says nothing of where the host lies.
            peer: peer.filter(|_| self.clients.is_direct(leg.trust, url)),
            status,
            headers,
            body,
            attempts: 1,
            secrets: self.secrets.clone(),
        })
    }

    fn show_warnings(&self, response: &Response) {
        for text in warning::texts(response) {
            let host = self.host(&response.url);
            if host.is_news(&text) {
                let name = response.url.origin().ascii_serialization();
                warn!("{name} says: `{text}`");
            }
        }
    }

    /// The callback for bytes of `request`, or of its answer, that went over
    /// the line.
    fn moving(&self, request: &Request) -> impl Fn() + Send + Sync + use<> {
        let (host, pulse) = (self.host(&request.url), request.pulse.clone());
        move || {
            host.heard();
            pulse.beat();
        }
    }

    fn host(&self, url: &Url) -> Arc<Host> {
        let name = url.origin().ascii_serialization();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(name).or_default())
    }
}
