//! Subjects: images that were read, with everything that is known of them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::image::Image;
use crate::envelope;
use crate::oci::{Descriptor, Digest, Reference, Repository};
use crate::sbom::Document;

/// An image as its registry serves it, and as the report names it.
#[derive(Debug)]
pub struct Subject {
    /// The image's own, also where signatures are stored elsewhere: the signed
    /// identity (SIG-26).
    repository: Repository,
    /// Of the bytes that were read; SHA-256, as the report's digest. A bundle's
    /// manifest names it as its subject, with media type and size.
    descriptor: Descriptor,
    tags: Vec<Reference>,
    /// Shared by all subjects of a run, which are the same bytes. Empty if nobody
    /// exports them.
    documents: Arc<[Document]>,
}

impl Subject {
    /// `documents` are those of its SBOM that are exported.
    pub(super) fn new(image: &Image, descriptor: Descriptor, documents: Arc<[Document]>) -> Self {
        Self {
            repository: image.repository.clone(),
            descriptor,
            tags: image.tags.clone(),
            documents,
        }
    }

    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn reference(&self) -> Reference {
        Reference::new(self.repository.clone(), self.digest().clone())
    }

    pub fn digest(&self) -> &Digest {
        &self.descriptor.digest
    }

    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    pub fn tags(&self) -> &[Reference] {
        &self.tags
    }

    /// The members of its referrers beside their bundles; `created` is the time
    /// that they name. They must be the same in each run, so that a bundle is
    /// recognised by its manifest (WIRE-73).
    pub(super) fn members(&self, created: Option<Timestamp>) -> envelope::ReferrerMembers {
        envelope::ReferrerMembers {
            subject: self.descriptor.clone(),
            created,
        }
    }

    pub fn documents(&self) -> &[Document] {
        &self.documents
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.descriptor.digest)
    }
}
