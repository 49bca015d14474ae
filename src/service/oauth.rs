//! Token endpoints (RFC 6749, section 5): a form goes there, a token comes back,
//! or a word why not. Google's and Azure's are asked so, and their metadata
//! services answer in the same form.
//!
//! A form holds secrets, in its body alone: no URL and no argument has one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::answer::{action, json, said};
use super::error::{Said, Trouble};
use super::token::{Seconds, Token, sensitive};
use super::variables::Variables;
use crate::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use crate::http::{Client, Method, Request, Response, Trust, Zone};
use crate::oci::Content;

/// The most characters of a token that is taken. Azure's grow with the groups of
/// an identity.
const LONGEST: usize = 32 * 1024;

/// The answer of a token endpoint, and of the metadata services of Google and
/// Azure. The type of the token is not looked at: all are bearer tokens.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: Zeroizing<String>,
    expires_in: Option<Seconds>,
}

/// A refusal. Google's other services have an object for `error`, and proxies may
/// answer anything: members of other forms are passed over.
#[derive(Deserialize)]
struct TokenRefusal {
    error: Option<Box<RawValue>>,
    error_description: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorObject {
    message: Option<String>,
}

/// A form for a token endpoint. It may be sent again: another token is no harm.
/// It is not sent to another host, since a `POST` follows no redirect elsewhere.
pub(super) fn form(url: Url, fields: &[(&str, &str)]) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let mut request = Request::new(Method::POST, url, Trust::Verified)
        .header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        )
        .header(ACCEPT, HeaderValue::from_static("application/json"));
    request.body = Some(Content::from(form.finish().into_bytes()));
    request
}

/// `Authorization: Basic …` of a client (RFC 6749, section 2.3.1). `None` cannot
/// happen: base64 fits into a header.
pub(super) fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
    sensitive(value.as_bytes())
}

/// Asks for a token, which is hidden from now on.
///
/// # Errors
/// On a refusal, sorted by its words, and on an answer without a token.
pub(super) async fn fetch(
    client: &Client,
    request: &Request,
    variables: &Variables,
) -> Result<Token, Trouble> {
    let response = client.send(request).await?;
    let action = action(request);
    if !response.status.is_success() {
        return Err(refusal(&response, action));
    }
    read(&response.body, variables).ok_or(Trouble::Answer {
        action,
        reason: "it holds no token",
    })
}

/// The token of an answer, if there is one that can stand in a header.
pub(super) fn read(body: &[u8], variables: &Variables) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let lifetime = answer.expires_in.and_then(Into::into);
    let text = is_token(&answer.access_token).then_some(&answer.access_token)?;
    Some(Token::new(text, lifetime, variables))
}

/// Whether a text is a token, of visible characters: a line break would end the
/// header that shows it.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// An error answer, sorted by its words: token endpoints say `invalid_grant` of a
/// wrong clock and of an expired token alike.
pub(super) fn refusal(response: &Response, action: String) -> Trouble {
    let text = json::<TokenRefusal>(response).and_then(words);
    let answer = said(response, text.as_deref());
    sorted(response.status.as_u16(), action, answer)
}

fn sorted(status: u16, action: String, answer: Said) -> Trouble {
    // Microsoft's codes of an assertion and of a secret that have expired.
    let is_expired = |words: &str| {
        ["expired", "AADSTS700024", "AADSTS7000222"]
            .iter()
            .any(|sign| words.contains(sign))
    };
    match status {
        // Google of a JWT that is not of this hour.
        400 | 401 if answer.0.contains("reasonable timeframe") => Trouble::Clock { action, answer },
        400 | 401 | 403 if is_expired(&answer.0) => Trouble::Expired { action, answer },
        400 | 401 | 403 => Trouble::Denied { action, answer },
        status => Trouble::Status {
            action,
            status,
            answer,
        },
    }
}

/// The code and its description, in whichever of the three forms they come.
fn words(refusal: TokenRefusal) -> Option<String> {
    let error = refusal.error.as_ref().map(|error| error.get());
    let text = error.and_then(|error| serde_json::from_str::<String>(error).ok());
    let object = error.and_then(|error| serde_json::from_str::<ErrorObject>(error).ok());
    let message = object.and_then(|object| object.message).or(refusal.message);
    match (text, refusal.error_description.or(message)) {
        (Some(text), Some(more)) => Some(format!("{text}: {more}")),
        (text, more) => more.or(text),
    }
}

/// The URL of a service that is shown secrets: by HTTPS, or on this machine. Most
/// come from files of credentials, which may be somebody else's work, so that
/// plain HTTP is no choice of the user's as it is for an
/// [`parse_endpoint`](super::parse_endpoint).
///
/// # Errors
/// On a text that is no such URL; with the reason.
pub fn safe_url(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.parse().map_err(|_| "it is no URL")?;
    let is_bare = url.username().is_empty() && url.password().is_none();
    match (url.scheme(), Zone::of(&url)) {
        _ if !is_bare => Err("it has a user or a password"),
        ("https", _) | ("http", Zone::Loopback) => Ok(url),
        ("http", _) => Err("secrets are not sent there without TLS"),
        _ => Err("it is not HTTP"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Option<String> {
        words(serde_json::from_str(body).unwrap())
    }

    #[test]
    fn a_refusal_is_read_in_each_form() {
        let plain = r#"{"error":"invalid_grant","error_description":"Bad Request"}"#;
        assert_eq!(said(plain).as_deref(), Some("invalid_grant: Bad Request"));
        let google = r#"{"error":{"code":403,"message":"Permission denied","status":"X"}}"#;
        assert_eq!(said(google).as_deref(), Some("Permission denied"));
        assert_eq!(said(r#"{"error":"only"}"#).as_deref(), Some("only"));
        assert_eq!(said(r#"{"message":"m"}"#).as_deref(), Some("m"));
        assert_eq!(said("{}"), None);
    }

    #[test]
    fn refusals_are_sorted_by_their_remedy() {
        let of = |status, words: &str| {
            sorted(status, "POST https://h".to_owned(), Said(words.to_owned()))
        };
        let jwt = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                   reasonable timeframe";
        assert!(matches!(of(400, jwt), Trouble::Clock { .. }));
        let assertion = "AADSTS700024: Client assertion is not within its valid time range";
        assert!(matches!(of(401, assertion), Trouble::Expired { .. }));
        assert!(matches!(of(401, "invalid_client"), Trouble::Denied { .. }));
        assert!(matches!(of(404, ""), Trouble::Status { .. }));
    }

    #[test]
    fn secrets_go_nowhere_without_tls() {
        for url in ["https://a.b/c", "http://127.0.0.1:1/t", "http://localhost/"] {
            assert!(safe_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://a.b/",
            "http://169.254.169.254/",
            "file:///etc",
            "a",
            "https://u:p@a.b/",
        ] {
            assert!(safe_url(url).is_err(), "{url}");
        }
    }
}
