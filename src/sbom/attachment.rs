//! One document for a `.sbom` tag.
//!
//! Cosign's readers take a tag with exactly one layer, so one document stands
//! for all: see `spec/sbom.md`, "Attachments".

use std::collections::HashSet;

use super::cyclonedx::{self, Bom};
use super::documents::{Document, SbomFormat};
use super::error::SbomError;
use crate::envelope::media_type;
use crate::oci::{Content, Digest, MediaType};

/// The most bytes of CycloneDX documents that are merged: merging is done in
/// memory, and takes about twice as much beside them (SBOM-9).
pub const MAX_MERGED: u64 = 32 << 20;

/// The content of a `.sbom` tag.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub media_type: MediaType,
    pub content: Content,
    /// The number of documents that it stands for, equal ones included.
    pub merged: usize,
    /// The documents of other formats, which it doesn't hold.
    pub skipped: Vec<Skipped>,
}

/// A document that an attachment doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub path: String,
    pub format: SbomFormat,
}

/// Makes one attachment of an image's documents. If there are CycloneDX
/// documents, they alone count: one as it is, several merged. Otherwise there
/// must be exactly one document (SBOM-8). Documents are read into memory where
/// several are merged. Equal documents give equal bytes, in every run.
///
/// # Errors
/// On no document, on several of which none is CycloneDX, and on CycloneDX
/// documents that cannot be merged.
pub fn attachment(documents: &[Document]) -> Result<Attachment, SbomError> {
    let (cyclonedx, others): (Vec<_>, Vec<_>) = documents
        .iter()
        .partition(|document| document.format() == SbomFormat::CycloneDx);
    match (cyclonedx.as_slice(), others.as_slice()) {
        ([], [document]) => Ok(as_it_is(document, 1, &[])),
        ([], []) => Err(SbomError::NotAttachable("it has no document".to_owned())),
        ([], _) => Err(SbomError::NotAttachable(several(&others))),
        ([document], _) => Ok(as_it_is(document, 1, &others)),
        _ => merged(&cyclonedx, &others),
    }
}

fn as_it_is(document: &Document, merged: usize, others: &[&Document]) -> Attachment {
    Attachment {
        media_type: document.format().media_type(),
        content: document.content().clone(),
        merged,
        skipped: skipped(others),
    }
}

fn skipped(documents: &[&Document]) -> Vec<Skipped> {
    let skip = |document: &&Document| Skipped {
        path: document.path().to_owned(),
        format: document.format(),
    };
    documents.iter().map(skip).collect()
}

/// Why several documents without CycloneDX among them are none: nothing merges SPDX or
/// Syft, and one of them at random would be less than was asked for.
fn several(documents: &[&Document]) -> String {
    let count = |format| {
        let of_format = documents.iter().filter(|d| d.format() == format);
        of_format.count()
    };
    format!(
        "an attachment holds one document, but there are {} ({} SPDX, {} Syft) and none is CycloneDX, which could be merged",
        documents.len(),
        count(SbomFormat::Spdx),
        count(SbomFormat::Syft)
    )
}

/// Equal documents count once; if one is left, it stays as it is. A document's own
/// bytes, with its serial number and perhaps a signature, say more than a merged copy.
fn merged(documents: &[&Document], others: &[&Document]) -> Result<Attachment, SbomError> {
    let size: u64 = documents.iter().map(|d| d.content().length()).sum();
    if size > MAX_MERGED {
        return Err(SbomError::NotAttachable(format!(
            "its CycloneDX documents have {size} bytes together; at most {MAX_MERGED} are merged"
        )));
    }
    let sources = distinct(documents)?;
    if let ([first, ..], 1) = (documents, sources.len()) {
        return Ok(as_it_is(first, documents.len(), others));
    }
    Ok(Attachment {
        media_type: media_type::CYCLONEDX_JSON,
        content: Content::from(cyclonedx::merge(sources)?.into_bytes()),
        merged: documents.len(),
        skipped: skipped(others),
    })
}

/// Each document once, in their order.
fn distinct(documents: &[&Document]) -> Result<Vec<Bom>, SbomError> {
    let mut sources: Vec<Bom> = Vec::new();
    let mut known = HashSet::new();
    for document in documents {
        let source = source(document)?;
        // Equal but for whitespace, as `Bom` has them; a hash in place of a copy.
        if known.insert(Digest::of(source.text().as_bytes())) {
            sources.push(source);
        }
    }
    Ok(sources)
}

fn source(document: &Document) -> Result<Bom, SbomError> {
    let path = document.path();
    let bytes = document
        .content()
        .to_bytes()
        .map_err(|source| SbomError::Reread {
            path: path.to_owned(),
            source,
        })?;
    // The bytes were checked to be UTF-8 when they were read.
    Ok(Bom::minified(path, &String::from_utf8_lossy(&bytes)))
}
