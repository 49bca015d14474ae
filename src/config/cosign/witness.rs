//! The keys of `cosign.toml` that say who vouches for signatures, and as whom an
//! authority is asked for a certificate (EVD-55, EVD-56). Services are named in
//! sigstore's own files alone, and no others are asked.

use std::path::PathBuf;

use super::super::{Position, shortened};
use super::error::ConfigError;
use super::path::file;
use super::table::{Table, Text};

/// The files that name those who vouch; see [`CosignConfig::resolve`]. With a trusted
/// root alone nobody is asked.
///
/// [`CosignConfig::resolve`]: super::CosignConfig::resolve
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessFiles {
    /// Those whose word counts (`trusted-root`).
    pub trusted_root: PathBuf,
    /// The services that are asked (`signing-config`).
    pub signing_config: Option<PathBuf>,
    /// Where the trusted root is named.
    pub position: Position,
}

/// Where an identity token comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityToken {
    /// `identity-token`
    File(PathBuf),
    /// `oidc-provider`
    Provider(TokenProvider),
}

/// A provider of identity tokens, as cosign names it (v3.1.2 `pkg/providers`), but for
/// `ambient`, which cosign does without being told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenProvider {
    /// The first of the others that is there.
    Ambient,
    /// `SIGSTORE_ID_TOKEN`
    Variable,
    /// A file at the place where Kubernetes mounts one for cosign.
    Filesystem,
    GitHubActions,
    BuildkiteAgent,
    GoogleWorkloadIdentity,
    Spiffe,
}

impl TokenProvider {
    /// In the order of `NAMES`.
    pub const ALL: [Self; 7] = [
        Self::Ambient,
        Self::Variable,
        Self::Filesystem,
        Self::GitHubActions,
        Self::BuildkiteAgent,
        Self::GoogleWorkloadIdentity,
        Self::Spiffe,
    ];
    const NAMES: [&'static str; 7] = [
        "ambient",
        "envvar",
        "filesystem",
        "github-actions",
        "buildkite-agent",
        "google-workload-identity",
        "spiffe",
    ];

    /// The value of `oidc-provider`.
    pub fn name(self) -> &'static str {
        let mut names = Self::ALL.into_iter().zip(Self::NAMES);
        let found = names.find(|(provider, _)| *provider == self);
        found.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let mut providers = Self::ALL.into_iter();
        providers.find(|provider| provider.name() == name)
    }
}

/// The two files. A signing config without a trusted root would have evidence stored that
/// nobody verified (EVD-55).
pub(super) fn witness_files(table: &Table<'_, '_>) -> Result<Option<WitnessFiles>, ConfigError> {
    let root = optional_file(table, "trusted-root")?;
    let config = optional_file(table, "signing-config")?;
    match (root, config) {
        (None, None) => Ok(None),
        (None, Some((_, position))) => Err(ConfigError::Needs {
            key: "signing-config",
            other: "trusted-root",
            position,
        }),
        (Some((trusted_root, position)), config) => Ok(Some(WitnessFiles {
            trusted_root,
            signing_config: config.map(|(path, _)| path),
            position,
        })),
    }
}

/// The path of a file that may be absent, and where it is named.
fn optional_file(
    table: &Table<'_, '_>,
    key: &'static str,
) -> Result<Option<(PathBuf, Position)>, ConfigError> {
    let text = table.optional_text(key)?;
    let path = text.map(|text| {
        let position = text.1.clone();
        file(key, text).map(|path| (path, position))
    });
    path.transpose()
}

/// An identity as written: the name of its key, its value, and its place.
type WrittenIdentity = (&'static str, IdentityToken, Position);

/// The identity in place of a key, by at most one of its two names. It is always
/// explicit: a certificate stays in a public log, and a missing `key` must lead to none.
pub(super) fn identity_token(
    table: &Table<'_, '_>,
) -> Result<Option<WrittenIdentity>, ConfigError> {
    let path = table.optional_text("identity-token")?;
    let provider = table.optional_text("oidc-provider")?;
    let (key, token, position) = match (path, provider) {
        (None, None) => return Ok(None),
        (Some(_), Some((_, position))) => {
            return Err(ConfigError::NotWith {
                key: "oidc-provider",
                other: "identity-token",
                position,
            });
        }
        (Some(path), None) => token_file(path)?,
        (None, Some(provider)) => token_provider(provider)?,
    };
    if table.table.get("signing-config").is_none() {
        return Err(ConfigError::Needs {
            key,
            other: "signing-config",
            position,
        });
    }
    Ok(Some((key, token, position)))
}

fn token_file((text, position): Text<'_>) -> Result<WrittenIdentity, ConfigError> {
    const KEY: &str = "identity-token";
    if is_jwt(text) {
        return Err(ConfigError::NotAPath { key: KEY, position });
    }
    let path = file(KEY, (text, position.clone()))?;
    Ok((KEY, IdentityToken::File(path), position))
}

fn token_provider((text, position): Text<'_>) -> Result<WrittenIdentity, ConfigError> {
    const KEY: &str = "oidc-provider";
    let provider = TokenProvider::named(text);
    let provider = provider.ok_or_else(|| ConfigError::UnknownValue {
        key: KEY,
        written: shortened(text),
        valid: &TokenProvider::NAMES,
        position: position.clone(),
    })?;
    Ok((KEY, IdentityToken::Provider(provider), position))
}

/// Whether somebody wrote the token itself, as cosign's flag takes it: base64 of `{"`,
/// and three parts. It is refused without being repeated.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}
