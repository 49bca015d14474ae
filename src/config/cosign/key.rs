//! The keys and files that `cosign.toml` names.

use std::path::PathBuf;

use super::super::Position;
use super::error::ConfigError;
use super::table::{Table, Text, Value};
use super::witness::{IdentityToken, identity_token};

/// A key as written (`key`, or `program`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenKey {
    /// A private key's file; see [`CosignConfig::resolve`].
    File(PathBuf),
    /// A text with a scheme that cosign would take for a key elsewhere.
    Uri(String),
    /// A program with its arguments, at least its name.
    Program {
        command: Vec<String>,
        public: PublicKeyFile,
    },
    /// An identity that an authority certifies (`identity-token` or
    /// `oidc-provider`), with a key of the run's own.
    Identity(IdentityToken),
}

/// The file with the public half of a program's key; see
/// [`CosignConfig::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKeyFile {
    /// `public-key`
    Key(PathBuf),
    /// `certificate`
    Certificate(PathBuf),
}

/// The key, by exactly one of its names.
pub(super) fn key(table: &Table<'_, '_>) -> Result<(WrittenKey, Position), ConfigError> {
    let public = public_key_file(table)?;
    if let Some((name, token, position)) = identity_token(table)? {
        for other in ["key", "program", "public-key", "certificate"] {
            if table.table.get(other).is_some() {
                return Err(ConfigError::NotWith {
                    key: name,
                    other,
                    position,
                });
            }
        }
        return Ok((WrittenKey::Identity(token), position));
    }
    let Some(program) = table.table.get("program") else {
        if let Some((_, name, position)) = public {
            return Err(ConfigError::NotWith {
                key: name,
                other: "key",
                position,
            });
        }
        return written_key(table.required_text("key")?);
    };
    let position = table.document.position(program.span());
    if table.table.get("key").is_some() {
        return Err(ConfigError::NotWith {
            key: "program",
            other: "key",
            position,
        });
    }
    let command = command(table, program)?;
    let public = public.map(|(public, _, _)| public);
    let public = public.ok_or_else(|| ConfigError::NoPublicKey {
        position: position.clone(),
    })?;
    Ok((WrittenKey::Program { command, public }, position))
}

fn written_key((text, position): Text<'_>) -> Result<(WrittenKey, Position), ConfigError> {
    let key = match scheme(text) {
        Some(_) if is_one_line(text) => WrittenKey::Uri(text.to_owned()),
        _ => WrittenKey::File(file("key", (text, position.clone()))?),
    };
    Ok((key, position))
}

type Public = (PublicKeyFile, &'static str, Position);

fn public_key_file(table: &Table<'_, '_>) -> Result<Option<Public>, ConfigError> {
    let mut found: Option<Public> = None;
    for name in ["public-key", "certificate"] {
        let Some((text, position)) = table.optional_text(name)? else {
            continue;
        };
        if found.is_some() {
            return Err(ConfigError::NotWith {
                key: name,
                other: "public-key",
                position,
            });
        }
        let path = file(name, (text, position.clone()))?;
        let public = match name {
            "certificate" => PublicKeyFile::Certificate(path),
            _ => PublicKeyFile::Key(path),
        };
        found = Some((public, name, position));
    }
    Ok(found)
}

/// A program with its arguments: an array of strings, the first not empty.
fn command(table: &Table<'_, '_>, value: &Value<'_>) -> Result<Vec<String>, ConfigError> {
    const WANTED: &str = "an array of strings";
    let wrong = |value| table.wrong_type("program", WANTED, value);
    let words = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
    let words = words.iter().map(|word| {
        let text = word.get_ref().as_str().ok_or_else(|| wrong(word))?;
        match text.contains('\0') {
            true => Err(wrong(word)),
            false => Ok(text.to_owned()),
        }
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    match words.first().is_some_and(|program| !program.is_empty()) {
        true => Ok(words),
        false => Err(ConfigError::Empty {
            key: "program",
            position: table.document.position(value.span()),
        }),
    }
}

fn is_one_line(text: &str) -> bool {
    !text.contains(char::is_control) && !text.contains("-----BEGIN")
}

/// A path. The error does not repeat a bad value: it may be the secret itself.
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

/// Schemes that cosign knows for keys, and that of files.
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
/// `pkcs11:…`). Another text with a colon is a path.
fn scheme(text: &str) -> Option<String> {
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
