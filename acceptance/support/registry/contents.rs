//! The registry's contents: per repository its blobs, manifests and tags, and
//! the upload sessions of all.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use sha2::{Digest as _, Sha256, Sha512};

/// A manifest as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub media_type: String,
    pub bytes: Bytes,
}

impl Stored {
    pub fn digest(&self) -> String {
        sha256(&self.bytes)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).expect("a stored manifest is JSON")
    }
}

#[derive(Default)]
pub struct Contents {
    repositories: BTreeMap<String, Repository>,
    uploads: HashMap<String, Upload>,
    uploads_ever: u64,
}

#[derive(Default)]
struct Repository {
    blobs: HashMap<String, Bytes>,
    manifests: BTreeMap<String, Stored>,
    tags: BTreeMap<String, String>,
}

struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// Changes with every step; a client must follow each answer's `Location`.
    step: u32,
}

pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Whether `bytes` have `digest`, by the algorithm that it names.
pub fn matches(digest: &str, bytes: &[u8]) -> bool {
    match digest.split_once(':') {
        Some(("sha256", _)) => digest == sha256(bytes),
        Some(("sha512", hex)) => hex == hex::encode(Sha512::digest(bytes)),
        _ => false,
    }
}

impl Contents {
    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.repositories
            .get(repository)?
            .blobs
            .get(digest)
            .cloned()
    }

    pub fn store_blob(&mut self, repository: &str, bytes: Bytes) -> String {
        let digest = sha256(&bytes);
        self.store_blob_as(repository, &digest, bytes);
        digest
    }

    pub fn store_blob_as(&mut self, repository: &str, digest: &str, bytes: Bytes) {
        let blobs = &mut self.repository(repository).blobs;
        blobs.insert(digest.to_owned(), bytes);
    }

    pub fn manifest(&self, repository: &str, name: &str) -> Option<Stored> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(name).map_or(name, String::as_str);
        repository.manifests.get(digest).cloned()
    }

    pub fn store_manifest(&mut self, repository: &str, stored: Stored) -> String {
        let digest = stored.digest();
        let manifests = &mut self.repository(repository).manifests;
        manifests.insert(digest.clone(), stored);
        digest
    }

    pub fn tagged(&self, repository: &str, tag: &str) -> Option<&str> {
        let tags = &self.repositories.get(repository)?.tags;
        tags.get(tag).map(String::as_str)
    }

    pub fn tag(&mut self, repository: &str, tag: &str, digest: &str) {
        let tags = &mut self.repository(repository).tags;
        tags.insert(tag.to_owned(), digest.to_owned());
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        let repository = self.repositories.get(repository);
        repository.map_or_else(Vec::new, |r| r.tags.keys().cloned().collect())
    }

    /// Whether there was a tag, a manifest or a blob of that name.
    pub fn remove(&mut self, repository: &str, name: &str) -> bool {
        let repository = self.repository(repository);
        let tag = repository.tags.remove(name).is_some();
        let manifest = repository.manifests.remove(name).is_some();
        let blob = repository.blobs.remove(name).is_some();
        tag || manifest || blob
    }

    /// The manifests of a repository whose `subject` is `digest`.
    pub fn referrers(&self, repository: &str, digest: &str) -> Vec<Stored> {
        let Some(repository) = self.repositories.get(repository) else {
            return Vec::new();
        };
        let refers = |stored: &&Stored| stored.json()["subject"]["digest"] == digest;
        repository
            .manifests
            .values()
            .filter(refers)
            .cloned()
            .collect()
    }

    /// A new session; gives its path below `/v2/`.
    pub fn open_upload(&mut self, repository: &str) -> String {
        self.uploads_ever += 1;
        let id = format!("session-{}", self.uploads_ever);
        let upload = Upload {
            repository: repository.to_owned(),
            bytes: Vec::new(),
            step: 0,
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    pub fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    fn upload(&mut self, repository: &str, id: &str) -> Option<&mut Upload> {
        let upload = self.uploads.get_mut(id)?;
        (upload.repository == repository).then_some(upload)
    }

    /// The session's step, which its next `Location` must carry.
    pub fn upload_step(&mut self, repository: &str, id: &str) -> Option<u32> {
        self.upload(repository, id).map(|upload| upload.step)
    }

    /// Adds bytes to a session; gives how many it holds now.
    pub fn append(&mut self, repository: &str, id: &str, bytes: &[u8]) -> Option<usize> {
        let upload = self.upload(repository, id)?;
        upload.bytes.extend_from_slice(bytes);
        upload.step += 1;
        Some(upload.bytes.len())
    }

    pub fn upload_length(&mut self, repository: &str, id: &str) -> Option<usize> {
        self.upload(repository, id).map(|upload| upload.bytes.len())
    }

    /// Ends a session; gives what it holds.
    pub fn close_upload(&mut self, repository: &str, id: &str) -> Option<Bytes> {
        self.upload(repository, id)?;
        self.uploads.remove(id).map(|upload| upload.bytes.into())
    }
}
