//! The parts of all documents, written as one BOM. Memory holds the documents and the
//! BOM as text, and between them borrowed parts, but for those that are made anew.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::merged::{ItemSet, Merged, Single};
use super::ordered::Ordered;
use super::parts::MemberPath;
use super::text::{self, BomObject};
use crate::oci::Digest;

/// The lowest version that is written: the first whose schema has `$schema` and
/// properties of the metadata.
const LOWEST_VERSION: u32 = 4;

const TOOLS: [&str; 2] = ["metadata", "tools"];
const TOOL_COMPONENTS: [&str; 3] = ["metadata", "tools", "components"];

/// The BOM: its head, `metadata`, values, then lists, each in the order in which the
/// documents had them first.
pub(super) fn bom(mut merged: Merged<'_>) -> String {
    let mut bom = WrittenValue::default();
    bom.put(&["metadata".into()], WrittenValue::default());
    let mut lists = std::mem::take(&mut merged.lists).into_entries();
    // Values first: those that differ become properties, which are written below with
    // the list of properties.
    write_singles(&mut merged, &lists, &mut bom);
    let has_tool_object = lists
        .iter()
        .any(|(place, _)| place.len() > TOOLS.len() && starts_with_tools(place));
    if has_tool_object {
        // Before 1.5 `metadata.tools` is an array of tools, since then it may be an
        // object: where both occur, the tools become components of the object.
        let tools = take(&mut lists, &TOOLS).items;
        let mut components = as_they_are(take(&mut lists, &TOOL_COMPONENTS).items);
        components.extend(tools.into_iter().map(tool_component));
        bom.put(
            &TOOL_COMPONENTS.map(Cow::from),
            WrittenValue::Array(components),
        );
    }
    for (place, list) in lists {
        let mut items = match place == ["dependencies"] {
            true => dependencies(&list.items),
            false => as_they_are(list.items),
        };
        // Behind the documents' own properties, if they have some.
        if place == ["metadata", "properties"] {
            items.extend(
                std::mem::take(&mut merged.properties)
                    .into_iter()
                    .map(Cow::from),
            );
        }
        bom.put(&place, WrittenValue::Array(items));
    }
    if !merged.properties.is_empty() {
        let place = ["metadata".into(), "properties".into()];
        let properties = merged.properties.into_iter().map(Cow::from);
        bom.put(&place, WrittenValue::Array(properties.collect()));
    }
    with_head(merged.minor_version.max(LOWEST_VERSION), &bom)
}

/// The BOM as text, written once: it may be large. A placeholder of the same
/// length is replaced by the serial number when the rest is known.
fn with_head(minor: u32, bom: &WrittenValue<'_>) -> String {
    let mut text = format!(
        r#"{{"$schema":"http://cyclonedx.org/schema/bom-1.{minor}.schema.json","bomFormat":"CycloneDX","specVersion":"1.{minor}","serialNumber":""#
    );
    let number = text.len();
    text.push_str(&serial_number(""));
    let number = number..text.len();
    text.push_str(r#"","version":1,"#);
    let body = text.len();
    // Writing to a string cannot fail.
    let _ = write!(text, "{bom}");
    // The members follow a head of members: their opening brace goes.
    text.remove(body);
    let known = serial_number(text.get(body..).unwrap_or_default());
    text.replace_range(number, &known);
    text
}

/// A value on which all documents that have it agree stands once; values that differ
/// are kept as properties, and so is one where another document has a list.
fn write_singles<'a>(
    merged: &mut Merged<'a>,
    lists: &[(MemberPath<'a>, ItemSet<'a>)],
    bom: &mut WrittenValue<'a>,
) {
    for (place, mut said) in std::mem::take(&mut merged.singles).into_entries() {
        if place == ["metadata", "timestamp"] {
            keep_newest(&mut said);
        }
        let is_list = lists.iter().any(|(list, _)| *list == place);
        match said.as_slice() {
            [first, rest @ ..] if !is_list && rest.iter().all(|said| said.text == first.text) => {
                bom.put(&place, WrittenValue::Text(first.text));
            }
            _ => said.iter().for_each(|said| merged.keep(&place, said)),
        }
    }
}

/// The merged BOM is as new as the newest document, if all state their time. Otherwise
/// the times stay what they are: values that agree, or properties.
fn keep_newest(said: &mut Vec<Single<'_>>) {
    let time = |said: &Single<'_>| text::string(said.text)?.parse::<Timestamp>().ok();
    let times: Option<Vec<Timestamp>> = said.iter().map(time).collect();
    let newest = times.and_then(|times| times.into_iter().max());
    if let Some(newest) = newest {
        said.retain(|said| time(said) == Some(newest));
        said.truncate(1);
    }
}

fn starts_with_tools(place: &MemberPath<'_>) -> bool {
    place.iter().zip(TOOLS).all(|(name, tools)| name == tools)
}

/// Takes the list at a place out of the others.
fn take<'a>(lists: &mut Vec<(MemberPath<'a>, ItemSet<'a>)>, place: &[&str]) -> ItemSet<'a> {
    match lists.iter().position(|(known, _)| *known == place) {
        Some(index) => lists.remove(index).1,
        None => ItemSet::default(),
    }
}

fn as_they_are(items: Vec<&str>) -> Vec<Cow<'_, str>> {
    items.into_iter().map(Cow::from).collect()
}

/// A tool of the form before 1.5 as a component. A component must have a name; a tool
/// need not.
fn tool_component(tool: &str) -> Cow<'_, str> {
    let Ok(members) = BomObject::parse(tool) else {
        return tool.into();
    };
    let mut component = String::from(r#"{"type":"application""#);
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            component.push_str(&format!(r#","{name}":{value}"#));
        }
    };
    let vendor = members.member("vendor");
    add("publisher", vendor);
    let name = members.member("name").or(vendor);
    add("name", Some(name.unwrap_or(r#""unnamed tool""#)));
    for name in ["version", "hashes", "externalReferences"] {
        add(name, members.member(name));
    }
    component.push('}');
    component.into()
}

/// Dependencies with one entry for each `ref`, which has the dependencies that
/// any document gives it.
fn dependencies<'a>(items: &[&'a str]) -> Vec<Cow<'a, str>> {
    let mut groups: Vec<Vec<&'a str>> = Vec::new();
    let mut of_ref: HashMap<String, usize> = HashMap::new();
    for item in items {
        let reference = BomObject::parse(item)
            .ok()
            .and_then(|entry| Some(text::string(entry.member("ref")?)?.into_owned()));
        let next = groups.len();
        let index = match reference {
            Some(reference) => *of_ref.entry(reference).or_insert(next),
            None => next,
        };
        match groups.get_mut(index) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    groups.into_iter().flat_map(dependency).collect()
}

/// Entries with the same `ref` as one. A single entry stays as it is, and so do those that
/// disagree on anything but their lists: one entry would lose what another says.
fn dependency(entries: Vec<&str>) -> Vec<Cow<'_, str>> {
    let union = match entries.as_slice() {
        [_] => None,
        several => union(several),
    };
    match union {
        Some(union) => vec![union.into()],
        None => as_they_are(entries),
    }
}

/// One entry with the lists of all; none if another member is not the same in all that
/// have it.
fn union(entries: &[&str]) -> Option<String> {
    let mut texts: Ordered<Cow<'_, str>, Option<&str>> = Ordered::default();
    let mut lists: Ordered<Cow<'_, str>, ItemSet<'_>> = Ordered::default();
    for entry in entries {
        for (name, value) in BomObject::parse(entry).ok()?.0 {
            match text::items(value) {
                Ok(items) => lists.at(name).join(items),
                Err(_) if !is_same(texts.at(name).get_or_insert(value), value) => return None,
                Err(_) => {}
            }
        }
    }
    let (texts, lists) = (texts.into_entries(), lists.into_entries());
    let names: HashSet<&str> = texts.iter().map(|(name, _)| name.as_ref()).collect();
    if lists.iter().any(|(name, _)| names.contains(name.as_ref())) {
        return None;
    }
    let texts = texts
        .iter()
        .filter_map(|(name, text)| Some((name.to_string(), WrittenValue::Text((*text)?))));
    let lists = lists.iter().map(|(name, list)| {
        let items = as_they_are(list.items.clone());
        (name.to_string(), WrittenValue::Array(items))
    });
    Some(WrittenValue::BomObject(texts.chain(lists).collect()).to_string())
}

/// Whether two values say the same. A string may be written in several ways.
fn is_same(one: &str, other: &str) -> bool {
    one == other || text::string(one).is_some_and(|one| text::string(other) == Some(one))
}

/// A UUID that depends on the BOM's text alone (RFC 9562, section 5.8): a random one
/// would make another attachment of the same documents in each run.
fn serial_number(body: &str) -> String {
    let digest = Digest::of(body.as_bytes());
    let hex = |range| digest.hex().get(range).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-8{}-a{}-{}",
        hex(0..8),
        hex(8..12),
        hex(13..16),
        hex(17..20),
        hex(20..32)
    )
}

/// A value that is being written.
enum WrittenValue<'a> {
    BomObject(Vec<(String, WrittenValue<'a>)>),
    Array(Vec<Cow<'a, str>>),
    Text(&'a str),
}

impl Default for WrittenValue<'_> {
    fn default() -> Self {
        Self::BomObject(Vec::new())
    }
}

impl<'a> WrittenValue<'a> {
    /// Puts a value at a place. A value that stands there, or on the way,
    /// stays.
    fn put(&mut self, place: &[Cow<'_, str>], value: WrittenValue<'a>) {
        let (Self::BomObject(members), Some((name, inner))) = (self, place.split_first()) else {
            return;
        };
        let index = match members.iter().position(|(known, _)| known == name) {
            Some(index) => index,
            None => {
                let new = match inner {
                    [] => {
                        members.push((name.clone().into_owned(), value));
                        return;
                    }
                    _ => Self::default(),
                };
                members.push((name.clone().into_owned(), new));
                members.len() - 1
            }
        };
        if let Some((_, member)) = members.get_mut(index) {
            member.put(inner, value);
        }
    }
}

impl std::fmt::Display for WrittenValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "," };
                    write!(f, "{separator}{item}")?;
                }
                f.write_str("]")
            }
            Self::BomObject(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "," };
                    write!(f, "{separator}{}:{value}", text::quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}
