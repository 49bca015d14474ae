//! The receiver of a token of Azure's. Its parts are words of the service itself:
//! `keys` and `acr` compare them with the host that said them, and `authority`
//! sends secrets to known hosts alone.

/// The receiver of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The service's own name, a URL.
    pub resource: String,
    /// The tenant that the service trusts, if it says so.
    pub tenant: Option<String>,
    /// The host that vouches for its users, if it says so: one for each cloud.
    pub authority: Option<String>,
}
