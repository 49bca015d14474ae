//! The form in which signatures are stored, as `cosign.toml` names it.

use super::super::shortened;
use super::error::ConfigError;
use super::table::Text;

/// The form in which signatures and attestations are stored (`format`). Both kinds of one
/// config always have the same: one bundle of any kind makes cosign 2.6.3 and later blind
/// for tags (CFG-20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// At the tags that every cosign knows.
    #[default]
    Legacy,
    /// As sigstore bundles, referrers of the image.
    Bundle,
    Both,
}

impl Format {
    const NAMES: [&'static str; 3] = ["legacy", "bundle", "both"];

    fn named(name: &str) -> Option<Self> {
        match name {
            "legacy" => Some(Self::Legacy),
            "bundle" => Some(Self::Bundle),
            "both" => Some(Self::Both),
            _ => None,
        }
    }

    /// Whether something is stored at tags.
    pub fn has_tags(self) -> bool {
        self != Self::Bundle
    }

    /// Whether something is stored as bundles.
    pub fn has_bundles(self) -> bool {
        self != Self::Legacy
    }
}

/// The value of `format`; its absence is the default.
pub(super) fn format((text, position): Text<'_>) -> Result<Format, ConfigError> {
    Format::named(text).ok_or_else(|| ConfigError::UnknownValue {
        key: "format",
        written: shortened(text),
        valid: &Format::NAMES,
        position,
    })
}
