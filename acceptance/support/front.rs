//! A front between a client and a server on the level of connections: it
//! passes them on, resets them, or keeps them and says nothing.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use super::runtime;

/// Bytes that a slow line holds.
const SMALL: u32 = 64 * 1024;

/// A record of TLS that nobody can decrypt.
const SPOILT: [u8; 37] = {
    let mut record = [0; 37];
    (record[0], record[1], record[2], record[4]) = (0x17, 3, 3, 32);
    record
};

/// The fate of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Passed,
    /// Closed with what the client has sent unread, which resets it.
    Reset,
    /// Kept open, and never answered.
    Silent,
}

/// The first bytes that a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Tls,
    Plain,
}

/// A listener before `target`.
pub struct Front {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    spoilt: watch::Sender<()>,
}

impl Front {
    /// Listens at `bind` (`127.0.0.1:0`, `[::1]:0`); `fate` decides over each
    /// connection, by its opening.
    pub fn start(
        bind: &str,
        target: &str,
        fate: impl Fn(Opening) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(bind).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        listener.set_nonblocking(true).expect("a socket of our own");
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, target, fate) = (connections.clone(), target.to_owned(), Arc::new(fate));
        let (spoilt, spoiling) = watch::channel(());
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let spoiling = spoiling.clone();
                tokio::spawn(meet(socket, target.clone(), fate.clone(), spoiling));
            }
        });
        Self {
            address,
            connections,
            spoilt,
        }
    }

    /// A slow line to `target`: so many bytes a second from the client, of which
    /// few are on their way.
    pub fn slow(target: &str, bytes_a_second: usize) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, target) = (connections.clone(), target.to_owned());
        let listener = runtime().block_on(async {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_recv_buffer_size(SMALL).expect("a small buffer");
            let address = "127.0.0.1:0".parse().expect("an address");
            socket.bind(address).expect("a free port");
            socket.listen(16).expect("a socket of our own")
        });
        let address = listener.local_addr().expect("a bound socket");
        runtime().spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(socket, target.clone(), bytes_a_second));
            }
        });
        Self {
            address,
            connections,
            spoilt: watch::Sender::default(),
        }
    }

    /// Sends the server something in the client's name that is no TLS, on each
    /// connection that is passed on right now: the server answers with an alert.
    pub fn spoil(&self) {
        self.spoilt.send_replace(());
    }

    /// `<address>:<port>`, IPv6 addresses in brackets.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// How many there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Passes on the client's bytes in a tenth of a second each time.
async fn carry(client: TcpStream, target: String, bytes_a_second: usize) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut piece = vec![0; bytes_a_second / 10];
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            if to_server.write_all(&piece[..length]).await.is_err() {
                break;
            }
            let share = length as f64 / bytes_a_second as f64;
            tokio::time::sleep(Duration::from_secs_f64(share)).await;
        }
        let _gone = to_server.shutdown().await;
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    let _ended = tokio::join!(up, down);
}

async fn meet(
    mut socket: TcpStream,
    target: String,
    fate: Arc<impl Fn(Opening) -> Fate>,
    mut spoiling: watch::Receiver<()>,
) {
    spoiling.mark_unchanged();
    let mut first = [0];
    let opening = match socket.peek(&mut first).await {
        Ok(1) if first == [0x16] => Opening::Tls,
        _ => Opening::Plain,
    };
    match fate(opening) {
        Fate::Reset => {}
        Fate::Silent => std::future::pending().await,
        Fate::Passed => {
            if let Ok(mut server) = TcpStream::connect(target).await {
                tokio::select! {
                    _ended = copy_bidirectional(&mut socket, &mut server) => return,
                    Ok(()) = spoiling.changed() => {}
                }
                let _gone = server.write_all(&SPOILT).await;
                let _ended = copy_bidirectional(&mut socket, &mut server).await;
            }
        }
    }
}
