//! The layers that are to hang at a place, as every writer is told of them.

use super::place::Place;
use super::standing::Standing;
use crate::config::MediaTypes;
use crate::envelope::SealedValue;
use crate::oci::Descriptor;

/// Layers that are to hang at a place, beside what stands there.
pub(crate) struct Hanging<'a> {
    pub(crate) place: &'a Place,
    pub(crate) layers: &'a [SealedValue],
    /// Layers of our own that stand at a tag, and that `layers` take the place
    /// of (EVD-90).
    pub(crate) superseded: &'a [Descriptor],
    /// The media types of a tag that is new.
    pub(crate) media_types: MediaTypes,
    /// The standing of the place when it was read.
    pub(crate) found: Standing,
}
