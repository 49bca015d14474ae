//! Sealed layers, by the place where they hang.

use std::sync::Arc;

use super::check_write::WritablePlace;
use super::open_keys::KeyRecord;
use super::subject::Subject;
use crate::attach::Place;
use crate::envelope;
use crate::oci::Descriptor;

/// The layers that hang, or will hang, at one place.
pub(super) struct SealedPlace {
    pub(super) place: Place,
    /// As it was read when write access was checked.
    pub(super) before: WritablePlace,
    /// In the order in which new layers are appended. Several may be one layer: two
    /// signatories with one key.
    pub(super) entries: Vec<Entry>,
    /// Layers of our own that the new ones take the place of.
    pub(super) superseded: Vec<Descriptor>,
}

/// One signatory's layer or bundle.
pub(super) struct Entry {
    pub(super) subject: Arc<Subject>,
    /// Also of an attachment, which nobody signs: its signatory's.
    pub(super) key: Arc<KeyRecord>,
    /// The path of an attestation's document in the image.
    pub(super) document: Option<String>,
    pub(super) predicate_type: Option<String>,
    /// The layer of ours that it takes the place of.
    pub(super) superseded: Option<Descriptor>,
    pub(super) sealed: envelope::SealedValue,
}
