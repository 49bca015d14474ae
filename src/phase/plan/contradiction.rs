//! Contradictions between configs that hang something at one place (CFG-12, CFG-20).
//! Layers that other runs have hung there are compared in `formats`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::config::{CosignConfig, ExportSbom, MediaTypes};
use crate::keys::KeyReference;
use crate::oci::Repository;
use crate::phase::error::PhaseError;
use crate::phase::image::Image;
use crate::phase::signatory::Signatory;

/// Two configs that write the same place must agree on how: it gets one manifest
/// (WIRE-3).
///
/// # Errors
/// On the first config, in their order, that contradicts an earlier one; with its
/// position in `cosign.toml`.
pub(super) fn refuse_contradictions(
    images: &[Image],
    signatories: &[Arc<Signatory>],
    config: &CosignConfig,
) -> Result<(), PhaseError> {
    let mut said = Statements::of(images);
    for (second, entry) in signatories.iter().zip(config.configs()) {
        if let Some((first, key)) = said.against(second) {
            return Err(PhaseError::Contradiction {
                position: entry.position.clone(),
                first: first.name.clone(),
                second: second.name.clone(),
                key,
            });
        }
        said.note(second);
    }
    Ok(())
}

/// Something that configs of one place have to agree on.
#[derive(PartialEq, Eq, Hash)]
enum Fact<'a> {
    /// As soon as one bundle hangs there, cosign 2.6.3 and later ignore `.sig` tags.
    Bundles(bool),
    /// Of configs that write tags.
    MediaTypes(MediaTypes),
    /// Different keys may export otherwise: each has its own layers.
    ExportSbom(&'a KeyReference, ExportSbom),
}

impl<'a> Fact<'a> {
    /// The facts that a config says of its places, the one first whose contradiction is
    /// said before that of others.
    fn of(signatory: &'a Signatory) -> Vec<Self> {
        let mut facts = vec![Self::Bundles(signatory.format.has_bundles())];
        if signatory.format.has_tags() {
            facts.push(Self::MediaTypes(signatory.media_types));
        }
        facts.push(Self::ExportSbom(&signatory.key, signatory.export_sbom));
        facts
    }

    /// The facts that cannot be said beside this one.
    fn contrary(&self) -> Vec<Self> {
        match self {
            Self::Bundles(are_there) => vec![Self::Bundles(!are_there)],
            Self::MediaTypes(MediaTypes::Oci) => vec![Self::MediaTypes(MediaTypes::Docker)],
            Self::MediaTypes(MediaTypes::Docker) => vec![Self::MediaTypes(MediaTypes::Oci)],
            Self::ExportSbom(key, export) => {
                let others = ExportSbom::ALL.into_iter().filter(|other| other != export);
                others.map(|other| Self::ExportSbom(key, other)).collect()
            }
        }
    }

    /// The key of `cosign.toml` that says it.
    fn key(&self) -> &'static str {
        match self {
            Self::Bundles(_) => "format",
            Self::MediaTypes(_) => "docker-media-types",
            Self::ExportSbom(..) => "export-sbom",
        }
    }
}

/// The first config that says something of a place. The configs are not compared
/// pair by pair: a file may hold very many.
type Facts<'a> = HashMap<Fact<'a>, (usize, &'a Signatory)>;

/// The words of the configs so far.
struct Statements<'a> {
    /// The repositories of the images.
    images: HashSet<&'a Repository>,
    count: usize,
    /// Of configs without `repository`: they store beside every image.
    of_images: Facts<'a>,
    /// Of configs whose `repository` is that of an image: they may meet the former.
    of_some: Facts<'a>,
    /// Of configs with a `repository`, by it.
    by_name: HashMap<&'a Repository, Facts<'a>>,
}

impl<'a> Statements<'a> {
    fn of(images: &'a [Image]) -> Self {
        // All images of a report have one digest, so that a repository is enough to
        // tell places apart.
        Self {
            images: images.iter().map(|image| &image.repository).collect(),
            count: 0,
            of_images: Facts::new(),
            of_some: Facts::new(),
            by_name: HashMap::new(),
        }
    }

    /// The first config that contradicts this one, and the key on which they disagree.
    fn against(&self, signatory: &'a Signatory) -> Option<(&'a Signatory, &'static str)> {
        let (all, named) = match &signatory.repository {
            None => (Some(&self.of_images), Some(&self.of_some)),
            Some(repository) => (
                (self.images.contains(repository)).then_some(&self.of_images),
                self.by_name.get(repository),
            ),
        };
        let places = || [all, named].into_iter().flatten();
        let contrary = Fact::of(signatory)
            .into_iter()
            .flat_map(|fact| fact.contrary());
        let said = contrary.flat_map(|fact| {
            let said = places().filter_map(|facts| facts.get(&fact));
            said.map(|said| (*said, fact.key())).collect::<Vec<_>>()
        });
        // Of several facts of one config the first.
        let first = said.min_by_key(|((index, _), _)| *index);
        first.map(|((_, signatory), key)| (signatory, key))
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

fn note<'a>(facts: &mut Facts<'a>, said: (usize, &'a Signatory)) {
    for fact in Fact::of(said.1) {
        facts.entry(fact).or_insert(said);
    }
}
