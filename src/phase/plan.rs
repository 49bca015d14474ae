//! Step 0: everything that can be known without asking a registry or a service.
//!
//! Both files are parsed by now; here the files that `cosign.toml` names are read,
//! images and places are named, and contradictions are found. Keys are opened later,
//! beside the checks.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::error::PhaseError;
use super::image::Image;
use super::mixture::Formats;
use super::signatory::{Item, Signatory};
use crate::attach::{Kind, Place};
use crate::config::{CosignConfig, ExportSbom, MediaTypes, Report};
use crate::keys::KeyReference;
use crate::oci::{Reference, Repository};

mod certificate;
mod contradiction;
mod keys;
mod witnesses;

use certificate::{CertificateTimes, Timestamps, own_certificate};
use contradiction::refuse_contradictions;
pub use keys::{ClosedKey, KeySettings};
use keys::{read_keys, reference};

/// The plan of a run. It holds no secret: keys and passwords are [`ClosedKey`]s.
pub struct Plan {
    /// In the order of the report.
    images: Vec<Image>,
    /// In the order of `cosign.toml`. Keys and wants share them, and are matched by
    /// their address.
    signatories: Vec<Arc<Signatory>>,
    /// Of every signature, by name.
    annotations: BTreeMap<String, String>,
    now: Timestamp,
    created: Option<Timestamp>,
    formats: Formats,
}

/// The settings of a plan, beside the two files.
pub struct PlanSettings<'a> {
    pub keys: KeySettings<'a>,
    /// The time at which certificates and witnesses have to be valid.
    pub now: Timestamp,
    /// The time of creation that stored objects state (`SOURCE_DATE_EPOCH`, WIRE-73);
    /// none states none.
    pub created: Option<Timestamp>,
    /// The treatment of a run that mixes forms with others.
    pub formats: Formats,
}

/// Makes the plan, and reads the keys of its signatories, each once, in the order of
/// `cosign.toml`. Reads the files that `cosign.toml` names, and sends nothing; a pipe
/// is waited for until the run's time is over.
///
/// # Errors
/// On files that cannot be used, and on configs that contradict each other.
pub fn prepare(
    report: &Report,
    config: &CosignConfig,
    settings: &PlanSettings<'_>,
) -> Result<(Plan, Vec<ClosedKey>), PhaseError> {
    let mut files = witnesses::Reader::new(config, settings.keys.variables, settings.now);
    let entries = config.configs().iter().enumerate();
    let signatories = entries.map(|(index, entry)| {
        let name = format!("configs[{index}]");
        let witnesses = files.of(entry).map_err(|source| PhaseError::Witnesses {
            position: entry.position.clone(),
            signatory: name.clone(),
            source,
        })?;
        let times = CertificateTimes {
            now: settings.now,
            timestamps: Timestamps::of(witnesses.as_deref()),
        };
        let read_by = settings.keys.variables.files();
        let certificate = own_certificate(&name, config, entry, &times, read_by);
        Ok(Arc::new(Signatory {
            certificate: certificate.map_err(PhaseError::OwnCertificate)?,
            bundled_chain: entry.certificate.bundled,
            name,
            key: Arc::new(reference(config, entry)?),
            repository: entry.repository.clone(),
            media_types: entry.media_types,
            export_sbom: entry.export_sbom,
            format: entry.format,
            witnesses,
        }))
    });
    let plan = Plan {
        images: images(report),
        signatories: signatories.collect::<Result<_, PhaseError>>()?,
        annotations: annotations(config),
        now: settings.now,
        created: settings.created,
        formats: settings.formats,
    };
    refuse_own_tags(&plan)?;
    refuse_contradictions(&plan.images, &plan.signatories, config)?;
    // Secrets last: those of a plan that is refused are not read.
    let closed = read_keys(&plan.signatories, config, &settings.keys, settings.now)?;
    Ok((plan, closed))
}

impl Plan {
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    pub fn signatories(&self) -> &[Arc<Signatory>] {
        &self.signatories
    }

    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The time of the run. Nothing that is signed depends on it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    pub(super) fn formats(&self) -> Formats {
        self.formats
    }

    /// Every place that may be written, with the media types it is created
    /// with. Signatories of one place agree on them, or its kind has no use for them.
    /// A place may come to nothing: an image may have no SBOM.
    pub fn places(&self) -> BTreeMap<Place, MediaTypes> {
        let mut places = BTreeMap::new();
        for image in &self.images {
            for signatory in &self.signatories {
                for item in signatory.items() {
                    let place = signatory.place(&image.repository, &image.digest, item.kind());
                    places.insert(place, signatory.media_types);
                }
            }
        }
        places
    }

    /// The places that are looked at although they are not written: the other form's,
    /// beside each place of signatures (SIG-85). Referrers are looked at only where
    /// forms are not to be mixed: most legacy runs meet no bundle, and would pay a
    /// request for it (SIG-86, `spec/decisions/0025`).
    pub(super) fn places_beside(&self) -> BTreeSet<Place> {
        let is_strict = self.formats == Formats::Strict;
        let written = self.places();
        let of_signatures = [Kind::Signatures, Kind::Referrers];
        let places = written
            .keys()
            .filter(|place| of_signatures.contains(&place.kind()));
        let places = places
            .flat_map(|place| of_signatures.map(|kind| place.of_kind(kind)))
            .filter(|place| is_strict || place.kind() == Kind::Signatures)
            .filter(|place| !written.contains_key(place));
        let mut beside = BTreeSet::new();
        beside.extend(places);
        beside
    }

    /// The repositories that are written to.
    pub fn destinations(&self) -> BTreeSet<Repository> {
        let places = self.places().into_keys();
        let mut destinations = BTreeSet::new();
        destinations.extend(places.map(|place| place.repository().clone()));
        destinations
    }

    /// Whether a signatory hangs such an item on images.
    pub(super) fn hangs(&self, is_wanted: impl Fn(&Item) -> bool) -> bool {
        let mut signatories = self.signatories.iter();
        signatories.any(|signatory| signatory.items().iter().any(&is_wanted))
    }

    /// Whether a signatory's signatures are made elsewhere.
    pub fn awaits_signatures(&self) -> bool {
        let mut signatories = self.signatories.iter();
        signatories.any(|signatory| matches!(*signatory.key, KeyReference::Signatures(_)))
    }

    pub fn exports_sbom(&self) -> bool {
        self.signatories
            .iter()
            .any(|signatory| signatory.export_sbom != ExportSbom::None)
    }
}

/// One image for each repository of the report, whose tags all have one digest
/// (SIG-25). A tag that stands there twice counts once.
fn images(report: &Report) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    let mut positions: HashMap<&Repository, usize> = HashMap::new();
    let mut known: HashSet<&Reference> = HashSet::new();
    for tag in report.tags().iter().filter(|tag| known.insert(tag)) {
        let position = match positions.entry(tag.repository()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                images.push(Image {
                    repository: tag.repository().clone(),
                    digest: report.digest().clone(),
                    tags: Vec::new(),
                });
                *unknown.insert(images.len() - 1)
            }
        };
        if let Some(image) = images.get_mut(position) {
            image.tags.push(tag.clone());
        }
    }
    images
}

fn annotations(config: &CosignConfig) -> BTreeMap<String, String> {
    let pair = |annotation: &crate::config::Annotation| {
        (annotation.name.clone(), annotation.value.clone())
    };
    let mut annotations = BTreeMap::new();
    annotations.extend(config.annotations().iter().map(pair));
    annotations
}

/// The image's own tags are not to be written (SIG-33). A host may have several names,
/// so that it does not count.
fn refuse_own_tags(plan: &Plan) -> Result<(), PhaseError> {
    let tags = plan.images.iter().flat_map(|image| &image.tags);
    let tags: HashMap<_, _> = tags
        .map(|tag| ((tag.repository().path(), tag.version()), tag))
        .collect();
    for place in plan.places().into_keys() {
        let reference = place.reference();
        let named = tags.get(&(reference.repository().path(), reference.version()));
        if let Some(tag) = named {
            return Err(PhaseError::OwnTag {
                tag: Box::new((*tag).clone()),
                kind: place.kind(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
