//! The parts of several documents, gathered.

use std::borrow::Cow;
use std::collections::HashSet;

use super::ordered::Ordered;
use super::parts::{BadPart, BomParts, MemberPath};
use super::text::{self, BomObject, MAX_MEMBERS};
use crate::sbom::error::SbomError;

/// The beginning of the names of properties that hold members which cannot be
/// merged.
const PROPERTY: &str = "io.buildpacks.signer";

/// A CycloneDX document: where it lies, and its text.
pub(in crate::sbom) struct Bom {
    pub(super) path: String,
    pub(super) text: String,
}

impl Bom {
    /// A document without the whitespace between its tokens.
    pub(in crate::sbom) fn minified(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text::minified(text),
        }
    }

    pub(in crate::sbom) fn text(&self) -> &str {
        &self.text
    }
}

/// The error of a document at `path`.
pub(super) fn refused(path: &str, bad: BadPart) -> SbomError {
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
pub(super) struct Merged<'a> {
    /// The `N` of the highest `specVersion`, `1.N`.
    pub(super) minor_version: u32,
    /// Arrays, joined in the documents' order.
    pub(super) lists: Ordered<MemberPath<'a>, ItemSet<'a>>,
    /// Everything else, with the value of each document that has it: whether they agree
    /// is known at the end.
    pub(super) singles: Ordered<MemberPath<'a>, Vec<Single<'a>>>,
    /// Items of `metadata.properties` that keep what cannot be merged.
    pub(super) properties: Vec<String>,
    /// The length of the properties' names if the documents agree on nothing.
    names: usize,
}

/// The most bytes of the properties' names: each holds the path of its
/// document, of up to 4 KiB, for each member that documents disagree on.
const MAX_NAMES: usize = 8 << 20;

/// Items, each once, by their text. Two that differ in the order of members are two.
#[derive(Default)]
pub(super) struct ItemSet<'a> {
    pub(super) items: Vec<&'a str>,
    seen: HashSet<&'a str>,
}

impl<'a> ItemSet<'a> {
    pub(super) fn join(&mut self, items: Vec<&'a str>) {
        let new = items.into_iter().filter(|item| self.seen.insert(item));
        self.items.extend(new);
    }
}

/// A value of one document.
pub(super) struct Single<'a> {
    pub(super) path: &'a str,
    pub(super) text: &'a str,
}

impl<'a> Merged<'a> {
    /// Adds a minified document whose names are its own already.
    ///
    /// # Errors
    /// On a document that is no CycloneDX 1.x BOM, and on more than is merged.
    pub(super) fn add(&mut self, document: &'a Bom) -> Result<(), SbomError> {
        let Bom { path, text } = document;
        let members = BomObject::parse(text).map_err(|error| refused(path, error.into()))?;
        let minor = minor_version(&members).map_err(|reason| SbomError::NotMergeable {
            path: path.clone(),
            reason,
        })?;
        self.minor_version = self.minor_version.max(minor);
        // A BOM has its own; those of the documents say which ones were merged, and
        // BOM-Links go by them.
        for name in ["serialNumber", "version"] {
            if let Some(text) = members.member(name) {
                self.keep(&[name.into()], &Single { path, text });
            }
        }
        let parts = BomParts::of(text).map_err(|bad| refused(path, bad))?;
        self.join(path, parts);
        let members = self.lists.len() + self.singles.len();
        match members > MAX_MEMBERS || self.names > MAX_NAMES {
            true => Err(refused(path, BadPart::TooMany)),
            false => Ok(()),
        }
    }

    /// Joins the parts of the document at `path` to those of the others.
    fn join(&mut self, path: &'a str, parts: BomParts<'a>) {
        for (place, items) in parts.lists {
            self.lists.at(place).join(items);
        }
        for (place, text) in parts.singles {
            self.names += path.len() + place.iter().map(|name| name.len()).sum::<usize>();
            self.singles.at(place).push(Single { path, text });
        }
    }

    /// Keeps the value of one document as a property of the merged BOM.
    pub(super) fn keep(&mut self, place: &[Cow<'_, str>], said: &Single<'_>) {
        let name = text::quoted(&format!("{PROPERTY}:{}:{}", place.join("."), said.path));
        let value = match text::string(said.text) {
            Some(_) => said.text.to_owned(),
            None => text::quoted(said.text),
        };
        self.properties
            .push(format!(r#"{{"name":{name},"value":{value}}}"#));
    }
}

/// The `N` of a document's `specVersion`, `1.N`; why it is not merged if it has none.
fn minor_version(members: &BomObject<'_>) -> Result<u32, &'static str> {
    let member = |name| members.member(name).and_then(text::string);
    if member("bomFormat").as_deref() != Some("CycloneDX") {
        return Err("it is no CycloneDX BOM");
    }
    member("specVersion")
        .and_then(|version| version.strip_prefix("1.")?.parse().ok())
        .ok_or("its CycloneDX version is not 1.x")
}
