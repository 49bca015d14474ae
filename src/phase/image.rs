//! Images, as the report names them.

use std::fmt;

use crate::oci::{Digest, Reference, Repository};

/// A distinct (repository, digest) of the report, with its tags in that
/// repository.
#[derive(Clone, Debug)]
pub struct Image {
    pub repository: Repository,
    pub digest: Digest,
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
