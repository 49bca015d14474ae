//! A token service's tokens, and the headers that show them to the registry
//! (the distribution project's `spec/auth/token.md`).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::credentials::IdentityProof;
use crate::http::header::HeaderValue;

pub(super) const BEARER: &str = "Bearer ";
/// How long a token lives if its service does not say (spec/auth/token.md).
const DEFAULT_LIFE: u64 = 60;
/// How long a token counts as just fetched. A 403 for an older one may mean
/// that it has expired (ECR).
const NEW: Duration = Duration::from_secs(5);

/// A token as it is shown to the registry.
#[derive(Clone)]
pub(super) struct RegistryToken {
    pub(super) header: HeaderValue,
    /// It replaced a refused token.
    pub(super) is_second: bool,
    fetched: Instant,
    /// A tenth earlier than the service says: a request takes its time.
    expires: Instant,
}

impl RegistryToken {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.expires
    }

    /// Whether it is so new that its refusal is meant, and not due to its age.
    pub(super) fn is_new(&self) -> bool {
        self.fetched.elapsed() < NEW
    }
}

#[derive(Deserialize)]
struct RegistryTokenAnswer {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    /// Should be a number, and need not be one.
    expires_in: Option<serde_json::Value>,
}

/// Reads a token service's answer. The error is in words alone: a cause could
/// quote the token. `token` and `access_token` mean the same.
pub(super) fn read(body: &[u8]) -> Result<RegistryToken, &'static str> {
    let parsed: RegistryTokenAnswer =
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
        // Neither a fraction of a second nor a time that is over: each request
        // would fetch one.
        .filter(|life| *life >= 1.0)
        .map_or(DEFAULT_LIFE, |life| life as u64);
    Ok(RegistryToken {
        header,
        is_second: false,
        fetched: Instant::now(),
        // A day is enough for any run, and can be added to a time.
        expires: Instant::now() + Duration::from_secs(life.min(24 * 3600)).mul_f64(0.9),
    })
}

/// The header that shows `token`, never printed by the HTTP library.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{BEARER}{token}"));
    sensitive(&text)
}

/// The header that shows user and password (RFC 7617), if an identity has them.
pub(super) fn login(identity: &IdentityProof) -> Option<HeaderValue> {
    let (user, password) = identity.login()?;
    let mut pair = Zeroizing::new(format!("{user}:").into_bytes());
    pair.extend_from_slice(password.expose());
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
    sensitive(&text)
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
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
