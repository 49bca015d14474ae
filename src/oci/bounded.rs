//! Lists of others, of which the signer holds only as many items as it can use.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A JSON array. A few megabytes of it may hold a million items, so that the
/// first `N` are kept and the others only counted.
#[derive(Clone)]
pub struct Bounded<T, const N: usize> {
    /// The first `N` in their order.
    pub items: Vec<T>,
    /// The number of all items.
    pub count: usize,
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Bounded<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor(PhantomData))
    }
}

impl<T, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            count: 0,
        }
    }
}

struct BoundedVisitor<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for BoundedVisitor<T, N> {
    type Value = Bounded<T, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < N {
            match array.next_element()? {
                Some(item) => items.push(item),
                None => {
                    let count = items.len();
                    return Ok(Bounded { items, count });
                }
            }
        }
        // Read to the end all the same: an array that is no JSON behind the
        // kept items is refused as a whole.
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
        for (count, kept) in [(0, 0), (1, 1), (7, 7), (8, 7), (50_000, 7)] {
            let json = format!("[{}]", vec!["\"\""; count].join(","));
            let bounded: Bounded<String, 7> = serde_json::from_str(&json).unwrap();
            assert_eq!((bounded.items.len(), bounded.count), (kept, count));
        }
    }
}
