//! The body of an answer, read within bounds of length and time (`spec/limits.md`).

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use url::Url;

use super::error::HttpError;
use super::patience::{Arrival, SILENCE, SLOWEST};
use super::{Client, Keep, Request};

/// The most bytes that are read of an answer which is no success: of a status the
/// words are for people.
const MOST_OF_ERRORS: usize = 64 * 1024;

impl Client {
    /// Reads the body of an answer; one that is too slow is an error. A success may
    /// have as many bytes as `request` allows, whatever its header promises. Any other
    /// answer counts by its status, so that the words beyond 64 KiB are left unread.
    pub(super) async fn read_body(
        &self,
        url: &Url,
        answer: &mut reqwest::Response,
        request: &Request,
    ) -> Result<Bytes, HttpError> {
        let is_good = answer.status().is_success();
        let (limit, keep) = match is_good {
            true => (request.body_limit, request.keep),
            false => (MOST_OF_ERRORS as u64, Keep::First(MOST_OF_ERRORS)),
        };
        let too_large = || HttpError::TooLarge {
            url: url.into(),
            limit,
        };
        let promised = answer.content_length();
        if is_good && promised.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        // A host that does not say how much is coming may send up to the limit.
        let longest = promised.map_or(limit, |length| length.min(limit));
        let patience = SILENCE + Duration::from_secs(longest / SLOWEST);
        let started = Instant::now();
        let moved = self.moving(request);
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
            reading.note(length);
            body.extend_from_slice(&chunk);
            keep.cut(&mut body);
            match (is_good, length > limit) {
                (true, false) => moved(),
                (true, true) => return Err(too_large()),
                (false, true) => return Ok(body.freeze()),
                // The words of an error are no sign that the host works (SIG-80).
                (false, false) => {}
            }
        }
    }
}

impl Keep {
    /// Lets go of all but this part. All of a body is read, and it may be far larger
    /// than what is held of it.
    fn cut(self, body: &mut BytesMut) {
        match self {
            Self::All => {}
            Self::First(count) => body.truncate(count),
            Self::Last(count) => {
                let surplus = body.len().saturating_sub(count);
                drop(body.split_to(surplus));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::http::roots::LazyRoots;
    use crate::http::{Method, Proxies, Redirects, Response, Settings, Trust};
    use crate::secret::Secrets;

    /// The answer with this status and so many bytes, to a request that takes ten
    /// and keeps the last.
    async fn answered(status: u16, length: usize) -> Result<Response, HttpError> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n");
            let _gone = stream.write_all(&[head.as_bytes(), &vec![b'x'; length]].concat());
        });
        let client = Client::new(Settings {
            roots: LazyRoots::new(None, None),
            proxies: Proxies::default(),
            secrets: Secrets::default(),
            user_agent: String::new(),
            retry_budget: Duration::ZERO,
            time: SILENCE,
            until: Instant::now() + SILENCE,
        });
        let mut request = Request::new(Method::GET, url.parse().unwrap(), Trust::Verified);
        request.body_limit = 10;
        request.keep = Keep::Last(1);
        request.redirects = Redirects::Answered;
        client.send(&request).await
    }

    #[tokio::test]
    async fn a_success_over_the_limit_of_its_request_is_an_error() {
        assert_eq!(answered(200, 10).await.unwrap().body.len(), 1);
        let error = answered(206, 11).await.unwrap_err();
        assert!(
            matches!(error, HttpError::TooLarge { limit: 10, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn any_other_answer_counts_by_its_status_however_long_its_words_are() {
        for status in [302, 400, 401, 404, 416, 501] {
            for (length, kept) in [(11, 11), (65_536, 65_536), (1 << 20, 65_536)] {
                let answer = answered(status, length).await.unwrap();
                assert_eq!(answer.status.as_u16(), status);
                assert_eq!(answer.body.len(), kept, "{status}");
            }
        }
    }
}
