//! The receipt: what was published, where, by which key (`spec/signer.md`,
//! "Receipt").

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Registry, When};
use crate::support::signer::{Config, Outcome, Signer};

struct Run {
    registry: Registry,
    image: Image,
    signer: Signer,
    receipt: PathBuf,
}

/// A run with two signatories that writes a receipt.
fn with_receipt() -> Run {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let attaching = Config::key("ed25519-imported-cosign3").set("export-sbom", "attachment");
    let signer = Signer::of(&image, registry.host())
        .key("p256-n32768-cosign-header")
        .config(attaching);
    let receipt = signer.folder().join("receipt.toml");
    let signer = signer.arguments(&["-receipt", receipt.to_str().unwrap()]);
    Run {
        registry,
        image,
        signer,
        receipt,
    }
}

impl Run {
    fn receipt(&self) -> toml::Table {
        let text = std::fs::read_to_string(&self.receipt).unwrap();
        text.parse().unwrap()
    }

    /// The receipt's entry of the place with this end.
    fn place(&self, suffix: &str) -> toml::Table {
        let receipt = self.receipt();
        let places = receipt["places"].as_array().unwrap();
        let place = places.iter().find(|place| {
            let reference = place["reference"].as_str().unwrap();
            reference.ends_with(&self.image.attached(suffix))
        });
        place.unwrap().as_table().unwrap().clone()
    }
}

#[test]
fn it_names_every_image_place_layer_and_key() {
    let run = with_receipt();
    run.signer.run().succeeded();
    let receipt = run.receipt();
    assert_eq!(receipt["complete"].as_bool(), Some(true));
    assert!(!receipt.contains_key("error"));
    let image = &receipt["images"][0];
    let repository = format!("{}/{}", run.registry.host(), run.image.repository());
    assert_eq!(image["repository"].as_str(), Some(repository.as_str()));
    assert_eq!(image["digest"].as_str(), Some(run.image.digest()));
    let kinds = [
        ("sig", "signatures", 2),
        ("att", "attestations", 1),
        ("sbom", "sbom", 1),
    ];
    assert_eq!(receipt["places"].as_array().unwrap().len(), kinds.len());
    for (suffix, kind, layers) in kinds {
        let place = run.place(suffix);
        assert_eq!(place["kind"].as_str(), Some(kind));
        assert_eq!(place["state"].as_str(), Some("written"));
        let there = attachment(
            &run.registry,
            run.image.repository(),
            &run.image.attached(suffix),
        )
        .unwrap();
        assert_eq!(
            place["digest"].as_str(),
            Some(there.manifest.digest().as_str())
        );
        let listed = place["layers"].as_array().unwrap();
        assert_eq!(listed.len(), layers);
        for (listed, there) in listed.iter().zip(&there.layers) {
            assert_eq!(listed["digest"].as_str(), Some(there.digest.as_str()));
            assert_eq!(
                listed["media-type"].as_str(),
                Some(there.media_type.as_str())
            );
            assert_eq!(listed["state"].as_str(), Some("written"));
            assert!(listed["key"].as_str().unwrap().ends_with(".key"));
            assert!(
                listed["public-key"]
                    .as_str()
                    .unwrap()
                    .starts_with("sha256:")
            );
        }
    }
    let document = run.place("att")["layers"][0]["document"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        document.ends_with(&run.image.standard_documents()[0].path),
        "{document}"
    );
}

/// SIG-84
#[test]
fn a_receipt_whose_path_ends_in_json_says_the_same_in_json() {
    let run = with_receipt();
    let json = run.signer.folder().join("receipt.json");
    run.signer.run().succeeded();
    // The same places are unchanged in both.
    run.signer.run().succeeded();
    let signer = run.signer.arguments(&["-receipt", json.to_str().unwrap()]);
    signer.run().succeeded();
    let text = std::fs::read_to_string(json).unwrap();
    assert!(text.ends_with("}\n"), "{text}");
    let json: toml::Value = serde_json::from_str(&text).unwrap();
    let toml = std::fs::read_to_string(&run.receipt).unwrap();
    assert_eq!(json, toml::Value::Table(toml.parse().unwrap()));
    assert_eq!(json["places"].as_array().unwrap().len(), 3);
}

#[test]
fn a_second_run_s_says_that_everything_was_there() {
    let run = with_receipt();
    run.signer.run().succeeded();
    run.signer.run().succeeded();
    for suffix in ["sig", "att", "sbom"] {
        let place = run.place(suffix);
        assert_eq!(place["state"].as_str(), Some("unchanged"));
        assert!(!place.contains_key("replaced"));
        assert_eq!(place["layers"][0]["state"].as_str(), Some("already-there"));
    }
}

#[test]
fn it_is_written_after_a_failure_too_and_says_why() {
    let run = with_receipt();
    run.registry.remove(run.image.repository(), "v1");
    run.signer.run().ended_with(114);
    let receipt = run.receipt();
    assert_eq!(receipt["complete"].as_bool(), Some(false));
    assert!(receipt["error"].as_str().unwrap().contains(":v1"));
    assert!(
        receipt
            .get("places")
            .is_none_or(|places| places.as_array().unwrap().is_empty())
    );
}

/// The registry refuses one of the tags that are overwritten, so that the new one
/// is not begun.
/// SIG-36
#[test]
fn it_names_what_is_published_and_what_is_not_after_a_partial_failure() {
    let run = with_receipt();
    let other = Config::key("rsa2048-imported-cosign3");
    let before = Signer::of(&run.image, run.registry.host()).config(other);
    before.run().succeeded();
    let digest = |suffix: &str| {
        let tag = run.image.attached(suffix);
        let standing = run.registry.manifest(run.image.repository(), &tag);
        standing.map(|standing| standing.digest())
    };
    let (signatures, attestations) = (digest("sig"), digest("att"));
    run.registry
        .inject(When::every("PUT", ".att"), Action::error(403, "MINE"));
    let said = run.signer.run().ended_with(118);
    assert_eq!(digest("att"), attestations);
    let (sig, att, sbom) = (run.place("sig"), run.place("att"), run.place("sbom"));
    assert_eq!(sig["state"].as_str(), Some("written"));
    assert_eq!(sig["replaced"].as_str(), signatures.as_deref());
    for place in [att, sbom] {
        assert_eq!(place["state"].as_str(), Some("failed"), "{place}");
        assert!(!place.contains_key("replaced"), "{place}");
        assert!(!place.contains_key("digest"), "{place}");
        let layers = place["layers"].as_array().unwrap();
        let new = layers.last().unwrap();
        assert_eq!(new["state"].as_str(), Some("unproven"), "{place}");
    }
    let receipt = run.receipt();
    let error = receipt["error"].as_str().unwrap();
    let causes = ["published in part: ", ".att", "MINE"];
    assert!(causes.iter().all(|cause| error.contains(cause)), "{error}");
    // The error names the other.
    let [warning] = said.warnings()[..] else {
        panic!("{}", said.stdout);
    };
    let sbom = run.image.attached("sbom");
    assert!(warning.contains(&sbom), "{warning}");
}

/// SIG-39
#[test]
fn case_64_a_receipt_that_cannot_be_written_is_found_before_anything_is_sent() {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let run = |path: &str| -> Outcome {
        let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
        signer.arguments(&["-receipt", path]).run()
    };
    for path in ["/nonexistent/receipt.toml", "/tmp", "/proc/receipt.toml"] {
        run(path).ended_with(3).says(&[path]);
    }
    registry.was_not_asked();
}

/// The folder is gone by the end of the run, whether it succeeds or not: said
/// once, and the code is that of the run if that failed.
/// SIG-39
#[test]
fn case_64_a_receipt_that_cannot_be_written_at_the_end_is_said_once() {
    for (status, code) in [(None, 117), (Some(403), 113)] {
        let registry = Registry::start();
        let image = Image::recorded("no-sbom-layer");
        image.seed(&registry);
        let folder = tempfile::tempdir().unwrap();
        let receipt = folder.path().join("receipt.toml");
        let folder = std::sync::Mutex::new(Some(folder));
        registry.inject(
            When::first("GET", ".sig"),
            Action::after(move || drop(folder.lock().unwrap().take())),
        );
        if let Some(status) = status {
            registry.inject(When::every("PUT", ".sig"), Action::error(status, "MINE"));
        }
        let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
        let signer = signer.arguments(&["-receipt", receipt.to_str().unwrap()]);
        let run = signer.run().ended_with(code);
        let said = run.stdout.matches("cannot write the receipt to").count();
        assert_eq!(said, 1, "{}", run.stdout);
    }
}

#[test]
fn everybody_may_read_it_and_nothing_is_left_beside_it() {
    let mut run = with_receipt();
    let strict = ["sh", "-c", "umask 077 && exec \"$@\"", "sh"];
    run.signer = run.signer.within(&strict);
    run.signer.run().succeeded();
    let mode = std::fs::metadata(&run.receipt)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    let mut names: Vec<_> = std::fs::read_dir(run.signer.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["cosign.toml", "receipt.toml", "report.toml"]);
}
