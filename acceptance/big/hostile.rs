//! Megabytes that others wrote at a place, or put into a layer: little of it is
//! kept, and nothing computes with its square.

use std::fmt::Write as _;
use std::time::Duration;

use crate::support::images::Image;
use crate::support::registry::{Action, Answer, Registry, Settings, Stored, Switch, When, sha256};
use crate::support::signer::{Config, Signer};
use crate::support::testdata;

use super::{CHEAP_KEY, MB, SMALL, SMALL_KEY, UNOPTIMISED, seeded, signer, watch};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The memory that a run may take beside its key for two places with megabytes each: their
/// bytes, what they mean, the manifest that is written over each, and the body
/// on its way.
const TWO_PLACES: u64 = 75 * MB + UNOPTIMISED;

/// As many as fit into what is read of a manifest.
fn annotations(count: usize) -> String {
    let annotations: Vec<_> = (0..count)
        .map(|number| format!("\"{number:x}\":\"\""))
        .collect();
    annotations.join(",")
}

/// Layers with tiny annotations, in a manifest of somebody else.
fn place_of(layers: usize, annotated: usize) -> Stored {
    let annotations = annotations(annotated);
    let media_type = "application/vnd.dev.cosign.simplesigning.v1+json";
    let mut list = String::new();
    for layer in 0..layers {
        let separator = if layer == 0 { "" } else { "," };
        let digest = sha256(layer.to_string().as_bytes());
        let _infallible = write!(
            list,
            r#"{separator}{{"mediaType":"{media_type}","size":9,"digest":"{digest}","annotations":{{{annotations}}}}}"#
        );
    }
    let config = sha256(b"{}");
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"{config}"}},"layers":[{list}]}}"#
    );
    assert!(
        text.len() > 3_300_000 && text.len() < 4 << 20,
        "{}",
        text.len()
    );
    Stored {
        media_type: MANIFEST.to_owned(),
        bytes: text.into(),
    }
}

#[test]
fn two_places_of_a_million_annotations_are_extended_in_little_memory() {
    let image = Image::recorded("platform-api-0.15");
    let registry = seeded(&image);
    let place = place_of(990, 400);
    for layer in 0..990 {
        registry.store_blob(image.repository(), layer.to_string());
    }
    for suffix in ["sig", "att"] {
        let digest = registry.store_manifest(image.repository(), place.clone());
        registry.tag(image.repository(), &image.attached(suffix), &digest);
    }
    watch(&signer(&image, &registry, &[CHEAP_KEY], "attestation"))
        .ended_with(0)
        .took_at_most(TWO_PLACES + SMALL_KEY);
    let tag = registry.manifest(image.repository(), &image.attached("sig"));
    let written: serde_json::Value = serde_json::from_slice(&tag.unwrap().bytes).unwrap();
    assert_eq!(written["layers"].as_array().unwrap().len(), 991);
}

/// A hundred megabytes of a list, of which only the digests are kept.
#[test]
fn thirty_pages_of_referrers_take_no_more_memory_than_one() {
    let registry = Registry::with(Settings {
        referrers: Switch::On,
        ..Settings::default()
    });
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let annotations = annotations(1200);
    let path = format!("/v2/{}/referrers/{}", image.repository(), image.digest());
    for page in 0..30 {
        let entries: Vec<_> = (0..300)
            .map(|number| {
                let digest = sha256(format!("{page} {number}").as_bytes());
                format!(r#"{{"mediaType":"{MANIFEST}","size":9,"digest":"{digest}","annotations":{{{annotations}}}}}"#)
            })
            .collect();
        let list = entries.join(",");
        let text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{list}]}}"#);
        let next = format!("<{path}?page={}>; rel=\"next\"", page + 1);
        let answer = Answer::new(200).body(INDEX, text);
        let answer = if page < 29 {
            answer.with("link", next)
        } else {
            answer
        };
        let when = When::first("GET", "/referrers/");
        registry.inject(when, Action::Answer(answer));
    }
    let config = Config::key(CHEAP_KEY).set("format", "bundle");
    let signer = Signer::of(&image, registry.host()).config(config);
    watch(&signer)
        .ended_with(0)
        .took_at_most(SMALL + 30 * MB + SMALL_KEY);
    assert_eq!(
        registry.referrers(image.repository(), image.digest()).len(),
        1
    );
}

/// SBOM-11. Documents of the same long line over and over, each time further
/// away than the signer's own compression looks back: they would have to be read
/// from the layer, each with all that lies before it.
#[test]
fn a_zstd_layer_that_cannot_be_kept_is_refused_in_little_memory() {
    let blob = std::fs::read(testdata("sbom/zstd/long-repeats.tar.zst")).unwrap();
    assert!(blob.len() < 1 << 20);
    let diff_id = std::fs::read_to_string(testdata("sbom/zstd/long-repeats.diffid")).unwrap();
    let image = Image::with_layer(diff_id.trim(), blob);
    for export in ["attestation", "attachment"] {
        let registry = seeded(&image);
        let run = watch(&signer(&image, &registry, &[CHEAP_KEY], export))
            .ended_with(116)
            .took_at_most(SMALL + 80 * MB + SMALL_KEY)
            .says("compressed each by itself");
        assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    }
}

/// Sixty thousand names and thirty thousand annotations, all in one line each.
#[test]
fn files_of_a_mebibyte_are_read_at_once() {
    let names: Vec<_> = (0..65_000)
        .map(|name| format!("\"a.b/{name:x}:v\""))
        .collect();
    let report = |digest: &str| {
        let names = names.join(",");
        format!("[image]\ntags=[{names}]\ndigest=\"{digest}\"\n")
    };
    let annotations: Vec<_> = (0..30_000)
        .map(|name| format!("{{name=\"{name:x}\",value=\"\"}}"))
        .collect();
    let annotations = annotations.join(",");
    // A key that is not there: everything else is judged before.
    let settings = format!("annotations=[{annotations}]\n[[configs]]\nkey=\"none\"\n");
    let signer = Signer::with_report(&report(&sha256(b""))).settings(&settings);
    let run = watch(&signer).ended_with(115).says("none");
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    let configs: String = (0..40_000).map(|_| "[[configs]]\nkey=\"none\"\n").collect();
    let signer = Signer::with_report(
        "[image]\ntags=[\"a.b/c\"]\ndigest=\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n",
    );
    let run = watch(&signer.settings(&configs))
        .ended_with(115)
        .says("none");
    assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
}
