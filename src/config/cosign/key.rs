//! The key of a config, by exactly one of its names (CFG-8, EVD-56). Whether a URI names
//! a key that can be used is for `keys` to say; nothing is opened here.

use std::path::PathBuf;

use super::super::Position;
use super::certificate::CHAIN;
use super::error::ConfigError;
use super::path::{file, is_one_line, scheme};
use super::table::{Table, Text, Value};
use super::witness::{IdentityToken, identity_token};

/// A key as written (`key`, `program` or `signatures`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenKey {
    /// A private key's file; see
    /// [`CosignConfig::resolve`](super::CosignConfig::resolve).
    File(PathBuf),
    /// A text with a scheme that cosign would take for a key elsewhere, in one line. It
    /// may hold a PIN.
    Uri(String),
    /// A program with its arguments, at least its name. It is run without a shell.
    Program {
        command: Vec<String>,
        public: PublicKeyFile,
    },
    /// An identity that an authority certifies (`identity-token` or
    /// `oidc-provider`), with a key of the run's own.
    Identity(IdentityToken),
    /// A folder of signatures that were made elsewhere; see
    /// [`CosignConfig::resolve`](super::CosignConfig::resolve).
    Signatures {
        folder: PathBuf,
        public: PublicKeyFile,
    },
}

/// The file with the public half of a key that is not here; see
/// [`CosignConfig::resolve`](super::CosignConfig::resolve).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKeyFile {
    /// `public-key`
    Key(PathBuf),
    /// `certificate`
    Certificate(PathBuf),
}

/// The names of a key. A config has exactly one, or an identity; and one name of a public
/// half where the private half is not opened.
const NAMES: [&str; 3] = ["key", "program", "signatures"];
const PUBLIC_NAMES: [&str; 2] = ["public-key", "certificate"];

/// The key, by exactly one of its names, and where that stands. Without any name the
/// error is that of a missing `key`: the RFC knows no other.
pub(super) fn key(table: &Table<'_, '_>) -> Result<(WrittenKey, Position), ConfigError> {
    let public = public_key_file(table)?;
    if let Some(identity) = identity(table)? {
        return Ok(identity);
    }
    match named(table)? {
        Some(("key", _)) | None => {
            // A certificate goes with any key.
            if let Some((PublicKeyFile::Key(_), name, position)) = public {
                return Err(ConfigError::NotWith {
                    key: name,
                    other: "key",
                    position,
                });
            }
            written_key(table.required_text("key")?)
        }
        Some((name, value)) => key_elsewhere(table, name, value, public),
    }
}

/// A key that is not opened here, `program` or `signatures`: its public half is named
/// beside it.
fn key_elsewhere(
    table: &Table<'_, '_>,
    name: &'static str,
    value: &Value<'_>,
    public: Option<Public>,
) -> Result<(WrittenKey, Position), ConfigError> {
    let position = table.document.position(value.span());
    let public = public.ok_or_else(|| ConfigError::NoPublicKey {
        key: name,
        position: position.clone(),
    });
    let key = match name {
        "program" => WrittenKey::Program {
            command: command(table, value)?,
            public: public?.0,
        },
        _ => WrittenKey::Signatures {
            folder: file(name, table.required_text(name)?)?,
            public: public?.0,
        },
    };
    Ok((key, position))
}

/// An identity, beside which no other key is named: it signs with a key of the run's own,
/// and its certificate comes from the authority.
fn identity(table: &Table<'_, '_>) -> Result<Option<(WrittenKey, Position)>, ConfigError> {
    let Some((name, token, position)) = identity_token(table)? else {
        return Ok(None);
    };
    let mut others = NAMES.into_iter().chain(PUBLIC_NAMES).chain([CHAIN]);
    match others.find(|other| table.table.get(*other).is_some()) {
        None => Ok(Some((WrittenKey::Identity(token), position))),
        Some(other) => Err(ConfigError::NotWith {
            key: name,
            other,
            position,
        }),
    }
}

/// The name of the key that is there, with its value. Of two the second in the order of
/// [`NAMES`] is the one too many.
fn named<'t, 'd>(
    table: &Table<'t, 'd>,
) -> Result<Option<(&'static str, &'t Value<'d>)>, ConfigError> {
    let mut named = NAMES
        .into_iter()
        .filter_map(|name| Some((name, table.table.get(name)?)));
    let first = named.next();
    match (first, named.next()) {
        (Some((other, _)), Some((key, value))) => Err(ConfigError::NotWith {
            key,
            other,
            position: table.document.position(value.span()),
        }),
        (first, _) => Ok(first),
    }
}

/// `key`: a URI if it has a scheme and is one line, else a path. A pasted key has more.
fn written_key((text, position): Text<'_>) -> Result<(WrittenKey, Position), ConfigError> {
    let key = match scheme(text) {
        Some(_) if is_one_line(text) => WrittenKey::Uri(text.to_owned()),
        _ => WrittenKey::File(file("key", (text, position.clone()))?),
    };
    Ok((key, position))
}

/// A public half as written: its file, the name of its key, and where that stands.
type Public = (PublicKeyFile, &'static str, Position);

/// The public half, by at most one of its names. It is read before it is known whether it
/// belongs there, so that a bad path is an error in any case.
fn public_key_file(table: &Table<'_, '_>) -> Result<Option<Public>, ConfigError> {
    let mut found: Option<Public> = None;
    for name in PUBLIC_NAMES {
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

/// A program with its arguments: an array of strings, the first not empty. A NUL has no
/// place in an argument. No error repeats one, since it may be a secret.
fn command(table: &Table<'_, '_>, value: &Value<'_>) -> Result<Vec<String>, ConfigError> {
    const KEY: &str = "program";
    let wrong = |value| table.wrong_type(KEY, "an array of strings", value);
    let words = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
    let words = words.iter().map(|word| {
        let text = word.get_ref().as_str().ok_or_else(|| wrong(word))?;
        match text.contains('\0') {
            true => Err(ConfigError::Nul {
                key: KEY,
                position: table.document.position(word.span()),
            }),
            false => Ok(text.to_owned()),
        }
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    match words.first().is_some_and(|program| !program.is_empty()) {
        true => Ok(words),
        false => Err(ConfigError::Empty {
            key: KEY,
            position: table.document.position(value.span()),
        }),
    }
}
