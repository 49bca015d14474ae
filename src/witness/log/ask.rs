//! Requests to a log, and the meaning of its refusals.
//!
//! No request shows a credential: a 401 or 403 comes from what stands before a log.

use serde::Deserialize;
use url::Url;

use super::Claims;
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
    /// None of a log that is asked a few times alone.
    pub(super) gate: Option<&'a Gate>,
    pub(super) claims: &'a Claims,
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

    /// Sends a new entry, if the log takes any. To send it again harms nobody: the log
    /// says that it has it (409), or takes it twice, which it may.
    pub(super) async fn send_entry(
        &self,
        path: &str,
        body: Content,
    ) -> Result<LogAnswer, ServiceError> {
        if let Some(gate) = self.gate {
            gate.pass(self, path).await.map_err(|answer| {
                let action = action(self.service);
                self.fault(Trouble::Frozen { action, answer })
            })?;
        }
        self.post(path, body).await
    }

    /// Posts, and takes a 405 for what it is.
    pub(super) async fn post(&self, path: &str, body: Content) -> Result<LogAnswer, ServiceError> {
        let request = Request::new(Method::POST, self.url(path)?, Trust::Verified);
        let mut request = request.header(CONTENT_TYPE, JSON).header(ACCEPT, JSON);
        request.body = Some(body);
        let answered = self.send(request).await?;
        if answered.status() == StatusCode::METHOD_NOT_ALLOWED {
            let (action, answer) = (answered.action.clone(), answered.said());
            return Err(self.fault(Trouble::Frozen { action, answer }));
        }
        Ok(answered)
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

    /// The entry of an answer, once it holds. The log says by it that it has one.
    pub(super) fn entry(
        &self,
        version: RekorVersion,
        answered: &LogAnswer,
    ) -> Result<LogEntry, ServiceError> {
        let answer = &answered.response.body;
        if let Some(index) = claimed_index(version, answer) {
            self.claims.note(self.service, index);
        }
        let entry = LogEntry::of_answer(version, answer, self.signature, self.root);
        entry.map_err(|error| self.unproven(answered, &error))
    }

    /// A request that could not be made.
    pub(super) fn unsent(&self, error: &EntryError) -> ServiceError {
        let (action, reason) = (action(self.service), in_one_line(error));
        self.fault(Trouble::Unsent { action, reason })
    }

    /// A path below the log's address, which ends with a slash.
    fn url(&self, path: &str) -> Result<Url, ServiceError> {
        let url = self.service.url.join(path);
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
