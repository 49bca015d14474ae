//! The errors of a token, among them the failures of its library.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};
use signer::pkcs11::UnsupportedKey;

/// A token, or a key in it, that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the library of the token, `{0}`, is no file")]
    NoModule(PathBuf),
    #[error("the library of the token, `{path}`, cannot be loaded: {reason}")]
    Module { path: PathBuf, reason: String },
    #[error("there is no such token; there {}", listed("is", .0))]
    NoToken(Vec<String>),
    #[error("there are {0} such tokens")]
    SeveralTokens(usize),
    #[error("the token wants a PIN, and none was given")]
    NoPin,
    #[error("the token refuses the PIN ({0}); it was shown once, and is not shown again")]
    PinIncorrect(String),
    #[error("the PIN of the token is locked")]
    PinLocked,
    #[error("the next wrong PIN would lock the token, so none is shown to it")]
    LastTry,
    #[error("the PIN of the token has expired")]
    PinExpired,
    #[error("the token did not let this program in (CKR_USER_NOT_LOGGED_IN)")]
    NotLoggedIn,
    #[error("the token `{token}` has no such private key; its keys {}", listed("are", .keys))]
    NoKey { token: String, keys: Vec<String> },
    #[error("several keys of the token have this name; their ids {}", listed("are", .0))]
    SeveralKeys(Vec<String>),
    #[error("the token shows no public half of the key")]
    NoPublicKey,
    #[error("the key wants the PIN for each signature, which this program cannot show")]
    AlwaysAuthenticate,
    #[error("the key does not sign in the way that cosign verifies ({0})")]
    CannotSign(String),
    #[error(transparent)]
    Key(UnsupportedKey),
    #[error("the library of the token failed: {0}")]
    Library(String),
}

/// Names of a token's, which may hold anything, in words.
fn listed(verb: &str, names: &[String]) -> String {
    match names {
        [] => format!("{verb} none"),
        names => {
            let names: Vec<_> = names
                .iter()
                .map(|name| format!("`{}`", name.escape_debug()))
                .collect();
            format!("{verb} {}", names.join(", "))
        }
    }
}

/// A library's failure: those that have a remedy by themselves.
pub(crate) fn failed(error: Error) -> TokenError {
    let Error::Pkcs11(code, function) = error else {
        return TokenError::Library(words(&error));
    };
    match code {
        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange => {
            TokenError::PinIncorrect(name(&code))
        }
        RvError::PinLocked => TokenError::PinLocked,
        RvError::PinExpired => TokenError::PinExpired,
        RvError::UserNotLoggedIn => TokenError::NotLoggedIn,
        RvError::MechanismInvalid
        | RvError::KeyTypeInconsistent
        | RvError::KeyFunctionNotPermitted => TokenError::CannotSign(name(&code)),
        _ => TokenError::Library(format!("{} in C_{function:?}", name(&code))),
    }
}

/// The library's word for a code: `CKR_PIN_LOCKED`.
fn name(code: &RvError) -> String {
    let mut name = String::from("CKR");
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The last cause, which is the system's reason.
pub(crate) fn words(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_the_name_of_the_standard() {
        assert_eq!(name(&RvError::PinIncorrect), "CKR_PIN_INCORRECT");
        assert_eq!(name(&RvError::DeviceError), "CKR_DEVICE_ERROR");
    }

    #[test]
    fn names_are_listed_with_their_control_characters_spelled_out() {
        assert_eq!(listed("are", &[]), "are none");
        let names = ["a".to_owned(), "b\n".to_owned()];
        assert_eq!(listed("are", &names), "are `a`, `b\\n`");
    }
}
