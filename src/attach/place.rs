//! Places: the tags that cosign (v2 and v3) looks for beside an image, or in
//! the repository that replaces the image's, and the referrers of the image
//! (`spec/wire.md`, sections 3 and 8).

use std::fmt;

use crate::oci::{Digest, Reference, Repository, Tag};

/// The kind of layers at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Signatures,
    Attestations,
    Sbom,
    /// Manifests with the image as their subject (image-spec v1.1): the registry
    /// lists them, or a tag does ("referrers tag schema").
    Referrers,
}

impl Kind {
    /// The plural of its parts, for a place that has too many.
    pub fn parts(self) -> &'static str {
        match self {
            Self::Signatures | Self::Attestations | Self::Sbom => "layers",
            Self::Referrers => "manifests",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signatures => "signatures",
            Self::Attestations => "attestations",
            Self::Sbom => "sbom",
            Self::Referrers => "referrers",
        })
    }
}

/// Where layers hang.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    repository: Repository,
    /// Of the image, by SHA-256: `spec/decisions/0023`.
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

    /// Where another kind hangs for the same image, in the same repository.
    pub fn of_kind(&self, kind: Kind) -> Self {
        Self::new(self.repository.clone(), self.digest.clone(), kind)
    }

    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The subject that everything here hangs on.
    pub fn subject(&self) -> &Digest {
        &self.digest
    }

    /// The tag, or what the referrers refer to.
    pub fn name(&self) -> String {
        match self.kind {
            // Whether there is a tag is the registry's business.
            Kind::Referrers => format!("{}@{}", self.repository, self.digest),
            Kind::Signatures | Kind::Attestations | Kind::Sbom => self.reference().to_string(),
        }
    }

    /// `<repository>:<algorithm>-<hex>.<suffix>`, without a suffix for
    /// referrers. Where the registry lists referrers itself, that tag need not
    /// exist.
    pub fn reference(&self) -> Reference {
        let tag = match self.kind {
            Kind::Signatures => Tag::attached(&self.digest, "sig"),
            Kind::Attestations => Tag::attached(&self.digest, "att"),
            Kind::Sbom => Tag::attached(&self.digest, "sbom"),
            Kind::Referrers => Tag::referrers(&self.digest),
        };
        Reference::new(self.repository.clone(), tag)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Referrers => write!(f, "referrers of {}", self.name()),
            Kind::Signatures | Kind::Attestations | Kind::Sbom => f.write_str(&self.name()),
        }
    }
}
