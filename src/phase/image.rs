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

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}
