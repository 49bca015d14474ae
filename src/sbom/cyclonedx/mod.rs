//! Several CycloneDX documents as one.
//!
//! Implements `spec/sbom.md`, "Merging", for CycloneDX 1.2 and later (JSON). It
//! is deterministic, and changes no token of a component: whitespace goes, and a
//! `bom-ref` that two documents use for two things is renamed in the later one
//! (SBOM-9, SBOM-10).
//!
//! Documents are texts throughout: parts of them are borrowed, compared and copied as
//! they stand, so that numbers, order and unknown members stay. Steps: `text` takes
//! whitespace away, `references` renames, `parts` takes each document apart, `merged`
//! gathers, `write` writes once. Time grows with the size of the documents, not with its
//! square, whatever they hold.

mod merged;
mod ordered;
mod parts;
mod references;
mod text;
mod write;

pub(super) use merged::Bom;
use merged::{Merged, refused};
use references::Names;

use super::error::SbomError;

/// Merges documents, in their order, into one BOM. Whether it is valid CycloneDX depends
/// on the documents; that is not asked.
///
/// # Errors
/// On a document that is no CycloneDX 1.x BOM, or has more parts than are merged.
pub(super) fn merge(documents: Vec<Bom>) -> Result<String, SbomError> {
    let mut names = Names::default();
    // All are renamed before any is taken apart: the parts borrow from the final texts.
    let documents = documents
        .into_iter()
        .map(|Bom { path, text }| {
            let text = names.adopt(text).map_err(|bad| refused(&path, bad))?;
            Ok(Bom { path, text })
        })
        .collect::<Result<Vec<_>, SbomError>>()?;
    let mut merged = Merged::default();
    for document in &documents {
        merged.add(document)?;
    }
    Ok(write::bom(merged))
}
