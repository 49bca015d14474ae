//! How much of what a registry serves is read.

use super::StoreError;
use crate::http::HttpError;

/// The largest manifest that is read unless the user says otherwise
/// (distribution-spec v1.1 asks registries to take 4 MiB).
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The most bytes that are read of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub bytes: u64,
    /// The flag that sets it.
    pub flag: &'static str,
}

impl Limit {
    pub(super) fn of_manifests(bytes: u64) -> Self {
        let flag = "-manifest-limit";
        Self { bytes, flag }
    }

    pub(super) fn exceeded(self, action: &str) -> StoreError {
        StoreError::TooLarge {
            action: action.to_owned(),
            limit: self,
        }
    }

    /// Names the limit in the error of a request that went over it.
    pub(super) fn explain(self, action: &str, error: StoreError) -> StoreError {
        match error {
            StoreError::Http(HttpError::TooLarge { .. }) => self.exceeded(action),
            error => error,
        }
    }
}
