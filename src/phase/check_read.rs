//! Step 1 of the RFC: read access to the registries of the images, and their
//! digests are those of the report (SIG-20 to 22, 66 and 67). Only GET and HEAD.
//!
//! An image is read by its first tag and hashed: one request proves that the
//! tag still points there and that the bytes are the report's. A registry's own word
//! for a digest, in a header, proves neither.
//!
//! The SBOM layer is read here as well, since it is content of the image; its rules
//! are those of [`sbom`].

use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use tracing::{debug, info, warn};

use super::error::PhaseError;
use super::image::Image;
use super::just_pushed::GracePeriod;
use super::limits::Limits;
use super::plan::Plan;
use super::subject::Subject;
use crate::beside;
use crate::oci::digest::HashAlgorithm;
use crate::oci::reference::Version;
use crate::oci::{self, Digest, Manifest, Reference};
use crate::sbom::{self, Document};
use crate::store::registry::{Limit, Registries, StoreError};
use crate::words::Count;

/// Proof of step 1, with the SBOM documents if a signatory exports them.
pub struct Readable {
    subjects: Vec<Arc<Subject>>,
}

impl Readable {
    /// Every image of the report, in its order. Their documents are the same.
    pub fn subjects(&self) -> &[Arc<Subject>] {
        &self.subjects
    }

    pub(super) fn into_subjects(self) -> Vec<Arc<Subject>> {
        self.subjects
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
    let grace = &GracePeriod::new(registries);
    let checks = plan.images().iter().enumerate();
    // All are awaited: the first image of the report that fails is reported, and not
    // the one whose registry answers first.
    let checks = join_all(checks.map(|(index, image)| async move {
        let (manifest, subject) = check_image(image, registries, grace).await?;
        let described = manifest.descriptor();
        // All images of a report are the same bytes, so one SBOM serves for
        // all, and one manifest is enough to hold.
        Ok((described, (index == 0).then_some(subject)))
    }));
    let checks = checks.await.into_iter();
    let checks = checks.collect::<Result<Vec<_>, PhaseError>>()?;
    let (images, subjects): (Vec<_>, Vec<_>) = checks.into_iter().unzip();
    let documents = match (plan.images().first(), subjects.into_iter().flatten().next()) {
        (Some(image), Some(subject)) if plan.exports_sbom() => {
            read_sbom(image, &subject, registries, limits, grace).await?
        }
        _ => Vec::new(),
    };
    let documents: Arc<[Document]> = documents.into();
    let read = plan.images().iter().zip(images);
    let read = read.map(|(image, descriptor)| {
        Arc::new(Subject::new(image, descriptor, Arc::clone(&documents)))
    });
    Ok(Readable {
        subjects: read.collect(),
    })
}

/// One image by all its tags. A digest among the tags is read like one.
async fn check_image(
    image: &Image,
    registries: &Registries,
    grace: &GracePeriod<'_>,
) -> Result<(Manifest, oci::Signable), PhaseError> {
    let Some((first, others)) = image.tags.split_first() else {
        return Err(PhaseError::NoTags);
    };
    let mut shown = TagDigests::of(image);
    let found = grace.look(
        || registries.get_manifest(first),
        |found| match found {
            Ok(manifest) => shown.may_change(manifest.as_ref().map(Manifest::digest)),
            Err(_) => false,
        },
    );
    let found = found.await.map_err(unreadable(image))?;
    let manifest = match found {
        Some(manifest) if *manifest.digest() == image.digest => manifest,
        // Asked once, at the end of the grace period, and not for each look.
        other => {
            let other = other.as_ref().map(Manifest::digest);
            return Err(why_not(image, first, other, registries).await);
        }
    };
    // Even if no SBOM is exported: whatever is signed must be an image or an index,
    // and not both at once (SIG-67).
    let subject = manifest
        .to_subject()
        .map_err(|source| PhaseError::Manifest {
            image: image.reference().into(),
            source,
        })?;
    // Only the first tag is read whole: the others need the same digest.
    let checks = others.iter();
    let checks = checks.map(|tag| check_tag(image, tag, registries, grace));
    try_join_all(checks).await?;
    info!(%image, "Verified read access to {image}");
    Ok((manifest, subject))
}

async fn check_tag(
    image: &Image,
    tag: &Reference,
    registries: &Registries,
    grace: &GracePeriod<'_>,
) -> Result<(), PhaseError> {
    let mut shown = TagDigests::of(image);
    let found = grace.look(
        || digest_of(tag, registries),
        |found| match found {
            Ok(digest) => shown.may_change(digest.as_ref()),
            Err(_) => false,
        },
    );
    match found.await.map_err(unreadable(image))? {
        Some(digest) if digest == image.digest => Ok(()),
        other => Err(why_not(image, tag, other.as_ref(), registries).await),
    }
}

/// The SHA-256 digest of what a tag shows, whatever its registry calls it by: some
/// call everything by `sha512`, and the report's digest is SHA-256
/// (`spec/decisions/0023`).
async fn digest_of(tag: &Reference, registries: &Registries) -> Result<Option<Digest>, StoreError> {
    match registries.head_manifest(tag).await? {
        Some(digest) if digest.algorithm() != HashAlgorithm::Sha256 => {
            let manifest = registries.get_manifest(tag).await?;
            Ok(manifest.map(|manifest| manifest.digest().clone()))
        }
        digest => Ok(digest),
    }
}

/// The digests that a tag has shown so far.
struct TagDigests<'a> {
    expected: &'a Digest,
    other: Option<Digest>,
}

impl<'a> TagDigests<'a> {
    fn of(image: &'a Image) -> Self {
        Self {
            expected: &image.digest,
            other: None,
        }
    }

    /// Whether a tag that shows this may come to show the image by itself: as
    /// long as it shows nothing, or the build before. If that changes, somebody
    /// has moved the tag.
    fn may_change(&mut self, shown: Option<&Digest>) -> bool {
        match shown {
            None => true,
            Some(digest) if digest == self.expected => false,
            Some(digest) => self.other.get_or_insert_with(|| digest.clone()) == digest,
        }
    }
}

fn unreadable(image: &Image) -> impl Fn(StoreError) -> PhaseError {
    move |source| PhaseError::Read {
        image: image.reference().into(),
        source,
    }
}

/// Looks whether the tags are still where they were checked to be (SIG-48). The
/// report's digest is signed in any case, so that nothing of this fails. One `HEAD` for
/// each tag.
pub async fn warn_of_moved_tags(subjects: &[Arc<Subject>], registries: &Registries) {
    let tags = subjects
        .iter()
        .flat_map(|subject| {
            subject
                .tags()
                .iter()
                .map(move |tag| (subject.digest(), tag))
        })
        // A digest does not move.
        .filter(|(_, tag)| matches!(tag.version(), Version::Tag(_)));
    join_all(tags.map(|(signed, tag)| async move {
        match registries.head_manifest(tag).await {
            // Only reading the whole manifest would tell, and no warning is worth it.
            Ok(Some(digest)) if digest.algorithm() != signed.algorithm() => {}
            Ok(Some(digest)) if digest == *signed => {}
            Ok(Some(digest)) => warn!(
                image = %tag,
                "{tag} moved to {digest} during the run, which is not signed; {signed} is"
            ),
            Ok(None) => warn!(
                image = %tag,
                "{tag} was removed during the run; {signed} is signed"
            ),
            Err(error) => debug!("Could not look at {tag} again: {error}"),
        }
    }))
    .await;
}

/// Tells a moved tag from an image that is not there at all, by one `GET` of the
/// report's digest: the user's remedies differ.
async fn why_not(
    image: &Image,
    tag: &Reference,
    shown: Option<&Digest>,
    registries: &Registries,
) -> PhaseError {
    let is_there = match tag.version() {
        // It has just been asked for by its digest.
        Version::Digest(_) => false,
        Version::Tag(_) => match registries.get_manifest(&image.reference()).await {
            Ok(manifest) => manifest.is_some(),
            Err(source) => return unreadable(image)(source),
        },
    };
    match shown {
        Some(digest) if is_there => PhaseError::Moved {
            tag: tag.clone().into(),
            expected: image.digest.clone(),
            actual: digest.clone(),
        },
        None if is_there => PhaseError::TagGone {
            tag: tag.clone().into(),
            digest: image.digest.clone(),
        },
        _ => PhaseError::Missing {
            tag: tag.clone().into(),
            image: image.reference().into(),
        },
    }
}

/// The documents of an image's SBOM layer; none without that layer, or without a
/// document in a standard format, which is no error (SIG-31). Reads the config, finds
/// the layer by its label (`spec/sbom.md`), and keeps its blob in memory.
///
/// # Errors
/// On a label that names no layer, and on a layer that is damaged or over a limit.
async fn read_sbom(
    image: &Image,
    subject: &oci::Signable,
    registries: &Registries,
    limits: &Limits,
    grace: &GracePeriod<'_>,
) -> Result<Vec<Document>, PhaseError> {
    // `spec/decisions/0003`: an SBOM belongs to the image of one platform.
    let oci::Signable::Image(manifest) = subject else {
        info!(%image, "{image} is an index of several images: it has no SBOM of its own to export");
        return Ok(Vec::new());
    };
    let unusable = |source| PhaseError::Sbom {
        image: image.reference().into(),
        source,
    };
    // Of an image just pushed the manifest may be there before its blobs
    // (`spec/decisions/0022`).
    let read = |descriptor, limit| {
        let read = async move || {
            let repository = &image.repository;
            registries.get_blob(repository, descriptor, limit).await
        };
        grace.look(read, |blob| matches!(blob, Err(StoreError::Missing { .. })))
    };
    let limit = Limit::Config(limits.image_config);
    let config = read(manifest.config(), limit);
    let config = config.await.map_err(unreadable(image))?;
    let Some(layer) = sbom::locate(&config, manifest).map_err(unusable)? else {
        info!(%image, "{image} has no SBOM layer: nothing to export");
        return Ok(Vec::new());
    };
    let limit = Limit::Layer(limits.sbom.compressed);
    let blob = read(&layer.descriptor, limit).await;
    let blob = blob.map_err(|source| PhaseError::SbomLayer {
        image: image.reference().into(),
        source,
    })?;
    let (layer, limits) = (Arc::new(layer), limits.sbom.clone());
    // Decompressing and hashing would keep other images waiting.
    let reading = beside::run(move || sbom::read(&layer, blob, &limits)).await;
    let documents = reading
        .map_err(|_| PhaseError::Crashed("reading the SBOM layer"))?
        .map_err(unusable)?;
    report(image, &documents);
    Ok(documents)
}

/// Says how many documents there are, and warns of those that readers stumble over
/// (`spec/sbom.md`): they are exported all the same, their bytes unchanged (SIG-28).
fn report(image: &Image, documents: &[Document]) {
    if documents.is_empty() {
        info!(%image, "{image} has no SBOM document in a standard format: nothing to export");
        return;
    }
    let read = Count(documents.len(), "SBOM document");
    info!(%image, "Read {read} of {image}");
    for document in documents {
        if document.exceeds_float64() {
            warn!(
                %image,
                "{} holds a number beyond float64: no cosign verifies an attestation of it",
                document.path()
            );
        }
        if document.has_lone_surrogate() {
            warn!(
                %image,
                "{} holds half a surrogate pair: cosign 3 verifies no attestation of it",
                document.path()
            );
        }
    }
}
