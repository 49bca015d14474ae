//! Step 1 of the RFC: read access to the registries of the images, and their
//! digests are those of the report. Only GET and HEAD.
//!
//! An image is read by its first tag and hashed: one request proves that the
//! tag still points there and that the bytes are the report's.

use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use tracing::{debug, info, warn};

use super::error::PhaseError;
use super::limits::Limits;
use super::plan::{Image, Plan};
use crate::oci::reference::Version;
use crate::oci::{Descriptor, Manifest, Reference};
use crate::sbom::{self, Document};
use crate::store::registry::{Limit, Registries};

/// Proof of step 1, with the SBOM documents if a signatory exports them.
pub struct Readable {
    documents: Vec<Document>,
    /// In the order of the plan.
    images: Vec<Descriptor>,
}

impl Readable {
    /// The images as their registries describe them, in the order of the plan.
    pub fn images(&self) -> &[Descriptor] {
        &self.images
    }

    /// The image's SBOM documents; empty if it has none or none is exported.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }
}

/// Takes the step.
///
/// # Errors
/// On a registry that does not answer or refuses, on an image that is missing
/// or not the report's, and on an SBOM that cannot be read.
pub async fn check_read(
    plan: &Plan,
    registries: &Registries,
    limits: &Limits,
) -> Result<Readable, PhaseError> {
    let checks = join_all(
        plan.images()
            .iter()
            .map(|image| check_image(image, registries)),
    )
    .await;
    let manifests = checks.into_iter().collect::<Result<Vec<_>, _>>()?;
    // All images of a report are the same bytes, so one SBOM serves for all.
    let documents = match (plan.images().first(), manifests.first()) {
        (Some(image), Some(manifest)) if plan.exports_sbom() => {
            read_sbom(image, manifest, registries, limits).await?
        }
        _ => Vec::new(),
    };
    let described = plan.images().iter().zip(&manifests);
    let images = described.map(|(image, manifest)| Descriptor {
        // By the report's algorithm.
        digest: image.digest.clone(),
        ..Descriptor::of_manifest(manifest)
    });
    Ok(Readable {
        images: images.collect(),
        documents,
    })
}

async fn check_image(image: &Image, registries: &Registries) -> Result<Manifest, PhaseError> {
    let Some((first, others)) = image.tags.split_first() else {
        return Err(PhaseError::NoTags);
    };
    let read = |source| PhaseError::Read {
        image: image.to_string(),
        source,
    };
    let manifest = registries.get_manifest(first).await.map_err(read)?;
    let manifest = match manifest {
        Some(manifest) if image.digest.matches(manifest.bytes()) => manifest,
        other => return Err(why_not(image, first, other, registries).await),
    };
    let checks = others.iter().map(|tag| check_tag(image, tag, registries));
    try_join_all(checks).await?;
    info!("Verified read access to {image}");
    Ok(manifest)
}

async fn check_tag(
    image: &Image,
    tag: &Reference,
    registries: &Registries,
) -> Result<(), PhaseError> {
    let read = |source| PhaseError::Read {
        image: image.to_string(),
        source,
    };
    let found = registries.head_manifest(tag).await.map_err(read)?;
    match found {
        Some(digest) if digest == image.digest => Ok(()),
        Some(digest) if digest.algorithm() != image.digest.algorithm() => {
            match registries.get_manifest(tag).await.map_err(read)? {
                Some(manifest) if image.digest.matches(manifest.bytes()) => Ok(()),
                other => Err(why_not(image, tag, other, registries).await),
            }
        }
        Some(digest) => Err(PhaseError::Moved {
            tag: tag.to_string(),
            expected: image.digest.clone(),
            actual: digest,
        }),
        None => Err(why_not(image, tag, None, registries).await),
    }
}

/// Looks whether the tags are still where they were checked to be. What was
/// signed is the report's digest in any case, so that nothing of this fails.
pub async fn warn_of_moved_tags(plan: &Plan, registries: &Registries) {
    let tags = plan
        .images()
        .iter()
        .flat_map(|image| image.tags.iter().map(move |tag| (image, tag)))
        // A digest does not move.
        .filter(|(_, tag)| matches!(tag.version(), Version::Tag(_)));
    join_all(tags.map(|(image, tag)| async move {
        match registries.head_manifest(tag).await {
            Ok(Some(digest)) if digest.algorithm() != image.digest.algorithm() => {}
            Ok(Some(digest)) if digest == image.digest => {}
            Ok(Some(digest)) => warn!(
                "{tag} moved to {digest} during the run, which is not signed; {} is",
                image.digest
            ),
            Ok(None) => warn!(
                "{tag} was removed during the run; {} is signed",
                image.digest
            ),
            Err(error) => debug!("Could not look at {tag} again: {error}"),
        }
    }))
    .await;
}

/// Tells a moved tag from an image that is not there at all.
async fn why_not(
    image: &Image,
    tag: &Reference,
    found: Option<Manifest>,
    registries: &Registries,
) -> PhaseError {
    let by_digest = Reference::new(image.repository.clone(), image.digest.clone());
    let is_there = match tag.version() {
        Version::Digest(_) => false,
        Version::Tag(_) => match registries.get_manifest(&by_digest).await {
            Ok(manifest) => manifest.is_some(),
            Err(source) => {
                return PhaseError::Read {
                    image: image.to_string(),
                    source,
                };
            }
        },
    };
    match found {
        Some(manifest) if is_there => PhaseError::Moved {
            tag: tag.to_string(),
            expected: image.digest.clone(),
            actual: manifest.digest().clone(),
        },
        None if is_there => PhaseError::TagGone {
            tag: tag.to_string(),
            digest: image.digest.clone(),
        },
        _ => PhaseError::Missing {
            tag: tag.to_string(),
            image: image.to_string(),
        },
    }
}

async fn read_sbom(
    image: &Image,
    manifest: &Manifest,
    registries: &Registries,
    limits: &Limits,
) -> Result<Vec<Document>, PhaseError> {
    if manifest.media_type().is_index() {
        info!("{image} is an index of several images: it has no SBOM of its own to export");
        return Ok(Vec::new());
    }
    let read = |source| PhaseError::Read {
        image: image.to_string(),
        source,
    };
    let unusable = |source| PhaseError::Sbom {
        image: image.to_string(),
        source,
    };
    let parsed = manifest.to_image().map_err(|source| PhaseError::Manifest {
        image: image.to_string(),
        source,
    })?;
    let limit = Limit {
        bytes: limits.image_config,
        flag: "-image-config-limit",
    };
    let config = registries
        .get_blob(&image.repository, parsed.config(), limit)
        .await
        .map_err(read)?;
    let Some(layer) = sbom::locate(&config, &parsed).map_err(unusable)? else {
        info!("{image} has no SBOM layer: nothing to export");
        return Ok(Vec::new());
    };
    let limit = Limit {
        bytes: limits.sbom.compressed,
        flag: "-sbom-layer-limit",
    };
    let blob = registries
        .get_blob(&image.repository, &layer.descriptor, limit)
        .await;
    let blob = blob.map_err(|source| PhaseError::SbomLayer {
        image: image.to_string(),
        source,
    })?;
    let (layer, limits) = (Arc::new(layer), limits.sbom.clone());
    let reading = tokio::task::spawn_blocking(move || sbom::read(&layer, blob, &limits)).await;
    let documents = reading
        .map_err(|_| PhaseError::Crashed("reading the SBOM layer"))?
        .map_err(unusable)?;
    report(image, &documents);
    Ok(documents)
}

fn report(image: &Image, documents: &[Document]) {
    if documents.is_empty() {
        info!("{image} has no SBOM document in a standard format: nothing to export");
        return;
    }
    info!("Read {} SBOM documents of {image}", documents.len());
    for document in documents {
        if document.exceeds_float64() {
            warn!(
                "{} holds a number beyond float64: no cosign verifies an attestation of it",
                document.path()
            );
        }
        if document.has_lone_surrogate() {
            warn!(
                "{} holds half a surrogate pair: cosign 3 verifies no attestation of it",
                document.path()
            );
        }
    }
}
