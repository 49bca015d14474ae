//! Fuzz targets for headers that steer the client, and for printed text.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WARNING};
use reqwest::{Method, StatusCode};
use url::{Host, Url};

use super::certificate::ServerCertificate;
use super::redact::{Redacted, printable};
use super::{Reach, Request, Response, Trust, redirect, retry, warning};
use crate::oci::fuzzing::assert_readable;

/// An answer of `url` with one header. None: no server could send that header.
pub fn answer(url: Url, status: StatusCode, name: HeaderName, value: &[u8]) -> Option<Response> {
    let mut headers = HeaderMap::new();
    headers.append(name, HeaderValue::from_bytes(value).ok()?);
    let body = Bytes::new();
    Some(Response {
        url,
        reach: Reach::Any,
        peer: None,
        status,
        headers,
        body,
        attempts: 1,
        secrets: Default::default(),
    })
}

/// The first line as the URL of the request, and the other bytes.
pub fn asked(data: &[u8]) -> Option<(Url, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = data.split_at_checked(end)?;
    let url: Url = std::str::from_utf8(line).ok()?.parse().ok()?;
    matches!(url.scheme(), "http" | "https").then_some((url, rest.get(1..)?))
}

/// A host leads the client neither from HTTPS to plain HTTP nor into a network
/// that it is not itself in.
pub fn assert_may_lead(from: &Url, to: &Url) {
    assert!(matches!(to.scheme(), "http" | "https"), "{to}");
    assert!(from.scheme() != "https" || to.scheme() == "https", "{to}");
    let is_other = from.host() != to.host();
    assert!(!is_other || !is_internal(to) || is_internal(from), "{to}");
    assert!(!is_other || !is_own(to) || is_own(from), "{to}");
}

/// Whether a URL names the machine itself.
fn is_own(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.is_loopback(),
            None => address.is_loopback(),
        },
        Some(Host::Domain(_)) | None => is_internal(url),
    }
}

/// By RFC 6890 and its successors, written a second time, independent of the
/// parser's rule.
fn is_internal(url: &Url) -> bool {
    let of = |address: Ipv4Addr| match address.octets() {
        [0 | 10 | 127, ..] | [192, 168, ..] | [169, 254, ..] => true,
        [172, second, ..] => second >> 4 == 1,
        [100, second, ..] => second >> 6 == 1,
        _ => false,
    };
    match url.host() {
        Some(Host::Ipv4(address)) => of(address),
        Some(Host::Ipv6(address)) => match address.segments() {
            [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 => true,
            [0, 0, 0, 0, 0, 0xffff, ..] => address.to_ipv4().is_some_and(of),
            _ => address == Ipv6Addr::LOCALHOST || address == Ipv6Addr::UNSPECIFIED,
        },
        Some(Host::Domain(name)) => {
            let labels: Vec<_> = name.split('.').filter(|label| !label.is_empty()).collect();
            labels.last() == Some(&"localhost")
        }
        None => true,
    }
}

/// `<url>\n<Location>`.
pub fn redirect(data: &[u8]) {
    let Some((from, location)) = asked(data) else {
        return;
    };
    let status = StatusCode::TEMPORARY_REDIRECT;
    let Some(response) = answer(from.clone(), status, LOCATION, location) else {
        return;
    };
    let request = Request::new(Method::GET, from.clone(), Trust::Verified);
    match redirect::target(&request, &response) {
        Ok(to) => assert_may_lead(&from, &to.expect("it is a redirect").url),
        Err(error) => assert_readable(&error),
    }
}

/// A wait is one that a clock can count.
pub fn retry_after(data: &[u8]) {
    let url: Url = "https://r.io/v2/".parse().expect("it is one");
    let status = StatusCode::TOO_MANY_REQUESTS;
    let Some(response) = answer(url, status, RETRY_AFTER, data) else {
        return;
    };
    if let Some(wait) = retry::retry_after(&response) {
        assert!(Instant::now().checked_add(wait).is_some(), "{wait:?}");
    }
}

/// One `Warning` per line; each text that is shown fits in a line.
pub fn warning(data: &[u8]) {
    let url: Url = "https://r.io/v2/".parse().expect("it is one");
    let mut response = answer(url, StatusCode::OK, WARNING, b"").expect("an empty header");
    for line in data.split(|byte| *byte == b'\n').take(64) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            response.headers.append(WARNING, value);
        }
    }
    for text in warning::texts(&response) {
        assert!(!text.is_empty() && text.chars().count() < 330);
        assert!(!text.contains(char::is_control), "{text}");
    }
}

/// A printed URL shows no password and no value of a query parameter that
/// could be one.
pub fn redacted(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let url: Url = "https://r.io/v2/".parse().expect("it is one");
    let response = answer(url, StatusCode::BAD_REQUEST, WARNING, b"").map(|answer| Response {
        body: Bytes::copy_from_slice(data),
        ..answer
    });
    for shown in [
        printable(&text),
        response.expect("an empty header").last_words(),
    ] {
        assert!(!shown.contains(char::is_control) && shown.chars().count() < 330);
    }
    let Ok(mut url) = text.parse::<Url>() else {
        return;
    };
    const SECRET: &str = "cAnArY0123456789";
    // A path or the name of a parameter may say anything.
    let says_it_already = Redacted(&url).to_string().contains(SECRET);
    if !matches!(url.scheme(), "http" | "https") || says_it_already {
        return;
    }
    let could_set = url.set_password(Some(SECRET)).is_ok() && url.set_username(SECRET).is_ok();
    assert!(could_set);
    url.query_pairs_mut().append_pair("_state", SECRET);
    let shown = Redacted(&url).to_string();
    assert!(
        !shown.contains(SECRET) && !shown.contains(char::is_control),
        "{shown}"
    );
}

/// A certificate is read whole or refused, and its copy without authority
/// differs in that alone.
pub fn certificate(data: &[u8]) {
    let Ok(certificate) = ServerCertificate::parse(data) else {
        return;
    };
    let Some(copy) = certificate.without_authority() else {
        return;
    };
    assert_eq!(copy.len(), data.len());
    let differ = data.iter().zip(&copy).filter(|(a, b)| a != b);
    assert_eq!(differ.count(), 1);
    let copy = ServerCertificate::parse(&copy).expect("a certificate");
    assert!(!copy.may_sign(0) && copy.without_authority().is_none());
}
