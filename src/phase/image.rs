//! Images, as the report names them.

use std::fmt;

use crate::oci::{Digest, Reference, Repository};

/// A distinct (repository, digest) of the report, with its tags in that
/// repository. Nothing says yet that a registry has it: a [`Subject`](super::Subject)
/// was read.
#[derive(Clone, Debug)]
pub struct Image {
    pub repository: Repository,
    /// SHA-256, and the same of all images of a report (SIG-68).
    pub digest: Digest,
    /// In the order of the report, each once; at least one. A digest reference may be
    /// among them (SIG-9).
    pub tags: Vec<Reference>,
}

impl Image {
    pub fn reference(&self) -> Reference {
        Reference::new(self.repository.clone(), self.digest.clone())
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference().fmt(f)
    }
}
