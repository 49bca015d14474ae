//! The SBOM documents that an image carries: label → layer → documents →
//! attachment.
//!
//! Implements `spec/sbom.md`. Knows no network: the caller fetches the config
//! and the layer's blob. Nothing touches the disk, and no document is handed
//! out before both digests of the layer are verified.
//!
//! The layer is the image's own word: everything in it may be hostile, and may be as
//! large as the limits allow. Reading may keep a processor busy for seconds, so that
//! `phase` runs it beside the requests. The claim about a document, and its place, are
//! left to `phase` as well.

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
