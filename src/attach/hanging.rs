//! What is to hang at a place, as every writer is told it.

use super::place::Place;
use super::standing::Standing;
use crate::config::MediaTypes;
use crate::envelope::Sealed;

/// Layers that are to hang at a place, beside what stands there.
pub(crate) struct Hanging<'a> {
    pub(crate) place: &'a Place,
    pub(crate) layers: &'a [Sealed],
    /// Those of a tag that is new.
    pub(crate) media_types: MediaTypes,
    /// The standing of the place when it was read.
    pub(crate) found: Standing,
}
