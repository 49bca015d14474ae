//! Fuzz targets for names and manifests.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a fuzzer looks for panics"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::IpAddr;

use bytes::Bytes;
use serde_json::value::RawValue;
use url::Url;

use super::manifest::{IndexManifest, MAX_LAYERS};
use super::reference::Version;
use super::{
    Descriptor, Digest, ImageManifest, Manifest, MediaType, Namespace, Reading, Reference,
    Registry, Repository,
};

/// An error is shown to the user: it stays readable, whatever the input was.
pub fn assert_readable(error: &dyn Error) {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        assert!((1..4096).contains(&text.len()), "{:.200}", text);
        next = error.source();
    }
}

/// An accepted reference prints as it is read, and its URL has the host and the
/// path that it names.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<Reference>() {
        Ok(reference) => {
            assert_eq!(reference.to_string().parse().as_ref(), Ok(&reference));
            assert_names_its_url(&reference);
        }
        Err(error) => assert_readable(&error),
    }
    if let Ok(repository) = text.parse::<Repository>() {
        assert_eq!(repository.to_string().parse().as_ref(), Ok(&repository));
    }
    if let Ok(namespace) = text.parse::<Namespace>() {
        assert_eq!(namespace.to_string().parse().as_ref(), Ok(&namespace));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
}

fn assert_names_its_url(reference: &Reference) {
    if let Version::Tag(tag) = reference.version() {
        let tag = tag.as_str().as_bytes();
        let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
        assert!((1..=128).contains(&tag.len()) && tag.iter().all(is_allowed));
        assert!(!b".-".contains(&tag[0]));
    }
    let repository = reference.repository();
    let Ok(mut url) = Url::parse(&format!("https://{}/", repository.registry())) else {
        return;
    };
    let asked = url.host_str().unwrap_or_default();
    assert!(is_same_host(asked, repository.registry()), "{url}");
    let path = format!(
        "/v2/{}/manifests/{}",
        repository.path(),
        reference.version()
    );
    url.set_path(&path);
    assert_eq!(url.path(), path);
    assert!(url.query().is_none() && url.fragment().is_none());
}

fn is_same_host(asked: &str, registry: &Registry) -> bool {
    let asked = asked.trim_matches(['[', ']']);
    match (asked.parse::<IpAddr>(), registry.host().parse::<IpAddr>()) {
        (Ok(asked), Ok(named)) => asked == named,
        (Err(_), Err(_)) => asked.eq_ignore_ascii_case(registry.host()),
        _ => false,
    }
}

/// A manifest of others keeps all its fields when a layer is appended.
pub fn manifest(data: &[u8]) {
    for served in [
        None,
        Some(MediaType::OCI_MANIFEST),
        Some(MediaType::OCI_INDEX),
        Some(MediaType::DOCKER_MANIFEST),
    ] {
        let manifest = match Manifest::parse(served, Bytes::copy_from_slice(data)) {
            Ok(manifest) => manifest,
            Err(error) => {
                assert_readable(&error);
                continue;
            }
        };
        assert_eq!(manifest.bytes(), data);
        assert_eq!(*manifest.digest(), Digest::of(data));
        match manifest.to_image() {
            Ok(image) => assert_kept(&image, data),
            Err(error) => assert_readable(&error),
        }
        match manifest.to_standing_index() {
            Ok((index, Reading::Plain)) => assert_listed(&index, data),
            Ok((index, Reading::Mended)) => assert_plain(index.with(&[], &[])),
            Err(error) => assert_readable(&error),
        }
        match manifest.to_standing_image() {
            Ok((image, _)) => assert_plain(image.append(&[], image.config())),
            Err(error) => assert_readable(&error),
        }
    }
}

fn assert_kept(image: &ImageManifest, data: &[u8]) {
    let config = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
    let mut added = Descriptor::of(MediaType::known("application/vnd.example.layer"), b"added");
    added.annotations.insert("\"\n".to_owned(), "é".to_owned());
    let appended = image
        .append(std::slice::from_ref(&added), &config)
        .expect("descriptors are JSON");
    let count = image.layers().len();
    if count < MAX_LAYERS {
        let again = appended.to_image().expect("it was one before");
        assert_eq!(again.config(), &config);
        assert_eq!(again.layers()[..count], *image.layers());
        assert_eq!(again.layers()[count..], [added]);
    }
    let (before, after) = (fields(data), fields(appended.bytes()));
    assert!(before.keys().eq(after.keys()));
    for (name, value) in before {
        match name.as_str() {
            "config" => {}
            "layers" => assert_eq!(items(value), items(after[&name])[..count]),
            _ => assert_eq!(value.get(), after[&name].get()),
        }
    }
}

fn assert_listed(index: &IndexManifest, data: &[u8]) {
    let mut added = Descriptor::of(MediaType::OCI_MANIFEST, b"added");
    added.artifact_type = Some("\"\n".to_owned());
    match index.with(std::slice::from_ref(&added), &[]) {
        Ok(listing) => {
            let (again, reading) = listing.to_standing_index().expect("it was one before");
            assert_eq!(reading, Reading::Plain);
            assert!(again.entries().any(|entry| *entry == added));
            let theirs = |entry: &&Descriptor| entry.digest != added.digest;
            let before = index.entries().filter(theirs);
            assert!(before.eq(again.entries().filter(theirs)));
            let (before, after) = (fields(data), fields(listing.bytes()));
            let new = after.keys().filter(|name| !before.contains_key(*name));
            assert!(
                new.eq(["manifests"]
                    .iter()
                    .filter(|_| !before.contains_key("manifests")))
            );
        }
        Err(error) => assert_readable(&error),
    }
}

/// Once the signer has written a manifest, all readers take it for the same.
fn assert_plain<E: Error + 'static>(written: Result<Manifest, E>) {
    match written {
        Ok(written) => {
            let image = written.to_standing_image().map(|(_, reading)| reading);
            let index = written.to_standing_index().map(|(_, reading)| reading);
            assert_eq!(image.or(index).expect("it was one before"), Reading::Plain);
        }
        Err(error) => assert_readable(&error),
    }
}

fn fields(object: &[u8]) -> BTreeMap<String, &RawValue> {
    serde_json::from_slice(object).expect("it was read before")
}

fn items(array: &RawValue) -> Vec<&str> {
    let items: Vec<&RawValue> = serde_json::from_str(array.get()).expect("it was read before");
    items.into_iter().map(RawValue::get).collect()
}
