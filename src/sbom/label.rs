//! From an image's config and manifest to its SBOM layer.
//!
//! Implements platform spec 0.8 to 0.15, "Labels": the label
//! `io.buildpacks.lifecycle.metadata` holds `{"sbom":{"sha":"<diffID>"}}`, and
//! `CNB_LAYERS_DIR` in the config's environment the folder that the paths of the
//! layer start with. Old labels have other shapes beside `sbom`; only `sbom` is
//! looked at.
//!
//! Config and label are read once, as streams: of environment and diffIDs no more is
//! held than is needed.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::SbomError;
use crate::oci::manifest::MAX_LAYERS;
use crate::oci::{Bounded, Descriptor, Digest, ImageManifest};

const DEFAULT_LAYERS_DIR: &str = "/layers";

/// The layer that holds an image's SBOM documents, as the image says. Nothing of it was
/// fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbomLayer {
    /// The compressed blob, as the manifest describes it.
    pub descriptor: Descriptor,
    /// The digest of the tar archive inside.
    pub diff_id: Digest,
    /// The folder of the build that the paths inside start with, absolute.
    pub layers_dir: String,
}

#[derive(Deserialize)]
struct ImageConfig {
    config: Option<ContainerConfig>,
    rootfs: Option<RootFs>,
}

#[derive(Deserialize)]
struct ContainerConfig {
    #[serde(rename = "Labels")]
    labels: Option<Labels>,
    #[serde(rename = "Env")]
    env: Option<Env>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(rename = "io.buildpacks.lifecycle.metadata")]
    metadata: Option<String>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Option<Bounded<String, MAX_LAYERS>>,
}

/// The first `CNB_LAYERS_DIR` of an environment; no other entry is held. The exporter
/// always sets it.
struct Env(Option<String>);

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvVisitor;

        impl<'de> Visitor<'de> for EnvVisitor {
            type Value = Env;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of variables")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Env, A::Error> {
                let mut found = None;
                while let Some(variable) = array.next_element::<String>()? {
                    let folder = variable.strip_prefix("CNB_LAYERS_DIR=");
                    found = found.or(folder.map(str::to_owned));
                }
                Ok(Env(found))
            }
        }

        deserializer.deserialize_seq(EnvVisitor)
    }
}

#[derive(Deserialize)]
struct Metadata {
    sbom: Option<SbomLabel>,
}

#[derive(Deserialize)]
struct SbomLabel {
    sha: Option<String>,
}

/// Finds the SBOM layer of an image. `None`: the image has no label, or the
/// label names no SBOM layer (SBOM-1): it was built with a Platform API before 0.9, or by
/// something else than the lifecycle, and there is nothing to export.
///
/// # Errors
/// On a config or label that cannot be read, and on a label that points nowhere.
pub fn locate(config: &[u8], image: &ImageManifest) -> Result<Option<SbomLayer>, SbomError> {
    let config: ImageConfig = serde_json::from_slice(config).map_err(SbomError::Config)?;
    let container = config.config.as_ref();
    let labels = container.and_then(|container| container.labels.as_ref());
    let Some(sha) = labelled(labels)? else {
        return Ok(None);
    };
    // From here on the image says that it has an SBOM: what is missing is an error
    // (SBOM-2).
    let diff_id: Digest = sha.parse().map_err(SbomError::LabelDigest)?;
    let diff_ids = config.rootfs.and_then(|rootfs| rootfs.diff_ids);
    let descriptor = layer_of(&diff_id, &sha, diff_ids.as_ref(), image)?;
    let env = container.and_then(|container| container.env.as_ref());
    Ok(Some(SbomLayer {
        descriptor,
        diff_id,
        layers_dir: layers_dir(env),
    }))
}

/// The diffID that the label has, as written; none if there is no label, or nothing in it.
fn labelled(labels: Option<&Labels>) -> Result<Option<String>, SbomError> {
    let label = labels.and_then(|labels| labels.metadata.as_deref());
    let Some(label) = label.filter(|label| !label.is_empty()) else {
        return Ok(None);
    };
    let metadata: Option<Metadata> = serde_json::from_str(label).map_err(SbomError::Label)?;
    let sha = metadata
        .and_then(|metadata| metadata.sbom)
        .and_then(|sbom| sbom.sha);
    Ok(sha.filter(|sha| !sha.is_empty()))
}

/// The descriptor at the place of the diffID: config and manifest list the layers in the
/// same order (image-spec v1.1, "rootfs"), which only equal numbers can show. With equal
/// diffIDs the first counts: their archives are equal too.
fn layer_of(
    diff_id: &Digest,
    sha: &str,
    diff_ids: Option<&Bounded<String, MAX_LAYERS>>,
    image: &ImageManifest,
) -> Result<Descriptor, SbomError> {
    let diff_ids = diff_ids
        .filter(|diff_ids| diff_ids.count > 0)
        .ok_or(SbomError::NoDiffIds)?;
    if diff_ids.count != image.layers().len() {
        return Err(SbomError::LayerCount {
            diff_ids: diff_ids.count,
            layers: image.layers().len(),
        });
    }
    diff_ids
        .items
        .iter()
        .position(|listed| listed == sha)
        .and_then(|index| image.layers().get(index))
        .cloned()
        .ok_or_else(|| SbomError::NotALayer(diff_id.clone()))
}

/// `<layers>`; a relative one could be below anything.
fn layers_dir(env: Option<&Env>) -> String {
    env.and_then(|Env(folder)| folder.as_deref())
        .filter(|folder| folder.starts_with('/'))
        .unwrap_or(DEFAULT_LAYERS_DIR)
        .to_owned()
}
