//! Properties of the union with any manifest at a place, for the fuzzers.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use crate::envelope::media_type;
use bytes::Bytes;

use super::error::AttachError;
use super::place::{Kind, Place};
use super::standing::Standing;
use super::union::{self, Changes};
use crate::config::MediaTypes;
use crate::envelope::{Layer, SealedValue};
use crate::oci::fuzzing::assert_readable;
use crate::oci::{Descriptor, Digest, Manifest};

/// After the union is written, all of ours is there and nothing is left to do.
pub fn union(data: &[u8]) {
    let Ok(manifest) = Manifest::parse(None, Bytes::copy_from_slice(data)) else {
        return;
    };
    let layers = [layer(b"one"), layer(b"two"), layer(b"one")];
    let kinds = match (manifest.to_standing_image(), manifest.to_standing_index()) {
        (Ok(_), _) => vec![
            (Kind::Signatures, &layers[..]),
            (Kind::Attestations, &layers[..]),
            (Kind::Sbom, &layers[..1]),
        ],
        (Err(_), Ok(_)) => vec![(Kind::Referrers, &layers[..])],
        (Err(_), Err(_)) => Vec::new(),
    };
    for (kind, layers) in kinds {
        assert_settles(kind, manifest.clone(), layers);
    }
}

fn assert_settles(kind: Kind, manifest: Manifest, layers: &[SealedValue]) {
    let repository = "r.io/app".parse().expect("it is one");
    let place = Place::new(repository, Digest::of(b"image"), kind);
    let found = Standing::of(kind, manifest);
    let union_of = |found| union::union(&place, found, Changes::default(), layers, MediaTypes::Oci);
    match union_of(&found) {
        Ok(Some(written)) => {
            let now = Standing::of(kind, written.manifest);
            assert!(layers.iter().all(|layer| now.holds(layer)));
            let is_ours = |there: &Descriptor| {
                let mut ours = layers.iter().map(|layer| &layer.descriptor().digest);
                ours.any(|digest| *digest == there.digest)
            };
            let kept = |there: &Descriptor| {
                kind == Kind::Sbom || is_ours(there) || now.layers().contains(there)
            };
            assert!(found.layers().iter().all(kept));
            assert!(matches!(union_of(&now), Ok(None)));
        }
        Ok(None) => assert!(layers.iter().all(|layer| found.holds(layer))),
        Err(error @ AttachError::Full { .. }) => assert_readable(&error),
        Err(error) => unreachable!("{error}"),
    }
}

fn layer(bytes: &'static [u8]) -> SealedValue {
    let descriptor = Descriptor::of(media_type::SIMPLE_SIGNING, bytes);
    SealedValue::Layer(Layer {
        descriptor,
        content: Bytes::from_static(bytes).into(),
    })
}
