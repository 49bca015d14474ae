//! `hashivault://NAME` and `openbao://NAME`, as cosign writes them (sigstore
//! v1.10.8 `pkg/signature/kms/hashivault`): the bare name of a key. Its mount and its
//! namespace are set for the whole run, by variables.

use std::fmt;

use crate::keys::error::UriError;

/// A key of a transit engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VaultUri {
    product: Product,
    key: String,
}

/// The product that the scheme names, for messages alone: the two answer alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::keys) enum Product {
    Vault,
    OpenBao,
}

impl Product {
    fn scheme(self) -> &'static str {
        match self {
            Self::Vault => "hashivault://",
            Self::OpenBao => "openbao://",
        }
    }

    /// As messages name it.
    pub(in crate::keys) fn name(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::OpenBao => "OpenBao",
        }
    }
}

impl VaultUri {
    /// Parses a URI of either scheme: letters, digits, `_`, and within the name
    /// `-` and `.`.
    ///
    /// # Errors
    /// On a name that cosign would not take either.
    pub(in crate::keys) fn parse(uri: &str) -> Result<Self, UriError> {
        let product = match uri.starts_with("openbao:") {
            true => Product::OpenBao,
            false => Product::Vault,
        };
        let malformed = |reason| UriError::Malformed {
            scheme: product.scheme(),
            reason,
            form: match product {
                Product::Vault => "hashivault://KEY",
                Product::OpenBao => "openbao://KEY",
            },
        };
        let Some(key) = uri.strip_prefix(product.scheme()) else {
            return Err(malformed("two slashes follow the scheme"));
        };
        if key.is_empty() {
            return Err(malformed("it names no key"));
        }
        if key.contains('/') {
            return Err(malformed("a key's name has no slash, and no version"));
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_inner = |byte: u8| is_word(byte) || matches!(byte, b'-' | b'.');
        let has_good_ends =
            key.bytes().next().is_some_and(is_word) && key.bytes().next_back().is_some_and(is_word);
        match has_good_ends && key.bytes().all(is_inner) {
            true => Ok(Self {
                product,
                key: key.to_owned(),
            }),
            false => Err(malformed(
                "a key's name is made of letters, digits and `_`, and within it `-` and `.`",
            )),
        }
    }

    pub(in crate::keys) fn product(&self) -> Product {
        self.product
    }

    pub(in crate::keys) fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for VaultUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.product.scheme(), self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KEY-60
    #[test]
    fn a_uri_is_a_scheme_and_a_bare_name() {
        for good in [
            "hashivault://k",
            "hashivault://my-key.v2",
            "openbao://_a--b..c9",
        ] {
            let parsed = VaultUri::parse(good).map(|uri| uri.to_string());
            assert_eq!(parsed.as_deref(), Ok(good));
        }
        for bad in [
            "hashivault://",
            "hashivault:k",
            "hashivault:///k",
            "hashivault://k/",
            "hashivault://transit/k",
            "hashivault://-k",
            "hashivault://k.",
            "hashivault://k?version=1",
            "hashivault://kö",
            "openbao://a b",
            "openbao:k",
        ] {
            let parsed = VaultUri::parse(bad);
            assert!(matches!(parsed, Err(UriError::Malformed { .. })), "{bad}");
        }
    }
}
