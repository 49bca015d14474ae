//! `k8s://NAMESPACE/SECRET`, as cosign v3.1.2 reads it (`pkg/cosign/kubernetes`), with
//! names that Kubernetes has alone: both become parts of a URL's path (KEY-70).

use std::fmt;

use crate::keys::error::UriError;

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretUri {
    pub(in crate::keys) namespace: String,
    pub(in crate::keys) name: String,
}

impl SecretUri {
    /// Parses a URI, with exactly one slash in it.
    ///
    /// # Errors
    /// On other names than Kubernetes allows (RFC 1123 subdomains).
    pub(in crate::keys) fn parse(uri: &str) -> Result<Self, UriError> {
        let malformed = |reason| UriError::Malformed {
            scheme: "k8s://",
            reason,
            form: "k8s://NAMESPACE/SECRET",
        };
        let rest = uri.strip_prefix("k8s://");
        let rest = rest.ok_or_else(|| malformed("two slashes follow the scheme"))?;
        let one_slash = || malformed("one slash stands between namespace and name");
        let (namespace, name) = rest.split_once('/').ok_or_else(one_slash)?;
        if name.contains('/') {
            return Err(one_slash());
        }
        match is_name(namespace) && is_name(name) {
            true => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            false => Err(malformed("no Secret has such a name")),
        }
    }
}

/// Whether it is a subdomain by RFC 1123, as far as Kubernetes asks.
fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let ends = [name.bytes().next(), name.bytes().next_back()];
    let is_end = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    name.len() <= 253 && name.bytes().all(is_allowed) && ends.into_iter().all(is_end)
}

impl fmt::Display for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k8s://{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KEY-70
    #[test]
    fn a_uri_names_a_namespace_and_a_secret() {
        for good in ["k8s://default/cosign", "k8s://team-a/keys.release"] {
            let parsed = SecretUri::parse(good).map(|uri| uri.to_string());
            assert_eq!(parsed.as_deref(), Ok(good));
        }
        for bad in [
            "k8s://",
            "k8s:a/b",
            "k8s://a",
            "k8s://a/",
            "k8s:///b",
            "k8s://a/b/c",
            "k8s://A/b",
            "k8s://a/-b",
            "k8s://a/..",
            "k8s://a/b?c",
        ] {
            let parsed = SecretUri::parse(bad);
            assert!(matches!(parsed, Err(UriError::Malformed { .. })), "{bad}");
        }
    }
}
