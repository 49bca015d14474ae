//! References as the platform typed them, normalised as go-containerregistry
//! v0.22 `pkg/name` does (the names cosign signs and looks up).
//!
//! The grammar of paths and tags is the distribution-spec's (v1.1, "Pulling
//! manifests"), which is also what the `oci-distribution` crate accepts: the
//! tests compare the two. `pkg/name` lets paths through that no registry takes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::digest::Digest;

/// Docker Hub by the name that people write. `registry-1.docker.io`, the host behind
/// it, is another registry to go-containerregistry, so that cosign looks for another
/// identity there.
const HUB_ALIAS: &str = "docker.io";
/// The namespace of its official images, which nobody writes.
const HUB_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// In bytes: `checkRepository` of go-containerregistry, and the crate.
const MAX_PATH: usize = 255;
/// In bytes (distribution-spec v1.1, "Pulling manifests").
const MAX_TAG: usize = 128;

/// A registry's host, with its port if one was given. Docker Hub is
/// `index.docker.io`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(String);

impl Registry {
    /// Docker Hub by go-containerregistry's name: the one that is signed, and by
    /// which credentials are looked up.
    pub const HUB: &str = "index.docker.io";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host alone, without port and without the brackets of an IPv6 host.
    pub fn host(&self) -> &str {
        let without_port = match self.0.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => &self.0,
        };
        without_port.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether this is a name or an address of the machine itself. Names below
    /// `.localhost` are so by RFC 6761, whatever a resolver says.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        match host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }

    /// Whether this is an address that go-containerregistry tries plain HTTP
    /// on: loopback, or an RFC 1918 address literal (`spec/decisions/0004`). Any
    /// other name is not, whatever it resolves to.
    pub fn is_local(&self) -> bool {
        let private =
            matches!(self.host().parse(), Ok(IpAddr::V4(address)) if address.is_private());
        private || self.is_loopback()
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Registry {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || NotAReference::new(text, "its registry is no host with an optional port");
        if text == Self::HUB || text == HUB_ALIAS {
            return Ok(Self(Self::HUB.to_owned()));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        // `u16` alone would read `+80`.
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let port_is_bad = port.is_some_and(|port| !is_number(port) || port.parse::<u16>().is_err());
        if port_is_bad || !is_host(host) {
            return Err(refuse());
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            // `_` is in no name of DNS, but in names of containers, and
            // go-containerregistry takes any authority of RFC 3986.
            let label = |l: &str| {
                !l.is_empty()
                    && !l.starts_with('-')
                    && !l.ends_with('-')
                    && l.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            };
            host.split('.').all(label) && !is_disguised_address(host)
        }
    }
}

/// Whether a URL with this host would ask an address that the host does not
/// spell: `0x7f.1` and `127.1` are `127.0.0.1` to the WHATWG's URL standard.
/// Rules that go by the text of a host, as those for plain HTTP, would judge
/// another host than the one that is asked.
fn is_disguised_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or(host);
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let is_number = match hexadecimal {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => last.bytes().all(|b| b.is_ascii_digit()),
    };
    is_number && host.parse::<Ipv4Addr>().is_err()
}

/// A repository of a registry, written `<registry>/<path>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: Registry,
    path: String,
}

impl Repository {
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The name inside the registry, as URLs of the distribution API hold it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = NotAReference;

    /// A repository that replaces another, as cosign reads `COSIGN_REPOSITORY`:
    /// without tag or digest (CFG-9). A single word is refused; `org/app` is
    /// Docker Hub's, as in references.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (registry, path) = split_registry(text);
        if registry.is_none() && !text.contains('/') {
            return Err(NotAReference::new(text, "it must be `<registry>/<path>`"));
        }
        let (repository, tag, digest) = parse_parts(text, registry, path)?;
        if tag.is_some() || digest.is_some() {
            return Err(NotAReference::new(
                text,
                "a repository has no tag and no digest",
            ));
        }
        Ok(repository)
    }
}

/// A tag: at most 128 characters of `[A-Za-z0-9_.-]`, not starting with `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag that cosign hangs layers on: `<algorithm>-<hex>.<suffix>`.
    pub fn attached(digest: &Digest, suffix: &str) -> Self {
        Self(format!(
            "{}.{suffix}",
            digest.to_string().replacen(':', "-", 1)
        ))
    }

    /// The tag of the list of referrers of `digest`, for a registry that keeps
    /// no list (distribution-spec v1.1, "Referrers Tag Schema"):
    /// `<algorithm>-<hex>`, at most 64 hexadecimal digits.
    pub fn referrers(digest: &Digest) -> Self {
        let hex: String = digest.hex().chars().take(64).collect();
        Self(format!("{}-{hex}", digest.algorithm().name()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part of a reference after the repository: a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    Tag(Tag),
    Digest(Digest),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl From<Tag> for Version {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Version {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

/// A manifest's name: a tag or a digest in a repository. As with
/// go-containerregistry, a digest wins over a tag beside it, and a name with
/// neither means the tag `latest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    repository: Repository,
    version: Version,
}

impl Reference {
    pub fn new(repository: Repository, version: impl Into<Version>) -> Self {
        Self {
            repository,
            version: version.into(),
        }
    }

    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub fn version(&self) -> &Version {
        &self.version
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (registry, rest) = split_registry(text);
        let (repository, tag, digest) = parse_parts(text, registry, rest)?;
        let version = match (digest, tag) {
            // A tag beside a digest is checked by the grammar and then
            // forgotten.
            (Some(digest), _) => Version::Digest(digest),
            (None, Some(tag)) => Version::Tag(tag),
            (None, None) => Version::Tag(Tag(DEFAULT_TAG.to_owned())),
        };
        Ok(Self {
            repository,
            version,
        })
    }
}

/// Text that names no repository, tag or digest.
#[derive(thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a valid reference: {reason}")]
pub struct NotAReference {
    text: String,
    reason: String,
}

debug_as_display!(NotAReference);

impl NotAReference {
    /// The written text, its first 300 characters.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn new(text: &str, reason: impl Into<String>) -> Self {
        Self {
            text: text.chars().take(300).collect(),
            reason: reason.into(),
        }
    }
}

/// Docker's rule: the first segment is a registry if it has a dot or a colon
/// or is `localhost`.
fn split_registry(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, text),
    }
}

type NamedParts = (Repository, Option<Tag>, Option<Digest>);

fn parse_parts(
    text: &str,
    registry: Option<&str>,
    rest: &str,
) -> Result<NamedParts, NotAReference> {
    let refuse = |reason: String| NotAReference::new(text, reason);
    let registry: Registry = registry
        .unwrap_or(Registry::HUB)
        .parse()
        .map_err(|error: NotAReference| refuse(error.reason))?;
    // Neither a path nor a tag has an `@`, and no path a `:`: the first one
    // separates.
    let (name, digest) = match rest.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (rest, None),
    };
    let (path, tag) = match name.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (name, None),
    };
    if !path.split('/').all(is_component) {
        let words = "its repository must be lower-case names, separated by `/`";
        return Err(refuse(words.to_owned()));
    }
    if path.len() > MAX_PATH {
        return Err(refuse(format!(
            "its repository has more than {MAX_PATH} characters"
        )));
    }
    if !tag.is_none_or(is_tag) {
        let words = format!("its tag must be 1 to {MAX_TAG} characters of `[A-Za-z0-9_.-]`");
        return Err(refuse(format!("{words}, not starting with `.` or `-`")));
    }
    let digest = match digest.map(Digest::from_str) {
        Some(Err(error)) => return Err(refuse(error.to_string())),
        Some(Ok(digest)) => Some(digest),
        None => None,
    };
    let path = hub_path(&registry, path);
    let tag = tag.map(|tag| Tag(tag.to_owned()));
    Ok((Repository { registry, path }, tag, digest))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator = |text: &str| match text {
        "." | "_" | "__" => true,
        dashes => dashes.bytes().all(|b| b == b'-'),
    };
    text.starts_with(is_alphanumeric)
        && text.ends_with(is_alphanumeric)
        && text.split(is_alphanumeric).all(is_separator)
}

/// `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`
fn is_tag(text: &str) -> bool {
    (1..=MAX_TAG).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Docker Hub's own images are in a namespace that is not written.
fn hub_path(registry: &Registry, path: &str) -> String {
    if registry.as_str() != Registry::HUB || path.contains('/') {
        return path.to_owned();
    }
    format!("{HUB_NAMESPACE}/{path}")
}

#[cfg(test)]
mod tests;
