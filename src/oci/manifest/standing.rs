//! Manifests at places that others write to as well, as readers take them
//! ([`super::readable`]): refused if readers can decode nothing of one, and
//! written anew if not all of them take it for the same (WIRE-45, WIRE-46).
//!
//! Somebody with push access can hide a signature without touching it: by a
//! second list of layers, or by a descriptor that readers meet first.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::fields::{ManifestFields, NewField, items};
use super::readable::{self, GoType, Schema};
use super::{ImageManifest, IndexManifest, MAX_LAYERS, Manifest, ManifestError};
use crate::oci::{Digest, MediaType};

/// Whether a manifest that was read means the same to all readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The bytes as they stand do.
    Plain,
    /// They do only once the manifest is written again.
    Mended,
}

impl Reading {
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain, Self::Plain) => Self::Plain,
            _ => Self::Mended,
        }
    }
}

impl Manifest {
    /// Reads the manifest of one image, as [`to_image`](Self::to_image), if all
    /// readers can. Layers that only some readers see, under `Layers`, are
    /// among its layers.
    ///
    /// # Errors
    /// As there, and on a member that readers cannot decode.
    pub fn to_standing_image(&self) -> Result<(ImageManifest, Reading), ManifestError> {
        if !self.media_type.is_image_manifest() {
            return Err(ManifestError::NotAnImage(self.media_type.clone()));
        }
        let (fields, reading) = self.standing(readable::IMAGE)?;
        Ok((self.image(fields)?, reading))
    }

    /// Reads an OCI image index, as [`to_index`](Self::to_index), if all readers
    /// can.
    ///
    /// # Errors
    /// As there, and on a member that readers cannot decode.
    pub fn to_standing_index(&self) -> Result<(IndexManifest, Reading), ManifestError> {
        if self.media_type != MediaType::OCI_INDEX {
            return Err(ManifestError::NotAnIndex(self.media_type.clone()));
        }
        let (fields, reading) = self.standing(readable::INDEX)?;
        Ok((self.index(fields)?, reading))
    }

    fn standing(&self, members: Schema) -> Result<(ManifestFields, Reading), ManifestError> {
        readable::check(&self.bytes, members).map_err(unreadable)?;
        self.fields()?.joined(members)
    }
}

impl ImageManifest {
    /// Corrects the manifest's descriptors of the blobs with these digests:
    /// each gets its true size, and lies in the manifest's repository. Readers
    /// take the first descriptor of a digest, the config's before all others: a
    /// wrong one hides every layer that has the same bytes. `BlobDescriptor` of
    /// go-containerregistry (`pkg/v1/partial/with.go`) is the reader.
    ///
    /// # Errors
    /// On a layer that cannot be written again.
    pub fn set_right(&mut self, sizes: &HashMap<&Digest, u64>) -> Result<Reading, ManifestError> {
        let mut reading = Reading::Plain;
        for (layer, raw) in self.layers.iter_mut().zip(&mut self.raw_layers) {
            let Some(size) = sizes.get(&layer.digest) else {
                continue;
            };
            if layer.size != *size || leads_away(raw) {
                *raw = set_right(raw, *size)?;
                layer.size = *size;
                reading = Reading::Mended;
            }
        }
        if sizes.contains_key(&self.config.digest) {
            // Of another type it would be left as it is
            // (`spec/decisions/0006`), and go on hiding the layer; an image
            // config is written anew from the layers, and gets another digest.
            if !self.config.media_type.is_image_config() {
                self.config.media_type = MediaType::OCI_CONFIG;
            }
            reading = Reading::Mended;
        }
        Ok(reading)
    }
}

fn unreadable(error: serde_json::Error) -> ManifestError {
    ManifestError::Unreadable(error.to_string())
}

/// Whether a descriptor names bytes or addresses that readers take before, or
/// instead of, the blob in the repository.
fn leads_away(descriptor: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Away {
        data: Option<IgnoredAny>,
        urls: Option<Vec<IgnoredAny>>,
    }
    let away = serde_json::from_slice::<Away>(descriptor);
    away.is_ok_and(|away| away.data.is_some() || away.urls.is_some_and(|urls| !urls.is_empty()))
}

fn set_right(descriptor: &Bytes, size: u64) -> Result<Bytes, ManifestError> {
    let mut fields = ManifestFields::parse(descriptor)?;
    // Everything else stays, annotations of others included.
    fields
        .0
        .retain(|(name, _)| name != "data" && name != "urls");
    let size = ("size", NewField::Value(size.to_string().into()));
    let written = fields.written_with(&MediaType::OCI_MANIFEST, &[size]);
    written.map_err(ManifestError::Json)
}

impl ManifestFields {
    /// The same with each of `members` under one name. A list holds the items
    /// of all its spellings; any other member has the value of the exact
    /// spelling, or else the last value. No layer of any spelling is lost:
    /// which of the lists is the true one cannot be told.
    fn joined(self, members: Schema) -> Result<(Self, Reading), ManifestError> {
        let is_misspelt = |name: &str| match readable::read_as(name, members) {
            Some((known, kind)) if known != name => Some((known, kind)),
            _ => None,
        };
        let (misspelt, mut joined): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .partition(|(name, _)| is_misspelt(name).is_some());
        let reading = match misspelt.is_empty() {
            true => Reading::Plain,
            false => Reading::Mended,
        };
        let mut others: BTreeMap<&str, (GoType, Vec<Bytes>)> = BTreeMap::new();
        for (name, value) in misspelt {
            if let Some((known, kind)) = is_misspelt(&name) {
                let (_, values) = others.entry(known).or_insert((kind, Vec::new()));
                values.push(value);
            }
        }
        for (known, (kind, mut values)) in others {
            let there = joined.iter_mut().find(|(name, _)| name == known);
            match (there, kind) {
                (Some((_, there)), GoType::Objects(_)) => {
                    // The exact spelling goes first: those layers keep their
                    // places.
                    values.insert(0, there.clone());
                    *there = together(&values)?;
                }
                // Readers that tell cases apart take the exact spelling.
                (Some(_), _) => {}
                (None, GoType::Objects(_)) => joined.push((known.to_owned(), together(&values)?)),
                (None, _) => joined.extend(values.pop().map(|value| (known.to_owned(), value))),
            }
        }
        Ok((Self(joined), reading))
    }
}

/// One list with the items of all lists. The same item in two of them counts
/// once.
fn together(lists: &[Bytes]) -> Result<Bytes, ManifestError> {
    let mut known = HashSet::new();
    let mut all = Vec::new();
    for list in lists {
        let list = items(list).map_err(unreadable)?.unwrap_or_default();
        // Items beyond the limit were only counted, and would be lost.
        if list.count > MAX_LAYERS {
            return Err(ManifestError::TooManyLayers(list.count));
        }
        let new = list.items.into_iter();
        all.extend(new.filter(|item| known.insert(item.clone())));
    }
    let mut bytes = Vec::new();
    NewField::List(all).write_to(&mut bytes);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Descriptor;

    fn descriptor(text: &str) -> Descriptor {
        Descriptor::of(
            MediaType::known("application/vnd.example.layer"),
            text.as_bytes(),
        )
    }

    fn json(text: &str) -> String {
        serde_json::to_string(&descriptor(text)).unwrap()
    }

    fn manifest(members: &str) -> Manifest {
        let config = json("c");
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},{members}}}"#
        );
        Manifest::parse(None, Bytes::from(text)).unwrap()
    }

    fn written(image: &ImageManifest) -> String {
        let written = image.append(&[], image.config()).unwrap();
        String::from_utf8(written.bytes().to_vec()).unwrap()
    }

    #[test]
    fn layers_under_any_spelling_are_layers() {
        let (one, two) = (json("one"), json("two"));
        for (members, layers) in [
            (format!(r#""layers":[{one},{one}]"#), vec!["one", "one"]),
            (format!(r#""layers":[{one}],"Layers":[]"#), vec!["one"]),
            (
                format!(r#""LAYERS":[{two}],"layers":[{one}]"#),
                vec!["one", "two"],
            ),
            (
                format!(r#""layers":[{one}],"layerſ":[{two},{one}]"#),
                vec!["one", "two"],
            ),
            (format!(r#""Layers":[{one}]"#), vec!["one"]),
            (
                format!(r#""Layers":[{one}],"LAYERS":[{two}],"lAYERS":null"#),
                vec!["one", "two"],
            ),
            (
                format!(r#""layers":[{one}],"Config":{two},"ArtifactType":null"#),
                vec!["one"],
            ),
        ] {
            let is_plain = !members.contains(['L', 'ſ', 'C']);
            let (image, reading) = manifest(&members).to_standing_image().unwrap();
            assert_eq!(reading == Reading::Plain, is_plain, "{members}");
            let layers: Vec<_> = layers.into_iter().map(descriptor).collect();
            assert_eq!(image.layers(), layers, "{members}");
            assert_eq!(*image.config(), descriptor("c"), "{members}");
            let written = Manifest::parse(None, written(&image).into()).unwrap();
            let (again, reading) = written.to_standing_image().unwrap();
            assert_eq!(reading, Reading::Plain);
            assert_eq!(again.layers(), layers);
        }
    }

    #[test]
    fn descriptors_that_lie_about_a_blob_are_set_right() {
        let ours = descriptor("ours");
        let sizes = HashMap::from([(&ours.digest, ours.size)]);
        let right = json("ours").replace('}', r#","annotations":{"a":"b"},"x":1}"#);
        for wrong in [
            right.replace(r#""size":4"#, r#""size":5"#),
            right.replace(r#""x":1"#, r#""data":"QQ==","x":1"#),
            right.replace(r#""x":1"#, r#""urls":["%"],"data":"","x":1"#),
        ] {
            let members = format!(r#""layers":[{},{wrong}]"#, json("other"));
            let (mut image, _) = manifest(&members).to_standing_image().unwrap();
            assert_eq!(image.set_right(&sizes).unwrap(), Reading::Mended);
            assert!(written(&image).contains(&right), "{}", written(&image));
            assert!(written(&image).contains(&json("other")));
            assert_eq!(image.set_right(&sizes).unwrap(), Reading::Plain);
        }
        let members = format!(r#""layers":[{right}]"#);
        let (mut image, _) = manifest(&members).to_standing_image().unwrap();
        assert_eq!(image.set_right(&sizes).unwrap(), Reading::Plain);
        let config = descriptor("c");
        let sizes = HashMap::from([(&config.digest, config.size)]);
        assert_eq!(image.set_right(&sizes).unwrap(), Reading::Mended);
        assert!(image.config().media_type.is_image_config());
    }

    #[test]
    fn lists_of_nothing_are_lists() {
        let head = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json""#;
        for members in [
            "",
            r#","manifests":null"#,
            r#","manifests":[]"#,
            r#","Manifests":[]"#,
        ] {
            let text = format!("{head}{members}}}");
            let manifest = Manifest::parse(None, Bytes::from(text)).unwrap();
            let (index, _) = manifest.to_standing_index().unwrap();
            assert_eq!(index.count(), 0);
            let ours = descriptor("ours");
            let listing = index.with(std::slice::from_ref(&ours), &[]).unwrap();
            let (again, reading) = listing.to_standing_index().unwrap();
            assert_eq!(reading, Reading::Plain);
            assert_eq!(again.entries().collect::<Vec<_>>(), [&ours]);
        }
    }
}
