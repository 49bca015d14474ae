//! The manifest that a place needs: what is there and what is ours together.
//!
//! Bytes are those of cosign v2.6.4 and v3.1.2 (`spec/wire.md`, section 6), compared
//! with recordings in the tests. Pure: it knows no clock and no registry.

use std::collections::HashSet;

use bytes::Bytes;

use super::error::AttachError;
use super::place::{Kind, Place};
use super::standing::Standing;
use crate::config::MediaTypes;
use crate::envelope::{Layer, SealedValue};
use crate::oci::manifest::MAX_LAYERS;
use crate::oci::manifest::ManifestError;
use crate::oci::{
    Content, Descriptor, Digest, ImageManifest, IndexManifest, Manifest, MediaType, Reading,
};

/// A manifest to be written, and the blobs it needs that may not be there yet.
pub(super) struct Union {
    pub(super) manifest: Manifest,
    /// How many layers the manifest has.
    pub(super) layers: usize,
    /// Of others the blobs are there: manifests name them.
    pub(super) missing: Vec<SealedValue>,
    /// None: that of others stays.
    pub(super) config: Option<(Digest, Content)>,
}

impl Union {
    /// The blobs that the manifest needs and that may not be there yet.
    pub(super) fn blobs(&self) -> Vec<(Digest, Content)> {
        let layers = self.missing.iter().flat_map(SealedValue::blobs);
        let layers = layers.map(Layer::to_blob);
        layers.chain(self.config.clone()).collect()
    }
}

/// The changes to a place beside the layers that are to hang there.
#[derive(Clone, Copy, Default)]
pub(super) struct Changes<'a> {
    /// Layers that others had hung there, to be hung again.
    pub(super) erased: &'a [Descriptor],
    /// Layers of our own that are not to hang at a tag any more.
    pub(super) superseded: &'a [Descriptor],
    /// Manifests that are listed, and are not there.
    pub(super) gone: &'a [Digest],
}

/// The union of what was `found` at `place` and `layers`, with `changes`. None:
/// nothing of it is missing there, and readers find it.
pub(super) fn union(
    place: &Place,
    found: &Standing,
    changes: Changes<'_>,
    layers: &[SealedValue],
    media_types: MediaTypes,
) -> Result<Option<Union>, AttachError> {
    let Changes {
        erased,
        superseded,
        gone,
    } = changes;
    // A key that is named twice in `cosign.toml` hangs one layer.
    let ours = distinct(layers);
    let found = found
        .set_right(&ours)
        .map_err(|source| AttachError::Foreign {
            place: place.clone(),
            source,
        })?;
    let missing: Vec<SealedValue> = ours
        .iter()
        .filter(|layer| !found.holds(layer))
        .cloned()
        .collect();
    let there: HashSet<&Descriptor> = found.layers().iter().collect();
    let erased = erased.iter().filter(|erased| !there.contains(erased));
    let erased: Vec<Descriptor> = erased.cloned().collect();
    let is_superseded = superseded.iter().any(|layer| there.contains(layer));
    let is_complete = missing.is_empty() && erased.is_empty() && !is_superseded;
    let is_right = is_complete && found.reading() == Reading::Plain;
    match place.kind() {
        // One document, and nothing beside it.
        Kind::Sbom if is_right && found.layers().len() == ours.len() => Ok(None),
        // One document: what stood there before is replaced. cosign writes it
        // with OCI types whatever was asked for.
        Kind::Sbom => append(place, None, Vec::new(), ours, MediaTypes::Oci).map(Some),
        Kind::Signatures | Kind::Attestations | Kind::Referrers if is_right => Ok(None),
        Kind::Signatures | Kind::Attestations => {
            // Layers of others stay in their order and byte for byte (WIRE-41).
            let base = found
                .image()
                .cloned()
                .map(|image| image.without(superseded));
            let mut union = append(place, base.as_ref(), erased, missing, media_types)?;
            // Somebody who hid our layers may have removed their blobs as well.
            if found.reading() == Reading::Mended {
                union.missing = ours;
            }
            Ok(Some(union))
        }
        Kind::Referrers => list(place, found.index(), erased, missing, gone).map(Some),
    }
}

/// The layers that are hung at a place anew: `erased` again, and `missing`.
fn added(erased: Vec<Descriptor>, missing: &[SealedValue]) -> Vec<Descriptor> {
    let missing = missing.iter().map(|layer| layer.descriptor().clone());
    erased.into_iter().chain(missing).collect()
}

/// An index that lists `erased` and `missing` as well, and nothing that is
/// `gone`.
fn list(
    place: &Place,
    base: Option<&IndexManifest>,
    mut erased: Vec<Descriptor>,
    missing: Vec<SealedValue>,
    gone: &[Digest],
) -> Result<Union, AttachError> {
    // The registry would refuse the index again.
    erased.retain(|erased| !gone.contains(&erased.digest));
    let added = added(erased, &missing);
    let index = base.cloned().unwrap_or_else(IndexManifest::empty);
    let manifest = index.with(&added, gone).map_err(|source| match source {
        ManifestError::TooManyManifests(layers) => AttachError::Full {
            place: place.clone(),
            layers,
        },
        source => AttachError::Foreign {
            place: place.clone(),
            source,
        },
    })?;
    Ok(Union {
        manifest,
        layers: index.count() + added.len(),
        // They are manifests, and there before the index is.
        missing: Vec::new(),
        config: None,
    })
}

/// Own layers come last (WIRE-41); more than [`MAX_LAYERS`] are refused before
/// anything is uploaded.
fn append(
    place: &Place,
    base: Option<&ImageManifest>,
    erased: Vec<Descriptor>,
    missing: Vec<SealedValue>,
    media_types: MediaTypes,
) -> Result<Union, AttachError> {
    let added = added(erased, &missing);
    let layers = base.map_or(0, |image| image.layers().len()) + added.len();
    if layers > MAX_LAYERS {
        let place = place.clone();
        return Err(AttachError::Full { place, layers });
    }
    let (config, bytes) = config(base, &added, media_types);
    let manifest = match base {
        Some(image) => image.append(&added, &config),
        None => {
            ImageManifest::empty(manifest_type(media_types), config.clone()).append(&added, &config)
        }
    };
    let manifest = manifest.map_err(|source| AttachError::Json {
        place: place.clone(),
        source,
    })?;
    Ok(Union {
        manifest,
        layers,
        missing,
        config: bytes.map(|bytes| (config.digest, bytes.into())),
    })
}

fn distinct(layers: &[SealedValue]) -> Vec<SealedValue> {
    let mut known = HashSet::new();
    let layers = layers.iter();
    let new = layers.filter(|layer| known.insert(layer.descriptor()));
    new.cloned().collect()
}

/// The config beside all layers, and its bytes if it has to be uploaded. A
/// config of an unknown type says nothing of layers and stays
/// (`spec/decisions/0006`).
fn config(
    base: Option<&ImageManifest>,
    added: &[Descriptor],
    media_types: MediaTypes,
) -> (Descriptor, Option<Bytes>) {
    let media_type = match base.map(ImageManifest::config) {
        Some(config) if !config.media_type.is_image_config() => return (config.clone(), None),
        Some(config) => config.media_type.clone(),
        None => config_type(media_types),
    };
    let there = base.map(ImageManifest::layers).unwrap_or_default();
    let digests = there.iter().chain(added);
    let bytes = config_bytes(digests.map(|descriptor| &descriptor.digest));
    (Descriptor::of(media_type, &bytes), Some(bytes))
}

/// The config that cosign writes: nothing but one history entry and one diffID
/// per layer, which is the layer's digest because layers are not compressed.
fn config_bytes<'a>(digests: impl Iterator<Item = &'a Digest>) -> Bytes {
    let diff_ids: Vec<String> = digests.map(|digest| format!("\"{digest}\"")).collect();
    let history = vec![r#"{"created":"0001-01-01T00:00:00Z"}"#; diff_ids.len()];
    format!(
        r#"{{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{}],"os":"","rootfs":{{"type":"layers","diff_ids":[{}]}},"config":{{}}}}"#,
        history.join(","),
        diff_ids.join(",")
    )
    .into()
}

fn manifest_type(media_types: MediaTypes) -> MediaType {
    match media_types {
        MediaTypes::Oci => MediaType::OCI_MANIFEST,
        MediaTypes::Docker => MediaType::DOCKER_MANIFEST,
    }
}

fn config_type(media_types: MediaTypes) -> MediaType {
    match media_types {
        MediaTypes::Oci => MediaType::OCI_CONFIG,
        MediaTypes::Docker => MediaType::DOCKER_CONFIG,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::envelope::media_type;

    /// A recorded repository of testdata/objects.
    fn blob(object: &str, digest: &Digest) -> Bytes {
        fs::read(folder(object).join("blobs/sha256").join(digest.hex()))
            .unwrap()
            .into()
    }

    fn folder(object: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testdata/objects")
            .join(object)
    }

    fn recorded(object: &str, suffix: &str) -> Manifest {
        let index: serde_json::Value =
            serde_json::from_slice(&fs::read(folder(object).join("index.json")).unwrap()).unwrap();
        let entries = index["manifests"].as_array().unwrap();
        let is_wanted = |entry: &&serde_json::Value| {
            entry["annotations"]["org.opencontainers.image.ref.name"]
                .as_str()
                .is_some_and(|name| name.ends_with(suffix))
        };
        let entry = entries.iter().find(is_wanted).unwrap();
        let bytes = blob(object, &entry["digest"].as_str().unwrap().parse().unwrap());
        Manifest::parse(None, bytes).unwrap()
    }

    fn place(kind: Kind) -> Place {
        Place::new("r.io/app".parse().unwrap(), Digest::of(b""), kind)
    }

    fn layer(descriptor: Descriptor, content: Content) -> SealedValue {
        SealedValue::Layer(Layer {
            descriptor,
            content,
        })
    }

    fn layers(object: &str, manifest: &ImageManifest) -> Vec<SealedValue> {
        let layer = |descriptor: &Descriptor| {
            let content = blob(object, &descriptor.digest).into();
            layer(descriptor.clone(), content)
        };
        manifest.layers().iter().map(layer).collect()
    }

    #[test]
    fn new_tags_equal_those_of_cosign() {
        for (object, kind, suffix, media_types) in [
            (
                "legacy-one-key-cosign2",
                Kind::Signatures,
                ".sig",
                MediaTypes::Oci,
            ),
            (
                "legacy-one-key-cosign3",
                Kind::Signatures,
                ".sig",
                MediaTypes::Oci,
            ),
            (
                "legacy-three-keys-cosign2",
                Kind::Signatures,
                ".sig",
                MediaTypes::Oci,
            ),
            (
                "legacy-docker-media-types-cosign2",
                Kind::Signatures,
                ".sig",
                MediaTypes::Docker,
            ),
            (
                "attestations-cosign2",
                Kind::Attestations,
                ".att",
                MediaTypes::Oci,
            ),
            (
                "attached-sbom-cosign2",
                Kind::Sbom,
                ".sbom",
                MediaTypes::Docker,
            ),
            (
                "attached-sbom-spdx-cosign2",
                Kind::Sbom,
                ".sbom",
                MediaTypes::Oci,
            ),
        ] {
            let recorded = recorded(object, suffix);
            let image = recorded.to_image().unwrap();
            let union = union(
                &place(kind),
                &Standing::Nothing,
                Changes::default(),
                &layers(object, &image),
                media_types,
            );
            let union = union.unwrap().unwrap();
            assert_eq!(union.manifest.bytes(), recorded.bytes(), "{object}");
            let (digest, content) = union.config.unwrap();
            assert_eq!(
                content.to_bytes().unwrap(),
                blob(object, &digest),
                "{object}"
            );
        }
    }

    #[test]
    fn appending_one_layer_gives_what_cosign_gives_after_another_signer() {
        let object = "legacy-three-keys-cosign2";
        let whole = recorded(object, ".sig");
        let all = layers(object, &whole.to_image().unwrap());
        let mut found = Standing::Nothing;
        for count in 1..=all.len() {
            let union = union(
                &place(Kind::Signatures),
                &found,
                Changes::default(),
                &all[..count],
                MediaTypes::Oci,
            )
            .unwrap()
            .unwrap();
            assert_eq!(union.missing.len(), 1);
            found = Standing::of(Kind::Signatures, union.manifest);
        }
        assert_eq!(found.digest(), Some(whole.digest()));
        assert!(
            union(
                &place(Kind::Signatures),
                &found,
                Changes::default(),
                &all,
                MediaTypes::Oci,
            )
            .unwrap()
            .is_none()
        );
    }

    #[test]
    fn what_others_hung_and_we_erased_is_hung_again_where_it_is_missing() {
        let object = "legacy-three-keys-cosign2";
        let whole = recorded(object, ".sig");
        let all = layers(object, &whole.to_image().unwrap());
        let erased: Vec<Descriptor> = all[..2].iter().map(|l| l.descriptor().clone()).collect();
        let place = place(Kind::Signatures);
        let union = |found: &Standing| {
            let ours = &all[2..];
            let changes = Changes {
                erased: &erased,
                ..Changes::default()
            };
            union(&place, found, changes, ours, MediaTypes::Oci).unwrap()
        };
        let written = union(&Standing::Nothing).unwrap();
        assert_eq!(written.manifest.bytes(), whole.bytes());
        // Their blobs are there.
        assert_eq!(written.missing.len(), 1);
        assert!(union(&Standing::of(Kind::Signatures, whole)).is_none());
    }

    /// EVD-90
    #[test]
    fn a_layer_takes_the_place_of_another_of_ours_and_nobody_else_loses_one() {
        let object = "legacy-three-keys-cosign2";
        let whole = recorded(object, ".sig");
        let all = layers(object, &whole.to_image().unwrap());
        let mut better = all[1].clone();
        let SealedValue::Layer(layer) = &mut better else {
            unreachable!()
        };
        let name = "dev.sigstore.cosign/rfc3161timestamp".to_owned();
        layer.descriptor.annotations.insert(name, "{}".to_owned());
        let place = place(Kind::Signatures);
        let superseded = [all[1].descriptor().clone()];
        let changes = Changes {
            superseded: &superseded,
            ..Changes::default()
        };
        let union = |found: &Standing| {
            let ours = std::slice::from_ref(&better);
            union(&place, found, changes, ours, MediaTypes::Oci).unwrap()
        };
        let written = union(&Standing::of(Kind::Signatures, whole)).unwrap();
        let image = written.manifest.to_image().unwrap();
        let [first, second, third] = image.layers() else {
            panic!("{:?}", image.layers())
        };
        assert_eq!(first, all[0].descriptor());
        assert_eq!(second, all[2].descriptor());
        assert_eq!(third, better.descriptor());
        let (config, _) = written.config.unwrap();
        assert_eq!(
            *image.config(),
            Descriptor {
                digest: config,
                ..image.config().clone()
            }
        );
        assert!(union(&Standing::of(Kind::Signatures, written.manifest)).is_none());
    }

    #[test]
    fn a_config_that_is_no_image_config_stays() {
        let config = Descriptor::of(MediaType::new("application/vnd.oci.empty.v1+json"), b"{}");
        let theirs = Descriptor::of(media_type::SIMPLE_SIGNING, b"theirs");
        let there = ImageManifest::empty(MediaType::OCI_MANIFEST, config.clone())
            .append(&[theirs], &config)
            .unwrap();
        let ours = layer(
            Descriptor::of(media_type::SIMPLE_SIGNING, b"ours"),
            b"ours".to_vec().into(),
        );
        let union = union(
            &place(Kind::Signatures),
            &Standing::of(Kind::Signatures, there),
            Changes::default(),
            &[ours],
            MediaTypes::Oci,
        )
        .unwrap()
        .unwrap();
        assert_eq!(*union.manifest.to_image().unwrap().config(), config);
        assert!(union.config.is_none());
    }

    #[test]
    fn a_full_tag_is_refused() {
        let layer = |text: String| {
            let descriptor = Descriptor::of(media_type::SIMPLE_SIGNING, text.as_bytes());
            layer(descriptor, text.into_bytes().into())
        };
        let many: Vec<SealedValue> = (0..=MAX_LAYERS)
            .map(|index| layer(index.to_string()))
            .collect();
        let refused = union(
            &place(Kind::Signatures),
            &Standing::Nothing,
            Changes::default(),
            &many,
            MediaTypes::Oci,
        );
        assert!(
            matches!(refused, Err(AttachError::Full { layers, .. }) if layers == MAX_LAYERS + 1)
        );
    }
}
