//! Names inside a BOM: a `bom-ref` is unique in it, and other members refer to it.
//!
//! Two documents may give one name to two things. The second thing is renamed
//! then, wherever its document names it; all else keeps its bytes. The same
//! thing in two documents keeps its name and stands in the merged BOM once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::parts::{BadPart, Parts, Place};
use super::text;
use crate::oci::Digest;

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

/// How often names are looked for that collide because a name inside their
/// element does. What is not settled by then is renamed altogether.
const ROUNDS: usize = 16;

/// The names that the documents so far define, each with the element that does.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Digest>);

impl Names {
    /// Renames what a minified document calls as an earlier one calls something
    /// else, and learns its names.
    pub(super) fn adopt(&mut self, bom: String) -> Result<String, BadPart> {
        let elements = elements(&Parts::of(&bom)?);
        let colliding = self.colliding(&elements);
        if colliding.is_empty() {
            self.learn(elements);
            return Ok(bom);
        }
        let bom = rename(&bom, &self.fresh(colliding, &elements));
        self.learn(self::elements(&Parts::of(&bom)?));
        Ok(bom)
    }

    fn learn(&mut self, elements: Vec<Element>) {
        for element in elements {
            for name in element.defines {
                self.0.insert(name, element.digest.clone());
            }
        }
    }

    /// The names that an earlier document gave to something else.
    fn colliding<'e>(&self, elements: &'e [Element]) -> BTreeSet<&'e str> {
        let mut colliding = BTreeSet::new();
        for round in 0..=ROUNDS {
            let before = colliding.len();
            for element in elements {
                let is_renamed = |name: &String| colliding.contains(name.as_str());
                let is_other = |name: &String| {
                    self.0
                        .get(name)
                        .is_some_and(|known| *known != element.digest)
                };
                if round == ROUNDS
                    || element.defines.iter().any(is_other)
                    || element.refers.iter().any(is_renamed)
                {
                    let known = element
                        .defines
                        .iter()
                        .filter(|name| self.0.contains_key(*name));
                    colliding.extend(known.map(String::as_str));
                }
            }
            if colliding.len() == before {
                break;
            }
        }
        colliding
    }

    /// New names: `<name>#2`, or the next number that no document uses.
    fn fresh<'e>(
        &self,
        colliding: BTreeSet<&'e str>,
        elements: &'e [Element],
    ) -> BTreeMap<&'e str, String> {
        let used: BTreeSet<&str> = elements
            .iter()
            .flat_map(|element| element.refers.iter().map(String::as_str))
            .collect();
        let is_free = |name: &String| !self.0.contains_key(name) && !used.contains(name.as_str());
        colliding
            .into_iter()
            .filter_map(|name| {
                let mut candidates = (2u64..).map(|number| format!("{name}#{number}"));
                Some((name, candidates.find(is_free)?))
            })
            .collect()
    }
}

/// A part of a BOM with the names in it.
struct Element {
    digest: Digest,
    defines: Vec<String>,
    /// What it refers to, its own definitions included.
    refers: Vec<String>,
}

fn elements(parts: &Parts<'_>) -> Vec<Element> {
    parts
        .elements()
        .map(|(place, text)| element(place, text))
        .collect()
}

fn element(place: &Place<'_>, text: &str) -> Element {
    let (mut defines, mut refers) = (Vec::new(), Vec::new());
    // An array of names alone is not wrapped in the member that holds it.
    let parent = place.last().map(AsRef::as_ref).unwrap_or_default();
    for found in text::string_values(text) {
        let name = match found.name.as_ref() {
            "" => parent,
            name => name,
        };
        if name == DEFINITION {
            defines.push(found.value.clone().into_owned());
        }
        if REFERENCES.contains(&name) {
            refers.push(found.value.into_owned());
        }
    }
    Element {
        digest: Digest::of(format!("{place:?}{text}").as_bytes()),
        defines,
        refers,
    }
}

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
