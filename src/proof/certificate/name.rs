//! The subject's alternative names (RFC 5280, section 4.2.1.6).
//!
//! An identity is compared with one of these (EVD-63). So a name is the whole text
//! that stands there, without a change of case and with whatever it has at its end,
//! and one that cannot be read makes the certificate malformed.

use std::net::IpAddr;

use pkcs8::ObjectIdentifier;
use pkcs8::der::{AnyRef, Decode as _, Error, Reader as _, Tag, Tagged as _};

use crate::proof::der::{has_number, next, parts};

/// The tags of a `GeneralName`.
const OTHER: u8 = 0;
const EMAIL: u8 = 1;
const DNS: u8 = 2;
const URI: u8 = 6;
const ADDRESS: u8 = 7;

/// One of the subject's alternative names. Texts are other people's: they may
/// hold anything that is ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Email(String),
    Dns(String),
    Uri(String),
    Address(IpAddr),
    /// A name of a kind of its own, as Fulcio issues them for user names
    /// (1.3.6.1.4.1.57264.1.7).
    Other {
        id: ObjectIdentifier,
        /// None unless it is a UTF-8 string.
        text: Option<String>,
    },
    /// A name of a kind that says nothing here, such as that of a directory.
    Unread,
}

pub(super) fn names(value: AnyRef<'_>) -> Result<Vec<Name>, Error> {
    let mut list = parts(value)?;
    let mut names = Vec::new();
    while !list.is_finished() {
        names.push(name(next(&mut list)?)?);
    }
    Ok(names)
}

fn name(value: AnyRef<'_>) -> Result<Name, Error> {
    Ok(match value {
        value if has_number(&value, EMAIL) => Name::Email(ascii(value)?),
        value if has_number(&value, DNS) => Name::Dns(ascii(value)?),
        value if has_number(&value, URI) => Name::Uri(ascii(value)?),
        value if has_number(&value, ADDRESS) => Name::Address(address(value)?),
        value if has_number(&value, OTHER) => other(value)?,
        _ => Name::Unread,
    })
}

/// An `IA5String`. Letters beyond ASCII, which the type does not have, could look
/// like those of another name.
fn ascii(value: AnyRef<'_>) -> Result<String, Error> {
    match std::str::from_utf8(value.value()) {
        Ok(text) if text.is_ascii() => Ok(text.to_owned()),
        _ => Err(Tag::Ia5String.value_error().into()),
    }
}

/// Four or sixteen octets; eight and thirty-two are networks, which stand in name
/// constraints alone.
fn address(value: AnyRef<'_>) -> Result<IpAddr, Error> {
    let bytes = value.value();
    let address = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    };
    address.ok_or_else(|| Tag::OctetString.value_error().into())
}

/// `OtherName`: an identifier, and a value behind the tag `[0]`, which is EXPLICIT.
fn other(value: AnyRef<'_>) -> Result<Name, Error> {
    let mut parts = pkcs8::der::SliceReader::new(value.value())?;
    let id = ObjectIdentifier::decode(&mut parts)?;
    let inner = AnyRef::from_der(next(&mut parts)?.value())?;
    let text = match inner.tag() {
        Tag::Utf8String => std::str::from_utf8(inner.value()).ok(),
        _ => None,
    };
    Ok(Name::Other {
        id,
        text: text.map(str::to_owned),
    })
}
