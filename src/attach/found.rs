//! What hangs at a place, and what is to hang there.

use std::collections::HashMap;

use super::error::AttachError;
use super::place::{Kind, Place};
use crate::envelope::Sealed;
use crate::oci::manifest::ManifestError;
use crate::oci::{Content, Descriptor, Digest, ImageManifest, IndexManifest, Manifest, Reading};
use crate::store::registry::{Condition, Referrers, Served};

/// A sealed payload, ready to be stored.
#[derive(Clone, Debug)]
pub struct Layer {
    pub descriptor: Descriptor,
    pub content: Content,
    /// The blobs of a layer that is a manifest itself.
    pub parts: Vec<Layer>,
}

impl Layer {
    /// A layer that is one blob.
    pub fn blob(descriptor: Descriptor, content: Content) -> Self {
        Self {
            descriptor,
            content,
            parts: Vec::new(),
        }
    }
}

impl From<&Sealed> for Layer {
    fn from(sealed: &Sealed) -> Self {
        match sealed {
            Sealed::Layer(layer) => Self::blob(layer.descriptor.clone(), layer.content.clone()),
            Sealed::Referrer(referrer) => Self {
                descriptor: referrer.descriptor.clone(),
                content: referrer.manifest.bytes().clone().into(),
                parts: referrer
                    .blobs
                    .iter()
                    .map(|blob| Self::blob(blob.descriptor.clone(), blob.content.clone()))
                    .collect(),
            },
        }
    }
}

/// What stood at a place when it was read.
#[derive(Clone)]
pub struct Found {
    manifest: Option<Manifest>,
    body: Body,
    /// Whether readers take it for what `body` is.
    reading: Reading,
    descriptors: Vec<Descriptor>,
    version: Condition,
    /// The registry's own list of what refers to the image; it has no tag then.
    listed: Option<Referrers>,
}

/// What a tag's manifest is for us.
#[derive(Clone)]
enum Body {
    /// Nothing, or nothing that is kept.
    Nothing,
    Image(Box<ImageManifest>),
    Index(IndexManifest),
}

impl Found {
    /// Takes what a registry serves at the tag of `place`; nothing if there is
    /// no tag.
    ///
    /// # Errors
    /// On something that the signer must not replace.
    pub(super) fn at(place: &Place, served: Option<Served>) -> Result<Self, AttachError> {
        let Some(Served { manifest, etag }) = served else {
            return Ok(Self::nothing());
        };
        // Under whatever name of the host, that is a tag of the image.
        if manifest.digest() == place.subject() {
            return Err(AttachError::Subject {
                place: place.clone(),
            });
        }
        let version = etag.map_or(Condition::Always, Condition::Unchanged);
        Self::parse(place.kind(), manifest, version).map_err(|source| AttachError::Foreign {
            place: place.clone(),
            source,
        })
    }

    fn parse(kind: Kind, manifest: Manifest, version: Condition) -> Result<Self, ManifestError> {
        let image = |(image, reading)| (Body::Image(Box::new(image)), reading);
        let (body, reading) = match kind {
            Kind::Referrers => {
                let (index, reading) = manifest.to_standing_index()?;
                (Body::Index(index), reading)
            }
            Kind::Signatures | Kind::Attestations => image(manifest.to_standing_image()?),
            // One document, which is replaced whatever it was.
            Kind::Sbom => manifest
                .to_standing_image()
                .map_or((Body::Nothing, Reading::Plain), image),
        };
        Ok(Self {
            descriptors: match &body {
                Body::Nothing => Vec::new(),
                Body::Image(image) => image.layers().to_vec(),
                Body::Index(index) => index.entries().cloned().collect(),
            },
            body,
            reading,
            manifest: Some(manifest),
            version,
            listed: None,
        })
    }

    /// A place where nothing hangs.
    pub(super) fn nothing() -> Self {
        Self {
            manifest: None,
            body: Body::Nothing,
            reading: Reading::Plain,
            descriptors: Vec::new(),
            version: Condition::Absent,
            listed: None,
        }
    }

    /// Whether nothing at all hung there.
    pub fn is_nothing(&self) -> bool {
        let lists = |listed: &Referrers| !listed.is_empty();
        self.manifest.is_none() && !self.listed.as_ref().is_some_and(lists)
    }

    /// What a registry itself lists.
    pub(super) fn listed(referrers: Referrers) -> Self {
        Self {
            listed: Some(referrers),
            ..Self::nothing()
        }
    }

    /// The registry's own list, if it keeps one.
    pub(super) fn list(&self) -> Option<&Referrers> {
        self.listed.as_ref()
    }

    /// The condition under which nobody has written since.
    pub(super) fn condition(&self) -> &Condition {
        &self.version
    }

    /// The digest of the manifest that stood there.
    pub fn digest(&self) -> Option<&Digest> {
        self.manifest.as_ref().map(Manifest::digest)
    }

    /// Whether `layer` hung there, just as it is to hang there: an annotation
    /// more may make readers refuse it. Whether they can read it is another
    /// matter: see [`set_right`](Self::set_right).
    pub fn holds(&self, layer: &Layer) -> bool {
        match (&self.listed, &self.body) {
            // What a registry says of a manifest it made up by itself.
            (Some(listed), _) => listed.list(&layer.descriptor.digest),
            // Readers of a list go by the digest; the rest is for people.
            (None, Body::Index(_)) => self
                .descriptors
                .iter()
                .any(|there| layer.descriptor.is_covered_by(there)),
            (None, Body::Image(_) | Body::Nothing) => self.descriptors.contains(&layer.descriptor),
        }
    }

    /// What hung there, as all readers will take it once it is written again.
    /// Nothing has to be if the [reading](Self::reading) is plain.
    ///
    /// # Errors
    /// On a layer that cannot be written again.
    pub(super) fn set_right(&self, layers: &[Layer]) -> Result<Self, ManifestError> {
        let mut found = self.clone();
        if let Body::Image(image) = &mut found.body {
            let sizes = layers.iter().map(|layer| &layer.descriptor);
            let sizes: HashMap<_, _> = sizes.map(|blob| (&blob.digest, blob.size)).collect();
            found.reading = found.reading.and(image.set_right(&sizes)?);
            found.descriptors = image.layers().to_vec();
        }
        Ok(found)
    }

    /// Whether readers take what stands there for what was read.
    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of(kind: Kind, manifest: Manifest) -> Self {
        Self::parse(kind, manifest, Condition::Always).unwrap_or_else(|_| Self::nothing())
    }

    pub(super) fn image(&self) -> Option<&ImageManifest> {
        match &self.body {
            Body::Image(image) => Some(image),
            Body::Nothing | Body::Index(_) => None,
        }
    }

    pub(super) fn index(&self) -> Option<&IndexManifest> {
        match &self.body {
            Body::Index(index) => Some(index),
            Body::Nothing | Body::Image(_) => None,
        }
    }

    /// What hung there, by a tag's manifest or by the registry's own list, of which
    /// the last are known; last first.
    pub(super) fn last_first(&self) -> impl Iterator<Item = &Descriptor> {
        let listed = self.listed.iter().flat_map(Referrers::recent);
        self.descriptors.iter().chain(listed).rev()
    }

    /// What hung there, as far as it can be read.
    pub(super) fn layers(&self) -> &[Descriptor] {
        &self.descriptors
    }
}
