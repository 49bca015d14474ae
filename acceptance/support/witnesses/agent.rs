//! An agent of SPIRE's, as far as it gives out tokens: the Workload API of SPIFFE on
//! a socket.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use hyper::{HeaderMap, Request, Response};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

use super::issuer::{Identity, Issuer};
use crate::support::runtime;

/// A running agent; it ends with this value.
pub struct Agent {
    folder: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// One that knows every process.
    pub fn start() -> Self {
        Self::with(|| Ok(Issuer::shared().token(Identity::Spiffe)))
    }

    /// One that knows nobody.
    pub fn of_others() -> Self {
        Self::with(|| Err("no identity issued"))
    }

    fn with(answer: fn() -> Result<String, &'static str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = socket(folder.path());
        let task = runtime().spawn(async move {
            let listener = UnixListener::bind(path).expect("a folder of our own");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer));
            }
        });
        let agent = Self { folder, task };
        while !agent.socket().exists() {
            std::thread::yield_now();
        }
        agent
    }

    pub fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("api.sock")
}

async fn serve(stream: UnixStream, answer: fn() -> Result<String, &'static str>) {
    let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
    // Bodies arrive while the connection is asked for more requests.
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(give(request, respond, answer));
    }
}

async fn give(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answer: fn() -> Result<String, &'static str>,
) {
    let is_call = request.uri().path() == "/SpiffeWorkloadAPI/FetchJWTSVID"
        && request
            .headers()
            .get("workload.spiffe.io")
            .is_some_and(|value| value == "true");
    let mut body = request.into_body();
    let mut asked = Vec::new();
    while let Some(data) = body.data().await {
        asked.extend(data.expect("a message"));
    }
    let is_ours = is_call && &asked[5..] == b"\x0a\x08sigstore";
    let ok = Response::builder().header("content-type", "application/grpc");
    let outcome = answer().and_then(|token| is_ours.then_some(token).ok_or("not understood"));
    match outcome {
        Ok(token) => {
            let response = ok.body(()).expect("an answer");
            let mut stream = respond.send_response(response, false).expect("a stream");
            stream.send_data(framed(&token), false).expect("data");
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().expect("a status"));
            stream.send_trailers(trailers).expect("trailers");
        }
        Err(words) => {
            let refused = ok.header("grpc-status", "7").header("grpc-message", words);
            let refused = refused.body(()).expect("an answer");
            respond.send_response(refused, true).expect("a stream");
        }
    }
}

/// `JWTSVIDResponse`, in the frame of gRPC.
fn framed(token: &str) -> Bytes {
    let svid = [field(1, Identity::Spiffe.name()), field(2, token)].concat();
    let message = [vec![0x0A], length(svid.len()), svid].concat();
    let size = u32::try_from(message.len()).expect("a short message");
    Bytes::from([&[0], &size.to_be_bytes()[..], &message].concat())
}

fn field(number: u8, text: &str) -> Vec<u8> {
    [
        vec![number << 3 | 2],
        length(text.len()),
        text.as_bytes().to_vec(),
    ]
    .concat()
}

fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length > 0x7F {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}
