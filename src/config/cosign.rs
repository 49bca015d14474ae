//! `cosign.toml`: the keys that sign, the annotations, and the places of
//! signatures.
//!
//! Implements `spec/cosign-toml.md`, the schema of the RFC "Cosign support"
//! (buildpacks/rfcs#195, head 2caf23c). Unknown keys are refused at every
//! level, so that a typo is never a signature less.

mod certificate;
mod error;
mod format;
mod key;
mod level;
mod path;
mod table;
mod witness;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::file::Files;
use crate::oci::{Digest, Repository};

use self::certificate::certificate_files;
pub use self::certificate::{BundledChain, CertificateFiles};
pub use self::error::ConfigError;
pub use self::format::Format;
use self::format::format;
use self::key::key;
pub use self::key::{PublicKeyFile, WrittenKey};
pub use self::level::Meant;
use self::level::{ANNOTATIONS, CONFIGS, ROOT};
use self::path::file;
use self::table::{Table, Text};
use self::witness::witness_files;
pub use self::witness::{IdentityToken, TokenProvider, WitnessFiles};
use super::{Position, TomlText, read, shortened};

/// A `cosign.toml` as written: every key and value is in the schema. Whether two configs
/// contradict each other, and whether what they name is there, is for the plan to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignConfig {
    path: PathBuf,
    annotations: Vec<Annotation>,
    configs: Vec<Config>,
}

/// One `[[annotations]]` entry: it goes into every signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    pub name: String,
    pub value: String,
    pub position: Position,
}

/// One `[[configs]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The key that signs.
    pub key: WrittenKey,
    /// Where the key is named, for errors that are found only when it is opened.
    pub key_position: Position,
    pub certificate: CertificateFiles,
    /// The password's file as written; see [`CosignConfig::resolve`]. Without one the
    /// password is that of `COSIGN_PASSWORD` (SIG-12).
    pub password: Option<PathBuf>,
    /// Replaces the image's repository as the place of signatures: registry and path,
    /// nothing is appended, as `COSIGN_REPOSITORY` does it in cosign's code.
    pub repository: Option<Repository>,
    pub media_types: MediaTypes,
    pub export_sbom: ExportSbom,
    pub format: Format,
    /// Those who vouch for the signatures.
    pub witnesses: Option<WitnessFiles>,
    pub position: Position,
}

/// Media types of manifests and configs that are newly created
/// (`docker-media-types`), for registries that take no others. Manifests that exist keep
/// their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaTypes {
    #[default]
    Oci,
    Docker,
}

/// The use of an image's SBOM documents (`export-sbom`). An image without documents has
/// nothing to export, whatever is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExportSbom {
    None,
    /// Signed, as in-toto attestations.
    #[default]
    Attestation,
    /// Unsigned, beside the image.
    Attachment,
}

impl ExportSbom {
    pub const ALL: [Self; 3] = [Self::Attestation, Self::Attachment, Self::None];
    const NAMES: [&'static str; 3] = ["attestation", "attachment", "none"];

    fn named(name: &str) -> Option<Self> {
        match name {
            "attestation" => Some(Self::Attestation),
            "attachment" => Some(Self::Attachment),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

impl CosignConfig {
    /// Reads and parses the file at `path`, one of the run's `files`.
    ///
    /// # Errors
    /// As [`CosignConfig::parse`], and on a file that cannot be read.
    pub fn read(path: &Path, files: &Files) -> Result<Self, ConfigError> {
        Self::parse(path, &read(path, "the `cosign.toml`", files)?)
    }

    /// Parses the bytes of the file at `path`. No other file is touched.
    ///
    /// # Errors
    /// On bytes that are no TOML, and on all that is not in the schema.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let document = TomlText::new(path, bytes)?;
        let root = document.parse()?;
        let root = Table {
            document: &document,
            level: &ROOT,
            table: &root,
            position: document.position(0..0),
        };
        // Unknown keys first: a misspelt `[[configs]]` is named as such, and not as the
        // lack of configs.
        root.refuse_unknown()?;
        let annotations = annotations(root.tables("annotations", &ANNOTATIONS)?)?;
        let configs = configs(path, &root.tables("configs", &CONFIGS)?)?;
        Ok(Self {
            path: path.to_owned(),
            annotations,
            configs,
        })
    }

    /// The annotations in the order of the file; no name twice.
    pub fn annotations(&self) -> &[Annotation] {
        &self.annotations
    }

    /// The configs in the order of the file, at least one.
    pub fn configs(&self) -> &[Config] {
        &self.configs
    }

    /// The path of this file as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a path of this file leads: a relative one starts at the folder of
    /// the file (CFG-7, `spec/decisions/0002`), that of a link and not of its target.
    /// Nothing is asked of the file system.
    pub fn resolve(&self, written: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(written),
            None => written.to_owned(),
        }
    }
}

/// The annotations; of two with one name readers would take different ones (CFG-5).
fn annotations(tables: Vec<Table<'_, '_>>) -> Result<Vec<Annotation>, ConfigError> {
    let mut lines = HashMap::new();
    let mut annotations = Vec::new();
    for table in &tables {
        let (name, position) = table.required_text("name")?;
        let value = table.required("value")?;
        let (value, _) = table.text("value", value)?;
        if let Some(first_line) = lines.insert(name, position.line) {
            return Err(ConfigError::DuplicateAnnotation {
                name: shortened(name),
                position,
                first_line,
            });
        }
        annotations.push(Annotation {
            name: name.to_owned(),
            value: value.to_owned(),
            position,
        });
    }
    Ok(annotations)
}

/// The configs, at least one: a file without any would sign nothing.
fn configs(path: &Path, tables: &[Table<'_, '_>]) -> Result<Vec<Config>, ConfigError> {
    let configs = tables.iter().map(config).collect::<Result<Vec<_>, _>>()?;
    match configs.is_empty() {
        true => Err(ConfigError::NoConfigs {
            path: path.to_owned(),
        }),
        false => Ok(configs),
    }
}

/// A config, key by key. The order of these lines is the order in which errors are found.
fn config(table: &Table<'_, '_>) -> Result<Config, ConfigError> {
    let (key, key_position) = key(table)?;
    Ok(Config {
        key,
        key_position,
        certificate: certificate_files(table)?,
        password: table
            .optional_text("password")?
            .map(|text| file("password", text))
            .transpose()?,
        repository: table
            .optional_text("repository")?
            .map(repository)
            .transpose()?,
        media_types: media_types(table)?,
        export_sbom: table
            .optional_text("export-sbom")?
            .map(export_sbom)
            .transpose()?
            .unwrap_or_default(),
        format: table
            .optional_text("format")?
            .map(format)
            .transpose()?
            .unwrap_or_default(),
        witnesses: witness_files(table)?,
        position: table.position.clone(),
    })
}

/// A repository, normalised. One without a registry is Docker Hub's, as cosign reads
/// `COSIGN_REPOSITORY` (CFG-9).
fn repository((text, position): Text<'_>) -> Result<Repository, ConfigError> {
    // A password stands before an `@` (`https://user:password@host/…`), and other errors
    // repeat the text. A digest alone is no host: hosts and passwords may begin like one.
    let has_host = |(_, rest): (&str, &str)| rest.parse::<Digest>().is_err();
    if text.contains("://") || text.split_once('@').is_some_and(has_host) {
        return Err(ConfigError::RepositoryIsUrl { position });
    }
    text.parse()
        .map_err(|source| ConfigError::Repository { position, source })
}

fn media_types(table: &Table<'_, '_>) -> Result<MediaTypes, ConfigError> {
    const KEY: &str = "docker-media-types";
    let Some(value) = table.table.get(KEY) else {
        return Ok(MediaTypes::default());
    };
    match value.get_ref().as_bool() {
        Some(true) => Ok(MediaTypes::Docker),
        Some(false) => Ok(MediaTypes::Oci),
        None => Err(table.wrong_type(KEY, "`true` or `false`", value)),
    }
}

fn export_sbom((text, position): Text<'_>) -> Result<ExportSbom, ConfigError> {
    ExportSbom::named(text).ok_or_else(|| ConfigError::UnknownValue {
        key: "export-sbom",
        written: shortened(text),
        valid: &ExportSbom::NAMES,
        position,
    })
}

#[cfg(test)]
mod tests;
