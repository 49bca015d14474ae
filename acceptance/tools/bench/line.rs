//! The line between a client and a server: every byte arrives half a round trip
//! late in either direction, and a connection takes one round trip to be made.
//! Counts requests (HTTP/1.1), bytes and connections.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::runtime;

const PIECE: usize = 64 * 1024;
/// Pieces on their way: 16 MiB, more than any of the runs has in flight.
const IN_FLIGHT: usize = 256;

/// The traffic over the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub requests: u64,
    /// `PUT` and `PATCH`: those that store something.
    pub writes: u64,
    /// `POST` and `DELETE`: upload sessions that are opened or cancelled.
    pub sessions: u64,
    /// `HEAD` of blobs.
    pub looks: u64,
    pub sent: u64,
    pub received: u64,
    pub connections: u64,
}

impl Traffic {
    pub fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            writes: self.writes + other.writes,
            sessions: self.sessions + other.sessions,
            looks: self.looks + other.looks,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            connections: self.connections + other.connections,
        }
    }
}

#[derive(Default)]
struct State {
    round_trip: Duration,
    traffic: Traffic,
}

/// A listener on a free port of 127.0.0.1. It serves until the process ends.
pub struct Line {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Line {
    /// All connections end at `target`, which may not listen yet.
    pub fn to(target: impl Fn() -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound socket").port();
        listener.set_nonblocking(true).expect("a socket of our own");
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, target) = (state.clone(), Arc::new(target));
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, target(), shared.clone()));
            }
        });
        Self { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forgets what was counted; what begins from now on takes `round_trip`.
    pub fn reset(&self, round_trip: Duration) {
        *lock(&self.state) = State {
            round_trip,
            traffic: Traffic::default(),
        };
    }

    pub fn traffic(&self) -> Traffic {
        lock(&self.state).traffic
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(client: TcpStream, target: String, state: Arc<Mutex<State>>) {
    let round_trip = {
        let mut state = lock(&state);
        state.traffic.connections += 1;
        state.round_trip
    };
    // The kernel has accepted already, so what the client sends is held back for
    // as long as its handshake would have taken.
    let open = Instant::now() + round_trip;
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    for socket in [&client, &server] {
        let _best_effort = socket.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut requests = Requests::default();
    let counted = state.clone();
    let up = carry(from_client, to_server, round_trip / 2, open, move |bytes| {
        let traffic = requests.count(bytes);
        let mut state = lock(&counted);
        state.traffic = state.traffic.and(traffic);
    });
    let down = carry(from_server, to_client, round_trip / 2, open, move |bytes| {
        lock(&state).traffic.received += bytes.len() as u64;
    });
    tokio::join!(up, down);
}

/// Carries bytes in one direction until it ends. No piece leaves before `open`.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    open: Instant,
    mut note: impl FnMut(&[u8]),
) {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async move {
        let mut piece = vec![0; PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let bytes = piece[..length].to_vec();
            note(&bytes);
            let due = Instant::now().max(open) + delay;
            if sender.send((due, bytes)).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _gone = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// Where in a client's requests the next byte belongs.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    rest: Rest,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Rest {
    /// Of a head.
    #[default]
    Head,
    /// So many bytes of a body.
    Body(u64),
    /// The line that says how long the next chunk is.
    ChunkLength,
    /// So many bytes of a chunk and its line end.
    Chunk(u64),
    /// The lines behind the last chunk.
    Trailer,
}

impl Requests {
    /// The requests whose heads end in `bytes`.
    fn count(&mut self, mut bytes: &[u8]) -> Traffic {
        let mut traffic = Traffic {
            sent: bytes.len() as u64,
            ..Traffic::default()
        };
        while !bytes.is_empty() {
            match self.rest {
                Rest::Body(left) | Rest::Chunk(left) => {
                    let taken = left.min(bytes.len() as u64);
                    bytes = &bytes[taken as usize..];
                    self.rest = match (self.rest, left - taken) {
                        (Rest::Body(_), 0) => Rest::Head,
                        (Rest::Body(_), left) => Rest::Body(left),
                        (_, 0) => Rest::ChunkLength,
                        (_, left) => Rest::Chunk(left),
                    };
                }
                Rest::Head | Rest::ChunkLength | Rest::Trailer => {
                    self.head.push(bytes[0]);
                    bytes = &bytes[1..];
                    if self.rest == Rest::Head && self.head.ends_with(b"\r\n\r\n") {
                        traffic = traffic.and(self.begin());
                    } else if self.rest != Rest::Head && self.head.ends_with(b"\r\n") {
                        self.go_on();
                    }
                }
            }
        }
        traffic
    }

    /// A head is complete.
    fn begin(&mut self) -> Traffic {
        let head = String::from_utf8_lossy(&std::mem::take(&mut self.head)).to_ascii_lowercase();
        let value = |name: &str| {
            let mut lines = head.split("\r\n");
            lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        self.rest = match (value("transfer-encoding:"), value("content-length:")) {
            (Some(_chunked), _) => Rest::ChunkLength,
            (None, Some(length)) => match length.parse().expect("a length") {
                0 => Rest::Head,
                length => Rest::Body(length),
            },
            (None, None) => Rest::Head,
        };
        let is_one_of = |methods: [&str; 2]| methods.iter().any(|method| head.starts_with(method));
        let path = head.split(' ').nth(1).unwrap_or_default();
        let is_look = head.starts_with("head ") && path.contains("/blobs/");
        Traffic {
            requests: 1,
            writes: u64::from(is_one_of(["put ", "patch "])),
            sessions: u64::from(is_one_of(["post ", "delete "])),
            looks: u64::from(is_look),
            ..Traffic::default()
        }
    }

    /// A line of a chunked body is complete.
    fn go_on(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.head)).into_owned();
        self.rest = match self.rest {
            Rest::Trailer if line == "\r\n" => Rest::Head,
            Rest::Trailer => Rest::Trailer,
            _ => {
                let length = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(length, 16).expect("the length of a chunk") {
                    0 => Rest::Trailer,
                    length => Rest::Chunk(length + 2),
                }
            }
        };
    }
}
