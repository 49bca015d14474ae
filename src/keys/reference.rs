//! A key as users write it: a path, a URI of cosign's, or a program.
//!
//! The grammar of each URI is that of cosign v2.6.4 and v3.1.2
//! (`pkg/signature/keys.go`, sigstore `pkg/signature/kms`), but that built-in
//! schemes come before plugins and that nothing is fetched over HTTP: there, a program
//! `sigstore-kms-env` in `PATH` takes `env://` over.
//! Text alone: no file, variable or service is looked at here. `config` tells a
//! path from a URI.

use std::fmt;
use std::path::PathBuf;

pub(super) use super::error::UriError;
use super::uri::{AwsUri, AzureUri, GitLabUri, GoogleUri, SecretUri, VaultUri};
use crate::config::IdentityToken;
use crate::pkcs11;

/// A key as it is named, without any of its secrets. Configs with equal references
/// (and one password) share a key, which is opened once. Its `Display` stands in the
/// log, in receipts and in errors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyReference {
    /// A file, resolved against the folder of `cosign.toml`.
    File(PathBuf),
    Uri(KeyUri),
    Program(Program),
    /// A key of the run's own, whose holder an authority certifies. The path of the
    /// token's file is resolved.
    Identity(IdentityToken),
    Signatures(SignatureFolder),
}

impl KeyReference {
    /// Whether a password opens the key. One that stands beside another key is
    /// refused: it would be passed over in silence.
    pub fn has_password(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Uri(uri) => uri.has_password(),
            Self::Program(_) | Self::Identity(_) | Self::Signatures(_) => false,
        }
    }
}

impl fmt::Display for KeyReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Uri(uri) => write!(f, "{uri}"),
            Self::Program(program) => write!(f, "{program}"),
            Self::Identity(IdentityToken::File(path)) => {
                write!(f, "identity-token:{}", path.display())
            }
            Self::Identity(IdentityToken::Provider(provider)) => {
                write!(f, "oidc-provider:{}", provider.name())
            }
            Self::Signatures(folder) => write!(f, "{folder}"),
        }
    }
}

/// A program that signs what it is given, and the public half of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Program {
    /// Its path or name, then its arguments, as they are handed on: no shell reads
    /// them. Not empty.
    pub command: Vec<String>,
    pub public: PublicFileName,
}

/// A folder of signatures that were made elsewhere, and the public half of the
/// key that made them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureFolder {
    /// Resolved. It may not be there yet.
    pub folder: PathBuf,
    pub public: PublicFileName,
}

impl fmt::Display for SignatureFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signatures:{}", self.folder.display())
    }
}

/// Where the public half of a key that is not here is, resolved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicFileName {
    /// PEM of a SubjectPublicKeyInfo.
    Key(PathBuf),
    /// A certificate in PEM or DER, the first of the file.
    Certificate(PathBuf),
}

impl PublicFileName {
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Key(path) | Self::Certificate(path) => path,
        }
    }
}

impl fmt::Display for Program {
    /// The program alone: an argument may be a secret, against all advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.command.first().map_or("", String::as_str);
        write!(f, "program:{program}")
    }
}

/// A key's URI, parsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUri {
    /// `env://NAME`: the variable's value is the PEM of a key file.
    Environment(String),
    /// `awskms://[HOST]/ID`
    Aws(AwsUri),
    /// `gitlab://PROJECT`
    GitLab(GitLabUri),
    /// `k8s://NAMESPACE/SECRET`
    Kubernetes(SecretUri),
    /// `hashivault://…` and `openbao://…`
    Vault(VaultUri),
    /// `azurekms://HOST/KEY[/VERSION]`
    Azure(AzureUri),
    /// `gcpkms://…`
    Google(GoogleUri),
    /// `pkcs11:…`, in one order, so that one key has one name, and without a PIN.
    Pkcs11(String),
    /// `NAME://…`, for a program `sigstore-kms-NAME`.
    Plugin { name: String, resource: String },
}

impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env://{name}"),
            Self::Aws(key) => write!(f, "{key}"),
            Self::GitLab(uri) => write!(f, "{uri}"),
            Self::Kubernetes(uri) => write!(f, "{uri}"),
            Self::Vault(uri) => write!(f, "{uri}"),
            Self::Azure(key) => write!(f, "{key}"),
            Self::Google(key) => write!(f, "{key}"),
            Self::Pkcs11(resource) => write!(f, "pkcs11:{resource}"),
            Self::Plugin { name, resource } => write!(f, "{name}://{resource}"),
        }
    }
}

impl KeyUri {
    /// Parses a URI. The schemes that are built in come first, so that no program in
    /// `PATH` takes one of them over (KEY-111).
    ///
    /// # Errors
    /// On a scheme that cannot hold a key, and on a text that is no URI of its
    /// scheme. The text is not repeated: somebody may have put a secret there.
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
        // RFC 7512 has `pkcs11:` without slashes; people write them nevertheless.
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        match scheme {
            "env" => environment(rest),
            "pkcs11" => token(rest),
            "awskms" => AwsUri::parse(rest).map(Self::Aws),
            "gitlab" => GitLabUri::parse(uri).map(Self::GitLab),
            "k8s" => SecretUri::parse(uri).map(Self::Kubernetes),
            "hashivault" | "openbao" => VaultUri::parse(uri).map(Self::Vault),
            "azurekms" => AzureUri::parse(rest).map(Self::Azure),
            "gcpkms" => GoogleUri::parse(rest).map(Self::Google),
            // cosign fetches the last two by a GET that shows no credentials:
            // nothing but its password would protect such a key.
            "file" | "http" | "https" => Err(UriError::Scheme(scheme.to_owned())),
            _ => plugin(scheme, rest),
        }
    }

    /// Whether a password opens the key that is told beside it: those of keys in
    /// Kubernetes and GitLab are kept there.
    fn has_password(&self) -> bool {
        match self {
            Self::Environment(_) => true,
            Self::Aws(_)
            | Self::Azure(_)
            | Self::GitLab(_)
            | Self::Google(_)
            | Self::Kubernetes(_)
            | Self::Pkcs11(_)
            | Self::Vault(_)
            | Self::Plugin { .. } => false,
        }
    }
}

/// A PIN is a secret, and `cosign.toml`, the log and the plugin's arguments, which hold
/// the URI, are read by others (KEY-150). The path of a file with it is none.
fn token(rest: &str) -> Result<KeyUri, UriError> {
    let uri = pkcs11::Uri::parse(rest).map_err(UriError::Token)?;
    match uri.pin {
        Some(pkcs11::Pin::Value(_)) => Err(UriError::Pin),
        Some(pkcs11::Pin::File(_)) | None => Ok(KeyUri::Pkcs11(uri.to_string())),
    }
}

fn environment(name: &str) -> Result<KeyUri, UriError> {
    let malformed = |reason| UriError::Malformed {
        scheme: "env://",
        reason,
        form: "env://NAME",
    };
    match name {
        "" => Err(malformed("it names no variable")),
        name if name.contains(['=', '\0']) => Err(malformed("no variable has such a name")),
        name => Ok(KeyUri::Environment(name.to_owned())),
    }
}

/// A program's name is made of the scheme, and must lead to no other program: cosign
/// makes a relative path of a scheme with a slash. A PIN is looked for in every
/// plugin's resource, since `sigstore-kms-pkcs11` may have been installed under
/// another name.
fn plugin(scheme: &str, resource: &str) -> Result<KeyUri, UriError> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = !scheme.is_empty() && !scheme.starts_with('-') && scheme.bytes().all(is_allowed);
    if resource.contains("pin-value=") {
        return Err(UriError::Pin);
    }
    match is_name {
        true => Ok(KeyUri::Plugin {
            name: scheme.to_owned(),
            resource: resource.to_owned(),
        }),
        false => Err(UriError::Plugin(scheme.escape_debug().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Result<String, UriError> {
        KeyUri::parse(uri).map(|uri| uri.to_string())
    }

    #[test]
    fn a_uri_is_printed_as_it_was_written() {
        for uri in ["env://COSIGN_KEY", "ovh://my/key id?x=1", "a-1://"] {
            assert_eq!(parsed(uri).as_deref(), Ok(uri));
        }
    }

    #[test]
    fn a_scheme_makes_the_name_of_one_program_alone() {
        for uri in ["-a://x", "A://x", "a.b://x", "a/b://x", "a_b://x", "://x"] {
            assert!(matches!(parsed(uri), Err(UriError::Plugin(_))), "{uri}");
        }
    }

    /// KEY-150
    #[test]
    fn a_key_in_a_token_has_one_name_and_no_pin() {
        let canonical = "pkcs11:token=t;id=%01?module-path=/m.so&pin-source=/p";
        for uri in [
            canonical,
            "pkcs11://id=%01&token=t?pin-source=file:/p&module-path=/m.so",
        ] {
            assert_eq!(parsed(uri).as_deref(), Ok(canonical));
        }
        for uri in [
            "pkcs11:token=t;id=%01?pin-value=1234",
            "p11://token=t;id=%01?pin-value=1234",
        ] {
            assert_eq!(parsed(uri), Err(UriError::Pin));
        }
        let unnamed = Err(UriError::Token(pkcs11::TokenUriError::NoObject));
        assert_eq!(parsed("pkcs11:token=t"), unnamed);
    }

    #[test]
    fn nothing_is_fetched_over_http() {
        for uri in ["http://h/k", "https://h/k", "file:///k"] {
            assert!(matches!(parsed(uri), Err(UriError::Scheme(_))), "{uri}");
        }
    }
}
