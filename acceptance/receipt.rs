//! The receipt of a run (`spec/signer.md`, "Receipt").

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use toml::{Table, Value};

use super::support::images::Image;
use super::support::registry::{Action, Registry, When};
use super::support::signer::Signer;

fn seeded(key: &str) -> (Registry, Image, Signer, PathBuf) {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key(key);
    let path = signer.folder().join("receipt.toml");
    let signer = signer.arguments(&["-receipt", path.to_str().unwrap()]);
    (registry, image, signer, path)
}

fn read(path: &PathBuf) -> Table {
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn tables<'a>(table: &'a Table, name: &str) -> Vec<&'a Table> {
    let values = table.get(name).and_then(Value::as_array).unwrap();
    values
        .iter()
        .map(|value| value.as_table().unwrap())
        .collect()
}

fn text<'a>(table: &'a Table, name: &str) -> &'a str {
    table
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {name} in {table:?}"))
}

/// SIG-39
#[test]
fn a_receipt_names_every_image_place_key_and_document() {
    let (registry, image, signer, path) = seeded("p256-cosign3");
    signer.run().succeeded();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    let receipt = read(&path);
    assert_eq!(receipt.get("complete"), Some(&Value::Boolean(true)));
    assert!(receipt.get("error").is_none());
    let images = tables(&receipt, "images");
    assert_eq!(images.len(), 1);
    assert_eq!(text(images[0], "digest"), image.digest());
    let places = tables(&receipt, "places");
    let kinds: Vec<_> = places.iter().map(|place| text(place, "kind")).collect();
    assert_eq!(kinds, ["signatures", "attestations"]);
    for place in places {
        assert_eq!(text(place, "state"), "written");
        assert!(text(place, "reference").starts_with(registry.host()));
        let layers = tables(place, "layers");
        assert_eq!(layers.len(), 1);
        assert_eq!(text(layers[0], "state"), "written");
        // openssl pkey -pubin -in p256-cosign3.pub -outform DER | sha256sum
        let fingerprint = "7fd3e06d7fd3d8adac2b88ec05d93d39a2a62bdadfb172e368de9971ef20f80b";
        assert_eq!(
            text(layers[0], "public-key"),
            format!("sha256:{fingerprint}")
        );
        let is_attestation = text(place, "kind") == "attestations";
        assert_eq!(layers[0].contains_key("document"), is_attestation);
        assert_eq!(layers[0].contains_key("predicate-type"), is_attestation);
    }
}

/// SIG-39
#[test]
fn a_second_receipt_says_that_everything_was_there() {
    let (_registry, _, signer, path) = seeded("ed25519-imported-cosign3");
    signer.run().succeeded();
    let first = read(&path);
    signer.run().succeeded();
    let second = read(&path);
    for (first, second) in tables(&first, "places")
        .iter()
        .zip(tables(&second, "places"))
    {
        assert_eq!(text(second, "state"), "unchanged");
        assert_eq!(text(first, "digest"), text(second, "digest"));
        assert_eq!(text(tables(second, "layers")[0], "state"), "already-there");
    }
}

/// SIG-39
#[test]
fn a_run_that_published_in_part_says_which_part() {
    let (registry, _, signer, path) = seeded("p256-cosign3");
    registry.inject(
        When::every("PUT", ".sig"),
        Action::error(405, "UNSUPPORTED"),
    );
    signer.run().ended_with(118);
    let receipt = read(&path);
    assert_eq!(receipt.get("complete"), Some(&Value::Boolean(false)));
    assert!(!text(&receipt, "error").is_empty());
    let states: Vec<_> = tables(&receipt, "places")
        .iter()
        .map(|place| text(place, "state").to_owned())
        .collect();
    assert_eq!(states, ["failed", "written"]);
    let failed = tables(&receipt, "places")[0];
    assert_eq!(text(failed, "kind"), "signatures");
    assert_eq!(text(tables(failed, "layers")[0], "state"), "unproven");
}

/// SIG-39
#[test]
fn a_receipt_that_cannot_be_written_is_found_before_anything_is_sent() {
    let (registry, _, signer, path) = seeded("p256-cosign3");
    std::fs::create_dir(&path).unwrap();
    signer.run().ended_with(3);
    assert!(registry.exchanges().is_empty());
    let absent = path.join("absent/receipt.toml");
    signer
        .arguments(&["-receipt", absent.to_str().unwrap()])
        .run()
        .ended_with(3);
    assert!(registry.exchanges().is_empty());
}
