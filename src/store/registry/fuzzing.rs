//! Fuzz targets for the answers of registries and token services.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use bytes::Bytes;
use url::Url;

use super::challenge::{self as challenges, Challenge};
use super::credentials::{Credential, IdentityProof, Source};
use super::endpoint::endpoint;
use super::manifests::{content_type, promised_digest};
use super::token as tokens;
use super::token_service::{self, TokenRequest};
use super::{answer, referrers, upload};
use crate::http::fuzzing::{answer as answered, asked, assert_may_lead};
use crate::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LINK, LOCATION, WWW_AUTHENTICATE};
use crate::http::{StatusCode, Trust, Zone};
use crate::oci::fuzzing::assert_readable;

/// One header per line: a chosen realm may see the credentials of the registry.
pub fn challenge(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    let Some(Challenge::Bearer { realm, .. }) = challenges::choose(&headers) else {
        return;
    };
    let credential = Credential {
        identity: IdentityProof::Anonymous,
        source: Some(Source::CnbRegistryAuth),
        lacking: Vec::new(),
        entry: None,
    };
    let wanted = TokenRequest {
        realm: &realm,
        service: None,
        scope: "repository:app:pull",
        credential: &credential,
        action: "reading",
    };
    for base in ["https://r.io/", "http://127.0.0.1:5000/", "http://r.io/"] {
        let base: Url = base.parse().expect("it is one");
        match token_service::check_realm(&endpoint(base.clone(), Trust::Verified), &wanted) {
            Ok(()) => {
                assert_may_lead(&base, &realm);
                let is_here = |url: &Url| Zone::of(url) == Zone::Loopback;
                let is_own = base.host() == realm.host() || is_here(&base) && is_here(&realm);
                assert!(is_own || realm.scheme() == "https", "{realm}");
            }
            Err(error) => assert_readable(&error),
        }
    }
}

/// A token is shown as `Bearer …`, is never printed, and does not live for ever.
pub fn token(data: &[u8]) {
    match tokens::read(data) {
        Ok(token) => {
            assert!(token.header.is_sensitive());
            assert!(token.header.as_bytes().starts_with(b"Bearer "));
            assert!(token.is_fresh());
        }
        Err(reason) => assert!(!reason.is_empty()),
    }
}

/// A registry's words fit in a line, together with the other headers that are
/// read.
pub fn error_answer(data: &[u8]) {
    let url: Url = "https://r.io/v2/".parse().expect("it is one");
    let header = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let of = |name| answered(url.clone(), StatusCode::BAD_REQUEST, name, header);
    if let Some(mut response) = of(CONTENT_TYPE) {
        response.body = Bytes::copy_from_slice(data);
        assert_in_a_line(&answer::read(&response).to_string());
        if let Some(media_type) = content_type(&response) {
            assert!(!media_type.as_str().is_empty());
        }
    }
    for name in ["docker-content-digest", "docker-upload-uuid"] {
        let name = name.parse().expect("it is a header's name");
        if let Some(response) = of(name) {
            let digest = promised_digest(&response);
            assert!(digest.is_none_or(|digest| digest.to_string().as_bytes() == header));
            assert_in_a_line(&answer::session_id(&response));
        }
    }
}

fn assert_in_a_line(text: &str) {
    assert!(
        !text.contains(char::is_control) && text.chars().count() < 700,
        "{text}"
    );
}

/// `<url>\n<Link>`: the next page is one of the same list.
pub fn link(data: &[u8]) {
    let Some((from, value)) = asked(data) else {
        return;
    };
    let Some(response) = answered(from.clone(), StatusCode::OK, LINK, value) else {
        return;
    };
    if let referrers::Continuation::Page(next) = referrers::next_page(&response) {
        let next = next.url;
        assert_eq!((next.origin(), next.path()), (from.origin(), from.path()));
    }
}

/// `<url>\n<Location>`: the blob goes to an address that the registry may lead
/// to, with its digest.
pub fn location(data: &[u8]) {
    let Some((from, value)) = asked(data) else {
        return;
    };
    let Some(response) = answered(from.clone(), StatusCode::ACCEPTED, LOCATION, value) else {
        return;
    };
    match upload::location(&response, "opening an upload session") {
        Ok(lead) => {
            let mut url = lead.url;
            assert_may_lead(&from, &url);
            let (host, path) = (url.origin(), url.path().to_owned());
            url.query_pairs_mut().append_pair("digest", "sha256:00");
            let last = url.query_pairs().last().expect("it was added");
            assert_eq!((&*last.0, &*last.1), ("digest", "sha256:00"));
            assert_eq!((url.origin(), url.path()), (host, path.as_str()));
        }
        Err(error) => assert_readable(&error),
    }
}
