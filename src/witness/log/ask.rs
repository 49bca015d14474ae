//! Requests to a log, and the meaning of its refusals.
//!
//! No request shows a credential: a 401 or 403 comes from what stands before a log.

use serde::Deserialize;
use url::Url;

use super::frozen::Gate;
use crate::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use crate::http::{Client, Method, Redacted, Request, Response, StatusCode, Trust};
use crate::oci::Content;
use crate::proof::entry::{EntryError, LogEntry, Loggable, RekorVersion, claimed_index};
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::Service;
use crate::service::{Said, ServiceError, ServiceName, Trouble, json, said};
use crate::witness::causes::in_one_line;

/// The most bytes of an answer: of an entry (its body holds hashes, a signature and a
/// certificate), a checkpoint, or a tile of 8 KiB.
const ANSWER: u64 = 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// One signature, and the log that is asked to keep it.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) client: &'a Client,
    pub(super) service: &'a Service,
    pub(super) root: &'a TrustedRoot,
    pub(super) signature: &'a Loggable,
}

/// No entry. `index` is that of one which the log says it has, by its answer or by a
/// conflict: it is public then, though nothing proves it here.
pub(super) struct NoEntry {
    pub(super) error: ServiceError,
    pub(super) index: Option<u64>,
}

impl From<ServiceError> for NoEntry {
    fn from(error: ServiceError) -> Self {
        Self { error, index: None }
    }
}

impl NoEntry {
    /// The same, with the index that the log named, unless one is known.
    pub(super) fn at(self, index: u64) -> Self {
        let index = self.index.or(Some(index));
        Self { index, ..self }
    }
}

/// The failure of a log, which messages call by its host.
pub(super) fn fault(service: &Service, trouble: impl Into<Trouble>) -> ServiceError {
    let host = service.host();
    ServiceError {
        service: ServiceName::Log(host.to_owned()),
        trouble: trouble.into(),
    }
}

/// Entering in words, where no request was made.
pub(super) fn action(service: &Service) -> String {
    format!("POST {}", Redacted(&service.url))
}

/// A choice that names no log at all; the plan has refused such a one.
pub(super) fn none() -> ServiceError {
    ServiceError {
        service: ServiceName::Log(String::new()),
        trouble: Trouble::Answer {
            action: "POST".to_owned(),
            reason: "the signing config names too few",
        },
    }
}

/// An answer, and the request in words.
pub(super) struct LogAnswer {
    pub(super) response: Response,
    pub(super) action: String,
}

impl Asking<'_> {
    pub(super) fn fault(&self, trouble: impl Into<Trouble>) -> ServiceError {
        fault(self.service, trouble)
    }

    /// An answer that proves nothing.
    pub(super) fn unproven(&self, answered: &LogAnswer, error: &EntryError) -> ServiceError {
        let (action, reason) = (answered.action.clone(), in_one_line(error));
        self.fault(Trouble::Unproven { action, reason })
    }

    pub(super) fn useless(&self, action: &str, reason: &'static str) -> ServiceError {
        let action = action.to_owned();
        self.fault(Trouble::Answer { action, reason })
    }

    /// A refusal. `sent` is the length of what was sent, in bytes. Rekor v2 gives
    /// no reason with a 400; 413 comes from what stands before a log of version 1.
    pub(super) fn refused(&self, answered: LogAnswer, sent: u64) -> ServiceError {
        let answer = answered.said();
        let LogAnswer { response, action } = answered;
        self.fault(match response.status.as_u16() {
            401 | 403 => Trouble::Denied { action, answer },
            404 => Trouble::Missing { action, answer },
            413 => Trouble::Oversized {
                action,
                length: sent,
                answer,
            },
            status => Trouble::Status {
                action,
                status,
                answer,
            },
        })
    }

    /// Sends a new entry. To send it again harms nobody: the log says that it has
    /// it (409), or takes it twice, which it may.
    pub(super) async fn post(&self, path: &str, body: Content) -> Result<LogAnswer, ServiceError> {
        let request = Request::new(Method::POST, self.url(path)?, Trust::Verified);
        let mut request = request.header(CONTENT_TYPE, JSON).header(ACCEPT, JSON);
        request.body = Some(body);
        self.send(request).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<LogAnswer, ServiceError> {
        let request = Request::new(Method::GET, self.url(path)?, Trust::Verified);
        self.send(request).await
    }

    async fn send(&self, mut request: Request) -> Result<LogAnswer, ServiceError> {
        // Redirects are followed as for registries: nothing secret is sent.
        request.body_limit = ANSWER;
        let action = format!("{} {}", request.method, Redacted(&request.url));
        let response = self.client.send(&request).await;
        let response = response.map_err(|error| self.fault(error))?;
        Ok(LogAnswer { response, action })
    }

    /// The entry of an answer, once it holds.
    pub(super) fn entry(
        &self,
        version: RekorVersion,
        answered: &LogAnswer,
    ) -> Result<LogEntry, NoEntry> {
        let answer = &answered.response.body;
        let entry = LogEntry::of_answer(version, answer, self.signature, self.root);
        entry.map_err(|error| NoEntry {
            error: self.unproven(answered, &error),
            index: claimed_index(version, answer),
        })
    }

    /// A request that could not be made.
    pub(super) fn unsent(&self, error: &EntryError) -> ServiceError {
        let (action, reason) = (action(self.service), in_one_line(error));
        self.fault(Trouble::Unsent { action, reason })
    }

    /// Waits until a request may be sent.
    pub(super) async fn pass(&self, gate: &Gate) -> Result<(), ServiceError> {
        let passed = gate.pass().await;
        passed.map_err(|answer| {
            let action = action(self.service);
            self.fault(Trouble::Frozen { action, answer })
        })
    }

    /// Notes whether the log takes entries at all. Every answer but 405 opens the gate,
    /// a refusal too.
    pub(super) fn heed(&self, gate: &Gate, answered: &LogAnswer) -> Result<(), ServiceError> {
        if answered.status() != StatusCode::METHOD_NOT_ALLOWED {
            gate.open();
            return Ok(());
        }
        let (action, answer) = (answered.action.clone(), answered.said());
        gate.freeze(answer.clone());
        Err(self.fault(Trouble::Frozen { action, answer }))
    }

    /// A path below the log's address.
    fn url(&self, path: &str) -> Result<Url, ServiceError> {
        let mut base = self.service.url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let url = base.join(path);
        url.map_err(|_| self.useless(path, "it is no URL"))
    }
}

impl LogAnswer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status
    }

    /// The log's own words.
    fn said(&self) -> Said {
        let message = json::<RekorError>(&self.response).map(|message| message.message);
        let text = message.as_deref().filter(|text| !text.is_empty());
        said(&self.response, text)
    }
}

/// An error of Rekor, of either version. Other answers are shown as they are.
#[derive(Deserialize)]
struct RekorError {
    message: String,
}
