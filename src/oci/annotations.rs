//! Annotations (image-spec v1.1 `annotations.md`): names with values.
//!
//! A manifest of others may hold hundreds of thousands. So they lie in one
//! text, no larger than in the manifest, and a clone shares it.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Values by name, sorted by name. Of two values of one name the last counts.
#[derive(Clone, Default)]
pub struct Annotations {
    text: Arc<str>,
    entries: Arc<[Positions]>,
}

/// The positions of a name and of its value, which follows it, in the text.
#[derive(Clone, Copy)]
struct Positions {
    start: usize,
    middle: usize,
    end: usize,
}

impl Annotations {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let of = |entry: &Positions| self.part(entry.start..entry.middle);
        let found = self.entries.binary_search_by(|entry| of(entry).cmp(name));
        let entry = self.entries.get(found.ok()?)?;
        Some(self.part(entry.middle..entry.end))
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| {
            let name = self.part(entry.start..entry.middle);
            (name, self.part(entry.middle..entry.end))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a value, or replaces that of the same name. Copies all of them: for
    /// our own few, not for the many of others.
    pub fn insert(&mut self, name: String, value: String) {
        self.extend([(name, value)]);
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}

/// Annotations in the order of the manifest.
#[derive(Default)]
struct Unsorted {
    text: String,
    entries: Vec<Positions>,
}

impl Unsorted {
    fn push(&mut self, name: &str, value: &str) {
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.push_str(value);
        let end = self.text.len();
        self.entries.push(Positions { start, middle, end });
    }

    fn sorted(self) -> Annotations {
        let Self { text, mut entries } = self;
        let name = |entry: &Positions| text.get(entry.start..entry.middle).unwrap_or_default();
        // After this the last entry of each name comes first, and the sort
        // keeps it.
        entries.reverse();
        entries.sort_by(|a, b| name(a).cmp(name(b)));
        entries.dedup_by(|later, first| name(later) == name(first));
        Annotations {
            entries: entries.into(),
            text: text.into(),
        }
    }
}

impl Extend<(String, String)> for Annotations {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, more: I) {
        let mut all = Unsorted::default();
        for (name, value) in self.iter() {
            all.push(name, value);
        }
        for (name, value) in more {
            all.push(&name, &value);
        }
        *self = all.sorted();
    }
}

impl FromIterator<(String, String)> for Annotations {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut annotations = Self::default();
        annotations.extend(pairs);
        annotations
    }
}

impl PartialEq for Annotations {
    // By what they say, not derived: equal ones may lie in their texts in
    // another order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Annotations {}

impl Hash for Annotations {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The count first, as slices do: two lists in a row would hash as one.
        self.entries.len().hash(state);
        self.iter().for_each(|pair| pair.hash(state));
    }
}

impl fmt::Debug for Annotations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Annotations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnnotationsVisitor)
    }
}

struct AnnotationsVisitor;

impl<'de> Visitor<'de> for AnnotationsVisitor {
    type Value = Annotations;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
        let mut all = Unsorted::default();
        while let Some((JsonString(name), JsonString(value))) = map.next_entry()? {
            all.push(&name, &value);
        }
        Ok(all.sorted())
    }
}

/// A string that is copied only if it has escapes.
#[derive(serde::Deserialize)]
pub(super) struct JsonString<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Annotations {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn annotations_are_sorted_and_the_last_of_a_name_counts() {
        let read = read(r#"{"b":"1","a":"\u00e9","b":"2","":""}"#);
        let pairs: Vec<_> = read.iter().collect();
        assert_eq!(pairs, [("", ""), ("a", "é"), ("b", "2")]);
        assert_eq!(read.get("b"), Some("2"));
        assert_eq!(read.get(""), Some(""));
        assert_eq!(read.get("c"), None);
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(text, r#"{"":"","a":"é","b":"2"}"#);
    }

    #[test]
    fn annotations_are_equal_by_what_they_say() {
        let mut ours = Annotations::default();
        assert!(ours.is_empty());
        ours.insert("ab".to_owned(), "c".to_owned());
        assert_eq!(ours, read(r#"{"ab":"c"}"#));
        assert_ne!(ours, read(r#"{"a":"bc"}"#));
        assert_ne!(ours, Annotations::default());
        ours.insert("ab".to_owned(), "d".to_owned());
        assert_eq!(ours, read(r#"{"ab":"d"}"#));
    }
}
