//! Keys of a credential file: what part of which registry they stand for.

use std::collections::BTreeMap;
use std::fmt;

use super::docker;
use crate::oci::{Registry, Repository};

/// A registry, or the repositories under a path of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    host: Registry,
    /// Without slashes at its ends; empty for the whole registry.
    path: String,
}

impl Scope {
    /// A key that stands for a host whatever follows it (`CNB_REGISTRY_AUTH`).
    /// `None` if it names no host: nothing can match it.
    pub(super) fn of_host(key: &str) -> Option<Self> {
        let (host, _) = split(key);
        let host = host.parse().ok()?;
        let path = String::new();
        Some(Self { host, path })
    }

    /// A key of `auths` or `credHelpers`: `host`, `host/path`, or a URL as
    /// `docker login` once wrote them (`https://host/v1/`).
    pub(super) fn of_path(key: &str) -> Option<Self> {
        let (_, path) = split(key);
        let path = match path.trim_matches('/') {
            "v1" | "v2" => "",
            path => path,
        };
        Some(Self {
            path: path.to_owned(),
            ..Self::of_host(key)?
        })
    }

    /// Whether it covers `repository`; a path ends at a slash or at the end.
    fn covers(&self, repository: &Repository) -> bool {
        let same_host = (self.host.as_str()).eq_ignore_ascii_case(repository.registry().as_str());
        let rest = repository.path().strip_prefix(&self.path);
        let under = |rest: &str| self.path.is_empty() || rest.is_empty() || rest.starts_with('/');
        same_host && rest.is_some_and(under)
    }
}

/// Host with port, and what follows it, of a key with or without a scheme.
fn split(key: &str) -> (&str, &str) {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    key.split_once('/').unwrap_or((key, ""))
}

/// Values under keys, the narrowest scope first.
pub(super) struct Scoped<T>(Vec<(Scope, String, T)>);

impl<T> Scoped<T> {
    /// Of two keys with the same scope, the one that docker itself would write
    /// goes first, then the alphabet decides.
    pub(super) fn new(values: BTreeMap<String, T>, scope: fn(&str) -> Option<Scope>) -> Self {
        let mut all: Vec<_> = values
            .into_iter()
            .filter_map(|(key, value)| Some((scope(&key)?, key, value)))
            .collect();
        all.sort_by_key(|(scope, key, _)| {
            let is_plain = *key == docker::server(&scope.host);
            (usize::MAX - scope.path.len(), !is_plain)
        });
        Self(all)
    }

    /// The keys that cover `repository` with their values, best first.
    pub(super) fn find(&self, repository: &Repository) -> impl Iterator<Item = (&str, &T)> {
        self.0
            .iter()
            .filter(|(scope, _, _)| scope.covers(repository))
            .map(|(_, key, value)| (key.as_str(), value))
    }
}

impl<T> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(_, key, _)| key))
            .finish()
    }
}
