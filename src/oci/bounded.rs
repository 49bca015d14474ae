//! Lists of others, of which no more is held than the signer can use.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::manifest::MAX_LAYERS;

/// A JSON array. A few megabytes of it may hold a million items, so the first
/// [`MAX_LAYERS`] are kept and the others only counted.
#[derive(Clone)]
pub struct Bounded<T> {
    pub items: Vec<T>,
    /// Of all items.
    pub count: usize,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor(PhantomData))
    }
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            count: 0,
        }
    }
}

struct BoundedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVisitor<T> {
    type Value = Bounded<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Bounded<T>, A::Error> {
        let mut items = Vec::new();
        while items.len() < MAX_LAYERS {
            match array.next_element()? {
                Some(item) => items.push(item),
                None => {
                    let count = items.len();
                    return Ok(Bounded { items, count });
                }
            }
        }
        let mut count = items.len();
        while array.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Bounded { items, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted() {
        for (count, kept) in [
            (0, 0),
            (1, 1),
            (MAX_LAYERS, MAX_LAYERS),
            (MAX_LAYERS + 1, MAX_LAYERS),
            (50_000, MAX_LAYERS),
        ] {
            let json = format!("[{}]", vec!["\"\""; count].join(","));
            let bounded: Bounded<String> = serde_json::from_str(&json).unwrap();
            assert_eq!((bounded.items.len(), bounded.count), (kept, count));
        }
    }
}
