//! Paths of files, and texts with a scheme, which are none.

use std::path::PathBuf;

use super::error::ConfigError;
use super::table::Text;

/// Whether a text can be a path or URI that somebody wrote down: a key that was pasted in
/// its place has line breaks, or PEM's dashes.
pub(super) fn is_one_line(text: &str) -> bool {
    !text.contains(char::is_control) && !text.contains("-----BEGIN")
}

/// A path (CFG-8). The error does not repeat a bad value: it may be the secret itself. Of
/// one with a scheme the scheme is named, so that somebody who copied a flag of cosign's
/// sees why it does not work here.
pub(super) fn file(key: &'static str, (text, position): Text<'_>) -> Result<PathBuf, ConfigError> {
    if !is_one_line(text) {
        return Err(ConfigError::NotAPath { key, position });
    }
    match scheme(text) {
        None => Ok(text.into()),
        // A password may have `://` in it.
        Some(scheme) if key == "password" && !SCHEMES.contains(&&*scheme) => {
            Err(ConfigError::NotAPath { key, position })
        }
        Some(scheme) => Err(ConfigError::UnsupportedScheme {
            key,
            scheme,
            position,
        }),
    }
}

/// Schemes that cosign knows for keys, and that of files. Only these are repeated of a
/// `password`, in which any other text before `://` may be its beginning.
const SCHEMES: [&str; 10] = [
    "awskms://",
    "azurekms://",
    "env://",
    "file://",
    "gcpkms://",
    "gitlab://",
    "hashivault://",
    "k8s://",
    "openbao://",
    "pkcs11:",
];

/// The scheme of a URI that cosign would take for a key (`awskms://…`,
/// `pkcs11:…`), with `://` or colon. Another text with a colon is a path. cosign looks
/// for a plugin of any name (`sigstore-kms-<name>`): any scheme of RFC 3986 counts.
pub(super) fn scheme(text: &str) -> Option<String> {
    if text.starts_with("pkcs11:") {
        return Some("pkcs11:".to_owned());
    }
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.len() <= 32
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then(|| format!("{scheme}://"))
}
