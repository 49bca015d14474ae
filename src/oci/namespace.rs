//! Parts of a registry that a setting applies to: the entries of
//! `-insecure-registry` (SIG-5).

use std::fmt;
use std::str::FromStr;

use super::reference::{NotAReference, Registry, Repository};

/// A whole registry (`host:5000`), or the repositories at and below a path of
/// it (`host:5000/team`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    registry: Registry,
    /// Whole segments, without slashes at the ends. None: the whole registry.
    path: Option<String>,
}

impl Namespace {
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether `repository` lies in here. Host and port must be the same (the
    /// host in any case), and a path ends where a segment ends: `r.io/team`
    /// holds `r.io/team/app`, not `r.io/teams`.
    pub fn contains(&self, repository: &Repository) -> bool {
        // Not by text prefix, as the lifecycle does: an empty entry would make
        // every registry insecure, and `vm` also `vm2.example`
        // (`spec/past-mistakes.md`).
        let (own, other) = (self.registry.as_str(), repository.registry().as_str());
        let below = |path: &String| {
            let rest = repository.path().strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // The host in any case, as DNS; the path as it stands: repositories are
        // lower case.
        own.eq_ignore_ascii_case(other) && self.path.as_ref().is_none_or(below)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}/{path}", self.registry),
            None => self.registry.fmt(f),
        }
    }
}

impl FromStr for Namespace {
    type Err = NotAReference;

    /// The first segment is the registry, also without a dot or a port; one
    /// slash at the end has no meaning.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let (host, path) = match text.split_once('/') {
            Some((host, path)) => (host, Some(path)),
            None => (text, None),
        };
        // The grammar of paths, under a host that every parser takes for one.
        if let Some(path) = path {
            format!("registry.invalid/{path}").parse::<Repository>()?;
        }
        Ok(Self {
            registry: host.parse()?,
            path: path.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(namespace: &str, repository: &str) -> bool {
        let namespace: Namespace = namespace.parse().unwrap();
        namespace.contains(&repository.parse().unwrap())
    }

    /// SIG-5
    #[test]
    fn a_registry_contains_all_its_repositories_and_no_others() {
        assert!(contains("vm:5056", "vm:5056/app"));
        assert!(contains("vm:5056/", "vm:5056/a/b"));
        assert!(contains("Registry.Local", "registry.local/a"));
        assert!(contains("docker.io", "index.docker.io/library/app"));
        assert!(!contains("vm", "vm:5056/app"));
        assert!(!contains("vm:505", "vm:5056/app"));
        assert!(!contains("vm", "vm2.example/app"));
        assert!(!contains("r.io:443", "r.io/app"));
    }

    /// SIG-5
    #[test]
    fn a_path_ends_where_a_segment_ends() {
        assert!(contains("r.io/team", "r.io/team"));
        assert!(contains("r.io/team", "r.io/team/app"));
        assert!(contains("r.io/team/", "r.io/team/app"));
        assert!(!contains("r.io/team", "r.io/teams/app"));
        assert!(!contains("r.io/team", "r.io/other/team"));
        assert!(!contains("r.io/team/app", "r.io/team"));
    }

    #[test]
    fn a_namespace_prints_as_it_is_parsed() {
        for text in ["vm:5056", "r.io/team/app", "[::1]:5000"] {
            assert_eq!(text.parse::<Namespace>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_registry_is_refused() {
        for text in [
            "",
            "/",
            "/team",
            "http://vm:5056",
            "vm:port",
            "u:p@vm",
            "r.io//a",
            "r.io/a:tag",
            "r.io/A",
            "a b",
            "*",
        ] {
            assert!(text.parse::<Namespace>().is_err(), "{text}");
        }
    }
}
