//! The rules for following redirects.

use reqwest::Method;
use reqwest::header::LOCATION;
use url::Url;

use super::error::HttpError;
use super::reach::{Astray, Lead};
use super::{Redirects, Request, Response};

/// The most redirects of one request (WIRE-16).
pub(super) const MOST: usize = 5;

/// The target of a redirect, if the answer is one. Requests that write follow
/// within the origin that they were meant for, and only with method and body
/// unchanged (307 and 308, RFC 9110 section 15.4). Any other redirect of theirs
/// is the answer, an unexpected status: nothing is written elsewhere than it
/// was checked.
pub(super) fn target(request: &Request, response: &Response) -> Result<Option<Lead>, HttpError> {
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let is_redirect = match response.status.as_u16() {
        // Clients make a `GET` of a `POST` that is answered so.
        301..=303 => reads,
        307 | 308 => true,
        _ => false,
    };
    if !is_redirect || request.redirects == Redirects::Answered {
        return Ok(None);
    }
    let location = response.header(LOCATION.as_str());
    if !reads && !location.is_some_and(|location| stays(response, location)) {
        return Ok(None);
    }
    let location = location.ok_or_else(|| HttpError::redirect(&response.url, Astray::Nowhere))?;
    let lead = response.leads_to(location);
    let lead = lead.map_err(|reason| refused(&response.url, location, reason))?;
    Ok(Some(lead))
}

fn stays(response: &Response, location: &str) -> bool {
    let target = response.url.join(location);
    target.is_ok_and(|target| target.origin() == response.url.origin())
}

fn refused(from: &Url, location: &str, reason: Astray) -> HttpError {
    match from.join(location) {
        Ok(to) => HttpError::misled(from, &to, reason),
        Err(_) => HttpError::redirect(from, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::fuzzing::answer;
    use crate::http::{StatusCode, Trust};

    fn follows(method: Method, status: u16, location: &str) -> Option<String> {
        let url: Url = "https://r.io/v2/a".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let response = answer(url.clone(), status, LOCATION, location.as_bytes()).unwrap();
        let lead = target(&Request::new(method, url, Trust::Verified), &response);
        lead.unwrap().map(|lead| lead.url.to_string())
    }

    #[test]
    fn what_reads_follows_to_other_hosts_and_what_writes_within_its_own() {
        for status in [301, 302, 303, 307, 308] {
            for method in [Method::GET, Method::HEAD] {
                let followed = follows(method, status, "https://cdn.example/a");
                assert_eq!(followed.as_deref(), Some("https://cdn.example/a"));
            }
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let keeps = matches!(status, 307 | 308);
                let within = follows(method.clone(), status, "/v2/b");
                assert_eq!(within.is_some(), keeps, "{method} {status}");
                for elsewhere in [
                    "https://cdn.example/a",
                    "https://r.io:444/v2/a",
                    "http://r.io/v2/a",
                ] {
                    assert_eq!(follows(method.clone(), status, elsewhere), None);
                }
            }
        }
        for status in [200, 201, 202, 300, 304, 305, 401] {
            assert_eq!(follows(Method::GET, status, "/v2/b"), None, "{status}");
        }
    }
}
