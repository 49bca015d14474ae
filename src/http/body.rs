//! The body of an answer, read within bounds of length and time.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use url::Url;

use super::error::HttpError;
use super::patience::{Arrival, SILENCE, SLOWEST};
use super::{Client, Keep, Request};

impl Client {
    /// Reads a body of at most as many bytes as `request` allows, whatever its
    /// header promises; too slow a body is an error.
    pub(super) async fn read_body(
        &self,
        url: &Url,
        answer: &mut reqwest::Response,
        request: &Request,
    ) -> Result<Bytes, HttpError> {
        let limit = request.body_limit;
        let too_large = || HttpError::TooLarge {
            url: url.into(),
            limit,
        };
        let promised = answer.content_length();
        if promised.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        // A host that does not say how much is coming may send up to the limit.
        let patience = SILENCE + Duration::from_secs(promised.unwrap_or(limit) / SLOWEST);
        let started = Instant::now();
        let (moved, is_good) = (self.moving(request), answer.status().is_success());
        let mut reading = Arrival::new(url, promised);
        let mut body = BytesMut::new();
        let mut length = 0;
        loop {
            // A trickle must not last: neither the pauses nor the whole.
            let left = patience.saturating_sub(started.elapsed()).min(SILENCE);
            let chunk = timeout(left, answer.chunk())
                .await
                .map_err(|_| HttpError::silence(url, started.elapsed()))?
                .map_err(|error| self.clients.error(url, error))?;
            let Some(chunk) = chunk else {
                return Ok(body.freeze());
            };
            length += chunk.len() as u64;
            if length > limit {
                return Err(too_large());
            }
            // The words of an error are no sign that the host works (SIG-80).
            if is_good {
                moved();
            }
            reading.note(length);
            body.extend_from_slice(&chunk);
            // All of it is read, and only a part is held: a body may be far larger.
            match request.keep {
                Keep::All => {}
                Keep::First(count) => body.truncate(count),
                Keep::Last(count) => {
                    let surplus = body.len().saturating_sub(count);
                    drop(body.split_to(surplus));
                }
            }
        }
    }
}
