//! Fuzz targets for identity tokens.

use std::time::Instant;

use jiff::Timestamp;

use super::{SigstoreToken, spiffe};
use crate::secret::Secrets;
use crate::service::Variables;

/// A token that is taken names somebody.
pub fn identity_token(data: &[u8]) {
    let now = Timestamp::from_second(1_780_000_000).unwrap_or_default();
    let variables = Variables::new(
        |_| None,
        Secrets::default(),
        crate::file::Files::until(Instant::now()),
    );
    if let Ok(token) = SigstoreToken::read(data, &variables, now) {
        assert!(!token.identity().issuer().is_empty());
        assert!(!token.identity().name().is_empty());
        assert!(token.header().is_some());
    }
}

/// A token in an agent's answer is a part of it.
pub fn workload_answer(data: &[u8]) {
    if let Some(token) = spiffe::token(data) {
        let token = token.expose();
        assert!(token.is_empty() || data.windows(token.len()).any(|part| part == token));
    }
}
