//! Names inside a BOM: a `bom-ref` is unique in it, and other members refer to it.
//!
//! Two documents may give one name to two things. The second thing is renamed
//! then, wherever its document names it; all else keeps its bytes. The same
//! thing in two documents keeps its name and stands in the merged BOM once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};

use super::parts::{BadPart, BomParts, MemberPath};
use super::text::{self, MAX_ITEMS};

const DEFINITION: &str = "bom-ref";

/// The members that hold names of the same BOM, alone or in an array: those of
/// `refType` and `refLinkType` in the schemas of CycloneDX 1.5 to 1.7, and those
/// that are plain strings there (`compositions`, `cryptoRefArray`).
const REFERENCES: [&str; 31] = [
    DEFINITION,
    "ref",
    "dependsOn",
    "provides",
    "assemblies",
    "dependencies",
    "vulnerabilities",
    "subjects",
    "tools",
    "algorithm",
    "algorithmRef",
    "algorithms",
    "cryptoRefArray",
    "signatureAlgorithmRef",
    "subjectPublicKeyRef",
    "asserter",
    "assessor",
    "attributedTo",
    "claims",
    "counterClaims",
    "counterEvidence",
    "evidence",
    "members",
    "mitigationStrategies",
    "parent",
    "patentRefs",
    "process",
    "requirement",
    "requirements",
    "target",
    "targetRef",
];

/// The most rounds in which names are compared: a name may collide only because
/// a name inside its element was renamed. If they do not suffice, every name
/// that an earlier document defines is renamed.
const ROUNDS: usize = 16;

/// SHA-256 of an element and its place.
type Fingerprint = [u8; 32];

/// The names that the documents so far define.
#[derive(Default)]
pub(super) struct Names {
    /// Each with the element that defines it, by its fingerprint: two documents may hold
    /// the same element.
    known: HashMap<String, Fingerprint>,
    /// The next number of a name that was renamed.
    numbers: HashMap<String, u64>,
    /// Items and names of all documents so far.
    count: usize,
}

impl Names {
    /// Renames those names of a minified document that an earlier one gives to
    /// another element, and learns its names. Documents are adopted in their order; the
    /// first keeps all its names.
    ///
    /// # Errors
    /// On a document that cannot be taken apart, and on more than [`MAX_ITEMS`] in all.
    pub(super) fn adopt(&mut self, bom: String) -> Result<String, BadPart> {
        let room = MAX_ITEMS.saturating_sub(self.count);
        let elements = elements(&BomParts::of(&bom)?, room)?;
        self.count += elements.count;
        let colliding = self.colliding(&elements.named);
        if colliding.is_empty() {
            self.learn(&elements);
            return Ok(bom);
        }
        let names = self.fresh(colliding, &elements.named);
        let bom = rename(&bom, &names);
        // Read again: fingerprints of renamed elements are others.
        self.learn(&self::elements(&BomParts::of(&bom)?, room)?);
        Ok(bom)
    }

    /// Notes the names that a document defines.
    fn learn(&mut self, elements: &Elements<'_>) {
        for element in &elements.named {
            for name in &element.defines {
                self.known.insert(name.to_string(), element.fingerprint);
            }
        }
    }

    /// The names that an earlier document gave to something else. An element that refers
    /// to a renamed one is no longer the same as in the earlier document, so that its own
    /// names collide as well: rounds go on until none is added, or there were [`ROUNDS`].
    fn colliding<'e>(&self, elements: &'e [Element<'_>]) -> BTreeSet<&'e str> {
        let mut colliding = BTreeSet::new();
        for round in 0..=ROUNDS {
            let before = colliding.len();
            for element in elements {
                if round == ROUNDS || self.collides(element, &colliding) {
                    let known = element
                        .defines
                        .iter()
                        .filter(|name| self.known.contains_key(&***name));
                    colliding.extend(known.map(AsRef::<str>::as_ref));
                }
            }
            if colliding.len() == before {
                break;
            }
        }
        colliding
    }

    /// Whether an earlier document gave a name of the element to something else, or the
    /// element refers to a name that collides.
    fn collides(&self, element: &Element<'_>, colliding: &BTreeSet<&str>) -> bool {
        let is_renamed = |name: &Cow<'_, str>| colliding.contains(&**name);
        let is_other = |name: &Cow<'_, str>| {
            let known = self.known.get(&**name);
            known.is_some_and(|known| *known != element.fingerprint)
        };
        element.defines.iter().any(is_other) || element.refers.iter().any(is_renamed)
    }

    /// New names: `<name>#2`, or the next number that no document uses.
    fn fresh<'e>(
        &mut self,
        colliding: BTreeSet<&'e str>,
        elements: &'e [Element<'_>],
    ) -> BTreeMap<&'e str, String> {
        let refers = elements.iter().flat_map(|element| &element.refers);
        let mut used: BTreeSet<&str> = BTreeSet::new();
        used.extend(refers.map(AsRef::<str>::as_ref));
        let mut names = BTreeMap::new();
        for name in colliding {
            // Counted on from document to document: many may use one name.
            let number = self.numbers.entry(name.to_owned()).or_insert(1);
            let fresh = loop {
                *number += 1;
                let fresh = format!("{name}#{number}");
                if !self.known.contains_key(&fresh) && !used.contains(fresh.as_str()) {
                    break fresh;
                }
            };
            names.insert(name, fresh);
        }
        names
    }
}

/// The parts of a BOM, as far as names matter.
struct Elements<'a> {
    /// Those that have names in them.
    named: Vec<Element<'a>>,
    /// Of all parts, and of their names.
    count: usize,
}

/// A part of a BOM with the names in it.
struct Element<'a> {
    /// Of an element that defines nothing, that of nothing: it is never compared.
    fingerprint: Fingerprint,
    defines: Vec<Cow<'a, str>>,
    /// The names that it refers to, its own definitions included.
    refers: Vec<Cow<'a, str>>,
}

/// The elements of a document, in its order.
///
/// # Errors
/// On more than `most` parts and names.
fn elements<'a>(parts: &BomParts<'a>, most: usize) -> Result<Elements<'a>, BadPart> {
    let mut elements = Elements {
        named: Vec::new(),
        count: 0,
    };
    for (place, text) in parts.elements() {
        let element = element(place, text, most);
        elements.count += 1 + element.defines.len() + element.refers.len();
        if elements.count > most {
            return Err(BadPart::TooMany);
        }
        if !element.refers.is_empty() {
            elements.named.push(element);
        }
    }
    Ok(elements)
}

/// A part with the names in it. No more than `most` names are looked for.
fn element<'a>(place: &MemberPath<'_>, text: &'a str, most: usize) -> Element<'a> {
    // An array of names alone is not wrapped in the member that holds it.
    let parent = place.last().map(AsRef::as_ref).unwrap_or_default();
    let (defines, refers) = names(parent, text, most);
    let mut hasher = Sha256::new();
    if !defines.is_empty() {
        hasher.update(format!("{place:?}"));
        hasher.update(text);
    }
    Element {
        fingerprint: hasher.finalize().into(),
        defines,
        refers,
    }
}

/// The names that a part defines, and those that it refers to. A text outside of any
/// member stands in that of `parent`.
fn names<'a>(parent: &str, text: &'a str, most: usize) -> (Vec<Cow<'a, str>>, Vec<Cow<'a, str>>) {
    let (mut defines, mut refers) = (Vec::new(), Vec::new());
    for found in text::string_values(text) {
        let name = match found.name.as_ref() {
            "" => parent,
            name => name,
        };
        if name == DEFINITION {
            defines.push(found.value.clone());
        }
        if REFERENCES.contains(&name) {
            refers.push(found.value);
        }
        if refers.len() > most {
            break;
        }
    }
    (defines, refers)
}

/// The document with its names replaced wherever they stand as references; every other
/// byte is copied. A name in a text that is no reference stays.
fn rename(bom: &str, names: &BTreeMap<&str, String>) -> String {
    let mut renamed = String::with_capacity(bom.len());
    let mut copied = 0;
    for found in text::string_values(bom) {
        if !REFERENCES.contains(&found.name.as_ref()) {
            continue;
        }
        if let Some(name) = names.get(found.value.as_ref()) {
            renamed.push_str(bom.get(copied..found.range.start).unwrap_or_default());
            renamed.push_str(&text::quoted(name));
            copied = found.range.end;
        }
    }
    renamed.push_str(bom.get(copied..).unwrap_or_default());
    renamed
}
