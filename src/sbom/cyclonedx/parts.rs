//! A BOM taken apart into the parts that are merged, by the table of SBOM-9. Members that
//! are not known here are parts like others: a newer CycloneDX has some.

use std::borrow::Cow;

use super::text::{self, BomObject, MAX_MEMBERS};

/// The names from the BOM down to a member.
pub(super) type MemberPath<'a> = Vec<Cow<'a, str>>;

/// The content of a BOM, part by part, each as it was written.
#[derive(Default)]
pub(super) struct BomParts<'a> {
    /// Arrays, whose items are joined.
    pub(super) lists: Vec<(MemberPath<'a>, Vec<&'a str>)>,
    /// Everything else, on which documents may disagree.
    pub(super) singles: Vec<(MemberPath<'a>, &'a str)>,
}

/// Members that describe the document rather than the software. A `signature`
/// covers its document and nothing else.
const ABOUT_THE_DOCUMENT: [&str; 6] = [
    "$schema",
    "bomFormat",
    "specVersion",
    "serialNumber",
    "version",
    "signature",
];

/// Objects that are merged member by member.
const CONTAINERS: [&[&str]; 6] = [
    &[],
    &["metadata"],
    &["metadata", "tools"],
    &["declarations"],
    &["declarations", "targets"],
    &["definitions"],
];

/// A part that is not of the type that CycloneDX gives it, or one too many.
pub(super) enum BadPart {
    Json(serde_json::Error),
    WrongType,
    TooMany,
}

impl From<serde_json::Error> for BadPart {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl<'a> BomParts<'a> {
    /// Takes a minified BOM apart, without a copy of its values.
    ///
    /// # Errors
    /// On a member of another type than its place has, and on more than [`MAX_MEMBERS`].
    pub(super) fn of(bom: &'a str) -> Result<Self, BadPart> {
        let mut parts = Self::default();
        parts.add(Vec::new(), bom)?;
        Ok(parts)
    }

    /// Every part on its own, with its place.
    pub(super) fn elements(&self) -> impl Iterator<Item = (&MemberPath<'a>, &'a str)> {
        let items = self
            .lists
            .iter()
            .flat_map(|(place, items)| items.iter().map(move |item| (place, *item)));
        items.chain(self.singles.iter().map(|(place, text)| (place, *text)))
    }

    /// Adds the value at a place. It calls itself for the members of containers alone,
    /// none of which lies deeper than two names.
    fn add(&mut self, place: MemberPath<'a>, text: &'a str) -> Result<(), BadPart> {
        if self.lists.len() + self.singles.len() > MAX_MEMBERS {
            return Err(BadPart::TooMany);
        }
        let is_container = CONTAINERS.iter().any(|container| *container == place);
        match text.as_bytes().first() {
            Some(b'{') if is_container => {
                for (name, value) in BomObject::parse(text)?.0 {
                    if place.is_empty() && ABOUT_THE_DOCUMENT.contains(&name.as_ref()) {
                        continue;
                    }
                    let mut place = place.clone();
                    place.push(name);
                    self.add(place, value)?;
                }
            }
            // The component that a document describes is one of several in the
            // merged BOM.
            _ if place == ["metadata", "component"] => {
                self.lists
                    .insert(0, (vec!["components".into()], vec![text]));
            }
            // `tools` is an array before 1.5, and an object since (`write` joins both).
            Some(b'[') if !is_container || place == ["metadata", "tools"] => {
                let items = text::items(text)?;
                match place == ["metadata", "licenses"] && items.iter().any(is_expression) {
                    true => self.singles.push((place, text)),
                    false => self.lists.push((place, items)),
                }
            }
            _ if is_container || is_list(&place) => return Err(BadPart::WrongType),
            _ => self.singles.push((place, text)),
        }
        Ok(())
    }
}

/// A license expression stands alone in its list: such a list cannot be joined.
fn is_expression(license: &&str) -> bool {
    BomObject::parse(license).is_ok_and(|license| license.member("expression").is_some())
}

/// Whether a member is an array in every version that has it. Anything else there is an
/// error: beside the lists of others it would become a property, where no reader looks.
fn is_list(place: &MemberPath<'_>) -> bool {
    const LISTS: [&str; 10] = [
        "components",
        "services",
        "externalReferences",
        "dependencies",
        "compositions",
        "vulnerabilities",
        "annotations",
        "formulation",
        "citations",
        "properties",
    ];
    *place == ["metadata", "properties"]
        || matches!(place.as_slice(), [name] if LISTS.contains(&name.as_ref()))
}
