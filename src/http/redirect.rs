//! Which redirects are followed. The rules come from attacks on other clients:
//! credentials sent to a foreign host, and hosts made to ask the client's own
//! network.

use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Method;
use reqwest::header::LOCATION;
use url::{Host, Url};

use super::error::HttpError;
use super::{Request, Response};

/// The most redirects of one request.
pub(super) const MOST: usize = 5;

/// Where an answer sends the client on, if it does. Only reading requests
/// follow.
pub(super) fn target(request: &Request, response: &Response) -> Result<Option<Url>, HttpError> {
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    if !reads || !matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refuse = |reason| HttpError::redirect(&response.url, reason);
    let location = response
        .header(LOCATION.as_str())
        .ok_or_else(|| refuse("it does not say where"))?;
    let next = response
        .url
        .join(location)
        .map_err(|_| refuse("its target is no URL"))?;
    check_target(&response.url, &next).map_err(refuse)?;
    Ok(Some(next))
}

/// Whether a host may send the client from `from` to `to`.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_target(from: &Url, to: &Url) -> Result<(), &'static str> {
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err("from HTTPS to plain HTTP"),
        _ => return Err("to something that is not HTTP"),
    }
    if from.host() == to.host() {
        return Ok(());
    }
    if is_link_local(to) {
        return Err("to a link-local address");
    }
    if is_inside(to) && !is_inside(from) {
        return Err("from a public host into a private network");
    }
    Ok(())
}

/// Whether a URL names an address that is good on one link only. Clouds serve
/// a machine's own credentials there; no registry lives there.
pub fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_link_local_v4(address),
        Some(Host::Ipv6(address)) => {
            address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(is_link_local_v4)
                // AWS's metadata service.
                || address == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
        }
        Some(Host::Domain(_)) | None => false,
    }
}

fn is_link_local_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || address.is_unspecified() || address.is_broadcast()
}

/// Whether a URL names, by address, the machine itself or its network.
pub fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                // "This network" (RFC 791), and what carriers and clouds share
                // among their own (RFC 6598).
                || matches!(address.octets(), [0, ..] | [100, 64..=127, ..])
        }
        Some(Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some()
        }
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_that_weaken_a_request_are_refused() {
        let check = |from: &str, to: &str| {
            check_target(&from.parse().unwrap(), &to.parse().unwrap()).is_ok()
        };
        assert!(check("https://r.io/a", "https://cdn.example/b"));
        assert!(check("http://127.0.0.1:1/a", "http://127.0.0.1:2/b"));
        assert!(check("http://127.0.0.1:1/a", "http://localhost:2/b"));
        assert!(!check("https://r.io/a", "http://r.io/a"));
        assert!(!check("https://r.io/a", "file:///etc/passwd"));
        for inside in [
            "127.0.0.1",
            "169.254.169.254",
            "10.0.0.1",
            "100.100.100.200",
            "0.0.0.1",
            "[::1]",
            "[fd00::1]",
            "localhost",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "localhost.",
        ] {
            assert!(
                !check("https://r.io/a", &format!("https://{inside}/")),
                "{inside}"
            );
        }
        assert!(check("https://10.0.0.1/", "https://10.0.0.2/"));
        for link_local in ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "0.0.0.0"] {
            let target = format!("https://{link_local}/");
            assert!(!check("https://10.0.0.1/", &target), "{target}");
            assert!(!check("https://127.0.0.1/", &target), "{target}");
        }
    }
}
