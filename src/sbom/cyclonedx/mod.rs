//! Several CycloneDX documents as one.
//!
//! Implements `spec/sbom.md`, "Merging", for CycloneDX 1.2 and later (JSON). It
//! is deterministic, and changes no token of a component: whitespace goes, and a
//! `bom-ref` that two documents use for two things is renamed in the later one.

mod ordered;
mod parts;
mod references;
mod text;
mod write;

use std::borrow::Cow;
use std::collections::HashSet;

use ordered::Ordered;
use parts::{BadPart, MemberPath, Parts};
use references::Names;
use text::{BomObject, MAX_MEMBERS};

use super::error::SbomError;

/// The beginning of the names of properties that hold members which cannot be
/// merged.
const PROPERTY: &str = "io.buildpacks.signer";

/// A CycloneDX document: where it lies, and its text.
pub(super) struct Bom {
    path: String,
    text: String,
}

impl Bom {
    /// A document without the whitespace between its tokens.
    pub(super) fn minified(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text::minified(text),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Merges documents, in their order, into one BOM.
///
/// # Errors
/// On a document that is no CycloneDX 1.x BOM.
pub(super) fn merge(documents: Vec<Bom>) -> Result<String, SbomError> {
    let mut names = Names::default();
    let documents = documents
        .into_iter()
        .map(|Bom { path, text }| {
            let text = names.adopt(text).map_err(|bad| refused(&path, bad))?;
            Ok(Bom { path, text })
        })
        .collect::<Result<Vec<_>, SbomError>>()?;
    let mut merged = Merged::default();
    for document in &documents {
        merged.add(document)?;
    }
    Ok(write::bom(merged))
}

fn refused(path: &str, bad: BadPart) -> SbomError {
    let path = path.to_owned();
    let reason = match bad {
        BadPart::Json(source) => return SbomError::Merge { path, source },
        BadPart::WrongType => "a member has another type than CycloneDX gives it",
        BadPart::TooMany => "it has more members, items or names than are merged",
    };
    SbomError::NotMergeable { path, reason }
}

/// The parts of all documents.
#[derive(Default)]
struct Merged<'a> {
    /// The `N` of the highest `specVersion`, `1.N`.
    minor_version: u32,
    lists: Ordered<MemberPath<'a>, List<'a>>,
    singles: Ordered<MemberPath<'a>, Vec<Single<'a>>>,
    properties: Vec<String>,
    /// The length of the properties' names if the documents agree on nothing.
    names: usize,
}

/// The most bytes of the properties' names: each holds the path of its
/// document.
const MAX_NAMES: usize = 8 << 20;

/// Items, each once.
#[derive(Default)]
struct List<'a> {
    items: Vec<&'a str>,
    seen: HashSet<&'a str>,
}

impl<'a> List<'a> {
    fn join(&mut self, items: Vec<&'a str>) {
        let new = items.into_iter().filter(|item| self.seen.insert(item));
        self.items.extend(new);
    }
}

/// A value of one document.
struct Single<'a> {
    path: &'a str,
    text: &'a str,
}

impl<'a> Merged<'a> {
    fn add(&mut self, document: &'a Bom) -> Result<(), SbomError> {
        let Bom { path, text } = document;
        let refuse = |reason| SbomError::NotMergeable {
            path: path.clone(),
            reason,
        };
        let members = BomObject::parse(text).map_err(|error| refused(path, error.into()))?;
        let member = |name| members.member(name).and_then(text::string);
        if member("bomFormat").as_deref() != Some("CycloneDX") {
            return Err(refuse("it is no CycloneDX BOM"));
        }
        let minor = member("specVersion")
            .and_then(|version| version.strip_prefix("1.")?.parse().ok())
            .ok_or_else(|| refuse("its CycloneDX version is not 1.x"))?;
        self.minor_version = self.minor_version.max(minor);
        for name in ["serialNumber", "version"] {
            if let Some(text) = members.member(name) {
                self.keep(&[name.into()], &Single { path, text });
            }
        }
        let parts = Parts::of(text).map_err(|bad| refused(path, bad))?;
        for (place, items) in parts.lists {
            self.lists.at(place).join(items);
        }
        for (place, text) in parts.singles {
            self.names += path.len() + place.iter().map(|name| name.len()).sum::<usize>();
            self.singles.at(place).push(Single { path, text });
        }
        let members = self.lists.len() + self.singles.len();
        match members > MAX_MEMBERS || self.names > MAX_NAMES {
            true => Err(refused(path, BadPart::TooMany)),
            false => Ok(()),
        }
    }

    /// Keeps the value of one document as a property of the merged BOM.
    fn keep(&mut self, place: &[Cow<'_, str>], said: &Single<'_>) {
        let name = text::quoted(&format!("{PROPERTY}:{}:{}", place.join("."), said.path));
        let value = match text::string(said.text) {
            Some(_) => said.text.to_owned(),
            None => text::quoted(said.text),
        };
        self.properties
            .push(format!(r#"{{"name":{name},"value":{value}}}"#));
    }
}
