//! The fields of a manifest as the bytes that they are, and a manifest written anew with
//! some of them changed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{MAX_LAYERS, ManifestError};
use crate::oci::annotations::JsonString;
use crate::oci::bounded::Bounded;
use crate::oci::media_type::MediaType;

/// The most fields that a manifest may have; image-spec v1.1 knows eight.
pub(super) const MAX_FIELDS: usize = 1000;

/// A JSON object's fields in their order, each value as it was written, as a
/// part of the original bytes.
#[derive(Clone)]
pub(super) struct ManifestFields(pub(super) Vec<(String, Bytes)>);

/// A new value of a field.
pub(super) enum NewField {
    Value(Bytes),
    List(Vec<Bytes>),
}

impl NewField {
    pub(super) fn write_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Value(value) => bytes.extend_from_slice(value),
            Self::List(items) => {
                bytes.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        bytes.push(b',');
                    }
                    bytes.extend_from_slice(item);
                }
                bytes.push(b']');
            }
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Value(value) => value.len(),
            Self::List(items) => items.iter().map(|item| item.len() + 1).sum::<usize>() + 2,
        }
    }
}

impl ManifestFields {
    pub(super) fn parse(bytes: &Bytes) -> Result<Self, ManifestError> {
        let Slices { fields, twice } =
            serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if let Some(name) = twice {
            return Err(ManifestError::Twice(name));
        }
        let field = |(name, value): (Cow<'_, str>, &RawValue)| {
            (name.into_owned(), bytes.slice_ref(value.get().as_bytes()))
        };
        Ok(Self(fields.into_iter().map(field).collect()))
    }

    pub(super) fn find(&self, field: &str) -> Option<&Bytes> {
        let found = self.0.iter().find(|(name, _)| name == field);
        found.map(|(_, value)| value)
    }

    pub(super) fn read_optional<'a, T: Deserialize<'a>>(
        &'a self,
        field: &'static str,
    ) -> Result<Option<T>, ManifestError> {
        let value = self.find(field).map(|value| serde_json::from_slice(value));
        let value = value.transpose();
        value.map_err(|source| ManifestError::Field { field, source })
    }

    pub(super) fn read<'a, T: Deserialize<'a>>(
        &'a self,
        field: &'static str,
    ) -> Result<T, ManifestError> {
        self.read_optional(field)?
            .ok_or(ManifestError::Missing(field))
    }

    /// The items of an array, each as it was written. None: it is `null`.
    pub(super) fn read_items(
        &self,
        field: &'static str,
    ) -> Result<Option<Bounded<Bytes, MAX_LAYERS>>, ManifestError> {
        let value = self.find(field).ok_or(ManifestError::Missing(field))?;
        items(value).map_err(|source| ManifestError::Field { field, source })
    }

    /// All fields, with the `changed` values. Without any fields, the schema
    /// version and the media type come first.
    pub(super) fn written_with(
        &self,
        media_type: &MediaType,
        changed: &[(&str, NewField)],
    ) -> serde_json::Result<Bytes> {
        let kept = self.0.iter().map(|(name, value)| name.len() + value.len());
        let new = changed.iter().map(|(_, value)| value.length());
        let mut bytes = Vec::with_capacity(kept.chain(new).sum::<usize>() + 256);
        if self.0.is_empty() {
            let media_type = serde_json::to_string(media_type.as_str())?;
            let head = format!(r#"{{"schemaVersion":2,"mediaType":{media_type}"#);
            bytes.extend_from_slice(head.as_bytes());
        }
        for (name, value) in &self.0 {
            bytes.push(if bytes.is_empty() { b'{' } else { b',' });
            serde_json::to_writer(&mut bytes, name)?;
            bytes.push(b':');
            match changed.iter().find(|(changed, _)| changed == name) {
                Some((_, value)) => value.write_to(&mut bytes),
                None => bytes.extend_from_slice(value),
            }
        }
        let is_new = |(name, _): &&(&str, NewField)| self.find(name).is_none();
        for (name, value) in changed.iter().filter(is_new) {
            bytes.extend_from_slice(format!(",\"{name}\":").as_bytes());
            value.write_to(&mut bytes);
        }
        bytes.push(b'}');
        Ok(bytes.into())
    }
}

/// The items of an array, each as it was written. None: it is `null`.
pub(super) fn items(array: &Bytes) -> serde_json::Result<Option<Bounded<Bytes, MAX_LAYERS>>> {
    let items: Option<Bounded<&RawValue, MAX_LAYERS>> = serde_json::from_slice(array)?;
    let part = |item: &&RawValue| array.slice_ref(item.get().as_bytes());
    Ok(items.map(|items| Bounded {
        count: items.count,
        items: items.items.iter().map(part).collect(),
    }))
}

/// The fields of a JSON object where they lie.
struct Slices<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// A name that the object has twice: two readers could take two different
    /// values.
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Slices<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SlicesVisitor)
    }
}

struct SlicesVisitor;

impl<'de> Visitor<'de> for SlicesVisitor {
    type Value = Slices<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Slices<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, &RawValue)> = Vec::new();
        let (mut known, mut twice) = (HashSet::new(), None);
        while let Some((JsonString(name), value)) =
            map.next_entry::<JsonString<'de>, &RawValue>()?
        {
            if !known.insert(name.clone()) {
                twice = Some(name.chars().take(100).collect());
            }
            if fields.len() == MAX_FIELDS {
                return Err(serde::de::Error::custom("it has too many fields"));
            }
            fields.push((name, value));
        }
        Ok(Slices { fields, twice })
    }
}
