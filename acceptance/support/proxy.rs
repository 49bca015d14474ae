//! Proxies of the smallest kind: they tunnel (`CONNECT`, SOCKS 5) every host to
//! the one server of the test, so that a name which is not loopback can be asked.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::runtime;

/// The proxy's answer to a `CONNECT`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    #[default]
    Open,
    /// Wants `Proxy-Authorization: Basic` of `user:pass`.
    Guarded,
    /// Closes the first tunnel as soon as it stands.
    CutsFirst,
    /// Answers 502: it cannot reach anything.
    Lost,
}

pub struct Proxy {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1; all tunnels end at `target`.
    pub fn to(target: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("a bound socket").to_string();
        listener.set_nonblocking(true).expect("a socket of our own");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (record, target) = (asked.clone(), target.to_owned());
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(tunnel(socket, target.clone(), manner, record.clone()));
            }
        });
        Self { host, asked }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The same with a user and a password.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("http://{user}:{password}@{}", self.host)
    }

    /// The hosts that were asked for, with their ports.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

async fn tunnel(
    mut client: TcpStream,
    target: String,
    manner: Manner,
    record: Arc<Mutex<Vec<String>>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) if head.len() < 64 * 1024 => head.push(byte),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let host = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let earlier = {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        record.push(host);
        record.len() - 1
    };
    // user:pass
    let knows = head
        .to_ascii_lowercase()
        .contains("proxy-authorization: basic dxnlcjpwyxnz");
    let answer = match manner {
        Manner::Guarded if !knows => {
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        }
        Manner::Lost => "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        _ => "HTTP/1.1 200 Connection established\r\n\r\n",
    };
    let is_open = answer.contains(" 200 ");
    if client.write_all(answer.as_bytes()).await.is_err() || !is_open {
        return;
    }
    if manner == Manner::CutsFirst && earlier == 0 {
        return;
    }
    if let Ok(mut server) = TcpStream::connect(target).await {
        let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

/// A proxy that speaks SOCKS 5 (RFC 1928, RFC 1929).
pub struct Socks {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// The credentials of a proxy: a user and a password.
type Account = Option<(&'static str, &'static str)>;

impl Socks {
    /// A proxy on a free port of 127.0.0.1; all tunnels end at `target`.
    pub fn to(target: &str, account: Account) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("a bound socket").to_string();
        listener.set_nonblocking(true).expect("a socket of our own");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (record, target) = (asked.clone(), target.to_owned());
        runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
            while let Ok((socket, _)) = listener.accept().await {
                let (target, record) = (target.clone(), record.clone());
                tokio::spawn(async move { relay(socket, &target, account, &record).await.ok() });
            }
        });
        Self { host, asked }
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The hosts that were asked for, with their ports.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

async fn relay(
    mut client: TcpStream,
    target: &str,
    account: Account,
    record: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let _version = client.read_u8().await?;
    let methods = text(&mut client).await?;
    let method = if account.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, password)) = account {
        let _version = client.read_u8().await?;
        let shown = (text(&mut client).await?, text(&mut client).await?);
        let is_right = shown == (user.into(), password.into());
        client.write_all(&[1, u8::from(!is_right)]).await?;
        if !is_right {
            return Ok(());
        }
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from_bits(client.read_u32().await?).to_string(),
        4 => std::net::Ipv6Addr::from_bits(client.read_u128().await?).to_string(),
        _ => String::from_utf8_lossy(&text(&mut client).await?).into_owned(),
    };
    let port = client.read_u16().await?;
    let asked = format!("{host}:{port}");
    record
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(asked);
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let mut server = TcpStream::connect(target).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Bytes with their length before them.
async fn text(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = client.read_u8().await?;
    let mut text = vec![0; length.into()];
    client.read_exact(&mut text).await?;
    Ok(text)
}
