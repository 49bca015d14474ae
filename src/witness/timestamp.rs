//! Timestamp authorities (RFC 3161, section 3.4: over HTTP).
//!
//! An authority sees the SHA-256 of a signature, and publishes nothing: to ask again
//! harms nobody. So the client may send a question again, with the same nonce, and a
//! request may be dropped at any time.

use std::time::Duration;

use aws_lc_rs::rand;
use tracing::debug;

use super::causes::with_causes;
use super::choice::{self, WitnessTally};
use crate::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use crate::http::{Client, Method, Redacted, Request, Response, StatusCode, Trust};
use crate::oci::Content;
use crate::proof::timestamp::{MAX_LENGTH, Nonce, Query, Stamped, Timestamp, TimestampError};
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::{Choice, Service};
use crate::service::{Said, ServiceError, ServiceName, Trouble, said};

const QUERY: HeaderValue = HeaderValue::from_static("application/timestamp-query");
const REPLY: &str = "application/timestamp-reply";

/// An authority answers in milliseconds. After this time another one is asked as well
/// (EVD-28).
const LATE: Duration = Duration::from_secs(15);

/// Gets a timestamp for a SHA-256 of each authority that the signing config wants
/// one of: verified, in the order of the signing config. That the signer's certificates
/// were valid at these times is compared by the caller (EVD-26).
///
/// # Errors
/// On an authority that does not answer, refuses, or whose answer does not hold by
/// `root`, where no other can be asked in its place.
pub async fn stamp(
    client: &Client,
    choice: &Choice,
    root: &TrustedRoot,
    digest: &[u8; 32],
) -> Result<Vec<Timestamp>, ServiceError> {
    let vouching = WitnessTally::default();
    let ask = |service| stamp_by(client, service, root, digest, &vouching);
    Ok(choice::ask(choice, LATE, ask).await?.answers)
}

async fn stamp_by(
    client: &Client,
    service: &Service,
    root: &TrustedRoot,
    digest: &[u8; 32],
    vouching: &WitnessTally<(String, Vec<u8>)>,
) -> Result<Timestamp, ServiceError> {
    let host = service.host();
    let fault = |trouble| ServiceError {
        service: ServiceName::TimestampAuthority(host.to_owned()),
        trouble,
    };
    let action = format!("POST {}", Redacted(&service.url));
    // New for each question, also to another authority (EVD-20).
    let nonce = nonce().ok_or_else(|| {
        let (action, reason) = (action.clone(), "this machine has no random numbers");
        fault(Trouble::Answer { action, reason })
    })?;
    let request = request(service, &Query::new(*digest, nonce));
    let response = client.send(&request).await;
    let response = response.map_err(|error| fault(error.into()))?;
    if !matches!(response.status, StatusCode::OK | StatusCode::CREATED) {
        return Err(fault(refusal(&response, action)));
    }
    // Any authority of the trusted root may have signed, not only the one that was
    // asked: a trusted root need not say URLs.
    let stamped = Stamped::sha256(digest);
    let authorities = &root.timestamp_authorities;
    let timestamp = Timestamp::verify(&response.body, stamped, Some(nonce), authorities);
    let timestamp =
        timestamp.map_err(|error| fault(unproven(&response, action.clone(), &error)))?;
    let witness = (timestamp.authority.clone(), timestamp.anchor.clone());
    let counted = vouching.count(witness, service);
    counted.map_err(|reason| fault(Trouble::Unproven { action, reason }))?;
    debug!("{host} says {}", timestamp.time);
    Ok(timestamp)
}

fn nonce() -> Option<Nonce> {
    let mut bits = [0; 8];
    rand::fill(&mut bits).ok()?;
    Some(Nonce::of_random(u64::from_be_bytes(bits)))
}

/// RFC 3161, section 3.4; the URL is taken as it stands in the signing config (EVD-27).
fn request(service: &Service, query: &Query) -> Request {
    let mut request = Request::new(Method::POST, service.url.clone(), Trust::Verified)
        .header(CONTENT_TYPE, QUERY)
        .header(ACCEPT, HeaderValue::from_static(REPLY));
    request.body = Some(Content::from(query.to_der()));
    request.body_limit = MAX_LENGTH as u64;
    request
}

/// A refusal by its status. One of RFC 3161's own comes with 200, and is unproven.
fn refusal(response: &Response, action: String) -> Trouble {
    let answer = said(response, None);
    match response.status.as_u16() {
        401 | 403 => Trouble::Denied { action, answer },
        404 | 405 => Trouble::Missing { action, answer },
        status => Trouble::Status {
            action,
            status,
            answer,
        },
    }
}

/// An answer that is no timestamp, or one that does not hold. A page of a proxy is told
/// from a damaged timestamp by its media type; a right timestamp may have any.
fn unproven(response: &Response, action: String, error: &TimestampError) -> Trouble {
    let kind = response.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let is_reply = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim() == REPLY);
    if matches!(error, TimestampError::Malformed) && !is_reply {
        let reason = "it is no timestamp";
        return Trouble::Answer { action, reason };
    }
    let mut reason = error.to_string();
    if let TimestampError::Refused { words, .. } = error {
        reason += &Said(response.printable(words)).to_string();
    }
    let reason = with_causes(reason, error);
    Trouble::Unproven { action, reason }
}

#[cfg(test)]
mod tests;
