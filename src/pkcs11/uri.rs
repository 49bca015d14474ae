//! The URI of a key in a token: RFC 7512, and the attributes that cosign knows.
//! The text begins behind `pkcs11:`. As in cosign (v2.6.4 `pkg/cosign/pkcs11key`)
//! one of `token` and `slot-id` has to be there, and one of `object` and `id`.
//! Every attribute has to match (RFC 7512, section 3); cosign looks at the slot
//! alone if a token is named besides.
//!
//! The URI stands in arguments, files and logs, and may hold a PIN: no error and no
//! printed form repeats one (TOK-2).

use std::fmt;
use std::path::PathBuf;

use crate::secret::Secret;

/// The most bytes of a URI: it is an argument, and has a path or two in it.
const MAX_LENGTH: usize = 8 * 1024;

/// A key in a token, and how it is reached.
#[derive(Debug, Default)]
pub struct Uri {
    /// The token's label. It stays when slots are counted anew, so that it names
    /// a token better than `slot_id`.
    pub token: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    /// The number that the module gave the slot; some modules count anew each
    /// time.
    pub slot_id: Option<u64>,
    /// The key's label, `CKA_LABEL`.
    pub object: Option<Vec<u8>>,
    /// The key's `CKA_ID`.
    pub id: Option<Vec<u8>>,
    /// The library that speaks to the token; an absolute path. It runs in the
    /// process that reads the PIN: a relative one would be another's in another
    /// folder.
    pub module_path: Option<PathBuf>,
    pub pin: Option<Pin>,
}

/// Where the PIN is.
#[derive(Debug)]
pub enum Pin {
    /// `pin-value`. Every reader of the URI sees it.
    Value(Secret),
    /// `pin-source`: a file that holds the PIN; an absolute path.
    File(PathBuf),
}

impl Uri {
    /// Parses the text behind `pkcs11:`: attributes with `;` or `&` between them,
    /// and a `?` before those that are about access.
    ///
    /// # Errors
    /// On a text that is no such URI. No error repeats a value.
    pub fn parse(text: &str) -> Result<Self, TokenUriError> {
        if text.len() > MAX_LENGTH {
            return Err(TokenUriError::TooLong);
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let parts = path.split([';', '&']).chain(query.split([';', '&']));
        let mut uri = Self::default();
        // Errors count attributes, since a name that is unknown may be a piece of
        // a PIN with `;` or `&` in it.
        for (number, part) in parts.enumerate().filter(|(_, part)| !part.is_empty()) {
            let number = number + 1;
            let (name, value) = part.split_once('=').ok_or(TokenUriError::NoValue(number))?;
            let name = NAMES.iter().find(|known| **known == name);
            uri.set(name.ok_or(TokenUriError::Unknown(number))?, value)?;
        }
        if uri.token.is_none() && uri.slot_id.is_none() {
            return Err(TokenUriError::NoToken);
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(TokenUriError::NoObject);
        }
        Ok(uri)
    }

    /// Takes the value of an attribute. `name` is one of [`NAMES`].
    fn set(&mut self, name: &'static str, encoded: &str) -> Result<(), TokenUriError> {
        let bytes = decoded(encoded).ok_or(TokenUriError::Encoding(name))?;
        if bytes.expose().is_empty() {
            return Err(TokenUriError::Empty(name));
        }
        let text = || bytes.expose_str().ok_or(TokenUriError::Encoding(name));
        match name {
            "token" => put(&mut self.token, name, text()?.to_owned()),
            "manufacturer" => put(&mut self.manufacturer, name, text()?.to_owned()),
            "model" => put(&mut self.model, name, text()?.to_owned()),
            "serial" => put(&mut self.serial, name, text()?.to_owned()),
            "slot-id" => {
                let number = text()?.parse().map_err(|_| TokenUriError::SlotId)?;
                put(&mut self.slot_id, name, number)
            }
            "object" => put(&mut self.object, name, bytes.expose().to_vec()),
            "id" => put(&mut self.id, name, bytes.expose().to_vec()),
            "type" => match text()? {
                "private" | "public" => Ok(()),
                _ => Err(TokenUriError::Type),
            },
            "module-path" => {
                let path = absolute(text()?).ok_or(TokenUriError::ModulePath)?;
                put(&mut self.module_path, name, path)
            }
            "pin-source" => {
                // A URI of a file, or its path; RFC 7512 also has commands, which
                // are refused as paths that are not absolute.
                let text = text()?;
                let path = text.strip_prefix("file:").unwrap_or(text);
                let path = path.strip_prefix("//").unwrap_or(path);
                let path = absolute(path).ok_or(TokenUriError::PinSource)?;
                self.set_pin(Pin::File(path))
            }
            // `pin-value`, the only name that is left.
            _ => {
                let pin = bytes.copy();
                self.set_pin(Pin::Value(pin))
            }
        }
    }

    fn set_pin(&mut self, pin: Pin) -> Result<(), TokenUriError> {
        match self.pin.replace(pin) {
            None => Ok(()),
            Some(_) => Err(TokenUriError::TwoPins),
        }
    }
}

/// The attributes that are understood; the last is that of the PIN.
const NAMES: [&str; 11] = [
    "token",
    "manufacturer",
    "model",
    "serial",
    "slot-id",
    "object",
    "id",
    "type",
    "module-path",
    "pin-source",
    "pin-value",
];

/// Refuses an attribute that stands twice: readers differ in which one counts.
fn put<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), TokenUriError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(TokenUriError::Twice(name)),
    }
}

fn absolute(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(path);
    path.is_absolute().then_some(path)
}

/// Without percent-encoding (RFC 3986, section 2.1). It may be a PIN. White space
/// and control characters have to be encoded; other characters may stand as they
/// are, as people write labels.
fn decoded(text: &str) -> Option<Secret> {
    // One that grew would leave copies of a PIN behind.
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high << 4 | low).ok()?
            }
            0..=b' ' | 0x7f => return None,
            byte => byte,
        });
    }
    Some(Secret::new(bytes))
}

/// Percent-encoded, so that it is read as it was: one key has one name, by which
/// `cosign.toml`'s keys are told apart.
struct Encoded<'a>(&'a [u8]);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'-' | b'.' | b'_' | b'~' | b'/' => write!(f, "{}", char::from(byte))?,
                byte if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte))?,
                byte => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// The URI in one order, with the path of a PIN and never a PIN itself. Parsed
/// again, it names the same key.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("token", &self.token),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("serial", &self.serial),
        ];
        let mut between = "";
        let mut write = |name: &str, value: &dyn fmt::Display, first: &mut &str| {
            write!(f, "{first}{name}={value}")?;
            *first = ";";
            fmt::Result::Ok(())
        };
        for (name, value) in texts {
            if let Some(value) = value {
                write(name, &Encoded(value.as_bytes()), &mut between)?;
            }
        }
        if let Some(slot) = self.slot_id {
            write("slot-id", &slot, &mut between)?;
        }
        for (name, value) in [("object", &self.object), ("id", &self.id)] {
            if let Some(value) = value {
                write(name, &Encoded(value), &mut between)?;
            }
        }
        between = "?";
        let pin = match &self.pin {
            Some(Pin::File(path)) => Some(path),
            Some(Pin::Value(_)) | None => None,
        };
        for (name, path) in [
            ("module-path", self.module_path.as_ref()),
            ("pin-source", pin),
        ] {
            if let Some(path) = path {
                write(
                    name,
                    &Encoded(path.as_os_str().as_encoded_bytes()),
                    &mut between,
                )?;
                between = "&";
            }
        }
        Ok(())
    }
}

/// A text that names no key in a token. No value is repeated, and no name that
/// is unknown: each may be a piece of a PIN.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenUriError {
    #[error("the URI has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("attribute {0} of the URI has no value")]
    NoValue(usize),
    #[error("attribute {0} of the URI is unknown")]
    Unknown(usize),
    #[error("`{0}` stands twice in the URI")]
    Twice(&'static str),
    #[error("`{0}` of the URI is empty")]
    Empty(&'static str),
    #[error("`{0}` of the URI is not percent-encoded text")]
    Encoding(&'static str),
    #[error("`slot-id` of the URI is no number")]
    SlotId,
    #[error("`type` of the URI is not that of a key")]
    Type,
    #[error("`module-path` of the URI is no absolute path")]
    ModulePath,
    #[error("`pin-source` of the URI is no absolute path")]
    PinSource,
    #[error("the URI has more than one PIN")]
    TwoPins,
    #[error("the URI names no token: it has neither `token` nor `slot-id`")]
    NoToken,
    #[error("the URI names no key: it has neither `object` nor `id`")]
    NoObject,
}

debug_as_display!(TokenUriError);

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Uri {
        Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refusal(text: &str) -> TokenUriError {
        Uri::parse(text).unwrap_err()
    }

    /// TOK-1
    #[test]
    fn a_uri_names_a_token_a_key_and_how_both_are_reached() {
        let uri = parsed(
            "token=My%20Token;slot-id=7;object=a%3Bkey;id=%01%ff;type=private;serial=0a;model=m;\
             manufacturer=x?module-path=/usr/lib/a?b.so&pin-value=12%2634",
        );
        assert_eq!(uri.token.as_deref(), Some("My Token"));
        assert_eq!(uri.slot_id, Some(7));
        assert_eq!(uri.object.as_deref(), Some(&b"a;key"[..]));
        assert_eq!(uri.id.as_deref(), Some(&[1, 0xff][..]));
        assert_eq!(uri.serial.as_deref(), Some("0a"));
        assert_eq!(uri.model.as_deref(), Some("m"));
        assert_eq!(uri.manufacturer.as_deref(), Some("x"));
        assert_eq!(uri.module_path, Some("/usr/lib/a?b.so".into()));
        assert!(matches!(uri.pin, Some(Pin::Value(pin)) if pin.expose() == b"12&34"));
    }

    /// TOK-1
    #[test]
    fn both_separators_do_on_both_sides() {
        for text in [
            "token=t;object=o?module-path=/m&pin-source=/p",
            "token=t&object=o?module-path=/m;pin-source=/p",
            "object=o;token=t?pin-source=file:/p&module-path=/m",
            ";token=t;;object=o;?&module-path=/m&pin-source=file:///p&",
            "token=t;object=o;module-path=/m;pin-source=/p",
        ] {
            let canonical = "token=t;object=o?module-path=/m&pin-source=/p";
            assert_eq!(parsed(text).to_string(), canonical, "{text}");
        }
    }

    /// TOK-1
    #[test]
    fn what_is_no_uri_of_a_key_is_refused() {
        use TokenUriError as E;
        for (text, expected) in [
            ("", E::NoToken),
            ("object=o", E::NoToken),
            ("token=t", E::NoObject),
            ("slot-id=1?module-path=/m", E::NoObject),
            ("token=t;object=o;token=u", E::Twice("token")),
            ("token=t;id=%01?id=%02", E::Twice("id")),
            ("token=t;object=", E::Empty("object")),
            ("token=t;object=o?pin-value=", E::Empty("pin-value")),
            ("token=t;object=%4", E::Encoding("object")),
            ("token=t;object=%zz", E::Encoding("object")),
            ("token=t;object=a b", E::Encoding("object")),
            ("token=%ff;object=o", E::Encoding("token")),
            ("slot-id=-1;object=o", E::SlotId),
            ("slot-id=0x1;object=o", E::SlotId),
            ("token=t;object=o;type=cert", E::Type),
            ("token=t;object=o?module-path=m.so", E::ModulePath),
            ("token=t;object=o?pin-source=pin", E::PinSource),
            ("token=t;object=o?pin-source=%7Cecho", E::PinSource),
            ("token=t;object=o?pin-value=1&pin-source=/p", E::TwoPins),
            ("token=t;object=o?pin-value=1&pin-value=2", E::TwoPins),
            ("token=t;object=o;12", E::NoValue(3)),
            ("token=t;object=o;x=1", E::Unknown(3)),
            ("///token=t;object=o", E::Unknown(1)),
        ] {
            assert_eq!(refusal(text), expected, "{text}");
        }
        let long = format!("token=t;object={}", "o".repeat(MAX_LENGTH));
        assert_eq!(refusal(&long), E::TooLong);
    }

    /// TOK-2
    #[test]
    fn the_pin_is_in_no_text() {
        let uri = parsed("token=t;id=%01?pin-value=canary");
        assert_eq!(uri.to_string(), "token=t;id=%01");
        assert!(!format!("{uri:?}").contains("canary"));
        // A PIN whose separators were not encoded falls apart.
        for text in [
            "token=t;id=%01?pin-value=x&canary",
            "token=t;id=%01?pin-value=x;canary=1",
            "token=t;id=%01?pin-value=canary%",
        ] {
            let error = refusal(text);
            assert!(!format!("{error}{error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_uri_that_is_printed_names_the_same_key() {
        let text = "token=a%20%C3%A9;slot-id=3;object=%25%3B%26%3F;id=%00%FF?module-path=/a%20b";
        assert_eq!(parsed(text).to_string(), text);
    }
}
