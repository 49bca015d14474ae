//! The tokens of a registry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The tokens that were given out.
#[derive(Default)]
pub struct Tokens(pub(super) HashMap<String, Token>);

pub(super) struct Token {
    /// Repository and action.
    pub(super) grants: Vec<(String, String)>,
    pub(super) expires: Instant,
}

impl Tokens {
    pub(super) fn issue(&mut self, grants: Vec<(String, String)>, lifetime: Duration) -> String {
        let text = format!("{TOKEN_PREFIX}{}", self.0.len() + 1);
        let expires = Instant::now() + lifetime;
        self.0.insert(text.clone(), Token { grants, expires });
        text
    }
}

/// The beginning of tokens, for tests that look for leaks.
pub const TOKEN_PREFIX: &str = "canary-token-";
