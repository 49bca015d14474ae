//! The connections: verified or not, through a proxy or not, with streamed
//! bodies.
//!
//! Each client has connections of its own, so that none is shared between
//! requests of different trust. It is built when the first request needs it.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, ClientBuilder, Proxy};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tokio::sync::mpsc;
use url::Url;

use super::error::HttpError;
use super::names::SystemNames;
use super::own_tls::OwnTls;
use super::proxies::{Proxies, ProxyVariable};
use super::reach::{Outward, Reach};
use super::roots::{LazyRoots, Roots};
use super::verifier::CertificateVerifier;
use crate::beside;
use crate::oci::Content;

/// For the name, the connection and the TLS handshake together.
const CONNECT: Duration = Duration::from_secs(10);
/// Bodies up to this size are sent from memory, in one piece; larger ones need not
/// lie there, and are streamed.
pub const IN_ONE_PIECE: u64 = 256 * 1024;
const PIECE: usize = 64 * 1024;

/// Whether a host's certificate must be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By the roots of the machine.
    Verified,
    /// Not at all: the user listed the host as insecure. No proxy is used then,
    /// as in the lifecycle.
    Unverified,
}

pub(super) struct Clients {
    roots: LazyRoots,
    proxies: Proxies,
    user_agent: String,
    /// Built once: its copies share the sessions that can be resumed.
    tls: OnceLock<ClientConfig>,
    nobody: Arc<Nobody>,
    direct: Pair,
    plain: OnceLock<Client>,
    /// For plain HTTP; the proxy itself may be asked by TLS.
    by_http_proxy: Pair,
    /// For HTTPS, in a tunnel.
    by_https_proxy: Pair,
    unverified: OnceLock<Client>,
    /// For addresses that hosts led to, without a proxy (WIRE-14).
    outward: Pair,
}

/// The same client, but for HTTP/2. After a server has asked for a certificate,
/// the second one: see [`Clients::either`].
#[derive(Default)]
struct Pair {
    any: OnceLock<Client>,
    http1: OnceLock<Client>,
}

impl Clients {
    pub(super) fn new(roots: LazyRoots, proxies: Proxies, user_agent: String) -> Self {
        Self {
            roots,
            proxies,
            user_agent,
            tls: OnceLock::new(),
            nobody: Arc::default(),
            direct: Pair::default(),
            plain: OnceLock::new(),
            by_http_proxy: Pair::default(),
            by_https_proxy: Pair::default(),
            unverified: OnceLock::new(),
            outward: Pair::default(),
        }
    }

    /// The client for `url`. A host that another host led to is never insecure
    /// by the user's word: the user did not name it.
    pub(super) fn of(&self, trust: Trust, reach: Reach, url: &Url) -> Result<&Client, HttpError> {
        if trust == Trust::Unverified && reach == Reach::Any {
            return self.cached(&self.unverified, url, |builder| {
                Ok(builder.tls_danger_accept_invalid_certs(true))
            });
        }
        // A proxy resolves the name by itself, whoever led there (WIRE-14).
        let Some(proxy) = self.proxies.of(url)? else {
            return self.without_proxy(reach, url);
        };
        let slot = if url.scheme() == "http" {
            &self.by_http_proxy
        } else {
            &self.by_https_proxy
        };
        self.cached(self.either(slot), url, |builder| {
            let builder = self.verified(url, builder)?;
            let proxy = self.proxy(url, proxy)?;
            Ok(builder.proxy(proxy))
        })
    }

    fn without_proxy(&self, reach: Reach, url: &Url) -> Result<&Client, HttpError> {
        match reach {
            Reach::Outward => self.outward(url),
            // A plain connection needs no roots, so that they are not read
            // for it.
            Reach::Any if url.scheme() == "http" => self.cached(&self.plain, url, Ok),
            Reach::Any => {
                let slot = self.either(&self.direct);
                self.cached(slot, url, |builder| self.verified(url, builder))
            }
        }
    }

    /// The client for a host near by, without a proxy. A proxy would ask the
    /// services of its own machine.
    pub(super) fn leashed(&self, url: &Url) -> Result<&Client, HttpError> {
        match url.scheme() {
            "http" => self.cached(&self.plain, url, Ok),
            _ => {
                let slot = self.either(&self.direct);
                self.cached(slot, url, |builder| self.verified(url, builder))
            }
        }
    }

    /// The client for a service with TLS settings of its own.
    pub(super) fn own<'a>(&self, own: &'a OwnTls, url: &Url) -> Result<&'a Client, HttpError> {
        let proxy = match &own.proxy {
            Some(proxy) => Some(proxy),
            None => self.proxies.of(url)?,
        };
        let slot = match proxy {
            None => &own.direct,
            Some(_) => &own.by_proxy,
        };
        self.cached(slot, url, |builder| {
            let tls = own.config(self.roots.load());
            let tls = tls.map_err(|error| HttpError::tls(url, error))?;
            let builder = builder.tls_backend_preconfigured(tls);
            match proxy {
                None => Ok(builder),
                Some(proxy) => Ok(builder.proxy(self.proxy(url, proxy)?)),
            }
        })
    }

    /// The client for addresses that other hosts led to, without a proxy. It
    /// shares no connection with another client: that one may lead to the
    /// machine itself.
    fn outward(&self, url: &Url) -> Result<&Client, HttpError> {
        self.cached(self.either(&self.outward), url, |builder| {
            Ok(self.verified(url, builder)?.dns_resolver(Outward))
        })
    }

    /// Whether a connection for `url` is one to its host.
    pub(super) fn is_direct(&self, trust: Trust, url: &Url) -> bool {
        trust == Trust::Unverified || matches!(self.proxies.of(url), Ok(None))
    }

    /// The HTTP library's error, sorted.
    pub(super) fn error(&self, url: &Url, error: reqwest::Error) -> HttpError {
        HttpError::sending(url, error, &self.roots)
    }

    fn proxy(&self, url: &Url, variable: &ProxyVariable) -> Result<Proxy, HttpError> {
        let address = variable
            .url()
            .map_err(|reason| HttpError::proxy_setting(url, variable.name, reason))?;
        Proxy::all(address).map_err(|error| self.error(url, error))
    }

    /// A server that wants a client certificate says so, in TLS 1.3, after the
    /// request was sent. HTTP/2 loses that alert half of the time, so that such
    /// a server is asked by HTTP/1.1.
    fn either<'a>(&self, pair: &'a Pair) -> &'a OnceLock<Client> {
        match self.nobody.was_asked() {
            true => &pair.http1,
            false => &pair.any,
        }
    }

    /// Verifies certificates by the machine's roots.
    fn verified(&self, url: &Url, builder: ClientBuilder) -> Result<ClientBuilder, HttpError> {
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let tls = tls(self.roots.load(), self.nobody.clone());
                let tls = tls.map_err(|error| HttpError::tls(url, error))?;
                self.tls.get_or_init(|| tls)
            }
        };
        let mut tls = tls.clone();
        if self.nobody.was_asked() {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        Ok(builder.tls_backend_preconfigured(tls))
    }

    fn cached<'a>(
        &self,
        slot: &'a OnceLock<Client>,
        url: &Url,
        shape: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, HttpError>,
    ) -> Result<&'a Client, HttpError> {
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        // Redirects, names, roots and proxies are by rules of ours. The library
        // would load the system's roots even for plain HTTP, and fail without any
        // (reqwest#2988).
        let builder = Client::builder()
            .user_agent(&self.user_agent)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .dns_resolver(SystemNames)
            .tls_certs_only([])
            .no_proxy();
        let client = shape(builder)?
            .build()
            .map_err(|error| self.error(url, error))?;
        // Two tasks may have built one; all use the first.
        Ok(slot.get_or_init(|| client))
    }
}

/// TLS 1.2 and 1.3 with certificates that `roots` vouch for.
fn tls(roots: &Roots, nobody: Arc<Nobody>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = CertificateVerifier::new(&roots.certificates, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(nobody);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The signer's own certificate: none. Notes whether any server wanted one.
#[derive(Debug, Default)]
struct Nobody(AtomicBool);

impl Nobody {
    fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// The reason why content of ours could not be read while it was sent, if so. Kept
/// beside the request: the library tells of it as of a connection that broke, and with
/// HTTP/2 without its cause. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct ContentFailure(Arc<OnceLock<String>>);

impl ContentFailure {
    /// The failure of the request to `url`, if this is its cause.
    pub(super) fn error(&self, url: &Url) -> Option<HttpError> {
        self.0.get().map(|reason| HttpError::content(url, reason))
    }

    fn note(&self, error: &std::io::Error) {
        self.0.get_or_init(|| error.to_string());
    }
}

/// A body that reads `content` on another thread while it is sent; `moved` is
/// called for each piece sent. Small content is read at once. A repetition
/// reads the content again from its start.
pub(super) fn streamed(
    content: &Content,
    unreadable: &ContentFailure,
    moved: impl Fn() + Send + Sync + 'static,
) -> Body {
    if content.length() <= IN_ONE_PIECE
        && let Ok(bytes) = content.to_bytes()
    {
        return Body::from(bytes);
    }
    let Some(receiver) = pieces_ahead(content, unreadable) else {
        // Each piece is read when it is sent.
        let pieces = pieces(content, unreadable).inspect(move |_| moved());
        return Body::wrap_stream(stream::iter(pieces));
    };
    let pieces = stream::unfold((receiver, moved), |(mut receiver, moved)| async {
        let piece = receiver.recv().await?;
        // The connection asks for a piece when it has taken the one before.
        moved();
        Some((piece, (receiver, moved)))
    });
    Body::wrap_stream(pieces)
}

/// The pieces of `content`, read by another thread; none if the machine has no thread
/// left.
fn pieces_ahead(
    content: &Content,
    unreadable: &ContentFailure,
) -> Option<mpsc::Receiver<std::io::Result<Bytes>>> {
    // Two pieces wait, so that memory does not grow with the content.
    let (sender, receiver) = mpsc::channel(2);
    let pieces = pieces(content, unreadable);
    let reading = move || {
        for piece in pieces {
            // The connection is gone.
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    };
    beside::spawn(Box::new(reading)).is_ok().then_some(receiver)
}

/// The content in a row, up to the first error.
fn pieces(
    content: &Content,
    unreadable: &ContentFailure,
) -> impl Iterator<Item = std::io::Result<Bytes>> + Send + use<> {
    let (mut reader, unreadable) = (content.open(), unreadable.clone());
    let mut is_over = false;
    let mut next = move || -> std::io::Result<Bytes> {
        let mut piece = Vec::with_capacity(PIECE);
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        read.inspect_err(|error| unreadable.note(error))?;
        Ok(Bytes::from(piece))
    };
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let piece = next();
        // An error is the last piece: the request fails with it, and the
        // registry gets no whole body.
        is_over = !matches!(&piece, Ok(piece) if !piece.is_empty());
        Some(piece).filter(|piece| !matches!(piece, Ok(piece) if piece.is_empty()))
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::TcpListener;
    use std::time::Instant;

    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::http::{Client, Method, Request, Response, Settings};
    use crate::oci::Reread;
    use crate::secret::Secrets;

    struct TooShort;

    impl Reread for TooShort {
        fn length(&self) -> u64 {
            IN_ONE_PIECE + 1
        }
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(io::empty()))
        }
    }

    /// A server that reads what it is sent, and answers nothing.
    fn http1() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = io::copy(&mut stream.unwrap(), &mut io::sink());
            }
        });
        url
    }

    /// The same, which speaks nothing but HTTP/2.
    async fn http2() -> String {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                let socket = acceptor.accept(socket).await.unwrap();
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok(asked)) = connection.accept().await {
                    unanswered.push(asked);
                }
            }
        });
        url
    }

    #[tokio::test]
    async fn content_that_cannot_be_read_is_no_failure_of_the_connection() {
        for (url, trust) in [
            (http1(), Trust::Verified),
            (http2().await, Trust::Unverified),
        ] {
            let error = sent(&url, trust).await.unwrap_err();
            assert!(matches!(error, HttpError::Content { .. }), "{url}: {error}");
        }
    }

    async fn sent(url: &str, trust: Trust) -> Result<Response, HttpError> {
        let client = Client::new(Settings {
            roots: LazyRoots::new(None, None),
            proxies: Proxies::default(),
            secrets: Secrets::default(),
            user_agent: String::new(),
            retry_budget: CONNECT,
            time: CONNECT,
            until: Instant::now() + CONNECT,
        });
        let mut request = Request::new(Method::PUT, url.parse().unwrap(), trust);
        request.body = Some(Content::from_source(TooShort));
        client.send(&request).await
    }
}
