//! `gitlab://PROJECT`, as cosign v3.1.2 reads it: a path, or a number. (cosign takes
//! everything that begins with `gitlab` for it, a file's name too.)

use std::fmt;

use crate::keys::error::UriError;

/// A project, or a group, by its path or its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitLabUri(String);

impl GitLabUri {
    /// Parses a URI.
    ///
    /// # Errors
    /// On one that names nothing.
    pub(in crate::keys) fn parse(uri: &str) -> Result<Self, UriError> {
        let malformed = |reason| UriError::Malformed {
            scheme: "gitlab://",
            reason,
            form: "gitlab://GROUP/PROJECT",
        };
        let project = uri.strip_prefix("gitlab://");
        let project = project.ok_or_else(|| malformed("two slashes follow the scheme"))?;
        // The path becomes one segment of a URL, in which `..` would lead elsewhere.
        let is_path = |part: &str| {
            let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(is_allowed)
        };
        match project.split('/').all(is_path) {
            true => Ok(Self(project.to_owned())),
            false => Err(malformed("it is no path of a project and no number")),
        }
    }

    pub(in crate::keys) fn project(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GitLabUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gitlab://{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KEY-77
    #[test]
    fn a_project_is_a_path_or_a_number() {
        for good in ["gitlab://42", "gitlab://group/sub/my-project.x"] {
            let parsed = GitLabUri::parse(good).map(|uri| uri.to_string());
            assert_eq!(parsed.as_deref(), Ok(good));
        }
        for bad in [
            "gitlab://",
            "gitlab:42",
            "gitlab:///a",
            "gitlab://a//b",
            "gitlab://a/../b",
            "gitlab://a?x",
            "gitlab://a b",
        ] {
            assert!(GitLabUri::parse(bad).is_err(), "{bad}");
        }
    }
}
