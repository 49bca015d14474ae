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
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response};
use reqwest::redirect::Policy;
use reqwest::{Body, Client};
use tracing::debug;

use super::claims::AUDIENCE;
use crate::secret::Secret;
use crate::service::{Said, Trouble, Unreadable, Variables, quoted};
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

/// An agent that gives no token.
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
            Err(Fault::Transport(error)) => Err(failed(&error, self.0, action)),
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

/// A call that came to no end. The words about it are the client's, not the agent's.
fn failed(error: &reqwest::Error, path: PathBuf, action: String) -> Trouble {
    debug!("{action}: {}", in_one_line(error));
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let mut kinds = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    let kind = kinds.next().map(io::Error::kind);
    match kind.filter(|_| error.is_connect()) {
        Some(kind @ (io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)) => {
            let source = kind.into();
            Trouble::File(Unreadable { path, source })
        }
        None if !error.is_timeout() => Trouble::Answer {
            action,
            reason: "it is no gRPC",
        },
        // Nobody listens at the socket, or nobody answers: the agent may be starting.
        _ => Trouble::NotReady {
            action,
            answer: Said::default(),
        },
    }
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
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    match value("grpc-status") {
        Some(status) if status != b"0" => Err(Fault::Refused(
            String::from_utf8_lossy(status).into_owned(),
            decoded(value("grpc-message").unwrap_or_default()),
        )),
        _ => Ok(()),
    }
}

/// Words as gRPC has them in headers: what is not printable ASCII is percent-encoded
/// (`PROTOCOL-HTTP2.md`, "Status-Message"). What is encoded wrongly stays as it is.
fn decoded(words: &[u8]) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(words.len()), words);
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let encoded = after.split_first_chunk().filter(|_| byte == b'%');
        let encoded = encoded.and_then(|(&[high, low], after)| {
            let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
            Some((byte, after))
        });
        let (byte, after) = encoded.unwrap_or((byte, after));
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
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
    use std::time::Instant;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;
    use crate::file::Files;
    use crate::secret::Secrets;
    use crate::support::runtime;

    #[test]
    fn the_question_is_framed_as_grpc_frames_it() {
        assert_eq!(&question()[..], b"\x00\x00\x00\x00\x0a\x0a\x08sigstore");
    }

    #[test]
    fn words_are_shown_as_the_agent_wrote_them() {
        for (shown, words) in [
            ("no identity issued", "no identity issued"),
            ("100%25 d%C3%A9sol%c3%a9", "100% désolé"),
            ("50% off %zz %4", "50% off %zz %4"),
            ("%ff", "\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(decoded(shown.as_bytes()), words);
        }
    }

    /// The words about an agent that reads something and answers with these bytes.
    fn said_of(answer: &'static [u8]) -> Trouble {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        runtime().block_on(async {
            let listener = UnixListener::bind(&path).unwrap();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_u8().await.unwrap();
                stream.write_all(answer).await.unwrap();
            });
            let variables =
                Variables::new(|_| None, Secrets::default(), Files::until(Instant::now()));
            let outcome = Socket(path.clone()).ask(&variables).await;
            outcome.map(|_| ()).unwrap_err()
        })
    }

    /// EVD-29: what the client says of a connection is not the agent's word.
    #[test]
    fn an_agent_that_speaks_no_grpc_is_said_not_to() {
        for answer in [
            &b""[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        ] {
            let said = said_of(answer).to_string();
            assert!(said.ends_with("cannot be used: it is no gRPC"), "{said}");
        }
    }

    /// EVD-29: an agent that is down may be up again later, unlike one that is not there.
    #[test]
    fn an_agent_that_is_down_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let ask = || {
            let variables =
                Variables::new(|_| None, Secrets::default(), Files::until(Instant::now()));
            let outcome = runtime().block_on(Socket(path.clone()).ask(&variables));
            outcome.map(|_| ()).unwrap_err()
        };
        assert!(matches!(ask(), Trouble::File(_)), "{}", ask());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(matches!(ask(), Trouble::NotReady { .. }), "{}", ask());
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
