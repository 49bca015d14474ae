//! `cosign.toml`: who signs, with what annotations, where to.
//!
//! Implements `spec/cosign-toml.md`, the schema of the RFC "Cosign support"
//! (buildpacks/rfcs#195, head 2caf23c). Unknown keys are refused at every
//! level, so that a typo is never a signature less.

mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::oci::Repository;
use crate::oci::reference::NotAReference;

use self::table::{Level, Table, Text};
use super::{Document, DocumentError, Position, closest, read, shortened};

const ROOT: Level = Level {
    name: "the top level",
    keys: &["annotations", "configs"],
};
const ANNOTATIONS: Level = Level {
    name: "`[[annotations]]`",
    keys: &["name", "value"],
};
const CONFIGS: Level = Level {
    name: "`[[configs]]`",
    keys: &[
        "key",
        "password",
        "repository",
        "docker-media-types",
        "export-sbom",
        "format",
    ],
};

/// A `cosign.toml` as written.
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
    /// The private key's file as written; see [`CosignConfig::resolve`].
    pub key: PathBuf,
    /// The password's file as written; see [`CosignConfig::resolve`].
    pub password: Option<PathBuf>,
    /// Replaces the image's repository as the place of signatures.
    pub repository: Option<Repository>,
    pub media_types: MediaTypes,
    pub export_sbom: ExportSbom,
    pub format: Format,
    pub position: Position,
}

/// Media types of manifests and configs that are newly created
/// (`docker-media-types`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaTypes {
    #[default]
    Oci,
    Docker,
}

/// What is done with the SBOM documents of an image (`export-sbom`).
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

/// In which form signatures and attestations are stored (`format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// At the tags that every cosign knows.
    #[default]
    Legacy,
    /// As sigstore bundles, referrers of the image.
    Bundle,
    Both,
}

impl Format {
    const NAMES: [&'static str; 3] = ["legacy", "bundle", "both"];

    fn named(name: &str) -> Option<Self> {
        match name {
            "legacy" => Some(Self::Legacy),
            "bundle" => Some(Self::Bundle),
            "both" => Some(Self::Both),
            _ => None,
        }
    }

    /// Whether something is stored at tags.
    pub fn has_tags(self) -> bool {
        self != Self::Bundle
    }

    /// Whether something is stored as bundles.
    pub fn has_bundles(self) -> bool {
        self != Self::Legacy
    }
}

impl CosignConfig {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// As [`CosignConfig::parse`], and on a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read(path)?)
    }

    /// Parses the bytes of the file at `path`. No other file is touched.
    ///
    /// # Errors
    /// On bytes that are no TOML, and on all that is not in the schema.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let document = Document::new(path, bytes)?;
        let root = document.parse()?;
        let root = Table {
            document: &document,
            level: &ROOT,
            table: &root,
            position: document.position(0..0),
        };
        root.refuse_unknown()?;
        let annotations = annotations(root.tables("annotations", &ANNOTATIONS)?)?;
        let configs = root
            .tables("configs", &CONFIGS)?
            .iter()
            .map(config)
            .collect::<Result<Vec<_>, _>>()?;
        if configs.is_empty() {
            return Err(ConfigError::NoConfigs {
                path: path.to_owned(),
            });
        }
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
    /// the file.
    pub fn resolve(&self, written: &Path) -> PathBuf {
        match self.path.parent() {
            Some(folder) => folder.join(written),
            None => written.to_owned(),
        }
    }
}

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

fn config(table: &Table<'_, '_>) -> Result<Config, ConfigError> {
    Ok(Config {
        key: file("key", table.required_text("key")?)?,
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
        position: table.position.clone(),
    })
}

/// A path. Nothing of a value that is none is repeated: it may be the secret
/// itself.
fn file(key: &'static str, (text, position): Text<'_>) -> Result<PathBuf, ConfigError> {
    if text.contains(char::is_control) || text.contains("-----BEGIN") {
        return Err(ConfigError::NotAPath { key, position });
    }
    if let Some(scheme) = scheme(text) {
        return Err(ConfigError::UnsupportedScheme {
            key,
            scheme,
            position,
        });
    }
    Ok(text.into())
}

/// The scheme of a URI that cosign would take for a key (`awskms://…`,
/// `pkcs11:…`). Another text with a colon is a path.
fn scheme(text: &str) -> Option<String> {
    if text.starts_with("pkcs11:") {
        return Some("pkcs11:".to_owned());
    }
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.len() <= 32
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then(|| format!("{scheme}://"))
}

fn repository((text, position): Text<'_>) -> Result<Repository, ConfigError> {
    // `https://user:password@host/…` must not be repeated.
    if text.contains("://") || (text.contains('@') && !text.contains("@sha")) {
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

fn format((text, position): Text<'_>) -> Result<Format, ConfigError> {
    Format::named(text).ok_or_else(|| ConfigError::UnknownValue {
        key: "format",
        written: shortened(text),
        valid: &Format::NAMES,
        position,
    })
}

fn remedy(key: &str, level: &Level) -> Option<String> {
    // The first version of the RFC (2021-12) had the secrets in the file.
    let written_out = match key {
        "key-data" => Some("key"),
        "password-data" => Some("password"),
        _ => None,
    };
    if let Some(key) = written_out {
        return Some(format!(
            "secrets are not written into this file: write the path of a file to `{key}`"
        ));
    }
    if let Some(meant) = closest(key, level.keys) {
        return Some(format!("did you mean `{meant}`?"));
    }
    [&ANNOTATIONS, &CONFIGS]
        .iter()
        .find(|other| other.keys.contains(&key))
        .map(|other| format!("`{key}` belongs under {}", other.name))
}

/// A file that is not in the schema of `cosign.toml`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("unknown key `{key}` in {level} at `{position}`")]
    UnknownKey {
        key: String,
        level: &'static str,
        remedy: Option<String>,
        position: Position,
    },
    #[error("`{key}` must be {wanted}, not {found}, at `{position}`")]
    WrongType {
        key: &'static str,
        wanted: &'static str,
        found: &'static str,
        position: Position,
    },
    #[error("no `{key}` in the {level} at `{position}`")]
    MissingKey {
        key: &'static str,
        level: &'static str,
        position: Position,
    },
    #[error("`{key}` is empty at `{position}`")]
    Empty {
        key: &'static str,
        position: Position,
    },
    #[error(
        "the annotation `{name}` at `{position}` is the second of that name, after line {first_line}"
    )]
    DuplicateAnnotation {
        name: String,
        position: Position,
        first_line: usize,
    },
    #[error("`{}` has no `[[configs]]`: nothing says who signs", path.display())]
    NoConfigs { path: PathBuf },
    #[error("`{key}` must be the path of a file, at `{position}`")]
    NotAPath {
        key: &'static str,
        position: Position,
    },
    #[error("`{key}` starts with `{scheme}`, which this version does not support, at `{position}`")]
    UnsupportedScheme {
        key: &'static str,
        scheme: String,
        position: Position,
    },
    #[error("`repository` must be a repository and no URL, at `{position}`")]
    RepositoryIsUrl { position: Position },
    #[error("the `repository` at `{position}` cannot be used")]
    Repository {
        position: Position,
        #[source]
        source: NotAReference,
    },
    #[error("unknown value `{written}` of `{key}` at `{position}`")]
    UnknownValue {
        key: &'static str,
        written: String,
        valid: &'static [&'static str],
        position: Position,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Document(error) if error.is_missing() => {
                "name the file with `-cosign-config` or `CNB_COSIGN_CONFIG_PATH`"
            }
            // The RFC's own example has backticks, which TOML does not know.
            Self::Document(DocumentError::Syntax { .. }) => {
                "strings are written in quotes, as in `export-sbom = \"none\"`"
            }
            Self::Document(_) | Self::DuplicateAnnotation { .. } => return None,
            Self::UnknownKey { remedy, .. } => return remedy.clone(),
            Self::WrongType { key: "configs", .. } => "write `[[configs]]`",
            Self::WrongType {
                key: "annotations", ..
            } => "write `[[annotations]]`",
            Self::WrongType {
                found: "a string", ..
            } => "write it without quotes",
            Self::WrongType {
                wanted: "a string", ..
            } => "write it in quotes",
            Self::WrongType { .. } => return None,
            Self::MissingKey { key: "key", .. } | Self::NoConfigs { .. } => {
                "write `[[configs]]` and below it `key = \"<path of a private key>\"`"
            }
            Self::MissingKey { .. } => "an annotation has a `name` and a `value`",
            Self::Empty {
                key: "key" | "name",
                ..
            } => return None,
            Self::Empty { .. } => "leave the key out if it is not meant",
            Self::NotAPath { .. } => {
                "secrets are not written into this file: write the path of the file that holds it"
            }
            Self::UnsupportedScheme { .. } => "only the path of a file can be used",
            Self::RepositoryIsUrl { .. } | Self::Repository { .. } => {
                "write `<registry>/<path>`, without scheme, credentials, tag and digest"
            }
            Self::UnknownValue { written, valid, .. } => {
                let list = valid.join("`, `");
                return Some(match closest(written, valid) {
                    Some(meant) => format!("did you mean `{meant}`? Valid are `{list}`"),
                    None => format!("valid are `{list}`"),
                });
            }
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    const ONE: &str = "[[configs]]\nkey = \"cosign.key\"\n";

    fn parse(text: &str) -> Result<CosignConfig, ConfigError> {
        CosignConfig::parse(Path::new("/c/cosign.toml"), text.as_bytes())
    }

    /// The message and the hint of a refusal.
    fn refusal(text: &str) -> (String, String) {
        let error = parse(text).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default())
    }

    /// CFG-1
    #[test]
    fn the_example_of_the_rfc_is_understood() {
        let file = parse(
            r#"
[[annotations]]
name = "buildTimestamp"
value = "20220223.120000"

[[annotations]]
name = "a"
value = ""

[[configs]]
key = "keys/cosign.key"
password = "/keys/cosign.password"
repository = "registry.example.com:5000/signatures"
docker-media-types = true
export-sbom = "none"

[[configs]]
key = "other.key"
"#,
        )
        .unwrap();
        let annotations: Vec<_> = file
            .annotations()
            .iter()
            .map(|a| (a.name.as_str(), a.value.as_str(), a.position.line))
            .collect();
        assert_eq!(
            annotations,
            [("buildTimestamp", "20220223.120000", 3), ("a", "", 7)]
        );
        let [first, second] = file.configs() else {
            panic!("{file:?}")
        };
        assert_eq!(first.key, Path::new("keys/cosign.key"));
        assert_eq!(
            first.password.as_deref(),
            Some(Path::new("/keys/cosign.password"))
        );
        assert_eq!(
            first.repository.as_ref().unwrap().to_string(),
            "registry.example.com:5000/signatures"
        );
        assert_eq!(first.media_types, MediaTypes::Docker);
        assert_eq!(first.export_sbom, ExportSbom::None);
        assert_eq!((first.position.line, second.position.line), (10, 17));
        assert_eq!(second.position.to_string(), "/c/cosign.toml:17:1");
    }

    /// CFG-4
    #[test]
    fn what_is_absent_has_the_default_of_the_rfc() {
        let file = parse(ONE).unwrap();
        assert!(file.annotations().is_empty());
        let config = &file.configs()[0];
        assert_eq!(config.password, None);
        assert_eq!(config.repository, None);
        assert_eq!(config.media_types, MediaTypes::Oci);
        assert_eq!(config.export_sbom, ExportSbom::Attestation);
    }

    #[test]
    fn every_value_of_export_sbom_is_understood() {
        for (name, meant) in [
            ("none", ExportSbom::None),
            ("attestation", ExportSbom::Attestation),
            ("attachment", ExportSbom::Attachment),
        ] {
            let file = parse(&format!("{ONE}export-sbom = \"{name}\"\n")).unwrap();
            assert_eq!(file.configs()[0].export_sbom, meant);
        }
        let file = parse(&format!("{ONE}docker-media-types = false\n")).unwrap();
        assert_eq!(file.configs()[0].media_types, MediaTypes::Oci);
    }

    #[test]
    fn inline_tables_mean_the_same() {
        let file = parse(
            "annotations = [{name = \"a\", value = \"b\"}]\nconfigs = [{key = \"k\"}, {key = \"l\"}]\n",
        )
        .unwrap();
        assert_eq!(file.annotations().len(), 1);
        assert_eq!(file.configs()[1].key, Path::new("l"));
        assert_eq!(
            file.configs()[1].position.to_string(),
            "/c/cosign.toml:2:25"
        );
    }

    /// CFG-7, SIG-7
    #[test]
    fn a_relative_path_starts_at_the_folder_of_the_file() {
        let file = parse(ONE).unwrap();
        assert_eq!(file.path(), Path::new("/c/cosign.toml"));
        let resolve = |text: &str| file.resolve(Path::new(text));
        assert_eq!(resolve("cosign.key"), Path::new("/c/cosign.key"));
        assert_eq!(resolve("../k/cosign.key"), Path::new("/c/../k/cosign.key"));
        assert_eq!(resolve("/k/cosign.key"), Path::new("/k/cosign.key"));
        let here = CosignConfig::parse(Path::new("cosign.toml"), ONE.as_bytes()).unwrap();
        assert_eq!(here.resolve(Path::new("k")), Path::new("k"));
    }

    /// CFG-2
    #[test]
    fn unknown_keys_are_refused_with_position_and_suggestion() {
        for (text, message, hint) in [
            (
                format!("{ONE}exportsbom = \"none\"\n"),
                "unknown key `exportsbom` in `[[configs]]` at `/c/cosign.toml:3:1`",
                "did you mean `export-sbom`?",
            ),
            (
                "[[configs]]\n  keys = \"k\"\n".to_owned(),
                "unknown key `keys` in `[[configs]]` at `/c/cosign.toml:2:3`",
                "did you mean `key`?",
            ),
            (
                "[[config]]\nkey = \"k\"\n".to_owned(),
                "unknown key `config` in the top level at `/c/cosign.toml:1:3`",
                "did you mean `configs`?",
            ),
            (
                format!("{ONE}[[annotations]]\nname = \"a\"\nval = \"b\"\n"),
                "unknown key `val` in `[[annotations]]` at `/c/cosign.toml:5:1`",
                "did you mean `value`?",
            ),
            (
                format!("password = \"p\"\n{ONE}"),
                "unknown key `password` in the top level at `/c/cosign.toml:1:1`",
                "`password` belongs under `[[configs]]`",
            ),
            (
                format!("{ONE}zzz = 1\nbbb = 2\n"),
                "unknown key `zzz` in `[[configs]]` at `/c/cosign.toml:3:1`",
                "",
            ),
            (
                format!("{ONE}formats = \"bundle\"\n"),
                "unknown key `formats` in `[[configs]]` at `/c/cosign.toml:3:1`",
                "did you mean `format`?",
            ),
            (
                format!("{ONE}key.data = 1\n").replace("key = \"cosign.key\"\n", ""),
                "`key` must be a string, not a table, at `/c/cosign.toml:2:1`",
                "write it in quotes",
            ),
        ] {
            assert_eq!(refusal(&text), (message.to_owned(), hint.to_owned()));
        }
    }

    #[test]
    fn the_secrets_of_the_rfcs_first_version_are_refused_with_the_way_out() {
        for key in ["key-data", "password-data"] {
            let (message, hint) = refusal(&format!("[[configs]]\n{key} = \"canary\"\n"));
            assert!(
                message.contains(&format!("unknown key `{key}`")),
                "{message}"
            );
            assert!(hint.contains("the path of a file"), "{hint}");
            assert!(!hint.contains("canary") && !message.contains("canary"));
        }
    }

    /// CFG-3
    #[test]
    fn annotations_have_a_name_and_a_string() {
        for (text, message) in [
            (
                "value = \"b\"",
                "no `name` in the `[[annotations]]` at `/c/cosign.toml:3:1`",
            ),
            (
                "name = \"a\"",
                "no `value` in the `[[annotations]]` at `/c/cosign.toml:3:1`",
            ),
            (
                "name = \"\"\nvalue = \"b\"",
                "`name` is empty at `/c/cosign.toml:4:8`",
            ),
            (
                "name = \"a\"\nvalue = 7",
                "`value` must be a string, not an integer, at `/c/cosign.toml:5:9`",
            ),
            (
                "name = \"a\"\nvalue = true",
                "`value` must be a string, not a boolean, at `/c/cosign.toml:5:9`",
            ),
            (
                "name = \"a\"\nvalue = 1979-05-27",
                "`value` must be a string, not a date or time, at `/c/cosign.toml:5:9`",
            ),
            (
                "name = \"a\"\nvalue = [\"b\"]",
                "`value` must be a string, not an array, at `/c/cosign.toml:5:9`",
            ),
            (
                "name = 1.0\nvalue = \"b\"",
                "`name` must be a string, not a float, at `/c/cosign.toml:4:8`",
            ),
        ] {
            assert_eq!(
                refusal(&format!("{ONE}[[annotations]]\n{text}\n")).0,
                message
            );
        }
    }

    /// CFG-5
    #[test]
    fn two_annotations_of_one_name_are_refused_with_both_lines() {
        let entry = "[[annotations]]\nname = \"a\"\nvalue = \"b\"\n";
        assert_eq!(
            refusal(&format!("{entry}{ONE}{entry}")).0,
            "the annotation `a` at `/c/cosign.toml:7:8` is the second of that name, after line 2"
        );
    }

    /// CFG-6
    #[test]
    fn a_file_without_configs_is_refused() {
        for text in [
            "",
            "configs = []\n",
            "[[annotations]]\nname=\"a\"\nvalue=\"\"\n",
        ] {
            let (message, hint) = refusal(text);
            assert_eq!(
                message,
                "`/c/cosign.toml` has no `[[configs]]`: nothing says who signs"
            );
            assert!(hint.contains("key = "), "{hint}");
        }
    }

    #[test]
    fn a_single_table_is_refused_with_the_right_spelling() {
        for (text, hint) in [
            ("[configs]\nkey = \"k\"\n", "write `[[configs]]`"),
            ("configs = \"k\"\n", "write `[[configs]]`"),
            ("configs = [\"k\"]\n", "write `[[configs]]`"),
            ("[annotations]\na = \"b\"\n", "write `[[annotations]]`"),
        ] {
            let (message, found) = refusal(text);
            assert!(message.contains("must be an array of tables"), "{message}");
            assert_eq!(found, hint, "{text}");
        }
    }

    #[test]
    fn a_config_needs_a_key() {
        assert_eq!(
            refusal(&format!("{ONE}\n[[configs]]\npassword = \"p\"\n")).0,
            "no `key` in the `[[configs]]` at `/c/cosign.toml:4:1`"
        );
    }

    /// CFG-4
    #[test]
    fn empty_values_are_refused_and_not_taken_for_absent() {
        for key in ["password", "repository", "export-sbom"] {
            let (message, hint) = refusal(&format!("{ONE}{key} = \"\"\n"));
            assert!(
                message.starts_with(&format!("`{key}` is empty at `/c/cosign.toml:3:")),
                "{message}"
            );
            assert!(hint.contains("leave the key out"), "{hint}");
        }
        assert_eq!(
            refusal("[[configs]]\nkey = \"\"\n").0,
            "`key` is empty at `/c/cosign.toml:2:7`"
        );
    }

    /// CFG-3
    #[test]
    fn values_of_another_type_are_refused_with_their_place() {
        for (text, message, hint) in [
            (
                "docker-media-types = \"true\"",
                "`docker-media-types` must be `true` or `false`, not a string, at `/c/cosign.toml:3:22`",
                "write it without quotes",
            ),
            (
                "docker-media-types = 1",
                "`docker-media-types` must be `true` or `false`, not an integer, at `/c/cosign.toml:3:22`",
                "",
            ),
            (
                "export-sbom = false",
                "`export-sbom` must be a string, not a boolean, at `/c/cosign.toml:3:15`",
                "write it in quotes",
            ),
            (
                "password = 12345",
                "`password` must be a string, not an integer, at `/c/cosign.toml:3:12`",
                "write it in quotes",
            ),
            (
                "repository = []",
                "`repository` must be a string, not an array, at `/c/cosign.toml:3:14`",
                "write it in quotes",
            ),
        ] {
            assert_eq!(
                refusal(&format!("{ONE}{text}\n")),
                (message.to_owned(), hint.to_owned())
            );
        }
    }

    /// CFG-10
    #[test]
    fn an_unknown_value_of_export_sbom_lists_the_valid_ones() {
        assert_eq!(
            refusal(&format!("{ONE}export-sbom = \"attestatoin\"\n")),
            (
                "unknown value `attestatoin` of `export-sbom` at `/c/cosign.toml:3:15`".to_owned(),
                "did you mean `attestation`? Valid are `attestation`, `attachment`, `none`"
                    .to_owned()
            )
        );
        assert_eq!(
            refusal(&format!("{ONE}export-sbom = \"spdx\"\n")).1,
            "valid are `attestation`, `attachment`, `none`"
        );
    }

    /// CFG-8
    #[test]
    fn only_key_files_are_supported() {
        for (key, scheme) in [
            ("awskms:///alias/k", "awskms://"),
            ("hashivault://canary@vault/k", "hashivault://"),
            ("k8s://ns/name", "k8s://"),
            ("env://COSIGN_PRIVATE_KEY", "env://"),
            ("file:///cosign.key", "file://"),
            ("pkcs11:token=t;pin-value=canary", "pkcs11:"),
        ] {
            let (message, hint) = refusal(&format!("[[configs]]\nkey = \"{key}\"\n"));
            assert_eq!(
                message,
                format!(
                    "`key` starts with `{scheme}`, which this version does not support, \
                     at `/c/cosign.toml:2:7`"
                )
            );
            assert!(hint.contains("the path of a file"), "{hint}");
        }
        for path in ["a:b", "./awskms://x", "9://x", "C:/x"] {
            let file = parse(&format!("[[configs]]\nkey = \"{path}\"\n")).unwrap();
            assert_eq!(file.configs()[0].key, Path::new(path));
        }
    }

    /// CFG-9
    #[test]
    fn a_repository_is_checked_where_it_stands() {
        for text in ["signatures", "r.io", "r.io/sigs:v1", "r.io/Sigs", "r.io/a/"] {
            let error = parse(&format!("{ONE}repository = \"{text}\"\n")).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the `repository` at `/c/cosign.toml:3:14` cannot be used"
            );
            let source = error.source().unwrap().to_string();
            assert!(source.contains(&format!("`{text}`")), "{source}");
            assert!(error.hint().unwrap().contains("<registry>/<path>"));
        }
        for text in ["https://u:canary@r.io/sigs", "u:canary@r.io/sigs"] {
            let error = parse(&format!("{ONE}repository = \"{text}\"\n")).unwrap_err();
            assert!(matches!(error, ConfigError::RepositoryIsUrl { .. }));
        }
    }

    /// CFG-8, CFG-11, SIG-11
    #[test]
    fn no_error_repeats_a_secret_that_was_pasted() {
        let canary = "hunter2-canary";
        for text in [
            format!("{ONE}password = {canary}\n"),
            format!("{ONE}password = \"{canary}\n"),
            format!("{ONE}password = \"{canary}\\n\"\n"),
            format!("{ONE}password = \"\"\"\n{canary}\n\"\"\"\n"),
            format!("{ONE}password = [\"{canary}\"]\n"),
            format!("{ONE}password = {{ text = \"{canary}\" }}\n"),
            format!("{ONE}password = \"x\"\npassword = \"{canary}\"\n"),
            format!("{ONE}password = \"vault://{canary}\"\n"),
            format!("{ONE}passwords = \"{canary}\"\n"),
            format!("{ONE}repository = \"https://u:{canary}@r.io/x\"\n"),
            format!("[[configs]]\nkey = \"-----BEGIN PRIVATE KEY-----{canary}\"\n"),
            format!("[[configs]]\nkey = '''\n{canary}\n'''\n"),
            format!("[[configs]]\nkey = \"env://{canary}\"\n"),
            format!("[[configs]]\nkey = {canary}\n"),
        ] {
            let error = parse(&text).unwrap_err();
            let mut shown = format!("{error} {error:?} {:?}", error.hint());
            let mut cause = error.source();
            while let Some(source) = cause {
                shown.push_str(&source.to_string());
                cause = source.source();
            }
            assert!(!shown.contains(canary), "{text}: {shown}");
        }
    }

    #[test]
    fn invalid_toml_is_refused_with_line_and_column() {
        for value in ["none", "`none`", "'none"] {
            let (message, hint) = refusal(&format!("{ONE}export-sbom = {value}\n"));
            assert!(
                message.starts_with("invalid TOML at `/c/cosign.toml:3:"),
                "{message}"
            );
            assert!(hint.contains("in quotes"), "{hint}");
        }
    }

    #[test]
    fn a_missing_file_says_how_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = CosignConfig::read(&folder.path().join("cosign.toml")).unwrap_err();
        assert!(error.hint().unwrap().contains("-cosign-config"));
        assert!(error.to_string().starts_with("cannot read `"), "{error}");
    }

    #[test]
    fn a_file_is_read_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cosign.toml");
        std::fs::write(&path, ONE).unwrap();
        let file = CosignConfig::read(&path).unwrap();
        assert_eq!(
            file.resolve(&file.configs()[0].key),
            folder.path().join("cosign.key")
        );
    }

    #[test]
    fn a_large_hostile_file_is_refused_in_time() {
        let line = "[[annotations]]\nname=\"a\"\nvalue=\"\"\n";
        let (message, _) = refusal(&line.repeat(super::super::MAX_BYTES / line.len()));
        assert!(message.contains("the second of that name"), "{message}");
    }
}
