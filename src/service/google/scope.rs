//! The one scope that is asked for.

/// The purpose of each token: all that the identity may do. Its rights are
/// bounded by roles, as Google recommends, so that a key and a registry share a
/// token.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
