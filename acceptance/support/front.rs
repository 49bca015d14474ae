//! What stands between a client and a server on the level of connections: it
//! passes them on, resets them, or keeps them and says nothing.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;

use super::runtime;

/// What becomes of a connection.
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
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(meet(socket, target.clone(), fate.clone()));
            }
        });
        Self {
            address,
            connections,
        }
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

async fn meet(mut socket: TcpStream, target: String, fate: Arc<impl Fn(Opening) -> Fate>) {
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
                let _ended = tokio::io::copy_bidirectional(&mut socket, &mut server).await;
            }
        }
    }
}
