//! Tokens of a registry's token service: the distribution project's
//! `spec/auth/token.md` (GET) and `spec/auth/oauth.md` (POST with an identity
//! token).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::answer;
use super::credentials::{Credential, Identity};
use super::endpoint::Endpoint;
use super::error::StoreError;
use crate::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use crate::http::{
    Astray, Client, HttpError, Method, Reach, Redacted, Redirects, Request, Trust, Zone,
    check_zones,
};
use crate::secret::Secret;

const BEARER: &str = "Bearer ";
const CLIENT_ID: &str = "cnb-signer";
/// How long a token lives if its service does not say (spec/auth/token.md).
const DEFAULT_LIFE: u64 = 60;
/// How long a token counts as just fetched.
const NEW: Duration = Duration::from_secs(5);

/// A token as it is shown to the registry.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// It replaced a refused token.
    pub(super) is_second: bool,
    fetched: Instant,
    expires: Instant,
}

impl Token {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.expires
    }

    /// Whether it is so new that its refusal is meant, and not due to its age.
    pub(super) fn is_new(&self) -> bool {
        self.fetched.elapsed() < NEW
    }
}

/// A request to a token service, and the identity that it shows.
pub(super) struct TokenRequest<'a> {
    pub(super) realm: &'a Url,
    pub(super) service: Option<&'a str>,
    /// `repository:<path>:<actions>`; several with a space between them.
    pub(super) scope: &'a str,
    pub(super) credential: &'a Credential,
    /// The purpose of the request, in words.
    pub(super) action: &'a str,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    /// Should be a number, and need not be one.
    expires_in: Option<serde_json::Value>,
}

/// Fetches a token.
pub(super) async fn fetch(
    client: &Client,
    endpoint: &Endpoint,
    wanted: &TokenRequest<'_>,
) -> Result<Token, StoreError> {
    check_realm(endpoint, wanted)?;
    let (trust, reach) = match wanted.realm.origin() == endpoint.base.origin() {
        true => (endpoint.trust, Reach::Any),
        false => (Trust::Verified, endpoint.reach_elsewhere),
    };
    let mut request = match &wanted.credential.identity {
        Identity::RefreshToken(token) => post(wanted, trust, token),
        Identity::Basic { user, password } => get(wanted, trust, basic(user, password.expose())),
        Identity::Anonymous | Identity::Bearer(_) => get(wanted, trust, None),
    };
    request.reach = reach;
    request.redirects = Redirects::Answered;
    let realm = || Redacted(wanted.realm).to_string();
    let response = match client.send(&request).await {
        Ok(response) => response,
        Err(HttpError::TooLarge { limit, .. }) => {
            return Err(StoreError::Token {
                realm: realm(),
                reason: format!("its answer is larger than {limit} bytes"),
            });
        }
        Err(error) => return Err(error.into()),
    };
    match response.status.as_u16() {
        200 => {}
        401 | 403 => {
            return Err(StoreError::Denied {
                action: format!(
                    "{} (token for `{}` from `{}`)",
                    wanted.action,
                    wanted.scope,
                    realm()
                ),
                identity: wanted.credential.into(),
                answer: answer::read(&response),
            });
        }
        status => {
            let reason = format!("unexpected status {status}{}", answer::read(&response));
            return Err(StoreError::Token {
                realm: realm(),
                reason,
            });
        }
    }
    let token = read(&response.body).map_err(|reason| StoreError::Token {
        realm: realm(),
        reason: reason.to_owned(),
    })?;
    let shown = token.header.as_bytes();
    let shown = shown.strip_prefix(BEARER.as_bytes()).unwrap_or(shown);
    client.secrets().remember(shown);
    Ok(token)
}

/// Reads a token service's answer. The error is in words alone: a cause could
/// quote the token.
pub(super) fn read(body: &[u8]) -> Result<Token, &'static str> {
    let parsed: TokenAnswer =
        serde_json::from_slice(body).map_err(|_| "its answer is not the JSON of a token")?;
    let text = [parsed.token, parsed.access_token]
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty())
        .ok_or("its answer holds no token")?;
    let header = bearer(&text).ok_or("its token cannot be sent in a header")?;
    let life = parsed
        .expires_in
        .and_then(|life| life.as_f64().or_else(|| life.as_str()?.trim().parse().ok()))
        .filter(|life| *life >= 1.0)
        .map_or(DEFAULT_LIFE, |life| life as u64);
    Ok(Token {
        header,
        is_second: false,
        fetched: Instant::now(),
        expires: Instant::now() + Duration::from_secs(life.min(24 * 3600)).mul_f64(0.9),
    })
}

/// The header that shows `token`, never printed by the HTTP library.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{BEARER}{token}"));
    sensitive(&text)
}

/// The header that shows a user and a password.
pub(super) fn basic(user: &str, password: &[u8]) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(format!("{user}:").into_bytes());
    pair.extend_from_slice(password);
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
    sensitive(&text)
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn get(wanted: &TokenRequest<'_>, trust: Trust, shown: Option<HeaderValue>) -> Request {
    let mut url = wanted.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = wanted.service {
            query.append_pair("service", service);
        }
        for scope in wanted.scope.split(' ') {
            query.append_pair("scope", scope);
        }
    }
    let request = Request::new(Method::GET, url, trust);
    match shown {
        Some(header) => request.header(AUTHORIZATION, header),
        None => request,
    }
}

fn post(wanted: &TokenRequest<'_>, trust: Trust, identity_token: &Secret) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    form.append_pair(
        "refresh_token",
        identity_token.expose_str().unwrap_or_default(),
    );
    if let Some(service) = wanted.service {
        form.append_pair("service", service);
    }
    form.append_pair("scope", wanted.scope);
    form.append_pair("client_id", CLIENT_ID);
    let body = form.finish().into_bytes();
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    let mut request =
        Request::new(Method::POST, wanted.realm.clone(), trust).header(CONTENT_TYPE, form_type);
    request.body = Some(body.into());
    request
}

/// Credentials go to a token service over TLS, or to the registry's own host
/// where the registry itself is reached without; never to an address further
/// inside the network than the registry's own.
pub(super) fn check_realm(
    endpoint: &Endpoint,
    wanted: &TokenRequest<'_>,
) -> Result<(), StoreError> {
    let (base, realm) = (&endpoint.base, wanted.realm);
    let may_be_plain = base.scheme() == "http" || endpoint.trust == Trust::Unverified;
    let is_own = realm.host() == base.host()
        || (Zone::of(realm) == Zone::Loopback && Zone::of(base) == Zone::Loopback);
    let checked = match realm.scheme() {
        "http" | "https" => check_zones(base, realm),
        _ => Err(Astray::NotHttp),
    };
    let checked = checked.and_then(|()| match realm.scheme() {
        "http" if !may_be_plain => Err(Astray::Downgrade),
        "http" if !is_own => Err(Astray::PlainElsewhere),
        _ => Ok(()),
    });
    checked.map_err(|reason| StoreError::Realm {
        realm: Redacted(realm).to_string(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_is_no_number_is_none() {
        let life = |value: &str| {
            let answer = format!(r#"{{"token":"t","expires_in":{value}}}"#);
            let token = read(answer.as_bytes()).unwrap();
            (token.expires - token.fetched).as_secs()
        };
        for value in ["300", "\"300\"", "300.0", "\" 300 \""] {
            assert!((269..=270).contains(&life(value)), "{value}");
        }
        for value in [
            "null", "\"soon\"", "[]", "{}", "true", "0", "\"-1\"", "\"NaN\"",
        ] {
            assert!((53..=54).contains(&life(value)), "{value}");
        }
    }

    #[test]
    fn the_first_token_that_is_not_empty_counts() {
        for answer in [
            r#"{"token":"t"}"#,
            r#"{"access_token":"t"}"#,
            r#"{"token":"","access_token":"t"}"#,
            r#"{"token":"t","access_token":"u","expires_in":-1}"#,
        ] {
            assert_eq!(
                read(answer.as_bytes()).unwrap().header,
                "Bearer t",
                "{answer}"
            );
        }
        for answer in [
            "{}",
            r#"{"token":""}"#,
            r#"{"token":"a
b"}"#,
            "[]",
            "",
        ] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
