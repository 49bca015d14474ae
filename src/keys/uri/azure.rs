//! `azurekms://` URIs, in the grammar of sigstore v1.10 `pkg/signature/kms/azure`, with
//! the names that Azure allows and no others (KEY-100).

use std::fmt;

use url::Url;

use crate::keys::error::UriError;
use crate::service::host_of;

/// The longest name of a key or a version.
const LONGEST: usize = 127;

/// A key of Azure Key Vault or Managed HSM, and one of its versions if the user
/// chose it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AzureUri {
    /// A host, and its port if it is not 443.
    pub(in crate::keys) host: String,
    pub(in crate::keys) key: String,
    pub(in crate::keys) version: Option<String>,
}

impl AzureUri {
    /// Parses the part behind `azurekms://`. The host is kept in small letters, since
    /// the key that the vault names has to be at the same one. A slash at the end
    /// names no version.
    ///
    /// # Errors
    /// On a text of another form.
    pub fn parse(rest: &str) -> Result<Self, UriError> {
        let malformed = |reason| UriError::Malformed {
            scheme: "azurekms://",
            reason,
            form: "azurekms://VAULT.vault.azure.net/KEY[/VERSION]",
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (key, version) = path.split_once('/').unwrap_or((path, ""));
        let is_name = |text: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            text.len() <= LONGEST && text.bytes().all(is_allowed)
        };
        match base(host) {
            None => Err(malformed("it names no vault")),
            Some(_) if key.is_empty() => Err(malformed("it names no key")),
            Some(_) if !is_name(key) => Err(malformed("a key's name has letters, digits and `-`")),
            Some(_) if !is_name(version) => Err(malformed("its version is none")),
            Some(url) => Ok(Self {
                host: host_of(&url),
                key: key.to_owned(),
                version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            }),
        }
    }
}

/// The URL of a host, if it is nothing but a host: the text is compared with what the
/// parser took for host and port, so that no user, path or query hides in it. The
/// parser drops the port of HTTPS, which a user may write.
pub(in crate::keys) fn base(host: &str) -> Option<Url> {
    let url: Url = format!("https://{host}/").parse().ok()?;
    let bare = host.strip_suffix(":443").unwrap_or(host);
    let is_all = host_of(&url).eq_ignore_ascii_case(bare);
    is_all.then_some(url)
}

impl fmt::Display for AzureUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "azurekms://{}/{}", self.host, self.key)?;
        match &self.version {
            Some(version) => write!(f, "/{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KEY-100
    #[test]
    fn a_key_is_named_with_or_without_its_version() {
        let printed = |rest: &str| AzureUri::parse(rest).map(|key| key.to_string());
        for rest in [
            "v.vault.azure.net/k-1",
            "127.0.0.1:8443/k/0a1b",
            "[::1]:8/k",
        ] {
            assert_eq!(printed(rest), Ok(format!("azurekms://{rest}")));
        }
        for rest in ["V.vault.azure.net/k/", "v.vault.azure.net:443/k"] {
            let key = Ok("azurekms://v.vault.azure.net/k".into());
            assert_eq!(printed(rest), key, "{rest}");
        }
    }

    #[test]
    fn other_names_are_refused() {
        for rest in [
            "",
            "v",
            "v/",
            "/k",
            "v/k/1/2",
            "u@v/k",
            "v:x/k",
            "v:/k",
            ":443/k",
            "v?a/k",
            "v#a/k",
            "v v/k",
            "v/../x",
            "v/k?x",
            "v/k/a_b",
            "v\\@evil/k",
        ] {
            let parsed = AzureUri::parse(rest);
            assert!(matches!(parsed, Err(UriError::Malformed { .. })), "{rest}");
        }
    }
}
