//! The versions of Rekor.

use std::fmt;

/// The version of Rekor's API. It decides all of an entry: request, body, proof, and
/// whether there is a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RekorVersion {
    V1,
    V2,
}

impl RekorVersion {
    /// The version that a signing config calls by this number.
    pub fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }
}

impl fmt::Display for RekorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "Rekor v1",
            Self::V2 => "Rekor v2",
        })
    }
}
