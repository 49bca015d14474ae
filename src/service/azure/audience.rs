//! The receiver of a token of Azure's.

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The service's own name, a URL.
    pub resource: String,
    /// The tenant that the service trusts, if it says so.
    pub tenant: Option<String>,
    /// The host that vouches for its users, if it says so.
    pub authority: Option<String>,
}
