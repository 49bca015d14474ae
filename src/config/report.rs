//! The exporter's `report.toml`: the digest that it pushed, and its names.
//!
//! Implements `report.toml (TOML)` of the Platform API specification, 0.4 to
//! 0.16, as the lifecycle writes it. Unknown keys are ignored: RFC 0129 adds
//! some. `manifest-size` is ignored as well: it says nothing about the kind of
//! export, and its type changed.
//!
//! A report may be stale, or have the rest of a longer one behind it: the former is found
//! out when the registry is asked (`phase::check_read`), the latter is no TOML.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::file::Files;
use crate::oci::digest::{HashAlgorithm, NotADigest};
use crate::oci::reference::{NotAReference, Version};
use crate::oci::{Digest, Reference};

use super::{DocumentError, Position, TomlText, read, type_of};

/// An export to a registry: one digest under one or more names, perhaps in several
/// repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    tags: Vec<Reference>,
    digest: Digest,
}

impl Report {
    /// Reads and parses the report at `path`, one of the run's `files`.
    ///
    /// # Errors
    /// As [`Report::parse`], and on a file that cannot be read.
    pub fn read(path: &Path, files: &Files) -> Result<Self, ReportError> {
        Self::parse(path, &read(path, "the report", files)?)
    }

    /// Parses the bytes of a report; `path` is for messages only. Nothing says that the
    /// names still lead to the digest.
    ///
    /// # Errors
    /// On bytes that are no TOML, on a report of an export to a daemon or an
    /// OCI layout, and on names and digests that are none, or none that
    /// verifiers look for.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ReportError> {
        let document = TomlText::new(path, bytes)?;
        let root = document.parse()?;
        let image = match root.get("image") {
            Some(value) => value
                .get_ref()
                .as_table()
                .ok_or_else(|| ReportError::wrong_type(&document, "image", "a table", value))?,
            None => {
                return Err(ReportError::NoImage {
                    path: path.to_owned(),
                });
            }
        };
        let digest = digest(&document, image)?;
        let tags = tags(&document, image, &digest)?;
        Ok(Self { tags, digest })
    }

    /// The image's names in the order of the report, at least one. Two of them
    /// may be the same once normalised.
    pub fn tags(&self) -> &[Reference] {
        &self.tags
    }

    /// The SHA-256 digest of the image's manifest, common to all tags.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// `image.digest`. An empty one counts as absent.
fn digest(document: &TomlText<'_>, image: &DeTable<'_>) -> Result<Digest, ReportError> {
    let Some(value) = image.get("digest") else {
        return Err(without_digest(document, image));
    };
    let text = value
        .get_ref()
        .as_str()
        .ok_or_else(|| ReportError::wrong_type(document, "digest", "a string", value))?;
    if text.is_empty() {
        return Err(without_digest(document, image));
    }
    let position = || document.position(value.span());
    let digest: Digest = text.parse().map_err(|source| ReportError::Digest {
        position: position(),
        source,
    })?;
    // No cosign finds or verifies another one (SIG-68, `spec/decisions/0023`).
    match digest.algorithm() {
        HashAlgorithm::Sha256 => Ok(digest),
        algorithm => Err(ReportError::Algorithm {
            position: position(),
            algorithm: algorithm.name(),
        }),
    }
}

/// Why there is no digest (SIG-10). The lifecycle writes `image-id` for a daemon only,
/// and a path as the first tag for an OCI layout only; `manifest-size` may stand in any.
fn without_digest(document: &TomlText<'_>, image: &DeTable<'_>) -> ReportError {
    let path = document.path.to_owned();
    let has_image_id = image
        .get("image-id")
        .and_then(|id| id.get_ref().as_str())
        .is_some_and(|id| !id.is_empty());
    let first_tag = image
        .get("tags")
        .and_then(|tags| tags.get_ref().get(0))
        .and_then(|tag| tag.get_ref().as_str());
    if has_image_id {
        ReportError::Daemon { path }
    } else if first_tag.is_some_and(|tag| tag.starts_with('/')) {
        ReportError::Layout { path }
    } else {
        ReportError::NoDigest { path }
    }
}

/// `image.tags`: as the platform typed them, so that they are normalised here (SIG-9).
/// All or nothing: a tag that cannot be read is not left unsigned.
fn tags(
    document: &TomlText<'_>,
    image: &DeTable<'_>,
    digest: &Digest,
) -> Result<Vec<Reference>, ReportError> {
    let no_tags = || ReportError::NoTags {
        path: document.path.to_owned(),
    };
    let value = image.get("tags").ok_or_else(no_tags)?;
    let tags = value
        .get_ref()
        .as_array()
        .ok_or_else(|| ReportError::wrong_type(document, "tags", "an array of strings", value))?;
    if tags.is_empty() {
        return Err(no_tags());
    }
    tags.iter()
        .map(|value| tag(document, value, digest))
        .collect()
}

fn tag(
    document: &TomlText<'_>,
    value: &Spanned<DeValue<'_>>,
    digest: &Digest,
) -> Result<Reference, ReportError> {
    let position = || document.position(value.span());
    let text = value
        .get_ref()
        .as_str()
        .ok_or_else(|| ReportError::wrong_type(document, "tags", "an array of strings", value))?;
    let reference: Reference = text.parse().map_err(|source| ReportError::Tag {
        position: position(),
        source,
    })?;
    // The lifecycle takes a digest for a tag, and pushes another one.
    match reference.version() {
        Version::Digest(named) if named != digest => Err(ReportError::OtherDigest {
            tag: Box::new(reference),
            digest: digest.clone(),
            position: position(),
        }),
        _ => Ok(reference),
    }
}

/// A report that names no image in a registry. Tags and digests are repeated in messages,
/// other text is not.
#[derive(thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("`{}` has no table `[image]`", path.display())]
    NoImage { path: PathBuf },
    #[error("`{key}` must be {wanted}, not {found}, at `{position}`")]
    WrongType {
        key: &'static str,
        wanted: &'static str,
        found: &'static str,
        position: Position,
    },
    #[error(
        "`{}` reports an export to a daemon (`image-id` and no `digest`): \
         nothing in a registry to sign", path.display()
    )]
    Daemon { path: PathBuf },
    #[error(
        "`{}` reports an export to an OCI layout (a path in `tags` and no `digest`): \
         nothing in a registry to sign", path.display()
    )]
    Layout { path: PathBuf },
    #[error("`{}` has no `digest` in `[image]`", path.display())]
    NoDigest { path: PathBuf },
    #[error("`{}` has no `tags` in `[image]`", path.display())]
    NoTags { path: PathBuf },
    #[error("the digest at `{position}` cannot be used")]
    Digest {
        position: Position,
        #[source]
        source: NotADigest,
    },
    #[error(
        "the digest at `{position}` is a `{algorithm}` one: cosign looks images up by `sha256` alone, \
         so that nobody would find a signature"
    )]
    Algorithm {
        position: Position,
        algorithm: &'static str,
    },
    #[error("the tag at `{position}` cannot be used")]
    Tag {
        position: Position,
        #[source]
        source: NotAReference,
    },
    #[error("the tag `{tag}` at `{position}` is not the reported digest `{digest}`")]
    OtherDigest {
        tag: Box<Reference>,
        digest: Digest,
        position: Position,
    },
}

debug_as_display!(ReportError);

impl ReportError {
    fn wrong_type(
        document: &TomlText<'_>,
        key: &'static str,
        wanted: &'static str,
        value: &Spanned<DeValue<'_>>,
    ) -> Self {
        Self::WrongType {
            key,
            wanted,
            found: type_of(value.get_ref()),
            position: document.position(value.span()),
        }
    }
}

#[cfg(test)]
mod tests;
