//! Keys of a credential file: the registries, or parts of them, that they stand
//! for.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::oci::{Registry, Repository};

/// The host behind Docker Hub, which references may name as well.
const HUB_HOST: &str = "registry-1.docker.io";

/// A registry, or the repositories under a path of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    host: Registry,
    /// Without slashes at its ends; empty for the whole registry.
    path: String,
}

impl Scope {
    /// A key that stands for a host whatever follows it (`CNB_REGISTRY_AUTH`).
    /// `None` if it names no host: no registry can match it. A path is cut off,
    /// as the lifecycle does.
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

    fn into_key(self) -> (String, String) {
        (account(&self.host), self.path)
    }
}

/// The paths of all scopes that cover a repository, the narrowest first: they
/// end at a slash or at its end. A lookup each, so that the time does not grow
/// with the number of keys.
fn covering(path: &str) -> impl Iterator<Item = &str> {
    let above = path.rmatch_indices('/');
    let above = above.filter_map(|(slash, _)| path.get(..slash));
    [path].into_iter().chain(above).chain([""])
}

/// The host with its port, and the rest, of a key with or without a scheme.
fn split(key: &str) -> (&str, &str) {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    key.split_once('/').unwrap_or((key, ""))
}

/// Keys with their values, by host and path. A file of a mebibyte may have tens
/// of thousands of keys.
pub(super) struct Scoped<T>(HashMap<(String, String), Vec<(String, T)>>);

impl<T> Scoped<T> {
    /// Of two keys with the same scope, the one that docker itself would write
    /// goes first, then the alphabet decides.
    pub(super) fn new(values: BTreeMap<String, T>, scope: fn(&str) -> Option<Scope>) -> Self {
        let mut all: HashMap<(String, String), Vec<(String, T)>> = HashMap::new();
        let (mut plain, mut others) = (Vec::new(), Vec::new());
        for (key, value) in values {
            // A key that names no host can match no registry.
            if let Some(scope) = scope(&key) {
                match key == server(&scope.host) {
                    true => plain.push((scope, key, value)),
                    false => others.push((scope, key, value)),
                }
            }
        }
        for (scope, key, value) in plain.into_iter().chain(others) {
            all.entry(scope.into_key()).or_default().push((key, value));
        }
        Self(all)
    }

    /// All keys with their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        let all = self.0.values().flatten();
        all.map(|(key, value)| (key.as_str(), value))
    }

    /// The keys that cover `repository` with their values, best first. A
    /// narrower key wins over a wider one.
    pub(super) fn find(&self, repository: &Repository) -> impl Iterator<Item = (&str, &T)> {
        let host = account(repository.registry());
        covering(repository.path())
            .filter_map(move |path| self.0.get(&(host.clone(), path.to_owned())))
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }
}

impl<T> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.values().flatten().map(|(key, _)| key))
            .finish()
    }
}

/// The name under which the credentials of a registry are found: its host in lower
/// case, as DNS. Docker Hub's accounts are the same by both of its names.
fn account(registry: &Registry) -> String {
    match registry.as_str().to_ascii_lowercase() {
        host if host == HUB_HOST => Registry::HUB.to_owned(),
        host => host,
    }
}

/// Docker's name of a registry in its file and for its helpers. Docker Hub
/// keeps a name from before there were other registries.
pub(super) fn server(registry: &Registry) -> &str {
    match registry.as_str() {
        Registry::HUB | HUB_HOST => "https://index.docker.io/v1/",
        other => other,
    }
}
