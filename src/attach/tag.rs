//! Appending to a tag that others write too.
//!
//! Registries offer no compare-and-swap that can be trusted, so: build the
//! union of what is there and what is ours, write it once, read it back, and
//! begin again if somebody else wrote in between (`spec/wire.md`, "Safe
//! append"). What others wrote keeps its bytes. A `.sbom` tag holds one
//! document and is replaced, as cosign does.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::place::{Kind, Place};
use super::union::{Union, union};
use crate::config::MediaTypes;
use crate::oci::manifest::{MAX_LAYERS, ManifestError};
use crate::oci::{Content, Descriptor, Digest, ImageManifest, Manifest};
use crate::store::registry::{Answer, Put, Registries, StoreError};

/// How long a registry may take to show what it accepted.
const CONSISTENCY: Duration = Duration::from_secs(5);
/// How long a place is fought for: other signers, and answers that leave open
/// what happened.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sealed payload, ready to be stored.
#[derive(Clone, Debug)]
pub struct Layer {
    pub descriptor: Descriptor,
    pub content: Content,
}

/// What stood at a place when it was read.
#[derive(Clone)]
pub struct Found {
    manifest: Option<Manifest>,
    image: Option<ImageManifest>,
}

impl Found {
    #[cfg(test)]
    pub(super) fn nothing() -> Self {
        Self {
            manifest: None,
            image: None,
        }
    }

    /// The digest of the manifest that stood there.
    pub fn digest(&self) -> Option<&Digest> {
        self.manifest.as_ref().map(Manifest::digest)
    }

    /// Whether `layer` hung there.
    pub fn holds(&self, layer: &Layer) -> bool {
        self.layers()
            .iter()
            .any(|there| layer.descriptor.is_covered_by(there))
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn image_of(manifest: Manifest) -> Self {
        let image = manifest.to_image().ok();
        Self {
            manifest: Some(manifest),
            image,
        }
    }

    pub(super) fn image(&self) -> Option<&ImageManifest> {
        self.image.as_ref()
    }

    pub(super) fn layers(&self) -> &[Descriptor] {
        self.image
            .as_ref()
            .map(ImageManifest::layers)
            .unwrap_or_default()
    }
}

/// A place that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("`{place}` holds something that is not ours to replace")]
    Foreign {
        place: Place,
        #[source]
        source: ManifestError,
    },
    #[error("`{place}` would have {layers} layers; readers refuse more than {MAX_LAYERS}")]
    Full { place: Place, layers: usize },
    #[error("the registry refuses to change `{place}` (status {status}){answer}")]
    Refused {
        place: Place,
        status: u16,
        answer: Answer,
    },
    #[error("the registry accepted `{place}` but does not show it")]
    NotDurable { place: Place },
    #[error("gave up writing `{place}`: {reason}")]
    GaveUp { place: Place, reason: String },
    #[error("cannot read or write `{place}`")]
    Store {
        place: Place,
        #[source]
        source: StoreError,
    },
    #[error("cannot build the manifest of `{place}`")]
    Json {
        place: Place,
        #[source]
        source: serde_json::Error,
    },
}

impl AttachError {
    /// What to try, if it is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store { source, .. } => source.hint(),
            Self::Refused { answer, .. } if answer.code == "MANIFEST_INVALID" => {
                Some("try `docker-media-types = true` for this registry".to_owned())
            }
            Self::Foreign { .. } | Self::Full { .. } | Self::Refused { .. } => Some(
                "store signatures elsewhere with `repository`, or let the registry overwrite tags \
                 that end in `.sig`, `.att` and `.sbom`"
                    .to_owned(),
            ),
            Self::NotDurable { .. } | Self::GaveUp { .. } => {
                Some("running again is safe and completes what is missing".to_owned())
            }
            Self::Json { .. } => None,
        }
    }
}

/// Reads what hangs at `place`.
///
/// # Errors
/// On a registry that does not answer or refuses, and on something that the
/// signer must not replace.
pub async fn read(registries: &Registries, place: &Place) -> Result<Found, AttachError> {
    let manifest =
        registries
            .get_manifest(&place.reference())
            .await
            .map_err(|source| match source {
                StoreError::Manifest { source, .. } => AttachError::Foreign {
                    place: place.clone(),
                    source,
                },
                source => AttachError::Store {
                    place: place.clone(),
                    source,
                },
            })?;
    let image = match (&manifest, place.kind()) {
        (None, _) => None,
        (Some(manifest), Kind::Sbom) => manifest.to_image().ok(),
        (Some(manifest), Kind::Signatures | Kind::Attestations) => {
            let foreign = |source| AttachError::Foreign {
                place: place.clone(),
                source,
            };
            Some(manifest.to_image().map_err(foreign)?)
        }
    };
    Ok(Found { manifest, image })
}

/// Layers on their way to a place.
pub struct Hanging<'a> {
    registries: &'a Registries,
    place: &'a Place,
    layers: &'a [Layer],
    media_types: MediaTypes,
    found: Found,
    uploaded: HashSet<Digest>,
    has_written: bool,
}

impl<'a> Hanging<'a> {
    /// `layers` are to hang at `place`, where `found` was read. A new tag gets
    /// `media_types`.
    pub fn new(
        registries: &'a Registries,
        place: &'a Place,
        layers: &'a [Layer],
        media_types: MediaTypes,
        found: Found,
    ) -> Self {
        Self {
            registries,
            place,
            layers,
            media_types,
            found,
            uploaded: HashSet::new(),
            has_written: false,
        }
    }

    /// Whether the tag is there already, so that the registry may refuse to
    /// overwrite it.
    pub fn is_overwrite(&self) -> bool {
        self.found.manifest.is_some()
    }

    /// Whether something visible may have changed.
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Uploads the blobs that the next [`write`](Self::write) needs. Nothing
    /// visible changes.
    ///
    /// # Errors
    /// On a registry that does not answer or refuses, and on a full tag.
    pub async fn upload(&mut self) -> Result<(), AttachError> {
        match self.union()? {
            Some(union) => self.upload_blobs(&union).await,
            None => Ok(()),
        }
    }

    /// Makes the layers hang there, and reads them back. Gives the digest of
    /// the manifest that holds them.
    ///
    /// # Errors
    /// On a registry that refuses or does not show what it accepted.
    pub async fn write(&mut self) -> Result<Digest, AttachError> {
        let started = Instant::now();
        let mut reason = String::new();
        for round in 0.. {
            if round > 0 {
                if started.elapsed() > PATIENCE {
                    break;
                }
                tokio::time::sleep(jittered(round)).await;
            }
            let Some(union) = self.union()? else {
                return self.proven();
            };
            self.upload_blobs(&union).await?;
            reason = match self.put(&union).await? {
                Outcome::Shown => return Ok(union.manifest.digest().clone()),
                Outcome::Again(reason) => reason,
            };
            debug!("Writing {} again: {reason}", self.place);
        }
        Err(AttachError::GaveUp {
            place: self.place.clone(),
            reason,
        })
    }

    fn proven(&self) -> Result<Digest, AttachError> {
        let missing = || AttachError::NotDurable {
            place: self.place.clone(),
        };
        self.found.digest().cloned().ok_or_else(missing)
    }

    async fn put(&mut self, union: &Union) -> Result<Outcome, AttachError> {
        let reference = self.place.reference();
        let put = self
            .registries
            .put_manifest(&reference, &union.manifest)
            .await;
        self.has_written |= matches!(
            put,
            Ok(Put::Written | Put::Unclear(_)) | Err(StoreError::Digest { .. })
        );
        match put.map_err(|source| self.store_error(source))? {
            Put::Written => self.read_back(union).await,
            Put::BlobUnknown => {
                self.uploaded.clear();
                Ok(Outcome::Again(
                    "the registry does not know a blob".to_owned(),
                ))
            }
            Put::Unclear(reason) => {
                self.found = read(self.registries, self.place).await?;
                Ok(Outcome::Again(reason))
            }
            Put::Refused {
                status: 412,
                answer,
            } => {
                let now = read(self.registries, self.place).await?;
                let is_race = now.digest() != self.found.digest();
                self.found = now;
                if is_race {
                    Ok(Outcome::Again("another signer was faster".to_owned()))
                } else {
                    Err(self.refused(412, answer))
                }
            }
            Put::Refused { status, answer } => Err(self.refused(status, answer)),
        }
    }

    /// Reads the place until it shows what was put, or something newer.
    async fn read_back(&mut self, union: &Union) -> Result<Outcome, AttachError> {
        let started = Instant::now();
        for round in 1.. {
            let now = read(self.registries, self.place).await?;
            if now.digest() == Some(union.manifest.digest()) {
                self.found = now;
                return Ok(Outcome::Shown);
            }
            let is_stale = now.digest().is_none() || now.digest() == self.found.digest();
            if !is_stale {
                self.warn_of_losses(&now);
                self.found = now;
                return Ok(Outcome::Again(
                    "another signer wrote at the same time".to_owned(),
                ));
            }
            if started.elapsed() > CONSISTENCY {
                break;
            }
            tokio::time::sleep(jittered(round)).await;
        }
        Err(AttachError::NotDurable {
            place: self.place.clone(),
        })
    }

    /// What others removed on purpose is not brought back; what they lost by
    /// accident they bring back themselves.
    fn warn_of_losses(&self, now: &Found) {
        let lost = self
            .found
            .layers()
            .iter()
            .filter(|there| !now.layers().contains(there))
            .count();
        if lost > 0 {
            warn!(
                "{lost} layers that others had hung at {} are gone",
                self.place
            );
        }
    }

    fn refused(&self, status: u16, answer: Answer) -> AttachError {
        let action = || format!("writing `{}`", self.place);
        // Refusing a tag that is not there yet is about access, not about
        // overwriting.
        if status == 403 && !self.is_overwrite() {
            let identity = "the credentials that were granted an upload".to_owned();
            return self.store_error(StoreError::Denied {
                action: action(),
                identity,
                answer,
            });
        }
        AttachError::Refused {
            place: self.place.clone(),
            status,
            answer,
        }
    }

    fn store_error(&self, source: StoreError) -> AttachError {
        AttachError::Store {
            place: self.place.clone(),
            source,
        }
    }

    async fn upload_blobs(&mut self, union: &Union) -> Result<(), AttachError> {
        let mut wanted: Vec<(Digest, Content)> = Vec::new();
        let layers = union
            .missing
            .iter()
            .map(|layer| (&layer.descriptor.digest, &layer.content));
        let config = union
            .config
            .iter()
            .map(|(digest, content)| (digest, content));
        for (digest, content) in layers.chain(config) {
            if !self.uploaded.contains(digest) && !wanted.iter().any(|(known, _)| known == digest) {
                wanted.push((digest.clone(), content.clone()));
            }
        }
        let repository = self.place.repository();
        let uploads = wanted
            .iter()
            .map(|(digest, content)| self.registries.put_blob(repository, digest, content));
        let results = futures_util::future::join_all(uploads).await;
        results
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(|source| self.store_error(source))?;
        self.uploaded
            .extend(wanted.into_iter().map(|(digest, _)| digest));
        Ok(())
    }

    fn union(&self) -> Result<Option<Union>, AttachError> {
        union(self.place, &self.found, self.layers, self.media_types)
    }
}

enum Outcome {
    Shown,
    Again(String),
}

/// Full jitter: signers that collided once must not collide again.
fn jittered(round: u32) -> Duration {
    let ceiling = Duration::from_millis(50).saturating_mul(1 << round.min(6));
    ceiling.min(Duration::from_secs(2)).mul_f64(fastrand::f64())
}
