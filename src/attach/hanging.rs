//! Places of both sorts, tags and referrers, as one.

use super::error::AttachError;
use super::found::{Found, Layer};
use super::place::{Kind, Place};
use super::publication::Publication;
use super::referrer;
use super::tag::{self, Turn};
use crate::config::MediaTypes;
use crate::oci::Digest;
use crate::store::registry::Registries;

/// Reads what hangs at `place`.
///
/// # Errors
/// On a registry that does not answer or refuses, and on something that the
/// signer must not replace.
pub async fn read(registries: &Registries, place: &Place) -> Result<Found, AttachError> {
    match place.kind() {
        Kind::Referrers => referrer::read(registries, place).await,
        Kind::Signatures | Kind::Attestations | Kind::Sbom => tag::read(registries, place).await,
    }
}

/// Layers on their way to a place.
pub enum Hanging<'a> {
    Tag(tag::Hanging<'a>),
    Referrers(referrer::Hanging<'a>),
}

impl<'a> Hanging<'a> {
    /// `layers` are to hang at `place`, where `found` was read. A new tag gets
    /// `media_types`.
    pub fn new(
        publication: &'a Publication<'a>,
        place: &'a Place,
        layers: &'a [Layer],
        media_types: MediaTypes,
        found: Found,
    ) -> Self {
        match place.kind() {
            Kind::Referrers => {
                Self::Referrers(referrer::Hanging::new(publication, place, layers, found))
            }
            Kind::Signatures | Kind::Attestations | Kind::Sbom => Self::Tag(tag::Hanging::new(
                publication,
                place,
                layers,
                media_types,
                found,
            )),
        }
    }

    /// Whether a tag is there already, so that the registry may refuse to
    /// overwrite it.
    pub fn is_overwrite(&self) -> bool {
        match self {
            Self::Tag(hanging) => hanging.is_overwrite(),
            Self::Referrers(hanging) => hanging.is_overwrite(),
        }
    }

    /// Whether something visible may have changed.
    pub fn has_written(&self) -> bool {
        match self {
            Self::Tag(hanging) => hanging.has_written(),
            Self::Referrers(hanging) => hanging.has_written(),
        }
    }

    /// Whether `layer`, which was [found](Found::holds), is really there.
    pub fn has_kept(&self, layer: &Layer) -> bool {
        match self {
            Self::Tag(_) => true,
            Self::Referrers(hanging) => hanging.has_kept(layer),
        }
    }

    /// Uploads the blobs that the next [`write`](Self::write) needs. Nothing
    /// visible changes. A place whose turn is next is looked at again beside the
    /// last uploads of the run, because the longer ago it was read, the likelier
    /// somebody else has written since.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on a full tag.
    pub async fn upload(&mut self, turn: Turn) -> Result<(), AttachError> {
        match self {
            Self::Tag(hanging) => hanging.upload(turn).await,
            Self::Referrers(hanging) => hanging.upload().await,
        }
    }

    /// Makes the layers hang there, and reads them back. Gives the digest of
    /// the tag's manifest that holds them; a registry's own list has none. What
    /// was read before other places were written is too old to write on.
    ///
    /// # Errors
    /// On a registry that refuses or does not show what it accepted.
    pub async fn write(&mut self, turn: Turn) -> Result<Option<Digest>, AttachError> {
        match self {
            Self::Tag(hanging) => hanging.write(turn).await.map(Some),
            Self::Referrers(hanging) => hanging.write().await,
        }
    }
}
