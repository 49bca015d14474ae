//! A registry of our own, inside the test process: real content semantics
//! (distribution-spec v1.1), a record of every request, and faults on demand.
//!
//! It keeps what it is given byte for byte, checks digests, refuses manifests
//! whose blobs are absent, and lets a test say what goes wrong and when.

mod access;
mod answer;
mod call;
mod contents;
mod fault;
mod protocol;
mod record;
mod serve;
mod settings;
mod state;
mod tls;
mod tokens;

use bytes::Bytes;

pub use answer::Answer;
pub use contents::{Stored, sha256};
pub use fault::{Action, When};
pub use record::{Exchange, Exchanges};
pub use serve::{Pace, cut, respond, run_hook};
pub use settings::{Access, Account, Auth, Settings, Shape, Switch};
pub use state::Registry;
pub use tls::{
    ACR_NAME, ARTIFACTS_NAME, ECR_NAME, ECR_PUBLIC_NAME, GCR_NAME, INWARD_NAME, PRIVATE_ADDRESS,
    PUBLIC_NAME, Private,
};
pub use tokens::TOKEN_PREFIX;

use fault::Fault;
use state::lock;

impl Registry {
    /// A registry without authentication, on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        serve::start(settings)
    }

    /// `127.0.0.1:<port>`.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The certificate (PEM) of the authority that signed this registry's own.
    pub fn authority(&self) -> &str {
        self.0.authority.as_deref().expect("no TLS was asked for")
    }

    /// From now on, `action` happens to the requests that `when` describes.
    pub fn inject(&self, when: When, action: Action) {
        lock(&self.0.faults).push(Fault::new(when, action));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        lock(&self.0.faults).clear();
    }

    /// Everything that was asked so far, in the order of arrival.
    pub fn exchanges(&self) -> Exchanges {
        Exchanges::new(lock(&self.0.exchanges).clone())
    }

    /// # Panics
    /// If anything was asked here.
    #[track_caller]
    pub fn was_not_asked(&self) {
        let all = self.exchanges();
        assert!(all.is_empty(), "{all:?}");
    }

    /// # Panics
    /// If anything was put here.
    #[track_caller]
    pub fn stored_nothing(&self) {
        let all = self.exchanges();
        assert!(all.puts().is_empty(), "{all:?}");
    }

    /// Forgets what was asked so far.
    pub fn forget_exchanges(&self) {
        lock(&self.0.exchanges).clear();
    }

    /// Upload sessions that were neither completed nor cancelled.
    pub fn open_uploads(&self) -> usize {
        lock(&self.0.contents).open_uploads()
    }

    /// Stores a blob without a request.
    pub fn store_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        lock(&self.0.contents).store_blob(repository, bytes.into())
    }

    /// Stores a manifest under its digest, without a request and unchecked.
    pub fn store_manifest(&self, repository: &str, stored: Stored) -> String {
        lock(&self.0.contents).store_manifest(repository, stored)
    }

    /// Points a tag somewhere, without a request.
    pub fn tag(&self, repository: &str, tag: &str, digest: &str) {
        lock(&self.0.contents).tag(repository, tag, digest);
    }

    /// Removes a tag, a manifest or a blob, without a request.
    pub fn remove(&self, repository: &str, name: &str) {
        lock(&self.0.contents).remove(repository, name);
    }

    /// The manifest behind a tag or digest.
    pub fn manifest(&self, repository: &str, name: &str) -> Option<Stored> {
        lock(&self.0.contents).manifest(repository, name)
    }

    /// The list of a manifest's referrers.
    pub fn referrers(&self, repository: &str, digest: &str) -> Vec<serde_json::Value> {
        let referrers = lock(&self.0.contents).referrers(repository, digest);
        referrers.iter().map(protocol::describe).collect()
    }

    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        lock(&self.0.contents).blob(repository, digest)
    }

    /// All tags of a repository, sorted.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        lock(&self.0.contents).tags(repository)
    }
}
