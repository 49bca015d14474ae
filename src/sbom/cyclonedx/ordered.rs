//! Values under keys, in the order in which the keys came first: merging is deterministic
//! (SBOM-9), and keeps the order of the first document.

use std::collections::HashMap;
use std::hash::Hash;

pub(super) struct Ordered<K, V> {
    entries: Vec<(K, V)>,
    /// Where in the entries a key stands.
    places: HashMap<K, usize>,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Default> Ordered<K, V> {
    /// The value of a key; an empty one if there was none.
    pub(super) fn at(&mut self, key: K) -> &mut V {
        let next = self.entries.len();
        let place = *self.places.entry(key.clone()).or_insert(next);
        if place == next {
            self.entries.push((key, V::default()));
        }
        #[expect(clippy::indexing_slicing, reason = "it was there or was just added")]
        &mut self.entries[place].1
    }
}

impl<K, V> Ordered<K, V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn into_entries(self) -> Vec<(K, V)> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_in_which_they_came() {
        let mut ordered: Ordered<&str, Vec<u8>> = Ordered::default();
        for (key, value) in [("b", 1), ("a", 2), ("b", 3)] {
            ordered.at(key).push(value);
        }
        assert_eq!(ordered.len(), 2);
        assert_eq!(ordered.into_entries(), [("b", vec![1, 3]), ("a", vec![2])]);
    }
}
