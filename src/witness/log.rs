//! Transparency logs (Rekor v1 and v2).

use crate::http::header::{CONTENT_TYPE, HeaderValue};
use crate::http::{Client, Method, Redacted, Request, Trust};
use crate::proof::entry::{self, LogEntry, Loggable, Version};
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::{Choice, Service};
use crate::service::{ServiceError, ServiceName, Trouble, said};

/// The longest answer: an entry holds hashes alone.
const LONGEST: u64 = 1024 * 1024;

/// A log that did not take a signature, and the entries that others made.
#[derive(Debug)]
pub struct Failed {
    pub entered: Vec<LogEntry>,
    pub source: ServiceError,
}

/// Enters a signature in as many logs as `choice` wants.
///
/// # Errors
/// On a log that cannot be reached, refuses, or gives an answer that does not hold.
pub async fn enter(
    client: &Client,
    choice: &Choice,
    root: &TrustedRoot,
    signature: &Loggable,
) -> Result<Vec<LogEntry>, Failed> {
    let mut entered = Vec::new();
    for service in choice.services.iter().take(choice.wanted()) {
        match ask(client, service, root, signature).await {
            Ok(entry) => entered.push(entry),
            Err(trouble) => {
                let host = service.url.host_str().unwrap_or_default().to_owned();
                let service = ServiceName::Log(host);
                let source = ServiceError { service, trouble };
                return Err(Failed { entered, source });
            }
        }
    }
    Ok(entered)
}

async fn ask(
    client: &Client,
    service: &Service,
    root: &TrustedRoot,
    signature: &Loggable,
) -> Result<LogEntry, Trouble> {
    let action = format!("POST {}", Redacted(&service.url));
    let unproven = |reason: String| Trouble::Unproven {
        action: action.clone(),
        reason,
    };
    let version = match service.version {
        1 => Version::V1,
        _ => Version::V2,
    };
    let path = match version {
        Version::V1 => "api/v1/log/entries",
        Version::V2 => "api/v2/log/entries",
    };
    let url = service.url.join(path);
    let url = url.map_err(|error| unproven(error.to_string()))?;
    let body = entry::request(version, signature).map_err(|error| unproven(error.to_string()))?;
    let mut request = Request::new(Method::POST, url, Trust::Verified)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = Some(body);
    request.body_limit = LONGEST;
    let response = client.send(&request).await?;
    if !response.status.is_success() {
        return Err(Trouble::Status {
            action,
            status: response.status.as_u16(),
            answer: said(&response, None),
        });
    }
    LogEntry::of_answer(version, &response.body, signature, root)
        .map_err(|error| unproven(error.to_string()))
}
