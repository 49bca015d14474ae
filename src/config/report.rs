//! The exporter's `report.toml`: what it pushed, under which names.
//!
//! Implements `report.toml (TOML)` of the Platform API specification, 0.4 to
//! 0.16, as the lifecycle writes it. Unknown keys are ignored: RFC 0129 adds
//! some. `manifest-size` is ignored as well: it says nothing about the kind of
//! export, and its type changed.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::oci::digest::NotADigest;
use crate::oci::reference::{NotAReference, Version};
use crate::oci::{Digest, Reference};

use super::{Document, DocumentError, Position, read, type_of};

/// An export to a registry: one digest under one or more names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    tags: Vec<Reference>,
    digest: Digest,
}

impl Report {
    /// Reads and parses the report at `path`.
    ///
    /// # Errors
    /// As [`Report::parse`], and on a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        Self::parse(path, &read(path)?)
    }

    /// Parses the bytes of a report; `path` is for messages only.
    ///
    /// # Errors
    /// On bytes that are no TOML, on a report of an export to a daemon or an
    /// OCI layout, and on names and digests that are none.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ReportError> {
        let document = Document::new(path, bytes)?;
        let root = document.parse()?;
        let image = match root.get("image") {
            Some(value) => value
                .get_ref()
                .as_table()
                .ok_or_else(|| ReportError::wrong_type(&document, "image", "a table", value))?,
            None => {
                return Err(ReportError::NoImage {
                    path: path.to_owned(),
                });
            }
        };
        let digest = digest(&document, image)?;
        let tags = tags(&document, image, &digest)?;
        Ok(Self { tags, digest })
    }

    /// The image's names in the order of the report, at least one. Two of them
    /// may be the same once normalised.
    pub fn tags(&self) -> &[Reference] {
        &self.tags
    }

    /// The digest of the image's manifest, common to all tags.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

fn digest(document: &Document<'_>, image: &DeTable<'_>) -> Result<Digest, ReportError> {
    let Some(value) = image.get("digest") else {
        return Err(without_digest(document, image));
    };
    let text = value
        .get_ref()
        .as_str()
        .ok_or_else(|| ReportError::wrong_type(document, "digest", "a string", value))?;
    if text.is_empty() {
        return Err(without_digest(document, image));
    }
    text.parse().map_err(|source| ReportError::Digest {
        position: document.position(value.span()),
        source,
    })
}

/// Why there is no digest. The lifecycle writes `image-id` for a daemon only,
/// and a path as the first tag for an OCI layout only.
fn without_digest(document: &Document<'_>, image: &DeTable<'_>) -> ReportError {
    let path = document.path.to_owned();
    let has_image_id = image
        .get("image-id")
        .and_then(|id| id.get_ref().as_str())
        .is_some_and(|id| !id.is_empty());
    let first_tag = image
        .get("tags")
        .and_then(|tags| tags.get_ref().get(0))
        .and_then(|tag| tag.get_ref().as_str());
    if has_image_id {
        ReportError::Daemon { path }
    } else if first_tag.is_some_and(|tag| tag.starts_with('/')) {
        ReportError::Layout { path }
    } else {
        ReportError::NoDigest { path }
    }
}

fn tags(
    document: &Document<'_>,
    image: &DeTable<'_>,
    digest: &Digest,
) -> Result<Vec<Reference>, ReportError> {
    let no_tags = || ReportError::NoTags {
        path: document.path.to_owned(),
    };
    let value = image.get("tags").ok_or_else(no_tags)?;
    let tags = value
        .get_ref()
        .as_array()
        .ok_or_else(|| ReportError::wrong_type(document, "tags", "an array of strings", value))?;
    if tags.is_empty() {
        return Err(no_tags());
    }
    tags.iter()
        .map(|value| tag(document, value, digest))
        .collect()
}

fn tag(
    document: &Document<'_>,
    value: &Spanned<DeValue<'_>>,
    digest: &Digest,
) -> Result<Reference, ReportError> {
    let position = || document.position(value.span());
    let text = value
        .get_ref()
        .as_str()
        .ok_or_else(|| ReportError::wrong_type(document, "tags", "an array of strings", value))?;
    let reference: Reference = text.parse().map_err(|source| ReportError::Tag {
        position: position(),
        source,
    })?;
    match reference.version() {
        Version::Digest(named) if named != digest => Err(ReportError::OtherDigest {
            tag: Box::new(reference),
            digest: digest.clone(),
            position: position(),
        }),
        _ => Ok(reference),
    }
}

/// A report that names no image in a registry.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("`{}` has no table `[image]`", path.display())]
    NoImage { path: PathBuf },
    #[error("`{key}` must be {wanted}, not {found}, at `{position}`")]
    WrongType {
        key: &'static str,
        wanted: &'static str,
        found: &'static str,
        position: Position,
    },
    #[error(
        "`{}` reports an export to a daemon (`image-id` and no `digest`): \
         nothing in a registry to sign", path.display()
    )]
    Daemon { path: PathBuf },
    #[error(
        "`{}` reports an export to an OCI layout (a path in `tags` and no `digest`): \
         nothing in a registry to sign", path.display()
    )]
    Layout { path: PathBuf },
    #[error("`{}` has no `digest` in `[image]`", path.display())]
    NoDigest { path: PathBuf },
    #[error("`{}` has no `tags` in `[image]`", path.display())]
    NoTags { path: PathBuf },
    #[error("the digest at `{position}` cannot be used")]
    Digest {
        position: Position,
        #[source]
        source: NotADigest,
    },
    #[error("the tag at `{position}` cannot be used")]
    Tag {
        position: Position,
        #[source]
        source: NotAReference,
    },
    #[error("the tag `{tag}` at `{position}` is not the reported digest `{digest}`")]
    OtherDigest {
        tag: Box<Reference>,
        digest: Digest,
        position: Position,
    },
}

impl ReportError {
    fn wrong_type(
        document: &Document<'_>,
        key: &'static str,
        wanted: &'static str,
        value: &Spanned<DeValue<'_>>,
    ) -> Self {
        Self::WrongType {
            key,
            wanted,
            found: type_of(value.get_ref()),
            position: document.position(value.span()),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Document(error) if error.is_missing() => {
                "the exporter writes the report only after every tag was pushed; run the signer \
                 after it with the same `-layers`, or name the file with `-report`"
            }
            Self::Document(DocumentError::Unreadable { .. }) => return None,
            Self::Document(DocumentError::Syntax { .. }) => {
                "the file may be cut off, or hold the rest of an older, longer report: \
                 `pack rebase --report-output-dir` does not truncate it; delete it and export again"
            }
            Self::Document(_) | Self::NoImage { .. } | Self::WrongType { .. } => {
                "`-report` names the `report.toml` that the exporter, creator or rebaser wrote"
            }
            Self::Daemon { .. } => {
                "export to a registry: run `pack build --publish`, or the exporter without `-daemon`"
            }
            Self::Layout { .. } => {
                "export to a registry: run the exporter without `-layout`, or push the layout and \
                 sign it with cosign"
            }
            Self::NoDigest { .. } | Self::NoTags { .. } | Self::Digest { .. } => {
                "the report is incomplete; export again"
            }
            Self::OtherDigest { .. } => {
                "export to a tag instead of a digest: a digest names one image for ever"
            }
            Self::Tag { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;

    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn parse(text: &str) -> Result<Report, ReportError> {
        Report::parse(Path::new("r.toml"), text.as_bytes())
    }

    fn names(text: &str) -> Vec<String> {
        let report = parse(text).unwrap();
        report.tags().iter().map(Reference::to_string).collect()
    }

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    /// SIG-8
    #[test]
    fn every_report_of_the_real_lifecycle_is_understood() {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/images");
        let mut count = 0;
        for image in fs::read_dir(images).unwrap() {
            let path = image.unwrap().path().join("report.toml");
            let text = fs::read_to_string(&path).unwrap();
            let report = Report::read(&path).unwrap();
            assert!(text.contains(&report.digest().to_string()), "{path:?}");
            assert_eq!(
                report.tags().len(),
                text.matches("127.0.0.1").count(),
                "{path:?}"
            );
            for tag in report.tags() {
                assert!(text.contains(&tag.to_string()), "{path:?} {tag}");
            }
            count += 1;
        }
        assert!(count >= 18, "{count}");
    }

    #[test]
    fn several_tags_in_several_repositories_are_kept_in_order() {
        let text = format!(
            "[image]\n  tags = [\"127.0.0.1:5055/app/one\", \"127.0.0.1:5055/app/one:v2\", \
             \"127.0.0.1:5055/other/repo\"]\n  digest = \"{A}\"\n  manifest-size = 1386\n"
        );
        assert_eq!(
            names(&text),
            [
                "127.0.0.1:5055/app/one:latest",
                "127.0.0.1:5055/app/one:v2",
                "127.0.0.1:5055/other/repo:latest"
            ]
        );
        assert_eq!(parse(&text).unwrap().digest().to_string(), A);
    }

    /// SIG-9
    #[test]
    fn bare_names_are_on_docker_hub() {
        assert_eq!(
            names(&format!(
                "[image]\ntags = [\"app\", \"org/app:1\"]\ndigest = \"{A}\"\n"
            )),
            [
                "index.docker.io/library/app:latest",
                "index.docker.io/org/app:1"
            ]
        );
    }

    /// SIG-8
    #[test]
    fn a_report_of_platform_api_0_8_with_a_bill_of_materials_is_understood() {
        let text = format!(
            "[build]\n\n  [[build.bom]]\n    name = \"jdk\"\n    [build.bom.metadata]\n      \
             version = \"17\"\n    [build.bom.buildpack]\n      id = \"acme/one\"\n\n[image]\n  \
             tags = [\"127.0.0.1:5055/bom/v0.8\"]\n  digest = \"{A}\"\n  manifest-size = 1386\n"
        );
        assert_eq!(names(&text).len(), 1);
    }

    /// SIG-8
    #[test]
    fn keys_of_later_platform_apis_are_ignored() {
        let text = format!(
            "x = 1\n[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\nrun-image.image = \"r\"\n\
             run-image.mirrors = []\n[later]\ny = 1979-05-27\n"
        );
        assert_eq!(names(&text), ["r.io/a:latest"]);
    }

    /// SIG-8
    #[test]
    fn the_manifest_size_may_be_a_number_a_string_or_absent() {
        for size in ["manifest-size = 1386", "manifest-size = \"1386\"", ""] {
            let text = format!("[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\n{size}\n");
            assert!(parse(&text).is_ok(), "{size}");
        }
    }

    /// SIG-9
    #[test]
    fn a_digest_reference_must_be_the_reported_digest() {
        let text = |tag: &str| format!("[image]\ntags = [\"{tag}\"]\ndigest = \"{B}\"\n");
        assert_eq!(
            names(&text(&format!("r.io/a@{B}"))),
            [format!("r.io/a@{B}")]
        );
        assert_eq!(
            refusal(&text(&format!("r.io/a@{A}"))),
            format!("the tag `r.io/a@{A}` at `r.toml:2:9` is not the reported digest `{B}`")
        );
    }

    #[test]
    fn a_tag_that_is_no_reference_is_named() {
        let text = format!("[image]\ntags = [\"r.io/a\", \"r.io/App\"]\ndigest = \"{A}\"\n");
        let error = parse(&text).unwrap_err();
        assert_eq!(error.to_string(), "the tag at `r.toml:2:19` cannot be used");
        let source = error.source().unwrap().to_string();
        assert!(source.contains("`r.io/App`"), "{source}");
    }

    #[test]
    fn a_digest_wins_over_an_image_id() {
        let text = format!("[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\nimage-id = \"5b90\"\n");
        assert!(parse(&text).is_ok());
    }

    /// SIG-10
    #[test]
    fn an_export_to_a_daemon_is_named_as_such() {
        for size in ["", "manifest-size = 1234", "digest = \"\""] {
            let text = format!("[image]\ntags = [\"my-app\"]\nimage-id = \"5b90f9c0\"\n{size}\n");
            let error = parse(&text).unwrap_err();
            assert!(matches!(error, ReportError::Daemon { .. }), "{error}");
            assert!(error.hint().unwrap().contains("--publish"));
        }
    }

    /// SIG-10
    #[test]
    fn an_export_to_a_layout_is_named_as_such() {
        let error = parse(
            "[image]\n  tags = [\"/layout/127.0.0.1:5055/app/lay/v1\", \
             \"127.0.0.1:5055/app/lay:v2\"]\n  manifest-size = 1421\n",
        )
        .unwrap_err();
        assert!(matches!(error, ReportError::Layout { .. }), "{error}");
        assert!(error.hint().unwrap().contains("-layout"));
    }

    /// SIG-10
    #[test]
    fn a_report_without_its_parts_is_refused() {
        let tags = "tags = [\"r.io/a\"]";
        for (text, message) in [
            (String::new(), "`r.toml` has no table `[image]`"),
            ("[build]\n".to_owned(), "`r.toml` has no table `[image]`"),
            (
                "image = 1\n".to_owned(),
                "`image` must be a table, not an integer, at `r.toml:1:9`",
            ),
            (
                "[image]\n".to_owned(),
                "`r.toml` has no `digest` in `[image]`",
            ),
            (
                format!("[image]\n{tags}\n"),
                "`r.toml` has no `digest` in `[image]`",
            ),
            (
                format!("[image]\n{tags}\ndigest = \"\"\nimage-id = \"\"\n"),
                "`r.toml` has no `digest` in `[image]`",
            ),
            (
                format!("[image]\n{tags}\ndigest = 1\n"),
                "`digest` must be a string, not an integer, at `r.toml:3:10`",
            ),
            (
                format!("[image]\n{tags}\ndigest = \"sha256:abc\"\n"),
                "the digest at `r.toml:3:10` cannot be used",
            ),
            (
                format!("[image]\ndigest = \"{A}\"\n"),
                "`r.toml` has no `tags` in `[image]`",
            ),
            (
                format!("[image]\ntags = []\ndigest = \"{A}\"\n"),
                "`r.toml` has no `tags` in `[image]`",
            ),
            (
                format!("[image]\ntags = \"r.io/a\"\ndigest = \"{A}\"\n"),
                "`tags` must be an array of strings, not a string, at `r.toml:2:8`",
            ),
            (
                format!("[image]\ntags = [\"r.io/a\", 1.5]\ndigest = \"{A}\"\n"),
                "`tags` must be an array of strings, not a float, at `r.toml:2:19`",
            ),
        ] {
            assert_eq!(refusal(&text), message);
        }
    }

    #[test]
    fn a_report_cut_anywhere_is_an_error_or_complete() {
        let text = format!(
            "[image]\n  tags = [\"r.io/a\", \"r.io/b\"]\n  digest = \"{A}\"\n  manifest-size = 13\n"
        );
        let whole = parse(&text).unwrap();
        let digest_ends = text.find("\n  manifest-size").unwrap();
        for length in 0..text.len() {
            match parse(&text[..length]) {
                Ok(report) => {
                    assert!(length >= digest_ends, "{length}");
                    assert_eq!(report, whole);
                }
                Err(error) => assert!(error.hint().is_some(), "{length}: {error}"),
            }
        }
    }

    #[test]
    fn the_rest_of_an_older_report_is_named_as_the_likely_cause() {
        let text = format!(
            "[image]\ntags = [\"r.io/a\"]\ndigest = \"{A}\"\nmanifest-size = 1\nze = \"old"
        );
        let error = parse(&text).unwrap_err();
        assert!(
            error.to_string().starts_with("invalid TOML at `r.toml:5:"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("pack rebase"));
    }

    /// SIG-11
    #[test]
    fn no_error_quotes_the_file() {
        let canary = "hunter2-canary";
        for text in [
            format!("[image]\ntags = [{canary}]\n"),
            format!("x = \"{canary}\n[image]\n"),
            format!("[image]\n{canary}\n"),
            format!("[image]\ntags = {{ a = \"{canary}\" }}\ndigest = \"{A}\"\n"),
            format!("{canary} = 1\n{canary} = 2\n"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(!error.to_string().contains(canary), "{error}");
            assert!(error.source().is_none());
        }
    }

    /// SIG-11
    #[test]
    fn a_missing_report_says_who_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.toml");
        let error = Report::read(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read `{}`", path.display())
        );
        assert!(error.hint().unwrap().contains("exporter"));
    }

    #[test]
    fn a_folder_instead_of_a_report_is_an_error_without_that_hint() {
        let folder = tempfile::tempdir().unwrap();
        let error = Report::read(folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("cannot read `"), "{error}");
        assert_eq!(error.hint(), None);
    }
}
