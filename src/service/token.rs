//! Tokens: a service takes whoever shows one for the identity it was made for.
//! They are kept in memory, for the run alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::error::ServiceError;
use super::variables::Variables;
use crate::http::header::HeaderValue;
use crate::secret::Secret;

/// A token that has less time left is not shown any more: a request may wait for
/// its turn and be asked again.
const MARGIN: Duration = Duration::from_secs(30);

/// A bearer token (RFC 6750).
#[derive(Debug)]
pub struct Token {
    text: Secret,
    /// When it expires, if its issuer says so; by a clock that nobody sets.
    until: Option<Instant>,
}

impl Token {
    /// A token that is good for `lifetime`; it is hidden from now on.
    pub fn new(text: &str, lifetime: Option<Duration>, variables: &Variables) -> Self {
        variables.remember(text.as_bytes());
        Self {
            text: Secret::from(text.to_owned()),
            until: lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime)),
        }
    }

    /// For a body; [`header`](Self::header) is for a header.
    pub fn expose(&self) -> &Secret {
        &self.text
    }

    /// `Authorization: Bearer …`; `None` if the token cannot stand in a header.
    pub fn header(&self) -> Option<HeaderValue> {
        let text = self.text.expose_str()?;
        let value = Zeroizing::new(format!("Bearer {text}"));
        sensitive(value.as_bytes())
    }

    fn is_fresh(&self) -> bool {
        self.until
            .is_none_or(|until| Instant::now() + MARGIN < until)
    }
}

/// The value of a header that holds a secret: no log shows it. `None` if it has
/// bytes that no header can have. The caller wipes its own copy.
pub fn sensitive(bytes: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The tokens of one identity, by their purposes. Each is fetched once
/// for all who need it, and again when it has expired or was refused.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Arc<Token>>>);

impl Tokens {
    /// The token for `purpose`, other than the one that was `refused`. Requests
    /// that come while one is fetched wait, and take it: twelve requests that are
    /// refused with one token fetch one new token. `fetch` is not run where a
    /// good one is here.
    ///
    /// The future may be dropped: the next one fetches then. A failure is not kept.
    ///
    /// # Errors
    /// On those of `fetch`.
    pub(super) async fn get(
        &self,
        purpose: &str,
        refused: Option<&Arc<Token>>,
        fetch: impl Future<Output = Result<Token, ServiceError>>,
    ) -> Result<Arc<Token>, ServiceError> {
        let mut tokens = self.0.lock().await;
        let is_good = |token: &&Arc<Token>| {
            token.is_fresh() && refused.is_none_or(|refused| !Arc::ptr_eq(token, refused))
        };
        if let Some(token) = tokens.get(purpose).filter(is_good) {
            return Ok(Arc::clone(token));
        }
        let token = Arc::new(fetch.await?);
        tokens.insert(purpose.to_owned(), Arc::clone(&token));
        Ok(token)
    }
}

/// Seconds, as a number or, as Azure's metadata service has it, as a text.
/// Another form says nothing: the token is used until it is refused.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "WrittenSeconds")]
pub(super) struct Seconds(Option<u64>);

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenSeconds {
    Number(u64),
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl From<WrittenSeconds> for Seconds {
    fn from(written: WrittenSeconds) -> Self {
        Self(match written {
            WrittenSeconds::Number(seconds) => Some(seconds),
            WrittenSeconds::Text(text) => text.trim().parse().ok(),
            WrittenSeconds::Other(_) => None,
        })
    }
}

impl From<Seconds> for Option<Duration> {
    fn from(seconds: Seconds) -> Self {
        seconds.0.map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secrets;

    fn variables() -> Variables {
        Variables::new(
            |_| None,
            Secrets::default(),
            crate::file::Files::until(Instant::now()),
        )
    }

    fn token(lifetime: u64) -> Token {
        Token::new("text", Some(Duration::from_secs(lifetime)), &variables())
    }

    #[tokio::test]
    async fn a_token_is_fetched_again_when_it_is_old_or_was_refused() {
        let tokens = Tokens::default();
        let get = async |refused: Option<&Arc<Token>>, lifetime| {
            let fetched = tokens.get("a", refused, async { Ok(token(lifetime)) });
            fetched.await.unwrap()
        };
        let first = get(None, 3600).await;
        assert!(Arc::ptr_eq(&first, &get(None, 3600).await));
        let second = get(Some(&first), 10).await;
        assert!(!Arc::ptr_eq(&first, &second));
        let third = get(None, 3600).await;
        assert!(!Arc::ptr_eq(&second, &third));
        assert!(Arc::ptr_eq(&third, &get(Some(&first), 3600).await));
    }

    #[test]
    fn seconds_are_numbers_or_texts() {
        let seconds = |json: &str| -> Option<Duration> {
            serde_json::from_str::<Seconds>(json).unwrap().into()
        };
        assert_eq!(seconds("3599"), Some(Duration::from_secs(3599)));
        assert_eq!(seconds("\"3599\""), Some(Duration::from_secs(3599)));
        for odd in ["null", "-1", "1e99", "\"soon\"", "[]", "{}"] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }
}
