//! The SPIFFE Workload API, as far as a token goes: one call of `FetchJWTSVID`
//! (<https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md>),
//! which is gRPC over HTTP/2 on a socket of this machine. Two messages of one field
//! each are not worth a compiler of protocols.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, SendRequest};
use hyper::{HeaderMap, Request};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::claims::AUDIENCE;
use crate::secret::Secret;
use crate::service::{Trouble, Unreadable, Variables, quoted};

const VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";
/// SPIRE's own.
const SOCKET: &str = "/tmp/spire-agent/public/api.sock";
/// How long an agent may take: it may have to ask its server.
const TIME: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const MOST: usize = 256 * 1024;
/// The bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Of a field that has a length (protobuf's wire format).
const DELIMITED: u64 = 2;

/// A socket of an agent.
#[derive(Debug)]
pub(super) struct Socket(PathBuf);

/// An agent that gives no token.
enum Fault {
    Transport(h2::Error),
    /// A status of gRPC, with the agent's words.
    Refused(String, String),
    Malformed,
}

impl From<h2::Error> for Fault {
    fn from(error: h2::Error) -> Self {
        Self::Transport(error)
    }
}

impl Socket {
    /// The socket, if there is one. cosign wants a bare path, SPIFFE a URL.
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

    /// The token, and the request in words.
    pub(super) async fn ask(self, variables: &Variables) -> Result<(Secret, String), Trouble> {
        let action = format!("FetchJWTSVID at `{}`", self.0.display());
        let unreadable = |source| Unreadable {
            path: self.0.clone(),
            source,
        };
        let asking = async {
            let socket = UnixStream::connect(&self.0).await.map_err(unreadable)?;
            Ok(fetch(socket).await)
        };
        let late = || unreadable(io::ErrorKind::TimedOut.into());
        let outcome = timeout(TIME, asking).await.map_err(|_| late())?;
        match outcome.map_err(Trouble::File)? {
            Ok(token) => Ok((token, action)),
            Err(Fault::Malformed) => Err(Trouble::Answer {
                action,
                reason: "it holds no token",
            }),
            Err(Fault::Transport(error)) => {
                let answer = quoted(&error.to_string(), variables.secrets());
                Err(Trouble::NotReady { action, answer })
            }
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

async fn fetch(socket: UnixStream) -> Result<Secret, Fault> {
    let (requests, connection) = client::handshake(socket).await?;
    let driver = tokio::spawn(connection);
    let outcome = call(requests).await;
    driver.abort();
    outcome
}

async fn call(requests: SendRequest<Bytes>) -> Result<Secret, Fault> {
    let request = Request::post("http://localhost/SpiffeWorkloadAPI/FetchJWTSVID")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        // The agent refuses what a browser could be made to send.
        .header("workload.spiffe.io", "true");
    let request = request.body(()).map_err(|_| Fault::Malformed)?;
    let mut requests = requests.ready().await?;
    let (response, mut stream) = requests.send_request(request, false)?;
    stream.send_data(question(), true)?;
    let response = response.await?;
    refuse(response.headers())?;
    let mut body = response.into_body();
    let message = read(&mut body).await?;
    if let Some(trailers) = body.trailers().await? {
        refuse(&trailers)?;
    }
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

async fn read(body: &mut RecvStream) -> Result<Vec<u8>, Fault> {
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        if message.len() + data.len() > MOST {
            return Err(Fault::Malformed);
        }
        body.flow_control().release_capacity(data.len())?;
        message.extend_from_slice(&data);
    }
    Ok(message)
}

/// The token of the first SVID: `JWTSVIDResponse.svids[0].svid`.
pub(super) fn token(message: &[u8]) -> Option<Secret> {
    const SVIDS: u64 = 1;
    const SVID: u64 = 2;
    let svid = field(message, SVIDS)?;
    let token = field(svid, SVID)?;
    Some(Secret::new(token.to_vec()))
}

/// The first value of a field that has a length.
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
