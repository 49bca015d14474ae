//! Which requests go through which proxy, by Go's rules
//! (`golang.org/x/net/http/httpproxy` and `net/http`, Go 1.26), which the
//! lifecycle's other phases follow.
//!
//! Unlike Go, a setting that names no proxy is an error for each request that
//! needs it: the signer does not decide to ask directly instead (SIG-63 to
//! SIG-65).

use std::ffi::OsString;
use std::net::IpAddr;

use url::{Host, Url, form_urlencoded};
use zeroize::Zeroizing;

use super::error::HttpError;
use crate::secret::{Secret, Secrets};

/// A variable that names a proxy. Its URL may hold a password.
#[derive(Debug)]
pub struct ProxyVariable {
    pub name: &'static str,
    pub value: Secret,
}

/// The proxies that Go's rules find in the environment.
#[derive(Debug, Default)]
pub struct Proxies {
    /// For plain HTTP.
    pub http: Option<ProxyVariable>,
    /// For HTTPS.
    pub https: Option<ProxyVariable>,
    /// Hosts that are asked directly, separated by commas.
    pub none: Option<OsString>,
    /// Whether a web server started this process (`REQUEST_METHOD`). The web
    /// server's clients set `HTTP_PROXY` then, by a header `Proxy`.
    pub is_cgi: bool,
}

impl Proxies {
    /// Another copy, for another owner. Not `Clone`: passwords are copied on
    /// purpose.
    pub fn copy(&self) -> Self {
        let of = |variable: &ProxyVariable| ProxyVariable {
            name: variable.name,
            value: variable.value.copy(),
        };
        Self {
            http: self.http.as_ref().map(of),
            https: self.https.as_ref().map(of),
            none: self.none.clone(),
            is_cgi: self.is_cgi,
        }
    }

    /// Remembers the passwords of the proxies: a proxy that answers in a
    /// registry's place may repeat them.
    pub(super) fn remember(&self, secrets: &Secrets) {
        let variables = [&self.http, &self.https].into_iter().flatten();
        variables.for_each(|variable| variable.remember(secrets));
    }

    /// The proxy for `url`, or none if it is asked directly.
    ///
    /// # Errors
    /// If `HTTP_PROXY` would count in a process that a web server started.
    pub(super) fn of(&self, url: &Url) -> Result<Option<&ProxyVariable>, HttpError> {
        // `ALL_PROXY` is none of Go's.
        let proxy = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        let Some(proxy) = proxy.as_ref().filter(|_| self.apply_to(url)) else {
            return Ok(None);
        };
        // httpoxy: whoever asks the web server would choose the proxy (SIG-65).
        if self.is_cgi && url.scheme() == "http" {
            let reason = "a web server may have set it (`REQUEST_METHOD` is set)";
            return Err(HttpError::proxy_setting(url, proxy.name, reason));
        }
        Ok(Some(proxy))
    }

    fn apply_to(&self, url: &Url) -> bool {
        let Some(target) = AskedHost::of(url) else {
            return false;
        };
        let list = self.none.as_ref().map(|list| list.to_string_lossy());
        let list = list.unwrap_or_default();
        let mut exceptions = list.split(',').filter_map(Exception::parse);
        // Go asks the machine itself directly, whatever the variables say.
        !target.is_this_machine() && !exceptions.any(|exception| exception.covers(&target))
    }
}

/// The plain user or password of a URL.
fn percent_decoded(text: &str) -> Secret {
    // Decoding of forms also changes `+`, `&` and `=`, so that these are
    // encoded first.
    let text = Zeroizing::new(
        text.replace('+', "%2B")
            .replace('&', "%26")
            .replace('=', "%3D"),
    );
    let name = form_urlencoded::parse(text.as_bytes()).next();
    Secret::from(name.unwrap_or_default().0.into_owned())
}

impl ProxyVariable {
    pub(super) fn remember(&self, secrets: &Secrets) {
        // By hand: a value that is no URL may hold a password as well.
        let text = self.value.expose_str().unwrap_or_default();
        let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        let Some((login, _)) = authority.rsplit_once('@') else {
            return;
        };
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        // As it is written, and below as it is sent.
        secrets.remember(password.as_bytes());
        let (user, password) = (percent_decoded(user), percent_decoded(password));
        secrets.remember_login(user.expose_str().unwrap_or_default(), password.expose());
    }

    /// The proxy's address. A scheme that is missing is `http`.
    ///
    /// # Errors
    /// On anything else that is no address of a proxy. The reason does not
    /// repeat the value.
    pub(super) fn url(&self) -> Result<Url, &'static str> {
        let text = self.value.expose_str().ok_or("it is not UTF-8")?;
        // `proxy:8080` is a URL with the scheme `proxy`, and without a host.
        let with_host = |url: &Url| url.has_host() && url.host_str() != Some("");
        let mut url = match Url::parse(text).ok().filter(with_host) {
            Some(url) => url,
            None if text.contains("://") => return Err("it is no URL of a proxy"),
            None => Url::parse(&format!("http://{text}"))
                .ok()
                .filter(with_host)
                .ok_or("it is no URL of a proxy")?,
        };
        match url.scheme() {
            "http" | "https" => Ok(url),
            // Go lets the proxy find the host in both cases.
            "socks5" | "socks5h" => match url.set_scheme("socks5h") {
                Ok(()) => Ok(url),
                Err(()) => Err("it is no URL of a proxy"),
            },
            _ => Err("its scheme is none of `http`, `https`, `socks5` and `socks5h`"),
        }
    }
}

/// The host of a request.
struct AskedHost {
    /// In lower case, and without the brackets of IPv6.
    host: String,
    address: Option<IpAddr>,
    port: u16,
}

impl AskedHost {
    fn of(url: &Url) -> Option<Self> {
        let (host, address) = match url.host()? {
            Host::Domain(name) => (name.to_ascii_lowercase(), None),
            Host::Ipv4(address) => (address.to_string(), Some(address.into())),
            Host::Ipv6(address) => (address.to_string(), Some(IpAddr::from(address))),
        };
        let address = address.map(|address| address.to_canonical());
        let port = url.port_or_known_default()?;
        Some(Self {
            host,
            address,
            port,
        })
    }

    /// A name below `localhost` is none here, as with Go.
    fn is_this_machine(&self) -> bool {
        match self.address {
            Some(address) => address.is_loopback(),
            None => self.host == "localhost",
        }
    }
}

/// An entry of `NO_PROXY`.
enum Exception {
    Everything,
    Network {
        address: IpAddr,
        length: u32,
    },
    Address {
        address: IpAddr,
        port: String,
    },
    Domain {
        /// Begins with a dot.
        suffix: String,
        port: String,
        itself: Itself,
    },
}

/// Whether an entry covers the host of its own name, or only those below it.
#[derive(PartialEq, Eq)]
enum Itself {
    Covered,
    NotCovered,
}

impl Exception {
    /// None for an entry that is empty, or has no host.
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_lowercase();
        match entry.as_str() {
            "" => return None,
            "*" => return Some(Self::Everything),
            _ => {}
        }
        // In the order of `httpproxy`: a network, an address, a name.
        if let Some((address, length)) = network(&entry) {
            return Some(Self::Network { address, length });
        }
        let (host, port) = split_port(&entry).unwrap_or((&entry, ""));
        let port = port.to_owned();
        if let Ok(address) = host.parse::<IpAddr>() {
            let address = address.to_canonical();
            return Some(Self::Address { address, port });
        }
        Self::domain(host, port)
    }

    /// `.example` and `*.example` cover the names below alone, `example` itself too.
    fn domain(host: &str, port: String) -> Option<Self> {
        let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.'));
        let name = name.unwrap_or(host);
        let (name, itself) = match name.strip_prefix('.') {
            Some(name) => (name, Itself::NotCovered),
            None if name.is_empty() => return None,
            None => (name, Itself::Covered),
        };
        Some(Self::Domain {
            suffix: format!(".{}", ascii(name)),
            port,
            itself,
        })
    }

    fn covers(&self, target: &AskedHost) -> bool {
        let at = |port: &str| port.is_empty() || port == target.port.to_string();
        match (self, target.address) {
            (Self::Everything, _) => true,
            (Self::Network { address, length }, Some(asked)) => is_within(asked, *address, *length),
            (Self::Address { address, port }, Some(asked)) => *address == asked && at(port),
            (
                Self::Domain {
                    suffix,
                    port,
                    itself,
                },
                None,
            ) => {
                let is_itself = suffix.strip_prefix('.') == Some(&target.host);
                let is_below = target.host.ends_with(suffix.as_str());
                (is_below || is_itself && *itself == Itself::Covered) && at(port)
            }
            _ => false,
        }
    }
}

/// An address and the length of its prefix (CIDR).
fn network(entry: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = entry.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u32 = length.parse().ok().filter(|_| is_number)?;
    match (address, address.to_canonical()) {
        (IpAddr::V4(_), _) if length > 32 => None,
        (IpAddr::V6(_), _) if length > 128 => None,
        // IPv4 in IPv6.
        (IpAddr::V6(_), short @ IpAddr::V4(_)) if length >= 96 => Some((short, length - 96)),
        _ => Some((address, length)),
    }
}

/// IPv4 is compared in the upper 32 bits, so that its prefix lengths count from
/// the same end.
fn is_within(asked: IpAddr, network: IpAddr, length: u32) -> bool {
    let differ = match (asked, network) {
        (IpAddr::V4(asked), IpAddr::V4(network)) => {
            u128::from(asked.to_bits() ^ network.to_bits()) << 96
        }
        (IpAddr::V6(asked), IpAddr::V6(network)) => asked.to_bits() ^ network.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= length
}

/// Host and port by the rules of Go's `net.SplitHostPort`, where there is a
/// port: `host:port` or `[address]:port`.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match inner {
        Some(inner) => inner,
        None if host.contains(':') => return None,
        None => host,
    };
    let is_plain = |text: &str| !text.contains(['[', ']']);
    (is_plain(host) && is_plain(port)).then_some((host, port))
}

/// A name in the form that requests use: with `xn--` where it has other letters
/// than those of ASCII.
fn ascii(name: &str) -> String {
    if name.is_ascii() {
        return name.to_owned();
    }
    match Host::parse(name) {
        Ok(Host::Domain(name)) => name,
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
