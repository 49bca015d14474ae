//! The standing of a place: everything that hangs there when it is read.

use std::collections::HashMap;

use super::error::AttachError;
use super::place::{Kind, Place};
use crate::envelope::{self, SealedValue};
use crate::oci::manifest::ManifestError;
use crate::oci::{Descriptor, Digest, ImageManifest, IndexManifest, Manifest, Reading};
use crate::store::registry::{Condition, Referrers, Served};

/// The standing of a place when it was read.
#[derive(Clone)]
pub(crate) enum Standing {
    Nothing,
    /// The manifest of the place's tag.
    Tag(Box<Tagged>),
    /// The registry's own list of the image's referrers.
    List(Referrers),
}

/// A tag's manifest, and what readers make of it.
#[derive(Clone)]
pub(crate) struct Tagged {
    manifest: Manifest,
    body: TagBody,
    /// Whether readers take it for what `body` is.
    reading: Reading,
    /// The layers of `body`, or the entries that can be read.
    descriptors: Vec<Descriptor>,
    /// To be put with, if the registry has named the version of the tag.
    version: Condition,
}

/// A tag's manifest as the signer uses it.
#[derive(Clone)]
enum TagBody {
    /// Something at a `.sbom` tag that is no image manifest: it is replaced, as
    /// cosign does (WIRE-44).
    Replaced,
    Image(Box<ImageManifest>),
    Index(IndexManifest),
}

impl TagBody {
    fn descriptors(&self) -> Vec<Descriptor> {
        match self {
            Self::Replaced => Vec::new(),
            Self::Image(image) => image.layers().to_vec(),
            Self::Index(index) => index.entries().cloned().collect(),
        }
    }
}

impl Standing {
    /// Takes what a registry serves at the tag of `place`; nothing if there is
    /// no tag.
    ///
    /// # Errors
    /// On something that the signer must not replace.
    pub(super) fn at(place: &Place, served: Option<Served>) -> Result<Self, AttachError> {
        let Some(Served { manifest, etag }) = served else {
            return Ok(Self::Nothing);
        };
        // Under whatever name of the host, that is a tag of the image.
        if manifest.digest() == place.subject() {
            return Err(AttachError::Subject {
                place: place.clone(),
            });
        }
        // Without an `ETag` there is nothing that a condition could name.
        let version = etag.map_or(Condition::Always, Condition::Unchanged);
        Self::parse(place.kind(), manifest, version).map_err(|source| AttachError::Foreign {
            place: place.clone(),
            source,
        })
    }

    fn parse(kind: Kind, manifest: Manifest, version: Condition) -> Result<Self, ManifestError> {
        let image = |(image, reading)| (TagBody::Image(Box::new(image)), reading);
        let (body, reading) = match kind {
            Kind::Referrers => {
                let (index, reading) = manifest.to_standing_index()?;
                (TagBody::Index(index), reading)
            }
            Kind::Signatures | Kind::Attestations => image(manifest.to_standing_image()?),
            Kind::Sbom => manifest
                .to_standing_image()
                .map_or((TagBody::Replaced, Reading::Plain), image),
        };
        Ok(Self::Tag(Box::new(Tagged {
            descriptors: body.descriptors(),
            body,
            reading,
            manifest,
            version,
        })))
    }

    /// Whether nothing at all hung there.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Tag(_) => false,
            Self::List(referrers) => referrers.is_empty(),
        }
    }

    /// Whether a sigstore bundle is listed, whoever made it, as far as the list
    /// says.
    pub(crate) fn has_bundles(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Tag(tagged) => tagged.descriptors.iter().any(envelope::may_be_bundle),
            Self::List(referrers) => referrers.has_bundles,
        }
    }

    /// The registry's own list, if it keeps one.
    pub(super) fn referrers(&self) -> Option<&Referrers> {
        match self {
            Self::List(referrers) => Some(referrers),
            Self::Nothing | Self::Tag(_) => None,
        }
    }

    fn tagged(&self) -> Option<&Tagged> {
        match self {
            Self::Tag(tagged) => Some(tagged),
            Self::Nothing | Self::List(_) => None,
        }
    }

    /// The condition under which nobody has written the tag since. Of a
    /// registry's own list, which is not put: that there is no tag.
    pub(super) fn condition(&self) -> &Condition {
        self.tagged()
            .map_or(&Condition::Absent, |tagged| &tagged.version)
    }

    /// The digest of the manifest that stood there. None as well for a list of
    /// the registry's own.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.tagged().map(|tagged| tagged.manifest.digest())
    }

    /// Whether `layer` hung there, just as it is to hang there: an annotation
    /// more may make readers refuse it. Whether they can read it is another
    /// matter: see [`set_right`](Self::set_right).
    pub(crate) fn holds(&self, layer: &SealedValue) -> bool {
        match self {
            Self::Nothing => false,
            // The registry itself derives the entries of its list from the
            // manifests; only digests can be compared.
            Self::List(referrers) => referrers.contains(&layer.descriptor().digest),
            Self::Tag(tagged) => match tagged.body {
                // Readers of a list go by the digest; the rest is for people.
                TagBody::Index(_) => tagged
                    .descriptors
                    .iter()
                    .any(|there| layer.descriptor().is_covered_by(there)),
                TagBody::Image(_) | TagBody::Replaced => {
                    tagged.descriptors.contains(layer.descriptor())
                }
            },
        }
    }

    /// The standing as all readers will take it once it is written again.
    /// Nothing has to be if the [reading](Self::reading) is plain. Of an index
    /// nothing has to be set right: it names no blobs of ours.
    ///
    /// # Errors
    /// On a layer that cannot be written again.
    pub(super) fn set_right(&self, layers: &[SealedValue]) -> Result<Self, ManifestError> {
        let mut standing = self.clone();
        if let Self::Tag(tagged) = &mut standing
            && let TagBody::Image(image) = &mut tagged.body
        {
            let sizes = layers.iter().map(|layer| layer.descriptor());
            let sizes: HashMap<_, _> = sizes.map(|blob| (&blob.digest, blob.size)).collect();
            tagged.reading = tagged.reading.and(image.set_right(&sizes)?);
            tagged.descriptors = image.layers().to_vec();
        }
        Ok(standing)
    }

    /// Whether readers take what stands there for what was read.
    pub(super) fn reading(&self) -> Reading {
        self.tagged()
            .map_or(Reading::Plain, |tagged| tagged.reading)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of(kind: Kind, manifest: Manifest) -> Self {
        Self::parse(kind, manifest, Condition::Always).unwrap_or(Self::Nothing)
    }

    pub(super) fn image(&self) -> Option<&ImageManifest> {
        match &self.tagged()?.body {
            TagBody::Image(image) => Some(image),
            TagBody::Replaced | TagBody::Index(_) => None,
        }
    }

    pub(super) fn index(&self) -> Option<&IndexManifest> {
        match &self.tagged()?.body {
            TagBody::Index(index) => Some(index),
            TagBody::Replaced | TagBody::Image(_) => None,
        }
    }

    /// The descriptors that hung there, by a tag's manifest or by the registry's
    /// own list, of which the last are known; last first.
    pub(super) fn last_first(&self) -> impl Iterator<Item = &Descriptor> {
        let listed = self.referrers().into_iter().flat_map(Referrers::recent);
        self.layers().iter().chain(listed).rev()
    }

    /// The descriptors that a tag's manifest has, as far as it can be read.
    pub(crate) fn layers(&self) -> &[Descriptor] {
        self.tagged()
            .map(|tagged| tagged.descriptors.as_slice())
            .unwrap_or_default()
    }
}
