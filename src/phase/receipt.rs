//! The receipt: the layers that were published, where, by which key, and the ones that
//! were there already (`spec/signer.md`, "Receipt", which names every field). The fields
//! are written under their names here, in kebab-case. It is written for machines; its
//! numbers for people are the `summary`.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::destination::{Destination, DestinationError};
use super::plan::Plan;
use super::sealed_place::{Entry, SealedPlace};
use crate::attach::Place;
use crate::oci::Digest;
use crate::secret::{Secrets, Voice};

/// How a receipt is written down. Both say the same by the same names (SIG-84).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    Toml,
    Json,
}

impl Notation {
    /// By the end of the path that the receipt is written to.
    pub fn of(path: &Path) -> Self {
        match path.as_os_str().as_bytes().ends_with(b".json") {
            true => Self::Json,
            false => Self::Toml,
        }
    }
}

/// A run's receipt. It holds no secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// Whether everything that was asked for was read back from its place.
    complete: bool,
    /// The failure of the run with its causes, as the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    pub(super) images: Vec<ImageReceipt>,
    /// The entries that this run has in logs, also where nothing was published
    /// after: they stay there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log_entries: Vec<EntryReceipt>,
    /// Empty until the run publishes.
    places: Vec<PlaceReceipt>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct EntryReceipt {
    pub(super) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<String>,
    /// The log's URL, as the trusted root has it.
    pub(super) log: String,
    pub(super) index: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ImageReceipt {
    repository: String,
    digest: String,
    tags: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PlaceReceipt {
    #[serde(flatten, serialize_with = "by_name_and_kind")]
    pub(super) place: Place,
    pub(super) state: PlaceState,
    /// The manifest that holds all layers below, as it was read back; none for a list
    /// that the registry keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// The manifest that stood there before, if another was read back. None of a place
    /// that failed: nobody has read which of them stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<String>,
    layers: Vec<LayerReceipt>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct LayerReceipt {
    pub(super) image: String,
    /// As messages name it: [`KeyReference`](crate::keys::KeyReference).
    pub(super) key: String,
    /// Of a key whose service keeps several.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_version: Option<String>,
    /// SHA-256 of the public key's DER.
    pub(super) public_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate_type: Option<String>,
    media_type: String,
    pub(super) digest: String,
    pub(super) state: LayerState,
}

/// The outcome at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PlaceState {
    Written,
    Unchanged,
    /// Nothing was written there, or it was not begun.
    #[serde(rename = "failed")]
    Unwritten,
    /// Something may have been written there, and was not read back.
    #[serde(rename = "failed")]
    Unproven,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LayerState {
    Written,
    AlreadyThere,
    /// Not read back: it may or may not be there.
    Unproven,
}

impl Receipt {
    pub(super) fn new(plan: &Plan) -> Self {
        let images = plan.images().iter().map(|image| ImageReceipt {
            repository: image.repository.to_string(),
            digest: image.digest.to_string(),
            tags: image.tags.iter().map(ToString::to_string).collect(),
        });
        Self {
            complete: false,
            error: None,
            images: images.collect(),
            log_entries: Vec::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn note_entry(&mut self, entry: EntryReceipt) {
        if !self.log_entries.contains(&entry) {
            self.log_entries.push(entry);
        }
    }

    /// Notes the state of a place, in place of the one that it had before.
    pub(super) fn note(
        &mut self,
        state: PlaceState,
        digest: Option<&Digest>,
        before: Option<&Digest>,
        sealed: &SealedPlace,
        was_there: &[bool],
    ) {
        let layers = sealed
            .entries
            .iter()
            .zip(was_there)
            .map(|(entry, was_there)| layer(entry, state, *was_there));
        let noted = PlaceReceipt {
            place: sealed.place.clone(),
            state,
            digest: digest.map(ToString::to_string),
            replaced: before
                .filter(|before| digest.is_some_and(|digest| digest != *before))
                .map(ToString::to_string),
            layers: layers.collect(),
        };
        let mut places = self.places.iter_mut();
        match places.find(|known| known.place == noted.place) {
            Some(known) => *known = noted,
            None => self.places.push(noted),
        }
    }

    pub(super) fn places(&self) -> &[PlaceReceipt] {
        &self.places
    }

    /// The layers that hang at each place, or should.
    pub(super) fn layers(&self) -> impl Iterator<Item = (&PlaceReceipt, &LayerReceipt)> {
        self.places.iter().flat_map(|place| {
            let layers = place.layers.iter();
            layers.map(move |layer| (place, layer))
        })
    }

    /// Notes the end of the run: without a `failure` it is complete. Not called, it is
    /// not.
    pub fn close(&mut self, failure: Option<String>) {
        self.complete = failure.is_none();
        self.error = failure;
    }

    /// Takes secrets out that a host was shown and has repeated (SIG-15). To be called
    /// before the receipt is written, and before the secrets are forgotten.
    pub fn scrub(&mut self, secrets: &Secrets) {
        if let Some(error) = &mut self.error {
            *error = secrets.scrubbed(error, Voice::Ours, &[]).into_owned();
        }
    }

    /// Writes the receipt, readable by all.
    ///
    /// # Errors
    /// On a destination that does not take it.
    pub fn write(
        &self,
        destination: Destination,
        notation: Notation,
    ) -> Result<(), DestinationError> {
        let text = match notation {
            Notation::Toml => toml::to_string(self).map_err(io::Error::other),
            Notation::Json => serde_json::to_string_pretty(self)
                .map(|text| text + "\n")
                .map_err(io::Error::other),
        };
        destination.write(text?.as_bytes())
    }
}

fn by_name_and_kind<S: Serializer>(place: &Place, serializer: S) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(Some(2))?;
    members.serialize_entry("reference", &place.name())?;
    members.serialize_entry("kind", &place.kind().to_string())?;
    members.end()
}

fn layer(entry: &Entry, state: PlaceState, was_there: bool) -> LayerReceipt {
    let descriptor = entry.sealed.descriptor();
    LayerReceipt {
        image: entry.subject.to_string(),
        key: entry.key.reference.to_string(),
        key_version: entry.key.version.clone(),
        public_key: entry.key.fingerprint.to_string(),
        document: entry.document.clone(),
        predicate_type: entry.predicate_type.clone(),
        media_type: descriptor.media_type.to_string(),
        digest: descriptor.digest.to_string(),
        state: match (state, was_there) {
            (_, true) => LayerState::AlreadyThere,
            (PlaceState::Unwritten | PlaceState::Unproven, false) => LayerState::Unproven,
            (PlaceState::Written | PlaceState::Unchanged, false) => LayerState::Written,
        },
    }
}
