//! The connections: what is verified, what is proxied, how bodies are streamed.

use std::ffi::OsString;
use std::io::Read;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::redirect::Policy;
use reqwest::{Body, Certificate, Client, ClientBuilder, NoProxy, Proxy};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use url::Url;

use super::error::HttpError;
use super::reach::{Outward, Reach, Zone};
use super::roots::LazyRoots;
use crate::oci::Content;
use crate::secret::Secret;

const CONNECT: Duration = Duration::from_secs(10);
/// Bodies up to this size are sent from memory.
const SMALL: u64 = 256 * 1024;
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

/// The proxies that Go's rules find in the environment. A URL may hold a
/// password.
#[derive(Debug, Default)]
pub struct Proxies {
    /// For plain HTTP.
    pub http: Option<Secret>,
    /// For HTTPS.
    pub https: Option<Secret>,
    /// Hosts that are asked directly, separated by commas.
    pub none: Option<OsString>,
}

impl Proxies {
    fn are_none(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }

    /// The names and addresses of the proxies themselves.
    fn hosts(&self) -> Vec<String> {
        let urls = self.http.iter().chain(&self.https);
        let urls = urls.filter_map(|url| {
            let text = url.expose_str()?;
            // As the library does: a proxy may be given without a scheme.
            let url = Url::parse(text).ok().filter(Url::has_host);
            url.or_else(|| Url::parse(&format!("http://{text}")).ok())
        });
        urls.filter_map(|url| Some(url.host_str()?.to_owned()))
            .collect()
    }

    /// Only these, whatever else the environment says.
    fn add_to(&self, builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        let none = self.none.as_ref();
        let none = none.and_then(|hosts| NoProxy::from_string(&hosts.to_string_lossy()));
        let text = |url: &Option<Secret>| {
            let text = url
                .as_ref()
                .and_then(Secret::expose_str)
                .unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let mut builder = builder.no_proxy();
        if let Some(url) = text(&self.http) {
            builder = builder.proxy(Proxy::http(url)?.no_proxy(none.clone()));
        }
        if let Some(url) = text(&self.https) {
            builder = builder.proxy(Proxy::https(url)?.no_proxy(none));
        }
        Ok(builder)
    }
}

pub(super) struct Clients {
    roots: LazyRoots,
    proxies: Proxies,
    user_agent: String,
    proxied: OnceLock<Client>,
    direct: OnceLock<Client>,
    plain: OnceLock<Client>,
    unverified: OnceLock<Client>,
    outward: OnceLock<Client>,
}

impl Clients {
    pub(super) fn new(roots: LazyRoots, proxies: Proxies, user_agent: String) -> Self {
        Self {
            roots,
            proxies,
            user_agent,
            proxied: OnceLock::new(),
            direct: OnceLock::new(),
            plain: OnceLock::new(),
            unverified: OnceLock::new(),
            outward: OnceLock::new(),
        }
    }

    /// The client for `url`. Like Go, it never asks a proxy for the machine
    /// itself.
    pub(super) fn of(&self, trust: Trust, reach: Reach, url: &Url) -> Result<&Client, HttpError> {
        let is_plain = url.scheme() == "http";
        if reach == Reach::Outward {
            return self.outward(url);
        }
        match trust {
            Trust::Unverified => self.cached(&self.unverified, url, &[], |builder| {
                Ok(builder.no_proxy().tls_danger_accept_invalid_certs(true))
            }),
            Trust::Verified if is_plain && (is_loopback(url) || self.proxies.are_none()) => {
                self.cached(&self.plain, url, &[], |builder| Ok(builder.no_proxy()))
            }
            Trust::Verified if is_loopback(url) => {
                let roots = &self.roots.load().certificates;
                self.cached(&self.direct, url, roots, |builder| Ok(builder.no_proxy()))
            }
            Trust::Verified => {
                let roots = &self.roots.load().certificates;
                self.cached(&self.proxied, url, roots, |builder| {
                    self.proxies.add_to(builder)
                })
            }
        }
    }

    /// The client for where other hosts led, which are never insecure by the
    /// user's word. A connection of another client is not used again: it may
    /// lead to the machine itself.
    fn outward(&self, url: &Url) -> Result<&Client, HttpError> {
        let roots = &self.roots.load().certificates;
        self.cached(&self.outward, url, roots, |builder| {
            let resolver = Outward::new(self.proxies.hosts());
            self.proxies.add_to(builder.dns_resolver(resolver))
        })
    }

    /// Whether a connection for `url` is one to its host.
    pub(super) fn is_direct(&self, trust: Trust, url: &Url) -> bool {
        trust == Trust::Unverified || is_loopback(url) || self.proxies.are_none()
    }

    /// What the HTTP library says, sorted.
    pub(super) fn error(&self, url: &Url, error: reqwest::Error) -> HttpError {
        HttpError::sending(url, error, &self.roots)
    }

    fn cached<'a>(
        &'a self,
        slot: &'a OnceLock<Client>,
        url: &Url,
        roots: &[CertificateDer<'static>],
        shape: impl Fn(ClientBuilder) -> reqwest::Result<ClientBuilder>,
    ) -> Result<&'a Client, HttpError> {
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let roots = roots
            .iter()
            .filter_map(|root| Certificate::from_der(root).ok());
        let builder = Client::builder()
            .user_agent(&self.user_agent)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .tls_certs_only(roots);
        let client = shape(builder)
            .and_then(ClientBuilder::build)
            .map_err(|error| self.error(url, error))?;
        Ok(slot.get_or_init(|| client))
    }
}

fn is_loopback(url: &Url) -> bool {
    Zone::of(url) == Zone::Loopback
}

/// A body that reads `content` on a blocking thread as it is sent. Small
/// content is read at once.
pub(super) fn streamed(content: &Content) -> Body {
    if content.length() <= SMALL
        && let Ok(bytes) = content.to_bytes()
    {
        return Body::from(bytes);
    }
    let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(2);
    let content = content.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send_pieces(&content, &sender) {
            let _ = sender.blocking_send(Err(error));
        }
    });
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    Body::wrap_stream(pieces)
}

/// Ends early, without an error, when nobody listens any more.
fn send_pieces(
    content: &Content,
    sender: &mpsc::Sender<std::io::Result<Bytes>>,
) -> std::io::Result<()> {
    let mut reader = content.open()?;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() || sender.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}
