//! Places of both sorts, tags and referrers, as one.

use super::error::AttachError;
use super::hanging::Hanging;
use super::place::Kind;
use super::publication::{Order, Publication};
use super::referrer_writer::ReferrerWriter;
use super::tag_writer::TagWriter;
use crate::envelope::SealedValue;
use crate::oci::Digest;
use crate::store::Visible;

/// Layers on their way to a place.
pub(crate) enum Writer<'a> {
    Tag(TagWriter<'a>),
    Referrers(ReferrerWriter<'a>),
}

impl<'a> Writer<'a> {
    pub(crate) fn new(publication: &'a Publication<'a>, hanging: Hanging<'a>) -> Self {
        match hanging.place.kind() {
            Kind::Referrers => Self::Referrers(ReferrerWriter::new(publication, hanging)),
            Kind::Signatures | Kind::Attestations | Kind::Sbom => {
                Self::Tag(TagWriter::new(publication, hanging))
            }
        }
    }

    /// Whether a tag is there already, so that the registry may refuse to
    /// overwrite it.
    pub(crate) fn is_overwrite(&self) -> bool {
        match self {
            Self::Tag(writer) => writer.is_overwrite(),
            Self::Referrers(writer) => writer.is_overwrite(),
        }
    }

    /// Whether others may see a change.
    pub(crate) fn visible(&self) -> Visible {
        match self {
            Self::Tag(writer) => writer.visible(),
            Self::Referrers(writer) => writer.visible(),
        }
    }

    /// Whether `layer`, which was [found](super::Standing::holds), is really there.
    pub(crate) fn has_kept(&self, layer: &SealedValue) -> bool {
        match self {
            Self::Tag(_) => true,
            Self::Referrers(writer) => writer.has_kept(layer),
        }
    }

    /// Uploads the blobs that the next [`write`](Self::write) needs. Nothing
    /// visible changes. For a place written first, a `HEAD` runs beside the last
    /// uploads, so that the window between read and write is one round trip.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on a full tag.
    pub(crate) async fn upload(&mut self, order: Order) -> Result<(), AttachError> {
        match self {
            Self::Tag(writer) => writer.upload(order).await,
            Self::Referrers(writer) => writer.upload().await,
        }
    }

    /// Makes the layers hang there, and reads them back. Gives the digest of
    /// the tag's manifest that holds them; a registry's own list has none. With
    /// `AfterOthers` the place is read again first: writing the other places took
    /// time.
    ///
    /// # Errors
    /// On a registry that refuses or does not show what it accepted.
    pub(crate) async fn write(&mut self, order: Order) -> Result<Option<Digest>, AttachError> {
        match self {
            Self::Tag(writer) => writer.write(order).await.map(Some),
            Self::Referrers(writer) => writer.write().await,
        }
    }
}
