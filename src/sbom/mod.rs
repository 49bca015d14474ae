//! The SBOM documents that an image carries: label → layer → documents →
//! attachment.
//!
//! Implements `spec/sbom.md`. Knows no network: the caller fetches the config
//! and the layer's blob. Nothing touches the disk, and no document is handed
//! out before both digests of the layer are verified.

mod attachment;
mod cyclonedx;
mod documents;
mod error;
mod extended;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod header;
mod json;
mod keep;
mod label;
mod layer;
#[cfg(test)]
mod tests;

pub use attachment::{Attachment, MAX_MERGED, Skipped, attachment};
pub use documents::{Document, SbomFormat, read};
pub use error::{Exceeded, SbomError};
pub use json::{JsonError, JsonFault};
pub use label::{SbomLayer, locate};
pub use layer::{
    LayerLimits, MAX_COMPRESSED, MAX_ENTRIES, MAX_EXPANDED, MAX_PATH, MAX_RATIO, RATIO_FLOOR,
};
