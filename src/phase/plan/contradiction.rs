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
        let first = said.against(second);
        if let Some((first, key)) = first.and_then(|first| contradiction(first, second)) {
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
        // Different keys may export otherwise: each has its own layers.
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

    /// The first config that contradicts this one: it has said one of the facts that
    /// exclude this one's.
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
