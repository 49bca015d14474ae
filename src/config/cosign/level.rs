//! The levels of `cosign.toml`, and their keys.

use super::super::closest;

/// The keys and tables that one level of the file may have.
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
        "public-key",
        "certificate",
        "password",
        "repository",
        "docker-media-types",
        "export-sbom",
        "format",
    ],
};

/// The likely meaning of an unknown key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// A known key of the same level.
    Key(&'static str),
    /// The secret itself; this key holds the path of a file with it.
    PathIn(&'static str),
    /// The same key, at this level.
    Under(&'static str),
}

impl Meant {
    pub(super) fn by(key: &str, level: &Level) -> Option<Self> {
        // The first version of the RFC (2021-12) had the secrets in the file.
        match key {
            "key-data" => return Some(Self::PathIn("key")),
            "password-data" => return Some(Self::PathIn("password")),
            _ => {}
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
