//! Registries that speak the OCI distribution specification v1.1: manifests,
//! blobs, uploads, and the authorization for them.
//!
//! One [`Registries`] serves a whole run: it holds the tokens, the open upload
//! sessions, and how each registry is reached. An absent object is an answer; a
//! refusal or a broken connection is an error.

mod answer;
mod authorization;
mod blobs;
mod challenge;
pub mod credentials;
mod endpoint;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod known;
mod limit;
mod manifests;
mod mount;
mod referrers;
mod stop;
mod token;
mod token_service;
mod upload;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::Url;

pub use error::{Answer, ErrorCode, Shown, StoreError};
pub use limit::{Limit, MAX_MANIFEST};
pub use manifests::{Condition, Outcome, Put, Served};
pub use referrers::Referrers;
pub use upload::CANCELLING_WHEN_STOPPED;

use crate::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use crate::http::{
    Client, Keep, Lead, Method, Reach, Redacted, Replay, Request, Response, Times, Trust,
    Uncertainty,
};
use crate::oci::{Content, Digest, Namespace, Registry, Repository};
use credentials::{Credential, Credentials, CredentialsError};
use endpoint::{Endpoint, Right, Safety};
use known::{Absent, Mount, Mounts, Progress, Session, Slot, WhenStopped};

/// The platform's settings for registries.
pub struct Access {
    pub credentials: Credentials,
    /// Reached without a trusted certificate, or without TLS.
    pub insecure: Vec<Namespace>,
    /// The repositories that the run writes to. Others are asked for `pull`
    /// only (WIRE-11).
    pub writable: BTreeSet<Repository>,
    /// The most bytes of a manifest that are read.
    pub manifest_limit: u64,
}

/// All registries of a run.
pub struct Registries {
    client: Arc<Client>,
    access: Access,
    /// By safety too: an entry of the insecure list may cover some repositories
    /// of a registry alone.
    endpoints: Mutex<HashMap<(Registry, Safety), Slot<Endpoint>>>,
    /// Open and not in use. Those that are left at the end are cancelled (WIRE-5).
    sessions: Mutex<HashMap<Repository, Vec<Session>>>,
    /// Those that the registry still has and that take no blob any more. They are
    /// cancelled at the end, too.
    spoilt: Mutex<Vec<(Repository, Session)>>,
    /// By repository: keys of docker's configuration may be narrower than a
    /// registry.
    credentials: Mutex<HashMap<Repository, Slot<Resolved>>>,
    mounts: Mounts,
    absent: Absent,
    /// Read by the steps, and by the thread that ends a run by force.
    progress: Progress,
}

/// A credential, or why there is none: a failure is not tried again.
type Resolved = Result<Arc<Credential>, Arc<CredentialsError>>;

impl Registries {
    pub fn new(client: Arc<Client>, access: Access) -> Self {
        Self {
            client,
            access,
            endpoints: Mutex::default(),
            sessions: Mutex::default(),
            spoilt: Mutex::default(),
            credentials: Mutex::default(),
            mounts: Mounts::default(),
            absent: Absent::default(),
            progress: Progress::default(),
        }
    }

    /// The HTTP client of the run.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// For how long the run may wait for a registry that takes up to `longest`
    /// to show an accepted write.
    pub fn patience(&self, longest: Duration) -> Duration {
        self.client.patience(longest)
    }

    /// How long the registry of `repository` has taken to answer so far.
    pub fn times(&self, repository: &Repository) -> Times {
        let (cell, _) = self.endpoint_of(repository);
        let times = |endpoint: &Endpoint| self.client.times(&endpoint.base);
        cell.get().map(times).unwrap_or_default()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Repository, Vec<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spoilt(&self) -> MutexGuard<'_, Vec<(Repository, Session)>> {
        self.spoilt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request as long as the run is not stopped. The way of all requests
    /// but those that tidy up.
    ///
    /// # Errors
    /// On a run that is stopped: before it is sent, or while it is under way
    /// unless its answer has to be known.
    async fn send(&self, repository: &Repository, ask: &Ask<'_>) -> Result<Response, StoreError> {
        match (ask.when_stopped, self.is_stopping()) {
            (_, true) => Err(StoreError::Stopped),
            (WhenStopped::Await, false) => self.exchange(repository, ask).await,
            (WhenStopped::Drop, false) => tokio::select! {
                response = self.exchange(repository, ask) => response,
                () = self.until_stopped() => Err(StoreError::Stopped),
            },
        }
    }

    /// Sends a request, with the authorization that the registry wants:
    ///
    /// 1. The first request to a registry finds out how it is reached, without
    ///    any authorization (WIRE-10). Others wait for its answer.
    /// 2. Any later one shows what the last challenge asked for.
    /// 3. If another authorization may help, it is sent once more, and only with
    ///    one that differs.
    ///
    /// Dropped while it is the first, it leaves its part to one that waits.
    async fn exchange(
        &self,
        repository: &Repository,
        ask: &Ask<'_>,
    ) -> Result<Response, StoreError> {
        let (cell, safety) = self.endpoint_of(repository);
        let mut first = None;
        let endpoint = cell
            .get_or_try_init(|| async {
                let make = |base: &Url, trust| ask.request(base, trust);
                let (endpoint, answer) =
                    endpoint::reach(&self.client, repository.registry(), safety, make).await?;
                // Requests that wait for this answer need the registry's
                // challenge.
                let again = self
                    .may_do_better(&endpoint, repository, ask, &answer, None)
                    .await?;
                first = Some((answer, None, again));
                Ok::<_, StoreError>(endpoint)
            })
            .await?;
        let (response, shown, again) = match first {
            Some(first) => first,
            None => {
                let shown = self.authorization(endpoint, repository, ask, None).await?;
                let response = self.send_as(endpoint, ask, shown.as_ref()).await?;
                let again = self
                    .may_do_better(endpoint, repository, ask, &response, shown.as_ref())
                    .await?;
                (response, shown, again)
            }
        };
        if !again {
            return Ok(response);
        }
        let fresh = self
            .authorization(endpoint, repository, ask, shown.as_ref())
            .await?;
        match fresh {
            Some(header) if shown.as_ref() != Some(&header) => {
                self.send_as(endpoint, ask, Some(&header)).await
            }
            _ => Ok(response),
        }
    }

    async fn send_as(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        shown: Option<&HeaderValue>,
    ) -> Result<Response, StoreError> {
        Ok(self.client.send(&ask.shown(endpoint, shown)).await?)
    }

    /// Sends a request to a registry that was reached before, once, also after
    /// the run's time is over. For requests that need not succeed. No token is
    /// fetched any more when the time is over: a kept one is shown.
    async fn send_last(&self, repository: &Repository, ask: &Ask<'_>) -> Result<(), StoreError> {
        let (cell, _) = self.endpoint_of(repository);
        if let Some(endpoint) = cell.get() {
            let shown = self.authorization(endpoint, repository, ask, None).await?;
            let request = ask.shown(endpoint, shown.as_ref());
            self.client.send_once(&request).await?;
        }
        Ok(())
    }

    fn endpoint_of(&self, repository: &Repository) -> (Slot<Endpoint>, Safety) {
        let safety = if self
            .access
            .insecure
            .iter()
            .any(|entry| entry.contains(repository))
        {
            Safety::Insecure
        } else {
            Safety::Secure
        };
        let key = (repository.registry().clone(), safety);
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(endpoints.entry(key).or_default()), safety)
    }

    /// The error for an answer that is none of the expected ones.
    fn unexpected(
        &self,
        repository: &Repository,
        ask: &Ask<'_>,
        response: &Response,
    ) -> StoreError {
        let action = format!(
            "{} ({} {})",
            ask.action,
            ask.method,
            Redacted(&response.url)
        );
        let answer = answer::read(response);
        let origin = response.url.origin();
        let (cell, _) = self.endpoint_of(repository);
        let is_elsewhere = cell
            .get()
            .is_some_and(|endpoint| endpoint.base.origin() != origin);
        let reads = ask.method == Method::GET || ask.method == Method::HEAD;
        match response.status.as_u16() {
            // Registries give a full quota the status of a refusal; the words decide.
            _ if !reads && answer.speaks_of_quota() => StoreError::Quota { action, answer },
            // Another host was shown no credentials: its refusal is not about them.
            status @ (401 | 403) if is_elsewhere => StoreError::DeniedElsewhere {
                action,
                host: origin.ascii_serialization(),
                status,
                answer,
            },
            401 | 403 => StoreError::Denied {
                action: match self.is_token_shown(repository) {
                    true => format!("{action} with scope `{}`", self.scope(repository, ask)),
                    false => action,
                },
                identity: self.shown(repository),
                answer,
            },
            status => StoreError::Status {
                action,
                status,
                answer,
            },
        }
    }
}

/// A request to a repository.
struct Ask<'a> {
    method: Method,
    target: Target,
    mount: Option<Mount<'a>>,
    /// In words, for errors.
    action: &'a str,
    headers: HeaderMap,
    body: Option<Content>,
    replay: Replay,
    fresh_for: Duration,
    /// Whether the answer has to be known when the run is stopped.
    when_stopped: WhenStopped,
    uncertainty: Uncertainty,
    body_limit: u64,
    keep: Keep,
}

enum Target {
    /// Below the registry's base URL.
    Path(String),
    /// An address that the registry itself led to.
    Lead(Lead),
}

impl<'a> Ask<'a> {
    fn new(method: Method, target: Target, action: &'a str) -> Self {
        Self {
            method,
            target,
            mount: None,
            action,
            headers: HeaderMap::new(),
            body: None,
            replay: Replay::Safe,
            fresh_for: Duration::MAX,
            when_stopped: WhenStopped::Drop,
            uncertainty: Uncertainty::default(),
            body_limit: 64 * 1024,
            keep: Keep::All,
        }
    }

    fn right(&self) -> Right {
        match self.method == Method::GET || self.method == Method::HEAD {
            true => Right::Pull,
            false => Right::Push,
        }
    }

    /// The request to a registry that was reached. The user's trust and the
    /// authorization are the registry's alone: no other host that it names gets
    /// them.
    fn shown(&self, endpoint: &Endpoint, shown: Option<&HeaderValue>) -> Request {
        let mut request = self.request(&endpoint.base, endpoint.trust);
        if request.url.origin() != endpoint.base.origin() {
            request.trust = Trust::Verified;
        } else if let Some(header) = shown {
            request.headers.insert(AUTHORIZATION, header.clone());
        }
        request
    }

    fn request(&self, base: &Url, trust: Trust) -> Request {
        let (mut url, reach) = match &self.target {
            Target::Lead(lead) => (lead.url.clone(), lead.reach()),
            Target::Path(path) => {
                let mut url = base.clone();
                url.set_path(path);
                (url, Reach::Any)
            }
        };
        if let Some(mount) = &self.mount {
            mount.ask(&mut url);
        }
        let mut request = Request::new(self.method.clone(), url, trust);
        request.reach = reach;
        request.headers = self.headers.clone();
        request.body = self.body.clone();
        request.replay = self.replay;
        request.fresh_for = self.fresh_for;
        request.uncertainty = self.uncertainty.clone();
        request.body_limit = self.body_limit;
        request.keep = self.keep;
        request
    }
}

/// By the algorithm of the digest that was expected; what a header says of the
/// bytes is never enough.
fn check_digest(action: &str, expected: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
    let mut hasher = expected.hasher();
    hasher.update(bytes);
    let actual = hasher.finish();
    if actual == *expected {
        return Ok(());
    }
    Err(StoreError::Digest {
        action: action.to_owned(),
        expected: expected.clone(),
        actual,
    })
}
