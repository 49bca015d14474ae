//! Step 0: everything that can be known without asking a registry.
//!
//! Both files are parsed by now; here every key and password file is read,
//! images and places are named, and contradictions are found.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::error::PhaseError;
use super::formats::Formats;
use crate::attach::{Kind, Place};
use crate::config::{CosignConfig, ExportSbom, Format, MediaTypes, Report};
use crate::envelope::Form;
use crate::keys::KeyReference;
use crate::oci::{Digest, Reference, Repository};
use crate::secret::Secret;
use crate::service::Variables;

mod keys;

pub use keys::Locked;
use keys::{read_keys, reference};

/// The plan of a run.
pub struct Plan {
    images: Vec<Image>,
    signatories: Vec<Arc<Signatory>>,
    annotations: BTreeMap<String, String>,
    created: Option<Timestamp>,
    formats: Formats,
}

/// A distinct (repository, digest) of the report, with its tags in that
/// repository.
#[derive(Clone, Debug)]
pub struct Image {
    pub repository: Repository,
    pub digest: Digest,
    pub tags: Vec<Reference>,
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

/// A `[[configs]]` entry: who signs, and where to.
#[derive(Clone, Debug)]
pub struct Signatory {
    /// `configs[0]` and so on, for messages.
    pub name: String,
    pub key: Arc<KeyReference>,
    pub repository: Option<Repository>,
    pub media_types: MediaTypes,
    pub export_sbom: ExportSbom,
    pub format: Format,
}

/// A thing that a signatory hangs on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    Signature(Form),
    Attestations(Form),
    Attachment,
}

impl Item {
    /// The kind of place where it hangs.
    pub fn kind(self) -> Kind {
        match self {
            Self::Signature(Form::Tag) => Kind::Signatures,
            Self::Attestations(Form::Tag) => Kind::Attestations,
            Self::Signature(Form::Bundle) | Self::Attestations(Form::Bundle) => Kind::Referrers,
            Self::Attachment => Kind::Sbom,
        }
    }
}

impl Signatory {
    /// Where `kind` hangs for an image.
    pub fn place(&self, repository: &Repository, digest: &Digest, kind: Kind) -> Place {
        let repository = self.repository.as_ref().unwrap_or(repository);
        Place::new(repository.clone(), digest.clone(), kind)
    }

    /// What the signatory hangs on an image. An attachment is not signed, and
    /// has one form.
    pub fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        for (form, is_wanted) in [
            (Form::Tag, self.format.has_tags()),
            (Form::Bundle, self.format.has_bundles()),
        ] {
            if is_wanted {
                items.push(Item::Signature(form));
                if self.export_sbom == ExportSbom::Attestation {
                    items.push(Item::Attestations(form));
                }
            }
        }
        if self.export_sbom == ExportSbom::Attachment {
            items.push(Item::Attachment);
        }
        items
    }
}

/// What a plan is made with, beside the two files.
pub struct Settings<'a> {
    /// `COSIGN_PASSWORD`
    pub cosign_password: Option<&'a Secret>,
    /// What key services are asked with.
    pub variables: &'a Variables,
    /// What stored objects say when they were made.
    pub created: Option<Timestamp>,
    /// What becomes of a run that mixes forms with others.
    pub formats: Formats,
    /// When every pipe must have ended.
    pub until: Instant,
}

/// Makes the plan. Reads key and password files, until `until` at most, and
/// sends nothing.
///
/// # Errors
/// On key and password files that cannot be used, and on configs that
/// contradict each other.
pub fn prepare(
    report: &Report,
    config: &CosignConfig,
    settings: &Settings<'_>,
) -> Result<(Plan, Vec<Locked>), PhaseError> {
    let entries = config.configs().iter().enumerate();
    let signatories = entries.map(|(index, entry)| {
        Ok(Arc::new(Signatory {
            name: format!("configs[{index}]"),
            key: Arc::new(reference(config, entry)?),
            repository: entry.repository.clone(),
            media_types: entry.media_types,
            export_sbom: entry.export_sbom,
            format: entry.format,
        }))
    });
    let plan = Plan {
        images: images(report),
        signatories: signatories.collect::<Result<_, PhaseError>>()?,
        annotations: annotations(config),
        created: settings.created,
        formats: settings.formats,
    };
    refuse_own_tags(&plan)?;
    refuse_contradictions(&plan, config)?;
    let locked = read_keys(&plan, config, settings)?;
    Ok((plan, locked))
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

    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    pub(super) fn formats(&self) -> Formats {
        self.formats
    }

    /// Every place that may be written, with the media types it is created
    /// with.
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

    /// The repositories that are written to.
    pub fn destinations(&self) -> HashSet<Repository> {
        self.places()
            .into_keys()
            .map(|place| place.repository().clone())
            .collect()
    }

    /// Whether a signatory hangs such an item on images.
    pub(super) fn hangs(&self, is_wanted: impl Fn(&Item) -> bool) -> bool {
        let mut signatories = self.signatories.iter();
        signatories.any(|signatory| signatory.items().iter().any(&is_wanted))
    }

    pub fn exports_sbom(&self) -> bool {
        self.signatories
            .iter()
            .any(|signatory| signatory.export_sbom != ExportSbom::None)
    }
}

fn images(report: &Report) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    let mut places: HashMap<&Repository, usize> = HashMap::new();
    let mut known: HashSet<&Reference> = HashSet::new();
    for tag in report.tags().iter().filter(|tag| known.insert(tag)) {
        let place = match places.entry(tag.repository()) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(place) => {
                images.push(Image {
                    repository: tag.repository().clone(),
                    digest: report.digest().clone(),
                    tags: Vec::new(),
                });
                *place.insert(images.len() - 1)
            }
        };
        if let Some(image) = images.get_mut(place) {
            image.tags.push(tag.clone());
        }
    }
    images
}

fn annotations(config: &CosignConfig) -> BTreeMap<String, String> {
    let pair = |annotation: &crate::config::Annotation| {
        (annotation.name.clone(), annotation.value.clone())
    };
    config.annotations().iter().map(pair).collect()
}

/// The image's own tags are not to be written. A host may have several names,
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
                tag: tag.to_string(),
                kind: place.kind(),
            });
        }
    }
    Ok(())
}

/// Two configs that write the same place must agree on how.
fn refuse_contradictions(plan: &Plan, config: &CosignConfig) -> Result<(), PhaseError> {
    let mut said = Said::of(&plan.images);
    for (second, entry) in plan.signatories.iter().zip(config.configs()) {
        let first = said.against(second);
        if let Some((first, key)) = first.and_then(|first| contradiction(first, second)) {
            return Err(PhaseError::Contradiction {
                position: entry.position.to_string(),
                first: first.name.clone(),
                second: second.name.clone(),
                key,
            });
        }
        said.note(second);
    }
    Ok(())
}

/// The key on which two configs of one place disagree.
fn contradiction<'a>(
    first: &'a Signatory,
    second: &Signatory,
) -> Option<(&'a Signatory, &'static str)> {
    let share_tags = first.format.has_tags() && second.format.has_tags();
    // As soon as one bundle hangs there, cosign 2.6.3 and later ignore `.sig` tags.
    let key = if first.format.has_bundles() != second.format.has_bundles() {
        "format"
    } else if share_tags && first.media_types != second.media_types {
        "docker-media-types"
    } else if first.key == second.key && first.export_sbom != second.export_sbom {
        "export-sbom"
    } else {
        return None;
    };
    Some((first, key))
}

/// Something that configs of one place have to agree on.
#[derive(PartialEq, Eq, Hash)]
enum Fact<'a> {
    Bundles(bool),
    MediaTypes(MediaTypes),
    ExportSbom(&'a KeyReference, ExportSbom),
}

/// The first config that says something of a place. The configs are not compared
/// pair by pair: a file may hold very many.
type Facts<'a> = HashMap<Fact<'a>, (usize, &'a Signatory)>;

/// The words of the configs so far.
struct Said<'a> {
    images: HashSet<&'a Repository>,
    count: usize,
    /// Of the repositories of all images.
    of_images: Facts<'a>,
    /// Of some of them, by name.
    of_some: Facts<'a>,
    by_name: HashMap<&'a Repository, Facts<'a>>,
}

impl<'a> Said<'a> {
    fn of(images: &'a [Image]) -> Self {
        // All images of a report have one digest.
        Self {
            images: images.iter().map(|image| &image.repository).collect(),
            count: 0,
            of_images: Facts::new(),
            of_some: Facts::new(),
            by_name: HashMap::new(),
        }
    }

    /// The first config that contradicts this one.
    fn against(&self, signatory: &'a Signatory) -> Option<&'a Signatory> {
        let (all, named) = match &signatory.repository {
            None => (Some(&self.of_images), Some(&self.of_some)),
            Some(repository) => (
                (self.images.contains(repository)).then_some(&self.of_images),
                self.by_name.get(repository),
            ),
        };
        let others = [
            Some(Fact::Bundles(!signatory.format.has_bundles())),
            (signatory.format.has_tags()).then_some(Fact::MediaTypes(
                match signatory.media_types {
                    MediaTypes::Oci => MediaTypes::Docker,
                    MediaTypes::Docker => MediaTypes::Oci,
                },
            )),
        ];
        let exports = ExportSbom::ALL.into_iter();
        let exports = exports.filter(|export| *export != signatory.export_sbom);
        let exports = exports.map(|export| Fact::ExportSbom(&signatory.key, export));
        let others = others.into_iter().flatten().chain(exports);
        let found = others.flat_map(|fact| {
            let places = [all, named].into_iter().flatten();
            let found: Vec<_> = places.filter_map(|facts| facts.get(&fact)).collect();
            found
        });
        let first = found.min_by_key(|(index, _)| *index);
        first.map(|(_, signatory)| *signatory)
    }

    fn note(&mut self, signatory: &'a Signatory) {
        let said = (self.count, signatory);
        self.count += 1;
        match &signatory.repository {
            None => note(&mut self.of_images, said),
            Some(repository) => {
                if self.images.contains(repository) {
                    note(&mut self.of_some, said);
                }
                note(self.by_name.entry(repository).or_default(), said);
            }
        }
    }
}

fn note<'a>(facts: &mut Facts<'a>, (index, signatory): (usize, &'a Signatory)) {
    let (format, export) = (signatory.format, signatory.export_sbom);
    let media_types = Fact::MediaTypes(signatory.media_types);
    let new = [
        Some(Fact::Bundles(format.has_bundles())),
        format.has_tags().then_some(media_types),
        Some(Fact::ExportSbom(&signatory.key, export)),
    ];
    for fact in new.into_iter().flatten() {
        facts.entry(fact).or_insert((index, signatory));
    }
}

#[cfg(test)]
mod tests;
