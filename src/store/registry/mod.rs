//! Registries that speak the OCI distribution specification v1.1: manifests,
//! blobs, uploads, and the authorization for them.
//!
//! One [`Registries`] serves a whole run: it holds the tokens, the open upload
//! sessions, and how each registry is reached. What is not found is an answer;
//! what is refused or broken is an error.

mod answer;
mod authorization;
mod challenge;
pub mod credentials;
mod endpoint;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod stop;
mod token;
mod upload;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;
use url::Url;

pub use error::{Answer, StoreError};

use crate::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use crate::http::{Client, HttpError, Method, Redacted, Replay, Request, Response, Trust};
use crate::oci::reference::Version;
use crate::oci::{
    Content, Descriptor, Digest, Manifest, MediaType, Namespace, Reference, Registry, Repository,
};
use credentials::{Credential, Credentials};
use endpoint::{Endpoint, Safety};
use stop::{Progress, WhenStopped};
use upload::Session;

/// The largest manifest that is read (distribution-spec v1.1 asks registries
/// to take 4 MiB).
const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;

const MANIFEST_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// What the platform says about its registries.
pub struct Access {
    pub credentials: Credentials,
    /// Reached without a trusted certificate, or without TLS.
    pub insecure: Vec<Namespace>,
    /// Where the run writes. Other repositories are asked for `pull` only.
    pub writable: HashSet<Repository>,
}

/// All registries of a run.
pub struct Registries {
    client: Client,
    access: Access,
    endpoints: Mutex<HashMap<(Registry, Safety), Slot<Endpoint>>>,
    sessions: Mutex<HashMap<Repository, Vec<Session>>>,
    credentials: Mutex<HashMap<Repository, Slot<Arc<Credential>>>>,
    progress: Progress,
}

/// Something that is found out once; who comes meanwhile waits.
type Slot<T> = Arc<OnceCell<T>>;

/// A manifest as a registry serves it.
pub struct Served {
    pub manifest: Manifest,
    /// The registry's own name for this version of the tag.
    pub etag: Option<HeaderValue>,
}

/// Under which condition a manifest may be put (RFC 9110, section 13.1). Few
/// registries look at it, so nothing may rely on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Always,
    /// The tag still has this version.
    Unchanged(HeaderValue),
    /// There is no such tag.
    Absent,
}

/// What became of a manifest that was put.
#[derive(Debug)]
pub enum Put {
    Written,
    /// The registry does not know a blob that the manifest names.
    BlobUnknown,
    /// Nobody knows: the connection broke, or something between failed.
    Unclear(String),
    /// The registry will not have it.
    Refused {
        status: u16,
        answer: Answer,
    },
}

impl Registries {
    pub fn new(client: Client, access: Access) -> Self {
        Self {
            client,
            access,
            endpoints: Mutex::default(),
            sessions: Mutex::default(),
            credentials: Mutex::default(),
            progress: Progress::default(),
        }
    }

    /// Reads a manifest of any kind. By digest, the bytes are checked to have
    /// it. None: the registry has no such manifest.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on bytes that are no
    /// manifest.
    pub async fn get_manifest(
        &self,
        reference: &Reference,
    ) -> Result<Option<Manifest>, StoreError> {
        let served = self.get_tag(reference).await?;
        Ok(served.map(|served| served.manifest))
    }

    /// As [`get_manifest`](Self::get_manifest), with the version of the tag.
    ///
    /// # Errors
    /// As there.
    pub async fn get_tag(&self, reference: &Reference) -> Result<Option<Served>, StoreError> {
        let action = format!("reading `{reference}`");
        let mut ask = Ask::new(Method::GET, manifest_path(reference), &action);
        ask.headers
            .insert(ACCEPT, HeaderValue::from_static(MANIFEST_TYPES));
        ask.body_limit = MANIFEST_LIMIT;
        let response = self.send(reference.repository(), &ask).await?;
        match response.status.as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.unexpected(reference.repository(), &ask, &response)),
        }
        if let Version::Digest(digest) = reference.version() {
            check_digest(&action, digest, &response.body)?;
        }
        if let Some(promised) = promised_digest(&response) {
            check_digest(&action, &promised, &response.body)?;
        }
        let etag = response.headers.get(ETAG).cloned();
        let content_type = content_type(&response);
        let manifest = Manifest::parse(content_type, response.body)
            .map_err(|source| StoreError::Manifest { action, source })?;
        Ok(Some(Served { manifest, etag }))
    }

    /// The digest that a manifest has now. None: there is no such manifest.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses.
    pub async fn head_manifest(&self, reference: &Reference) -> Result<Option<Digest>, StoreError> {
        let action = format!("looking up `{reference}`");
        let mut ask = Ask::new(Method::HEAD, manifest_path(reference), &action);
        ask.headers
            .insert(ACCEPT, HeaderValue::from_static(MANIFEST_TYPES));
        let response = self.send(reference.repository(), &ask).await?;
        match response.status.as_u16() {
            200 => match promised_digest(&response) {
                Some(digest) => Ok(Some(digest)),
                None => Ok(self
                    .get_manifest(reference)
                    .await?
                    .map(|manifest| manifest.digest().clone())),
            },
            404 => Ok(None),
            _ => Err(self.unexpected(reference.repository(), &ask, &response)),
        }
    }

    /// Writes a manifest over whatever stands there, if the registry finds the
    /// condition true or does not look at it.
    ///
    /// # Errors
    /// On a registry that cannot be reached or denies access; every other
    /// outcome is told by [`Put`].
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
        condition: &Condition,
    ) -> Result<Put, StoreError> {
        let action = format!("writing `{reference}`");
        let mut ask = Ask::new(Method::PUT, manifest_path(reference), &action);
        if let Ok(media_type) = HeaderValue::from_str(manifest.media_type().as_str()) {
            ask.headers.insert(CONTENT_TYPE, media_type);
        }
        match condition {
            Condition::Always => None,
            Condition::Unchanged(version) => ask.headers.insert(IF_MATCH, version.clone()),
            Condition::Absent => ask
                .headers
                .insert(IF_NONE_MATCH, HeaderValue::from_static("*")),
        };
        ask.body = Some(manifest.bytes().clone().into());
        ask.replay = Replay::Ask;
        ask.when_stopped = WhenStopped::Await;
        let sent = self.send(reference.repository(), &ask).await;
        // Only what was surely not sent, or surely refused, has written nothing.
        if may_have_written(&sent) {
            self.note_write();
        }
        let response = match sent {
            Ok(response) => response,
            Err(StoreError::Http(
                error @ (HttpError::Broken { .. }
                | HttpError::Silence { .. }
                | HttpError::Nonsense { .. }
                | HttpError::OutOfTime { .. }),
            )) => {
                return Ok(Put::Unclear(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let answer = answer::read(&response);
        match response.status.as_u16() {
            200..=299 => match promised_digest(&response) {
                Some(promised) => {
                    check_digest(&action, &promised, manifest.bytes()).map(|()| Put::Written)
                }
                None => Ok(Put::Written),
            },
            400 | 404
                if matches!(
                    answer.code.as_str(),
                    "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN"
                ) =>
            {
                Ok(Put::BlobUnknown)
            }
            401 => Err(self.unexpected(reference.repository(), &ask, &response)),
            501 => Ok(Put::Refused {
                status: 501,
                answer,
            }),
            status @ (408 | 425 | 499..=599) => {
                Ok(Put::Unclear(format!("status {status}{answer}")))
            }
            status => Ok(Put::Refused { status, answer }),
        }
    }

    /// Reads a blob into memory; size and digest are those of `descriptor`.
    ///
    /// # Errors
    /// On a registry that does not answer, refuses, or has other bytes; and on
    /// a blob larger than `limit`.
    pub async fn get_blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, StoreError> {
        let action = format!("reading blob `{}` of `{repository}`", descriptor.digest);
        if descriptor.size > limit {
            let url = action;
            return Err(HttpError::TooLarge { url, limit }.into());
        }
        let path = format!("v2/{}/blobs/{}", repository.path(), descriptor.digest);
        let mut ask = Ask::new(Method::GET, Target::Path(path), &action);
        ask.body_limit = limit;
        let response = self.send(repository, &ask).await?;
        match response.status.as_u16() {
            200 => {}
            404 => {
                return Err(StoreError::Missing {
                    action,
                    answer: answer::read(&response),
                });
            }
            _ => return Err(self.unexpected(repository, &ask, &response)),
        }
        let actual = response.body.len() as u64;
        if actual != descriptor.size {
            let expected = descriptor.size;
            return Err(StoreError::Size {
                action,
                expected,
                actual,
            });
        }
        check_digest(&action, &descriptor.digest, &response.body)?;
        Ok(response.body)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Repository, Vec<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is asked, with the authorization that the registry wants.
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
                first = Some(answer);
                Ok::<_, HttpError>(endpoint)
            })
            .await?;
        let (response, shown) = match first {
            Some(response) => (response, None),
            None => {
                let shown = self.authorization(endpoint, repository, ask, None).await?;
                (self.send_as(endpoint, ask, shown.as_ref()).await?, shown)
            }
        };
        match response.status.as_u16() {
            401 => match challenge::choose(&response.headers) {
                Some(challenge) => endpoint.set_challenge(challenge),
                None => return Ok(response),
            },
            403 if self
                .may_have_expired(endpoint, repository, shown.as_ref())
                .await => {}
            _ => return Ok(response),
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

    /// Sends what is asked of a registry that was reached before, once, also
    /// after the run's time is over. For what need not succeed.
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

    /// The error that an answer is, when it is none of the expected ones.
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
        match response.status.as_u16() {
            401 | 403 => StoreError::Denied {
                action: format!("{action} with scope `{}`", self.scope(repository)),
                identity: self.identity(repository),
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

/// What a repository is asked.
struct Ask<'a> {
    method: Method,
    target: Target,
    /// In words, for errors.
    action: &'a str,
    headers: HeaderMap,
    body: Option<Content>,
    replay: Replay,
    when_stopped: WhenStopped,
    body_limit: u64,
}

enum Target {
    /// Below the registry's base URL.
    Path(String),
    /// Where the registry itself sent us.
    Url(Url),
}

impl<'a> Ask<'a> {
    fn new(method: Method, target: Target, action: &'a str) -> Self {
        Self {
            method,
            target,
            action,
            headers: HeaderMap::new(),
            body: None,
            replay: Replay::Safe,
            when_stopped: WhenStopped::Drop,
            body_limit: 64 * 1024,
        }
    }

    /// What is sent to a registry that was reached. What the user said of it,
    /// and what it is shown, are for no other host that it names.
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
        let url = match &self.target {
            Target::Url(url) => url.clone(),
            Target::Path(path) => {
                let mut url = base.clone();
                url.set_path(path);
                url
            }
        };
        let mut request = Request::new(self.method.clone(), url, trust);
        request.headers = self.headers.clone();
        request.body = self.body.clone();
        request.replay = self.replay;
        request.body_limit = self.body_limit;
        request
    }
}

/// Whether a manifest may stand there now.
fn may_have_written(sent: &Result<Response, StoreError>) -> bool {
    match sent {
        Ok(response) => !response.status.is_client_error(),
        Err(StoreError::Http(error)) => !matches!(
            error,
            HttpError::Connect { .. } | HttpError::Dns { .. } | HttpError::Certificate { .. }
        ),
        Err(_) => false,
    }
}

fn manifest_path(reference: &Reference) -> Target {
    Target::Path(format!(
        "v2/{}/manifests/{}",
        reference.repository().path(),
        reference.version()
    ))
}

fn content_type(response: &Response) -> Option<MediaType> {
    let value = response.header(CONTENT_TYPE.as_str())?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    // Some registries serve every manifest as plain JSON or as bytes.
    let says_nothing = matches!(
        essence,
        "" | "application/json" | "application/octet-stream" | "text/plain"
    );
    (!says_nothing).then(|| MediaType::new(essence))
}

fn promised_digest(response: &Response) -> Option<Digest> {
    response.header("docker-content-digest")?.parse().ok()
}

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
