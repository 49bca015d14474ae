//! JSON with secrets, read without a message that could quote one (SIG-62).

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::error::CredentialsError;
use super::source::{MAX_LENGTH, Source};
use crate::secret::Secret;

/// A JSON string that is a secret.
pub(super) struct SecretText(pub(super) Secret);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl Visitor<'_> for TextVisitor {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(Secret::new(text.as_bytes().to_vec())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Reads JSON without serde's messages, which quote the input. Blank text and
/// `null` are empty objects, as with Go.
pub(super) fn read_json<T: Default + for<'de> Deserialize<'de>>(
    text: &Secret,
    source: &Source,
) -> Result<T, CredentialsError> {
    let bytes = text.expose();
    if bytes.len() > MAX_LENGTH {
        return Err(CredentialsError::TooLong(source.clone()));
    }
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let value: Option<T> =
        serde_json::from_slice(bytes).map_err(|error| CredentialsError::Json {
            source_of: source.clone(),
            line: error.line(),
            column: error.column(),
        })?;
    Ok(value.unwrap_or_default())
}
