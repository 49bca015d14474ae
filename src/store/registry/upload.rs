//! Blob uploads (distribution-spec v1.1, "Pushing blobs"): a session that
//! proves write access is kept and becomes the first upload.

use std::time::Duration;

use tracing::debug;

use super::error::StoreError;
use super::known::{Session, WhenStopped};
use super::{Ask, Registries, Target, answer};
use crate::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use crate::http::{Lead, Method, Redacted, Response, printable};
use crate::oci::{Content, Digest, Repository};

/// How often a blob's lost session is renewed (`spec/faults.md`, case 34).
const RENEWALS: usize = 3;
/// How long all open sessions may take to be cancelled (SIG-46).
const CANCELLING: Duration = Duration::from_secs(2);
/// The same in a run that was stopped, which has less time (SIG-57).
pub const CANCELLING_WHEN_STOPPED: Duration = Duration::from_millis(700);

/// A session in use. Dropped, as with an upload that fails or is given up, it is
/// kept again, so that it is cancelled at the end.
struct Lease<'a> {
    registries: &'a Registries,
    repository: &'a Repository,
    location: Lead,
    is_closed: bool,
}

impl Lease<'_> {
    /// The session is closed.
    fn close(mut self) {
        self.is_closed = true;
    }

    /// The session takes no blob any more, and is only to be cancelled. At the end:
    /// an upload waits for no answer to that.
    fn spoil(mut self) {
        self.is_closed = true;
        let location = self.location.clone();
        let spoilt = (self.repository.clone(), Session { location });
        self.registries.spoilt().push(spoilt);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.is_closed {
            let session = Session {
                location: self.location.clone(),
            };
            self.registries.keep_session(self.repository, session);
        }
    }
}

impl Registries {
    /// Proves write access: opens an upload session, and keeps it for the
    /// first upload to `repository`.
    ///
    /// # Errors
    /// On a registry that refuses.
    pub async fn open_session(&self, repository: &Repository) -> Result<(), StoreError> {
        let session = self.request_session(repository).await?;
        self.keep_session(repository, session);
        Ok(())
    }

    /// Keeps a session for the next upload, or for its cancellation.
    pub(super) fn keep_session(&self, repository: &Repository, session: Session) {
        self.sessions()
            .entry(repository.clone())
            .or_default()
            .push(session);
    }

    /// Uploads a blob, through a session. Safe to repeat.
    ///
    /// # Errors
    /// On a registry that refuses, and on content that cannot be read.
    pub(super) async fn upload_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        content: &Content,
    ) -> Result<(), StoreError> {
        let action = format!("uploading blob `{digest}` to `{repository}`");
        for _ in 0..=RENEWALS {
            // A session takes one blob.
            let session = self.take_session(repository).await?;
            let mut location = session.location.clone();
            location
                .url
                .query_pairs_mut()
                .append_pair("digest", &digest.to_string());
            let mut ask = Ask::new(Method::PUT, Target::Lead(location), &action);
            ask.headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
            ask.body = Some(content.clone());
            let response = self.send(repository, &ask).await?;
            match response.status.as_u16() {
                200 | 201 | 204 => {
                    session.close();
                    return Ok(());
                }
                404 => {
                    session.close();
                    debug!("The upload session in {repository} was lost; opening another");
                }
                // It is there, and knows less or more than was sent to it.
                416 => {
                    debug!("The upload session in {repository} lost count; opening another");
                    session.spoil();
                }
                // A broken upload may have left bytes in the session; a repeated PUT
                // then fails its digest check.
                400 if response.attempts > 1 => {
                    debug!("The upload session in {repository} is spoilt; opening another");
                    session.spoil();
                }
                _ => return Err(self.unexpected(repository, &ask, &response)),
            }
        }
        Err(StoreError::Protocol {
            action,
            reason: "the registry lost the upload session again and again",
        })
    }

    /// Cancels every session that was opened and took no blob. The registry's
    /// answers do not matter: it drops sessions by itself, later.
    pub async fn cancel_sessions(&self) {
        // Sessions that are granted after this stay open: the caller has ended or
        // stopped all requests before.
        let kept: Vec<_> = self.sessions().drain().collect();
        let kept = kept.into_iter().flat_map(|(repository, sessions)| {
            sessions
                .into_iter()
                .map(move |session| (repository.clone(), session))
        });
        let spoilt = std::mem::take(&mut *self.spoilt());
        let cancelling = kept.chain(spoilt);
        let cancelling = cancelling.map(|(repository, session)| async move {
            self.cancel(&repository, session).await;
        });
        let all = futures_util::future::join_all(cancelling);
        let limit = if self.is_stopping() {
            CANCELLING_WHEN_STOPPED
        } else {
            CANCELLING
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            debug!("Gave up cancelling upload sessions");
        }
    }

    /// A session that was kept, or a new one. It goes back to those that are to
    /// be cancelled unless it is [closed](Lease::close).
    async fn take_session<'a>(
        &'a self,
        repository: &'a Repository,
    ) -> Result<Lease<'a>, StoreError> {
        let kept = self.sessions().get_mut(repository).and_then(Vec::pop);
        let Session { location } = match kept {
            Some(session) => session,
            None => self.request_session(repository).await?,
        };
        Ok(Lease {
            registries: self,
            repository,
            location,
            is_closed: false,
        })
    }

    async fn cancel(&self, repository: &Repository, session: Session) {
        let target = Target::Lead(session.location);
        let ask = Ask::new(Method::DELETE, target, "cancelling an upload session");
        if let Err(error) = self.send_last(repository, &ask).await {
            debug!("Could not cancel an upload session in {repository}: {error}");
        }
    }

    /// An empty body, as the specification wants it. Nothing is stored by it:
    /// it is the proof of write access (SIG-23).
    async fn request_session(&self, repository: &Repository) -> Result<Session, StoreError> {
        let action = format!("opening an upload session in `{repository}`");
        let path = format!("v2/{}/blobs/uploads/", repository.path());
        let mut ask = Ask::new(Method::POST, Target::Path(path), &action);
        ask.body = Some(Vec::new().into());
        // A session that was granted must be known, so that it is cancelled.
        ask.when_stopped = WhenStopped::Await;
        let response = self.send(repository, &ask).await?;
        if response.status.as_u16() != 202 {
            return Err(self.unexpected(repository, &ask, &response));
        }
        let location = location(&response, &action)?;
        debug!(
            "Opened an upload session in {repository} ({})",
            answer::session_id(&response)
        );
        Ok(Session { location })
    }
}

/// The address of a granted session, which takes the blob: absolute, or
/// relative to the request's.
pub(super) fn location(response: &Response, action: &str) -> Result<Lead, StoreError> {
    let location = response
        .header(LOCATION.as_str())
        .filter(|location| !location.is_empty())
        .ok_or_else(|| StoreError::Protocol {
            action: action.to_owned(),
            reason: "the registry does not say where to upload to",
        })?;
    response
        .leads_to(location)
        .map_err(|reason| StoreError::Location {
            action: action.to_owned(),
            // Redacted like any URL: sessions carry secrets in their queries.
            to: match response.url.join(location) {
                Ok(url) => Redacted(&url).to_string(),
                Err(_) => printable(location),
            },
            reason,
        })
}
