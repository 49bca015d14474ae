//! JSON text taken apart without changing a token of it.
//!
//! Everything here works on documents that `json::Validator` accepted; on
//! anything else it gives some answer, and never panics or recurses: a document may be
//! 9 990 deep. `serde_json` skips a raw value without recursion.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many members are merged, of an object and in all; CycloneDX 1.7 knows
/// fewer than 50.
pub(super) const MAX_MEMBERS: usize = 1_000;

/// How many items, and names that they define or refer to, are merged in all.
/// 32 MiB of honest documents have fewer; an item takes more memory than the
/// two bytes that it may have in the text.
pub(super) const MAX_ITEMS: usize = 500_000;

/// A name is compared with those that CycloneDX knows, none of which has more,
/// however it is escaped.
const LONGEST_NAME: usize = 256;

/// An object's members in their order, each value as it was written. Of a name that
/// stands twice readers take different ones: such an object is refused.
pub(super) struct BomObject<'a>(pub(super) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> BomObject<'a> {
    /// # Errors
    /// On text that is no object, holds a name twice, or more than [`MAX_MEMBERS`].
    pub(super) fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    pub(super) fn member(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for BomObject<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(BomObject)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        let mut names = HashSet::new();
        while let Some((KeyText(name), value)) = map.next_entry::<KeyText<'de>, &RawValue>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom("a name stands twice"));
            }
            if names.len() > MAX_MEMBERS {
                return Err(serde::de::Error::custom("it has too many members"));
            }
            members.push((name, value.get()));
        }
        Ok(members)
    }
}

/// A string, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct KeyText<'a>(#[serde(borrow)] Cow<'a, str>);

/// The items of an array, each as it was written.
///
/// # Errors
/// On text that is no array, and on more than [`MAX_ITEMS`] items.
pub(super) fn items(text: &str) -> serde_json::Result<Vec<&str>> {
    let Items(items) = serde_json::from_str(text)?;
    Ok(items)
}

struct Items<'a>(Vec<&'a str>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor).map(Items)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = array.next_element::<&RawValue>()? {
            if items.len() == MAX_ITEMS {
                return Err(serde::de::Error::custom("it has too many items"));
            }
            items.push(item.get());
        }
        Ok(items)
    }
}

/// The text of a JSON string. `None`: it is no string, or no Unicode text (half a
/// surrogate pair).
pub(super) fn string(text: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<KeyText<'_>>(text)
        .ok()
        .map(|name| name.0)
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The document without the whitespace between its tokens. Outside of strings JSON has no
/// other characters than ASCII.
pub(super) fn minified(text: &str) -> String {
    let mut minified = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let (outside, inside) = rest.split_at(quote);
        minified.extend(outside.chars().filter(|c| !c.is_ascii_whitespace()));
        let (string, after) = inside.split_at(string_length(inside));
        minified.push_str(string);
        rest = after;
    }
    minified.extend(rest.chars().filter(|c| !c.is_ascii_whitespace()));
    minified
}

/// The length of the JSON string that `text` starts with, quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match (is_escaped, byte) {
            (true, _) => is_escaped = false,
            (false, b'\\') => is_escaped = true,
            (false, b'"') => return index + 1,
            (false, _) => {}
        }
    }
    text.len()
}

/// A string that is a value of minified text.
pub(super) struct StringValue<'a> {
    /// The name it stands under, directly or in an array; one that is too long
    /// for any that is known, in quotes.
    pub(super) name: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
    /// Where it stands in the text, quotes included.
    pub(super) range: Range<usize>,
}

/// All string values of minified text, at any depth. Strings that are no
/// Unicode text are left out.
pub(super) fn string_values(text: &str) -> impl Iterator<Item = StringValue<'_>> {
    StringValues {
        text,
        at: 0,
        name: "\"\"",
        outer: Vec::new(),
    }
}

/// The text of a name. It is asked for each value in an array, so that a long
/// one is not read again and again.
fn known_name(token: &str) -> Option<Cow<'_, str>> {
    match token.len() > LONGEST_NAME {
        true => Some(token.into()),
        false => string(token),
    }
}

/// A scan by strings and brackets, past everything else. The stack of names grows with
/// the depth of the text, which the validator bounds.
struct StringValues<'a> {
    text: &'a str,
    at: usize,
    /// The name of the member that the scan is in, quoted.
    name: &'a str,
    /// The names around it.
    outer: Vec<&'a str>,
}

impl<'a> Iterator for StringValues<'a> {
    type Item = StringValue<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.text.get(self.at..)?;
            let step = rest.find(['"', '{', '[', '}', ']'])?;
            self.at += step;
            let rest = rest.get(step..)?;
            let length = match rest.as_bytes().first()? {
                b'{' | b'[' => {
                    self.outer.push(self.name);
                    1
                }
                b'}' | b']' => {
                    self.name = self.outer.pop().unwrap_or("\"\"");
                    1
                }
                _ => string_length(rest),
            };
            let start = self.at;
            self.at += length;
            let token = rest.get(..length)?;
            if length == 1 {
                continue;
            }
            // Before a colon stands the name of a member, anywhere else a value.
            if rest.as_bytes().get(length) == Some(&b':') {
                self.name = token;
                continue;
            }
            if let (Some(name), Some(value)) = (known_name(self.name), string(token)) {
                return Some(StringValue {
                    name,
                    value,
                    range: start..self.at,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minifying_changes_no_token() {
        let text =
            "{ \"a b\" :\t[ 1.0e3 , \"x \\\" y\\\\\" ,\n {\"é\" : null } ] , \"\" : \" \" }\n";
        assert_eq!(
            minified(text),
            "{\"a b\":[1.0e3,\"x \\\" y\\\\\",{\"é\":null}],\"\":\" \"}"
        );
    }

    #[test]
    fn string_values_are_found_with_the_name_they_stand_under() {
        let text =
            r#"{"a":"1","b":["2",{"c":"3","d":{}},["4"]],"e":5,"f\u0041":"\u0036","g":"\ud800"}"#;
        let found: Vec<_> = string_values(text)
            .map(|found| {
                let written = text[found.range.clone()].to_owned();
                (found.name.into_owned(), found.value.into_owned(), written)
            })
            .collect();
        let expected = [
            ("a", "1", r#""1""#),
            ("b", "2", r#""2""#),
            ("c", "3", r#""3""#),
            ("b", "4", r#""4""#),
            ("fA", "6", r#""\u0036""#),
        ]
        .map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_name_that_stands_twice_is_refused() {
        assert!(BomObject::parse(r#"{"a":1,"a":1}"#).is_err());
        assert_eq!(
            BomObject::parse(r#"{"\u0061":[1]}"#).unwrap().member("a"),
            Some("[1]")
        );
    }
}
