//! Bytes that must not leak: passwords, key files, tokens; and texts of others
//! with these removed.
//!
//! Two ways to keep them in: a type that has no way out but one ([`Secret`]), and
//! a search in all that is printed ([`Secrets`]), for the copies that others
//! make.

mod forms;
mod scrub;

use std::fmt;

pub use scrub::{Secrets, Voice};

use zeroize::Zeroizing;

/// Secret bytes, wiped when dropped. It cannot be cloned, printed or serialised;
/// its bytes are read by the two `expose` alone. They never grow: a buffer that
/// grows leaves copies behind.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the buffer itself, without a copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Each call is a place at which they may leak: what is copied
    /// from them has to be wiped, too.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Another copy, for another owner. Not `Clone`: copies are made on purpose.
    pub fn copy(&self) -> Self {
        Self::new(self.expose().to_vec())
    }

    /// The secret as text, if it is UTF-8.
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
