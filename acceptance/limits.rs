//! Reading of an image is limited, and a user who means more can say so.

use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::registry::Registry;
use crate::support::signer::Signer;

const DOCUMENTS: usize = 12;

/// An image with some documents, and a run that attests them.
fn seeded() -> (Registry, Image, Signer) {
    let document = |index| {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","version":{index},"x":"{}"}}"#,
            "x".repeat(5000)
        );
        Document::new(&format!("b{index}/sbom.cdx.json"), text)
    };
    let documents: Vec<_> = (0..DOCUMENTS).map(document).collect();
    let image = Image::with_documents(&documents);
    let registry = Registry::start();
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    (registry, image, signer)
}

/// Each limit ends the run with the code of what was read, and its hint names
/// the flag.
/// SIG-47
#[test]
fn a_limit_that_is_lowered_is_named_with_its_flag() {
    for (flag, value, code, words) in [
        ("-manifest-limit", "100", 114, "it is larger than 100 bytes"),
        (
            "-image-config-limit",
            "100",
            114,
            "it is larger than 100 bytes",
        ),
        (
            "-sbom-layer-limit",
            "100",
            116,
            "it is larger than 100 bytes",
        ),
        (
            "-sbom-expanded-limit",
            "50KiB",
            116,
            "it expands to more than 51200 bytes",
        ),
        (
            "-sbom-entries-limit",
            "11",
            116,
            "it has more than 11 entries",
        ),
    ] {
        let (registry, _, signer) = seeded();
        let run = signer.arguments(&[flag, value]).run().ended_with(code);
        let hint = format!("hint: if its size is meant, raise the limit with `{flag} <");
        run.says(&[words, &hint]);
        assert!(registry.exchanges().puts().is_empty(), "{flag}");
        assert_eq!(registry.open_uploads(), 0, "{flag}");
    }
}

/// The same image, with limits that it just meets.
/// SIG-47
#[test]
fn a_limit_that_is_raised_lets_more_through() {
    let (registry, image, signer) = seeded();
    let entries = "CNB_SBOM_ENTRIES_LIMIT";
    let run = signer.environment(entries, "11").run().ended_with(116);
    run.says(&["it has more than 11 entries"]);
    let raised = Signer::of(&image, registry.host()).key("p256-n32768-cosign-header");
    // The flag wins.
    let raised = raised
        .environment(entries, "11")
        .arguments(&["-sbom-entries-limit=12"]);
    raised.run().succeeded();
    let place = attachment(&registry, image.repository(), &image.attached("att"));
    assert_eq!(place.expect("attestations").layers.len(), DOCUMENTS);
}

/// More than four mebibytes is read by those who ask for it.
/// SIG-47
#[test]
fn a_manifest_of_five_mebibytes_is_signed_if_the_limit_is_raised() {
    let (registry, image, _) = seeded();
    let mut manifest = image.manifest().clone();
    let text = String::from_utf8(manifest.bytes.to_vec()).unwrap();
    let large = text.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(5 << 20)), 1);
    manifest.bytes = large.into();
    let digest = registry.store_manifest(image.repository(), manifest);
    registry.tag(image.repository(), "v1", &digest);
    let report = image
        .report(registry.host())
        .replace(image.digest(), &digest);
    let signer = || Signer::with_report(&report).key_without_sbom("p256-n32768-cosign-header");
    signer()
        .run()
        .ended_with(114)
        .says(&["`-manifest-limit <size>`"]);
    signer()
        .environment("CNB_MANIFEST_LIMIT", "6MiB")
        .run()
        .succeeded();
}

/// SIG-47
#[test]
fn a_variable_that_is_no_limit_is_an_invalid_input() {
    let (registry, _, signer) = seeded();
    let run = signer.environment("CNB_SBOM_LAYER_LIMIT", "lots").run();
    run.ended_with(3).says(&[
        "invalid value \"lots\" of `CNB_SBOM_LAYER_LIMIT`: parse error",
        "hint: ",
    ]);
    registry.was_not_asked();
}
