//! The one map from a failure of the plugin to the user's remedy. Commands are those of
//! OpenSC's `pkcs11-tool`, which takes any maker's library. No remedy repeats a piece of
//! the URI, which may hold a PIN (TOK-2).

use signer::pkcs11::{RequestError, TokenUriError};

use crate::PluginError;
use crate::error::TokenError;

/// The remedy, if one is known.
pub(crate) fn of(error: &PluginError) -> Option<&'static str> {
    match error {
        PluginError::Request(error) => of_request(*error),
        PluginError::Uri(error) => Some(of_uri(*error)),
        PluginError::Token(error) => of_token(error),
        PluginError::CreateKey => {
            Some("make one with the token's own tool, or with `pkcs11-tool --keypairgen`")
        }
        PluginError::NoModule => Some(
            "write `?module-path=/path/of/library.so` behind the key, or set COSIGN_PKCS11_MODULE_PATH",
        ),
        PluginError::ModulePath => Some("COSIGN_PKCS11_MODULE_PATH must be an absolute path"),
        PluginError::PinFile { .. } => {
            Some("it must be a file with the PIN of the user and nothing else")
        }
        PluginError::Mismatch => Some(
            "the private and the public key of this name do not belong together: name the key by `id`",
        ),
        PluginError::TooLong => Some("sign long messages with an ECDSA or RSA key"),
        PluginError::Signature
        | PluginError::Read(_)
        | PluginError::OtherMessage
        | PluginError::Refused => None,
    }
}

fn of_request(error: RequestError) -> Option<&'static str> {
    match error {
        RequestError::Hash => {
            Some("leave the digest algorithm at SHA-256, which every cosign verifies")
        }
        // TOK-6 and TOK-7: SHA-256 alone, since no cosign verifies another by itself.
        RequestError::Digest => Some(
            "cosign 3 asks for another one with P-384, P-521 and Ed25519 keys, which it does not verify by \
             itself: sign with cosign 2.6, with the signer, or with a P-256 or RSA key",
        ),
        _ => None,
    }
}

fn of_uri(error: TokenUriError) -> &'static str {
    match error {
        TokenUriError::Encoding(_) | TokenUriError::NoValue(_) => {
            "write `;`, `&`, `?`, `%` and spaces within a value as `%3B`, `%26`, `%3F`, `%25` and `%20`"
        }
        TokenUriError::PinSource => "write the path of a file: commands are not run",
        TokenUriError::TwoPins => "keep one of `pin-source` and `pin-value`",
        _ => "write `token=NAME;object=KEY?module-path=/path/of/library.so`",
    }
}

fn of_token(error: &TokenError) -> Option<&'static str> {
    Some(match error {
        TokenError::NoModule(_) | TokenError::Module { .. } => {
            "give the library of the token's maker for this machine, such as /usr/lib/softhsm/libsofthsm2.so, \
             with all that it needs itself"
        }
        TokenError::NoToken(_) => {
            "compare with `pkcs11-tool --module LIBRARY --list-slots`; slot numbers may change each time, labels \
             do not"
        }
        TokenError::SeveralTokens(_) => "add `serial` or `slot-id` to the URI",
        TokenError::NoPin => {
            "set COSIGN_PKCS11_PIN, or add `pin-source` with the path of a file to the URI"
        }
        TokenError::PinIncorrect(_) => {
            "do not run again with this PIN: some wrong ones lock the token; it must be the user's, not the \
             security officer's"
        }
        TokenError::PinLocked => {
            "have the security officer set a new one, as `pkcs11-tool --init-pin` does"
        }
        TokenError::LastTry => {
            "log in with the right PIN by hand, as `pkcs11-tool --login --list-objects` does, which resets the \
             count"
        }
        TokenError::PinExpired => "set a new one, as `pkcs11-tool --change-pin` does",
        TokenError::NotLoggedIn => "the PIN may be one of another role",
        TokenError::NoKey { .. } => {
            "compare with `pkcs11-tool --module LIBRARY --login --list-objects`; `id` is in hexadecimal there, \
             and each byte has a `%` in the URI"
        }
        TokenError::SeveralKeys(_) => "name the key by `id`, or by both",
        TokenError::NoPublicKey => "store the public key, or a certificate, beside the private key",
        // Slot 9c of a YubiKey is such a key by default.
        TokenError::AlwaysAuthenticate => {
            "use a key whose PIN is asked once, such as one made with `ykman piv keys generate --pin-policy once`"
        }
        TokenError::CannotSign(_) => {
            "the key must be allowed to sign (CKA_SIGN), by CKM_ECDSA, CKM_RSA_PKCS or CKM_EDDSA"
        }
        TokenError::Key(_) | TokenError::Library(_) => return None,
    })
}
