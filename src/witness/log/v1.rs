//! Rekor v1 (rekor-server v1.5). An entry comes back with a promise.
//!
//! A signature that the log has already is answered with the place of its entry,
//! which is read there (EVD-38). Of an envelope the log gets all, and keeps hashes.
//!
//! Steps: prepare the request beside the runtime, send it, and read the entry of the
//! answer or of the conflict.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use url::Url;

use super::ask::{Asking, LogAnswer};
use crate::beside;
use crate::http::StatusCode;
use crate::oci::Content;
use crate::proof::entry::{EntryError, LogEntry, Loggable, RekorVersion, SignedMessage, request};
use crate::service::ServiceError;

const ENTRIES: &str = "api/v1/log/entries";
const LOCATION: &str = "location";

/// How long an entry may take to be readable, and how often that is looked at. The
/// client's patience may be shorter than the former.
const INTEGRATION: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_secs(1);

/// Enters the signature, or finds its entry.
pub(super) async fn enter(asking: &Asking<'_>) -> Result<LogEntry, ServiceError> {
    let signature = asking.signature.clone();
    let prepared = beside::run(move || prepare(signature)).await;
    let prepared = prepared.map_err(|_| asking.useless(ENTRIES, "it could not be made"))?;
    let (body, signature) = prepared.map_err(|error| asking.unsent(&error))?;
    let asking = Asking {
        signature: &signature,
        ..*asking
    };
    let length = body.length();
    let answered = asking.send_entry(ENTRIES, body).await?;
    match answered.status() {
        StatusCode::OK | StatusCode::CREATED => asking.entry(RekorVersion::V1, &answered),
        // cosign up to v3.1.2 fails here; cosign 2 reads the entry too.
        StatusCode::CONFLICT => {
            let answered = standing(&asking, &answered).await?;
            asking.entry(RekorVersion::V1, &answered)
        }
        _ => Err(asking.refused(answered, length)),
    }
}

/// The request, and the signature with the digest of its payload: a payload is
/// read once, on a thread of its own. The check of the answer needs that digest, and runs
/// on the runtime.
fn prepare(mut signature: Loggable) -> Result<(Content, Loggable), EntryError> {
    if let SignedMessage::Envelope { payload, .. } = &mut signature.message {
        *payload = payload.clone().with_digest(payload.digest()?);
    }
    Ok((request(RekorVersion::V1, &signature)?, signature))
}

/// The entry that the log has already, from where it says it is. Another process
/// may be entering it at this moment. The location's host is not followed: only the
/// entry's name is taken from it, which a failure to read it there names; the log says
/// no index.
async fn standing(asking: &Asking<'_>, conflict: &LogAnswer) -> Result<LogAnswer, ServiceError> {
    let location = conflict.response.header(LOCATION);
    let uuid = location.and_then(|location| uuid(&conflict.response.url, location));
    let reason = "it has the signature, and does not say where";
    let uuid = uuid.ok_or_else(|| asking.useless(&conflict.action, reason))?;
    let (patience, began) = (asking.client.patience(INTEGRATION), Instant::now());
    loop {
        let answered = asking.get(&format!("{ENTRIES}/{uuid}")).await?;
        match answered.status() {
            StatusCode::OK => return Ok(answered),
            StatusCode::NOT_FOUND if began.elapsed() + INTERVAL <= patience => {
                sleep(INTERVAL).await;
            }
            _ => return Err(asking.refused(answered, 0)),
        }
    }
}

/// The name of an entry, from its address: the number of its tree, if it is there,
/// and the hash of its leaf. Anything but hexadecimal digits could lead elsewhere on the
/// log's host.
fn uuid(asked: &Url, location: &str) -> Option<String> {
    let url = asked.join(location).ok()?;
    let uuid = url.path_segments()?.next_back()?;
    let is_hex = uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && matches!(uuid.len(), 64 | 80)).then(|| uuid.to_owned())
}
