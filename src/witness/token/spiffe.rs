//! The SPIFFE Workload API, as far as a token goes: one call of `FetchJWTSVID`
//! (<https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md>),
//! which is gRPC over HTTP/2 on a socket of this machine. Two messages of one field
//! each are not worth a compiler of protocols.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body as _;
use hyper::{HeaderMap, Response};
use reqwest::redirect::Policy;
use reqwest::{Body, Client};

use super::claims::AUDIENCE;
use crate::secret::Secret;
use crate::service::{Trouble, Unreadable, Variables, quoted};
use crate::witness::causes::in_one_line;

const VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";
/// SPIRE's own, which cosign takes as well.
const SOCKET: &str = "/tmp/spire-agent/public/api.sock";
/// The call. Of the URL only the path counts: the connection is the socket's.
const CALL: &str = "http://localhost/SpiffeWorkloadAPI/FetchJWTSVID";
/// How long an agent may take: it may have to ask its server.
const TIME: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const MOST: usize = 256 * 1024;
/// The bytes before each message: whether it is compressed, and its length. Neither is
/// read: no compression is offered, and the stream ends with the one message.
const PREFIX: usize = 5;
/// Of a field that has a length (protobuf's wire format).
const DELIMITED: u64 = 2;

/// A socket of an agent.
#[derive(Debug)]
pub(super) struct Socket(PathBuf);

/// An agent that gives no token. Failures of HTTP/2 count as an agent that is not ready:
/// it may be starting.
enum Fault {
    Transport(reqwest::Error),
    /// A status of gRPC, with the agent's words.
    Refused(String, String),
    Malformed,
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error)
    }
}

impl Socket {
    /// The socket, if there is one. cosign wants a bare path, SPIFFE a URL (`unix:/…` or
    /// `unix:///…`). Agents on TCP, which SPIFFE allows too, are not looked for.
    pub(super) fn find(variables: &Variables) -> Option<Self> {
        let text = variables.text(VARIABLE);
        let text = text.unwrap_or_else(|| SOCKET.to_owned());
        let path = text.strip_prefix("unix:").unwrap_or(&text);
        let path = match path.strip_prefix("//") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(path),
        };
        path.exists().then_some(Self(path))
    }

    /// The token, and the request in words. The agent knows the process by its socket:
    /// nothing is shown to it.
    pub(super) async fn ask(self, variables: &Variables) -> Result<(Secret, String), Trouble> {
        let action = format!("FetchJWTSVID at `{}`", self.0.display());
        match fetch(&self.0).await {
            Ok(token) => Ok((token, action)),
            Err(Fault::Malformed) => Err(Trouble::Answer {
                action,
                reason: "it holds no token",
            }),
            Err(Fault::Transport(error)) => match refusal(&error) {
                Some(kind) => Err(Trouble::File(Unreadable {
                    path: self.0,
                    source: kind.into(),
                })),
                None => {
                    let answer = quoted(&in_one_line(&error), variables.secrets());
                    Err(Trouble::NotReady { action, answer })
                }
            },
            Err(Fault::Refused(status, words)) => {
                let answer = quoted(&words, variables.secrets());
                // `PERMISSION_DENIED`: no identity is registered for this process.
                Err(match &*status {
                    "7" => Trouble::Denied { action, answer },
                    _ => Trouble::NotReady { action, answer },
                })
            }
        }
    }
}

/// Why the socket takes no connection, or the agent no time to answer.
fn refusal(error: &reqwest::Error) -> Option<io::ErrorKind> {
    if error.is_timeout() {
        return Some(io::ErrorKind::TimedOut);
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let mut errors = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    errors
        .next()
        .filter(|_| error.is_connect())
        .map(io::Error::kind)
}

/// One call over a connection of its own: headers, one message, the answer's message,
/// and its trailers. gRPC states the outcome in `grpc-status`, in the headers where there
/// is no message. The client is one of its own: that of the run knows hosts and proxies,
/// and no sockets.
async fn fetch(socket: &Path) -> Result<Secret, Fault> {
    let client = Client::builder()
        .unix_socket(socket)
        .http2_prior_knowledge()
        .redirect(Policy::none())
        .tls_certs_only([])
        .no_proxy()
        .timeout(TIME)
        .build()?;
    let request = client
        .post(CALL)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        // The agent refuses what a browser could be made to send.
        .header("workload.spiffe.io", "true")
        .body(question());
    let response = Response::<Body>::from(request.send().await?);
    refuse(response.headers())?;
    let message = read(response.into_body()).await?;
    let token = message.get(PREFIX..).and_then(token);
    token.ok_or(Fault::Malformed)
}

/// `JWTSVIDRequest { audience: ["sigstore"] }`, in the frame of gRPC.
fn question() -> Bytes {
    const AUDIENCES: u8 = 1 << 3 | 2;
    let message = [&[AUDIENCES, AUDIENCE.len() as u8], AUDIENCE.as_bytes()].concat();
    let prefix = [0, 0, 0, 0, message.len() as u8];
    Bytes::from([&prefix[..], &message].concat())
}

/// The outcome in headers or trailers; none stated is none refused.
fn refuse(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    match text("grpc-status") {
        Some(status) if status != "0" => Err(Fault::Refused(
            status,
            text("grpc-message").unwrap_or_default(),
        )),
        _ => Ok(()),
    }
}

/// The message, if the trailers behind it say that the call succeeded.
async fn read(body: Body) -> Result<Vec<u8>, Fault> {
    let mut body = pin!(body);
    let mut message = Vec::new();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        match frame?.into_data() {
            Ok(data) if message.len() + data.len() > MOST => return Err(Fault::Malformed),
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => frame.trailers_ref().map_or(Ok(()), refuse)?,
        }
    }
    Ok(message)
}

/// The token of the first SVID: `JWTSVIDResponse.svids[0].svid`. Of several identities of
/// a process the first is its default.
pub(super) fn token(message: &[u8]) -> Option<Secret> {
    const SVIDS: u64 = 1;
    const SVID: u64 = 2;
    let svid = field(message, SVIDS)?;
    let token = field(svid, SVID)?;
    Some(Secret::new(token.to_vec()))
}

/// The first value of a field that has a length. Other fields are passed over by their
/// wire type; groups, which are deprecated, make the message malformed.
fn field(mut message: &[u8], number: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => 8,
            DELIMITED => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = message.split_at_checked(length)?;
        message = rest;
        if tag == number << 3 | DELIMITED {
            return Some(value);
        }
    }
    None
}

/// Seven bits a byte, the lowest first; at most ten bytes.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_framed_as_grpc_frames_it() {
        assert_eq!(&question()[..], b"\x00\x00\x00\x00\x0a\x0a\x08sigstore");
    }

    #[test]
    fn the_first_token_is_read_past_fields_that_are_not_known() {
        let svid = b"\x0a\x04spif\x12\x03a.b\x1a\x01h\x20\x05";
        let mut answer = vec![0x0A, svid.len() as u8];
        answer.extend(svid);
        answer.extend(b"\x0a\x05\x12\x03c.d");
        assert_eq!(token(&answer).unwrap().expose(), b"a.b");
        for damaged in [
            &answer[..9],
            b"\x0a",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"",
        ] {
            assert!(token(damaged).is_none(), "{damaged:?}");
        }
    }
}
