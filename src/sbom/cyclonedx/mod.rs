//! Several CycloneDX documents as one.
//!
//! Implements `spec/sbom.md`, "Merging", for CycloneDX 1.2 and later (JSON). It
//! is deterministic, and changes no token of a component: whitespace goes, and a
//! `bom-ref` that two documents use for two things is renamed in the later one.

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

/// Merges documents, in their order, into one BOM.
///
/// # Errors
/// On a document that is no CycloneDX 1.x BOM.
pub(super) fn merge(documents: Vec<Bom>) -> Result<String, SbomError> {
    let mut names = Names::default();
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
