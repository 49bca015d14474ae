//! The numbers of a run, as its last line says them: each layer and bundle once,
//! however many signatories of `cosign.toml` ask for it (SIG-82). They are counted in
//! the receipt, so that both say the same; so are the images that were signed, and the
//! places that are not known to be complete.

use std::collections::BTreeSet;
use std::fmt;

use tracing::{info, warn};

use super::receipt::{LayerReceipt, LayerState, PlaceReceipt, PlaceState, Receipt};
use crate::attach::{Kind, Place};
use crate::words::Count;

/// The layers that a run has published or found: `1 image, 2 keys, 2 signatures, 6
/// attestations of 3 documents`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    images: usize,
    keys: usize,
    signatures: usize,
    attestations: usize,
    /// Documents that are attested.
    documents: usize,
    attachments: usize,
    /// Of all these layers, the ones that were not there before.
    written: usize,
}

/// The kind of one layer or bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Signature,
    Attestation,
    Attachment,
}

impl Part {
    fn of(place: &PlaceReceipt, layer: &LayerReceipt) -> Self {
        match (place.place.kind(), &layer.document) {
            (Kind::Sbom, _) => Self::Attachment,
            (_, Some(_)) => Self::Attestation,
            (_, None) => Self::Signature,
        }
    }
}

impl Receipt {
    /// The numbers of a run that succeeded.
    pub fn summary(&self) -> Summary {
        let mut hung = BTreeSet::new();
        let (mut keys, mut documents) = (BTreeSet::new(), BTreeSet::new());
        let mut written = BTreeSet::new();
        for (place, layer) in self.layers() {
            let part = Part::of(place, layer);
            // Layers of all keys have the digest of the payload that they share.
            let key = Some(&layer.public_key).filter(|_| part != Part::Attachment);
            let one = (part, &place.place, &layer.digest, key);
            hung.insert(one);
            if layer.state == LayerState::Written {
                written.insert(one);
            }
            keys.insert(&layer.public_key);
            if part == Part::Attestation {
                documents.insert((&layer.image, &layer.document));
            }
        }
        let count = |wanted| hung.iter().filter(|(part, ..)| *part == wanted).count();
        Summary {
            images: self.images.len(),
            keys: keys.len(),
            signatures: count(Part::Signature),
            attestations: count(Part::Attestation),
            documents: documents.len(),
            attachments: count(Part::Attachment),
            written: written.len(),
        }
    }

    /// Says which images have got a signature of which key, and have kept it (SIG-82).
    /// An image of which one form is unproven is not called signed.
    pub(super) fn say_signed(&self) {
        let signatures = || {
            let signatures = self.layers();
            signatures.filter(|(place, layer)| Part::of(place, layer) == Part::Signature)
        };
        let pair = |layer: &LayerReceipt| (layer.image.clone(), layer.key.clone());
        let unproven = signatures().filter(|(_, layer)| layer.state == LayerState::Unproven);
        let mut not_news = BTreeSet::new();
        not_news.extend(unproven.map(|(_, layer)| pair(layer)));
        for (_, layer) in signatures() {
            if layer.state == LayerState::Written && not_news.insert(pair(layer)) {
                let (image, key) = pair(layer);
                info!(image, key, "Signed {image} with {key}");
            }
        }
    }

    /// Says which places are not known to hold all that was asked for (SIG-36), but for
    /// the one that the error names.
    pub(super) fn say_unpublished(&self, named: Option<&Place>) {
        for PlaceReceipt { place, state, .. } in self.places() {
            let name = place.name();
            match state {
                _ if Some(place) == named => {}
                PlaceState::Written | PlaceState::Unchanged => {}
                PlaceState::Unwritten => warn!(place = name, "Nothing was written at {place}"),
                PlaceState::Unproven => warn!(
                    place = name,
                    "Something may have been written at {place}, and was not read back"
                ),
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, keys) = (Count(self.images, "image"), Count(self.keys, "key"));
        write!(
            f,
            "{images}, {keys}, {}",
            Count(self.signatures, "signature")
        )?;
        if self.attestations > 0 {
            let documents = Count(self.documents, "document");
            let attestations = Count(self.attestations, "attestation");
            write!(f, ", {attestations} of {documents}")?;
        }
        if self.attachments > 0 {
            write!(f, ", {}", Count(self.attachments, "attachment"))?;
        }
        match self.written {
            0 => f.write_str("; all of it was there already"),
            _ => Ok(()),
        }
    }
}
