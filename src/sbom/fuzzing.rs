//! Fuzz targets for labels, layers and documents.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fuzzer looks for panics"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::cyclonedx::{Bom, merge};
use super::json::{JsonError, MAX_DEPTH, Remarks, Validator};
use super::layer::inflate;
use super::{LayerLimits, SbomError, SbomLayer, locate, read};
use crate::oci::fuzzing::assert_readable;
use crate::oci::{Descriptor, Digest, ImageManifest, MediaType};

/// Small enough for many runs a second.
const EXPANDED: u64 = 1 << 20;

/// The config of an image, beside a manifest with as many layers as it lists:
/// the layer that the label names is found, or an error says why not.
pub fn image_config(data: &[u8]) {
    let listed = serde_json::from_slice::<Value>(data)
        .ok()
        .and_then(|config| Some(config["rootfs"]["diff_ids"].as_array()?.len()));
    let image = image(listed.unwrap_or(1).min(100));
    match locate(data, &image) {
        Ok(Some(layer)) => {
            assert!(layer.layers_dir.starts_with('/'));
            let config: Value = serde_json::from_slice(data).expect("it was read before");
            let index = layer.descriptor.size as usize;
            let listed = config["rootfs"]["diff_ids"][index].as_str();
            assert_eq!(listed, Some(layer.diff_id.to_string().as_str()));
        }
        Ok(None) => {}
        Err(error) => assert_readable(&error),
    }
}

/// An image whose layers have the sizes 0, 1, 2, …
fn image(layers: usize) -> ImageManifest {
    let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
    let layers: Vec<_> = (0..layers)
        .map(|index| Descriptor {
            size: index as u64,
            ..Descriptor::of(MediaType::new("layer"), b"")
        })
        .collect();
    let image = ImageManifest::empty(MediaType::OCI_MANIFEST, config.clone());
    let manifest = image
        .append(&layers, &config)
        .expect("descriptors are JSON");
    manifest.to_image().expect("it is one")
}

/// A blob as it is: compressed or not. Documents that are handed out were
/// verified.
pub fn sbom_blob(data: &[u8]) {
    let mut archive = Vec::new();
    let inflated = inflate(Bytes::copy_from_slice(data))
        .take(EXPANDED + 1)
        .read_to_end(&mut archive);
    let outcome = read_layer(data, Digest::of(&archive));
    match outcome {
        Ok(_) => assert!(inflated.is_ok() && archive.len() as u64 <= EXPANDED),
        Err(error) => assert_readable(&error),
    }
    // Other bytes than the config promises are never handed out.
    assert!(read_layer(data, Digest::of(b"another archive")).is_err());
}

/// A tar archive with corrected checksums: an ordinary reader of the archive
/// finds each document under its path.
pub fn sbom_archive(data: &[u8]) {
    let mut archive = data.to_vec();
    repair(&mut archive);
    if matches!(archive[..], [0x1f | 0x28 | 0x50..=0x5f, ..]) {
        return;
    }
    let documents = match read_layer(&archive, Digest::of(&archive)) {
        Ok(documents) => documents,
        Err(error) => return assert_readable(&error),
    };
    let Some(files) = ordinary(&archive) else {
        return;
    };
    for (path, bytes) in documents {
        assert!(Validator::default().feed(&bytes).is_ok());
        assert_eq!(files.get(&path), Some(&bytes), "{path}");
    }
}

type Files = BTreeMap<String, Vec<u8>>;

fn read_layer(blob: &[u8], diff_id: Digest) -> Result<Files, SbomError> {
    let layer = SbomLayer {
        descriptor: Descriptor::of(MediaType::new("layer"), blob),
        diff_id,
        layers_dir: "/layers".to_owned(),
    };
    let limits = LayerLimits {
        expanded: EXPANDED,
        ..LayerLimits::default()
    };
    let documents = read(&layer, Bytes::copy_from_slice(blob), &limits)?;
    let file = |document: &super::Document| {
        let bytes = document.content().to_bytes().expect("it lies in memory");
        (document.path().to_owned(), bytes.to_vec())
    };
    Ok(documents.iter().map(file).collect())
}

/// The regular files of an archive as the `tar` crate reads it by itself.
/// None: it refuses the archive.
fn ordinary(archive: &[u8]) -> Option<Files> {
    let mut files = Files::new();
    for entry in tar::Archive::new(archive).entries().ok()? {
        let mut entry = entry.ok()?;
        let path = String::from_utf8(entry.path_bytes().into_owned()).ok();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).ok()?;
        if let (Some(path), true) = (path, entry.header().entry_type().is_file()) {
            let segments = path.split('/').filter(|name| !matches!(*name, "" | "."));
            let path: String = segments.flat_map(|name| ["/", name]).collect();
            files.insert(path, bytes);
        }
    }
    Some(files)
}

/// Corrects the checksum of each header that the entries' sizes lead to. (No
/// mutation would ever find one.)
fn repair(archive: &mut [u8]) {
    let mut at = 0usize;
    while let Some(block) = archive.get_mut(at..).and_then(|rest| rest.get_mut(..512)) {
        if block.iter().all(|byte| *byte == 0) {
            return;
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = header.entry_size().unwrap_or(0).min(1 << 30) as usize;
        at += 512 + size.next_multiple_of(512);
    }
}

/// The streaming check agrees with `serde_json`, wherever the bytes are cut,
/// and its remarks agree with Rust's float parser and `serde_json`.
pub fn json(data: &[u8]) {
    let whole = validate(data.chunks(data.len().max(1)));
    for size in [1, 7] {
        assert_eq!(whole, validate(data.chunks(size)));
    }
    let text = std::str::from_utf8(data).ok();
    let is_object = data.trim_ascii_start().first() == Some(&b'{');
    let is_json = |text: &&str| serde_json::from_str::<IgnoredAny>(text).is_ok();
    let Some(text) = text.filter(is_json).filter(|_| is_object) else {
        assert!(whole.is_err());
        return;
    };
    let depth = depth(text);
    assert_eq!(whole.is_ok(), depth <= MAX_DEPTH);
    let Ok(remarks) = whole else {
        return;
    };
    assert_eq!(remarks.exceeds_float64, has_infinite_number(text));
    if depth < 100 {
        match serde_json::from_str::<Value>(text) {
            Ok(_) => assert!(!remarks.lone_surrogate),
            // serde_json rounds the largest numbers less exactly.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(error) => assert!(remarks.lone_surrogate, "{error}"),
        }
    }
}

fn has_infinite_number(text: &str) -> bool {
    let separators = ['[', ']', '{', '}', ',', ':', ' ', '\t', '\n', '\r', '"'];
    let outside = outside_strings(text);
    let mut numbers = outside
        .split(separators)
        .filter(|token| token.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    numbers.any(|token| token.parse::<f64>().is_ok_and(f64::is_infinite))
}

fn validate<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Remarks, JsonError> {
    let mut validator = Validator::default();
    for piece in pieces {
        validator.feed(piece)?;
    }
    validator.finish()
}

/// JSON with empty strings.
fn outside_strings(text: &str) -> String {
    let (mut is_inside, mut is_escaped) = (false, false);
    let mut outside = String::new();
    for c in text.chars() {
        match (is_inside, is_escaped, c) {
            (true, true, _) => is_escaped = false,
            (true, false, '\\') => is_escaped = true,
            (_, _, '"') => is_inside = !is_inside,
            (true, ..) => continue,
            (false, ..) => {}
        }
        if !is_inside {
            outside.push(c);
        }
    }
    outside
}

fn depth(text: &str) -> usize {
    let (mut depth, mut most) = (0usize, 0);
    for c in outside_strings(text).chars() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// Documents with the byte 0x1E between them. The merged BOM is one again, the
/// same each time, and names no two things alike if no document does.
pub fn cyclonedx(data: &[u8]) {
    let documents: Vec<&str> = data
        .split(|byte| *byte == 0x1e)
        .filter_map(|bytes| std::str::from_utf8(bytes).ok())
        .filter(|text| validate([text.as_bytes()].into_iter()).is_ok())
        .take(4)
        .collect();
    let merged = || {
        let source = |(name, text): (char, &&str)| Bom::minified(&format!("/{name}"), text);
        merge(('a'..).zip(&documents).map(source).collect())
    };
    let bom = match merged() {
        Ok(bom) => bom,
        Err(error) => {
            assert_readable(&error);
            return;
        }
    };
    assert_eq!(merged().ok().as_ref(), Some(&bom));
    assert!(validate([bom.as_bytes()].into_iter()).is_ok(), "{bom}");
    let whole = |text: &str| serde_json::from_str::<Value>(text).ok();
    let (Some(bom), Some(documents)) = (
        whole(&bom),
        documents
            .iter()
            .map(|text| whole(text))
            .collect::<Option<Vec<_>>>(),
    ) else {
        return;
    };
    assert_eq!(bom["bomFormat"], "CycloneDX");
    if documents.iter().all(names_are_unique) {
        assert!(names_are_unique(&bom), "{bom:#}");
    }
}

fn names_are_unique(bom: &Value) -> bool {
    let mut names = Vec::new();
    collect_names(bom, &mut names);
    let count = names.len();
    names.into_iter().collect::<BTreeSet<_>>().len() == count
}

fn collect_names<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "bom-ref" => names.push(text),
                    _ => collect_names(member, names),
                }
            }
        }
        _ => {}
    }
}
