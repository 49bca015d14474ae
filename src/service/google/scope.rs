//! The one scope that is asked for.

/// What each token is for: all that the identity may do.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
