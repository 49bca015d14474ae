//! Places: the tags that cosign (v2 and v3) looks for beside an image, or in
//! the repository that replaces the image's.

use std::fmt;

use crate::oci::{Digest, Reference, Repository, Tag};

/// What hangs at a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Signatures,
    Attestations,
    Sbom,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Signatures => "sig",
            Self::Attestations => "att",
            Self::Sbom => "sbom",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signatures => "signatures",
            Self::Attestations => "attestations",
            Self::Sbom => "sbom",
        })
    }
}

/// A tag where layers hang.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    repository: Repository,
    digest: Digest,
    kind: Kind,
}

impl Place {
    /// Where `kind` hangs for the image `digest`, in `repository`.
    pub fn new(repository: Repository, digest: Digest, kind: Kind) -> Self {
        Self {
            repository,
            digest,
            kind,
        }
    }

    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// `<repository>:<algorithm>-<hex>.<suffix>`.
    pub fn reference(&self) -> Reference {
        let tag = Tag::attached(&self.digest, self.kind.suffix());
        Reference::new(self.repository.clone(), tag)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference().fmt(f)
    }
}
