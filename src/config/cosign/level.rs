//! The levels of `cosign.toml`, their keys, and the likely meaning of other keys. A key
//! that is added here has a row in `spec/cosign-toml.md`.

use super::super::closest;

/// The keys and tables that one level of the file may have. Any other is refused (CFG-2).
pub(super) struct Level {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
}

pub(super) const ROOT: Level = Level {
    name: "the top level",
    keys: &["annotations", "configs"],
};
pub(super) const ANNOTATIONS: Level = Level {
    name: "`[[annotations]]`",
    keys: &["name", "value"],
};
pub(super) const CONFIGS: Level = Level {
    name: "`[[configs]]`",
    keys: &[
        "key",
        "program",
        "signatures",
        "public-key",
        "certificate",
        "certificate-chain",
        "bundle-certificate-chain",
        "password",
        "repository",
        "docker-media-types",
        "export-sbom",
        "format",
        "trusted-root",
        "signing-config",
        "identity-token",
        "oidc-provider",
    ],
};

/// The likely meaning of an unknown key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// A known key of the same level.
    Key(&'static str),
    /// The secret itself; this key holds the path of a file with it.
    PathIn(&'static str),
    /// A flag of cosign's that names a service; signing configs name them.
    SigningConfig,
    /// A flag of cosign's that names a key or a certificate to trust; trusted roots
    /// hold them.
    TrustedRoot,
    /// The same key, at this level.
    Under(&'static str),
}

/// Flags of cosign 2 and 3 that say which service is asked, or whether one is: people try
/// them as keys, and get the file that takes their place (EVD-55).
const SERVICES: [&str; 14] = [
    "fulcio-auth-flow",
    "fulcio-url",
    "issue-certificate",
    "oidc-client-id",
    "oidc-client-secret-file",
    "oidc-issuer",
    "oidc-redirect-url",
    "rekor-entry-type",
    "rekor-url",
    "timestamp-server-name",
    "timestamp-server-url",
    "tlog-upload",
    "tsa-url",
    "use-signing-config",
];
/// Flags and variables of cosign 2 and 3 that say who is trusted.
const TRUSTED: [&str; 6] = [
    "ca-intermediates",
    "ca-roots",
    "ct-log-public-key",
    "rekor-public-key",
    "timestamp-certificate-chain",
    "tuf-root",
];

impl Meant {
    /// The likely meaning of a key that `level` has not: by a list of known mistakes,
    /// then by likeness, then at another level. None if it is like nothing.
    pub(super) fn by(key: &str, level: &Level) -> Option<Self> {
        // The first version of the RFC (2021-12) had the secrets in the file.
        match key {
            "key-data" => return Some(Self::PathIn("key")),
            "password-data" => return Some(Self::PathIn("password")),
            _ => {}
        }
        // Some templates write underscores.
        let flag = key.replace('_', "-");
        if SERVICES.contains(&&*flag) {
            return Some(Self::SigningConfig);
        }
        if TRUSTED.contains(&&*flag) {
            return Some(Self::TrustedRoot);
        }
        if let Some(meant) = closest(key, level.keys) {
            return Some(Self::Key(meant));
        }
        [&ANNOTATIONS, &CONFIGS]
            .iter()
            .find(|other| other.keys.contains(&key))
            .map(|other| Self::Under(other.name))
    }
}
