//! One credential: the identity to show to a registry, and where it is from.

use std::fmt;

use super::lacking::LackingSource;
use super::source::Source;
use crate::secret::{Secret, Secrets};

/// The identity to show to a registry, and its source. It prints as the source:
/// some registries take a token as the user's name.
#[derive(Debug)]
pub struct Credential {
    pub identity: IdentityProof,
    /// None if no source has a credential.
    pub source: Option<Source>,
    /// The key of its entry in the source.
    pub entry: Option<String>,
    /// The sources before that one, in their order.
    pub lacking: Vec<LackingSource>,
}

/// A proof of identity.
#[derive(Debug)]
pub enum IdentityProof {
    Anonymous,
    /// For the registry itself, or for the token service that it names.
    Basic {
        user: String,
        password: Secret,
    },
    /// A registry token: sent to the registry verbatim, never exchanged.
    Bearer(Secret),
    /// An OAuth2 refresh token: exchanged at the token service.
    RefreshToken {
        token: Secret,
        /// The proof for those who exchange none.
        otherwise: Box<IdentityProof>,
    },
}

impl IdentityProof {
    /// A refresh token with nothing beside it.
    pub(super) fn refresh_token(token: Secret) -> Self {
        Self::RefreshToken {
            token,
            otherwise: Box::new(Self::Anonymous),
        }
    }

    /// User and password, also those beside an identity token.
    pub fn login(&self) -> Option<(&str, &Secret)> {
        match self {
            Self::Basic { user, password } => Some((user, password)),
            Self::RefreshToken { otherwise, .. } => otherwise.login(),
            Self::Anonymous | Self::Bearer(_) => None,
        }
    }

    /// Another copy, for another request. Not `Clone`: secrets are copied on
    /// purpose.
    pub(super) fn copy(&self) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::Basic { user, password } => Self::Basic {
                user: user.clone(),
                password: password.copy(),
            },
            Self::Bearer(token) => Self::Bearer(token.copy()),
            Self::RefreshToken { token, otherwise } => Self::RefreshToken {
                token: token.copy(),
                otherwise: Box::new(otherwise.copy()),
            },
        }
    }

    /// Hides every part of it that a host may repeat. A login by its password,
    /// and by its base64.
    pub fn remember(&self, secrets: &Secrets) {
        match self {
            Self::Anonymous => {}
            Self::Basic { user, password } => secrets.remember_login(user, password.expose()),
            Self::Bearer(token) => secrets.remember(token.expose()),
            Self::RefreshToken { token, otherwise } => {
                secrets.remember(token.expose());
                otherwise.remember(secrets);
            }
        }
    }
}

impl Credential {
    pub(super) fn of(identity: IdentityProof, source: Source, entry: Option<String>) -> Self {
        Self {
            identity,
            source: Some(source),
            entry,
            lacking: Vec::new(),
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.identity {
            IdentityProof::Anonymous => "anonymous",
            IdentityProof::Basic { .. } => "the password",
            IdentityProof::Bearer(_) => "the registry token",
            IdentityProof::RefreshToken { .. } => "the identity token",
        };
        f.write_str(what)?;
        match (&self.source, &self.entry) {
            (Some(source), Some(entry)) => write!(f, " for `{entry}` in {source}")?,
            (Some(source), None) => write!(f, " of {source}")?,
            (None, _) => {}
        }
        let lacking: Vec<_> = self.lacking.iter().map(LackingSource::to_string).collect();
        match (lacking.join("; "), &self.source) {
            (list, _) if list.is_empty() => Ok(()),
            (list, Some(_)) => write!(f, " (before it, {list})"),
            (list, None) => write!(f, " ({list})"),
        }
    }
}
