//! Registries that mean harm or are out of order: every run ends with a code
//! of the phase, in little time, and stores nothing (`spec/faults.md`).

use bytes::Bytes;

use super::{KEY, holding, refused};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Action, Answer, Registry, Stored, When};
use crate::support::signer::Signer;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn seeded(name: &str) -> (Registry, Image, Signer) {
    holding(Image::recorded(name))
}

/// An image whose manifest has these bytes, by its true digest.
fn image_of(media_type: &str, bytes: impl Into<Bytes>) -> (Registry, Signer) {
    let registry = Registry::start();
    let stored = Stored {
        media_type: media_type.to_owned(),
        bytes: bytes.into(),
    };
    let digest = registry.store_manifest("app", stored);
    registry.tag("app", "v1", &digest);
    let report = format!(
        "[image]\ntags = [\"{}/app:v1\"]\ndigest = \"{digest}\"\n",
        registry.host()
    );
    let signer = Signer::with_report(&report).key(KEY);
    (registry, signer)
}

/// Case 38, F.
#[test]
fn case_38_bytes_that_are_not_the_reports_are_not_signed() {
    let (registry, _, signer) = seeded("no-sbom-layer");
    registry.inject(
        When::every("GET", "/manifests/"),
        Action::change(|answer| {
            answer.body = answer
                .body
                .iter()
                .copied()
                .chain(*b" ")
                .collect::<Vec<u8>>()
                .into();
        }),
    );
    refused(&registry, signer.run(), &[114]);
}

/// Case 39, F.
#[test]
fn case_39_an_image_that_is_not_there_is_named_with_its_tag_and_digest() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    registry.remove(image.repository(), "v1");
    registry.remove(image.repository(), image.digest());
    let run = refused(&registry, signer.run(), &[114]);
    run.says(&[&image.reference(registry.host()), ":v1"]);
}

/// Case 40, F. SIG-21
#[test]
fn case_40_a_tag_that_points_elsewhere_by_now_is_not_signed() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let other = Image::recorded("one-document").named(&[&format!("{}:x", image.repository())]);
    other.seed(&registry);
    registry.tag(image.repository(), "v1", other.digest());
    refused(&registry, signer.run(), &[114]).says(&[image.digest(), other.digest()]);
}

/// Case 43, F.
#[test]
fn case_43_a_manifest_over_four_mebibytes_is_not_read() {
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(5 << 20));
    let (registry, signer) = image_of(OCI_MANIFEST, large);
    refused(&registry, signer.run(), &[114]).says(&["larger than 4194304 bytes"]);
    // The announced size counts as well, and no memory is set aside for it.
    let (registry, _, signer) = seeded("no-sbom-layer");
    registry.inject(
        When::every("GET", "/manifests/v1"),
        Action::change(|answer| {
            answer.set("content-length", (1_u64 << 40).to_string());
        }),
    );
    refused(&registry, signer.run(), &[114]).says(&["larger than 4194304 bytes"]);
}

/// Case 43, F: for what hangs at a place too.
#[test]
fn case_43_a_place_over_four_mebibytes_is_not_replaced() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let bytes = format!(r#"{{"x":"{}"}}"#, "x".repeat(5 << 20)).into();
    let stored = Stored {
        media_type: OCI_MANIFEST.to_owned(),
        bytes,
    };
    let digest = registry.store_manifest(image.repository(), stored);
    registry.tag(image.repository(), &image.attached("sig"), &digest);
    refused(&registry, signer.run(), &[118]).says(&["larger than"]);
}

/// Case 44, F: each has the digest that the report says.
#[test]
fn case_44_manifests_that_make_no_sense_are_refused() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let layer = |size: &str| format!(r#"{{"mediaType":"x","digest":"{digest}","size":{size}}}"#);
    let manifest = |layers: &str| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{layers}]}}"#,
            layer("2")
        )
    };
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bytes in [
        Bytes::from_static(b""),
        Bytes::from_static(b"not JSON"),
        Bytes::from_static(b"null"),
        Bytes::from_static(b"[]"),
        Bytes::from_static(b"{\"schemaVersion\":2,\"mediaType\":\"\xff\"}"),
        Bytes::from(deep.clone()),
        manifest(&layer("-1")).into(),
        manifest(&layer("1e400")).into(),
        manifest(&layer("99999999999999999999")).into(),
        manifest(&format!(r#"{{"x":{deep}}}"#)).into(),
    ] {
        let shown = String::from_utf8_lossy(&bytes)
            .chars()
            .take(60)
            .collect::<String>();
        let (registry, signer) = image_of(OCI_MANIFEST, bytes);
        let run = signer.run();
        assert!(
            run.code != Some(1) && run.code != Some(101),
            "{shown}: {}",
            run.stdout
        );
        refused(&registry, run, &[114, 116]);
    }
}

/// Case 45, F.
#[test]
fn case_45_a_manifest_that_contradicts_its_header_is_refused() {
    let (registry, _, signer) = seeded("oci-media-types");
    registry.inject(
        When::every("GET", "/manifests/"),
        Action::change(|answer| {
            answer.set("content-type", OCI_INDEX);
        }),
    );
    refused(&registry, signer.run(), &[114]);
}

/// Case 46: an index is signed on its own digest; what it lists is not read.
#[test]
fn case_46_an_index_that_lists_itself_is_not_walked() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{{"mediaType":"{OCI_INDEX}","digest":"{digest}","size":7}}]}}"#
    );
    let (registry, signer) = image_of(OCI_INDEX, index);
    signer.run().succeeded();
    assert!(registry.exchanges().of("GET", &digest).is_empty());
}

/// Case 55: an SBOM layer that is not there.
#[test]
fn case_55_an_sbom_layer_that_is_gone_is_an_error_unless_nobody_exports_it() {
    let (registry, image, signer) = seeded("one-document");
    let manifest = image.manifest().json();
    for layer in manifest["layers"].as_array().unwrap() {
        registry.remove(image.repository(), layer["digest"].as_str().unwrap());
    }
    refused(&registry, signer.run(), &[116]).says(&["SBOM"]);
    let signer = Signer::of(&image, registry.host()).key_without_sbom(KEY);
    signer.run().succeeded();
}

/// Case 56, F: for config and layer alike.
#[test]
fn case_55_56_blobs_that_are_not_what_their_digest_says_are_refused() {
    for after in [0, 1] {
        let (registry, _, signer) = seeded("one-document");
        registry.inject(
            When::every("GET", "/blobs/").after(after),
            Action::change(|answer| {
                let mut bytes = answer.body.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                answer.body = bytes.into();
            }),
        );
        refused(&registry, signer.run(), &[114, 116]).says(&["the bytes have digest"]);
    }
}

/// Case 72, F.
#[test]
fn case_72_headers_without_end_are_refused_and_not_asked_for_again() {
    let large = Answer::new(200).with("x-large", "x".repeat(1 << 20));
    let many = (0..10_000).fold(Answer::new(200), |answer, number| {
        answer.with(&format!("x-{number}"), "x")
    });
    for answer in [large, many] {
        let (registry, _, signer) = seeded("no-sbom-layer");
        // The first answer decides how the registry is reached.
        registry.inject(
            When::every("GET", "/manifests/v1").after(1),
            Action::Answer(answer.clone()),
        );
        registry.inject(When::first("GET", "/manifests/v1"), Action::status(503));
        let run = refused(&registry, signer.run(), &[111]);
        run.says(&["cannot be read"]);
        assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 2);
    }
}

/// Case 73, F: the digest that it reports is not that of what it shows.
#[test]
fn case_73_a_registry_that_rewrites_what_it_stores_is_found_out() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let tag = format!("/manifests/{}", image.attached("sig"));
    registry.inject(
        When::every("GET", tag),
        Action::change(|answer| {
            if answer.status == 200 {
                answer.body = [&answer.body[..], b"\n"].concat().into();
            }
        }),
    );
    let run = signer.arguments(&["-timeout=20s"]).run();
    assert!(
        matches!(run.code, Some(117)),
        "{:?} {}",
        run.code,
        run.stdout
    );
}

/// Case 73, F: neither does it say a digest, nor is a signature still one.
#[test]
fn case_73_a_registry_that_spoils_what_it_stores_is_found_out() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let tag = format!("/manifests/{}", image.attached("sig"));
    registry.inject(
        When::every("GET", tag),
        Action::change(|answer| {
            answer
                .headers
                .retain(|(name, _)| name != "docker-content-digest");
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            answer.body = text.to_lowercase().into();
        }),
    );
    let run = signer.arguments(&["-timeout=20s"]).run();
    assert!(
        matches!(run.code, Some(117 | 118)),
        "{:?} {}",
        run.code,
        run.stdout
    );
}

/// Case 73: bytes that were written anew, under the digest that they have now,
/// are what another signer could have written. What was asked for is in them.
#[test]
fn case_73_a_manifest_that_was_written_anew_still_holds_the_signature() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    let hook = (
        registry.clone(),
        image.repository().to_owned(),
        image.attached("sig"),
    );
    registry.inject(
        When::every("PUT", ".sig"),
        Action::after(move || {
            let (registry, repository, tag) = &hook;
            let mut stored = registry.manifest(repository, tag).unwrap();
            stored.bytes = serde_json::to_vec_pretty(&stored.json()).unwrap().into();
            let digest = registry.store_manifest(repository, stored);
            registry.tag(repository, tag, &digest);
        }),
    );
    signer.run().succeeded();
    let place = attachment(&registry, image.repository(), &image.attached("sig"));
    assert_eq!(place.unwrap().layers.len(), 1);
    assert_eq!(registry.exchanges().of("PUT", ".sig").len(), 1);
}

/// Case 74, F.
#[test]
fn case_74_a_policy_against_unsigned_images_is_named_and_not_asked_again() {
    let (registry, _, signer) = seeded("no-sbom-layer");
    let answer = Answer::error(412, "PROJECTPOLICYVIOLATION", "the image is not signed");
    registry.inject(When::every("GET", "/manifests/v1"), Action::Answer(answer));
    refused(&registry, signer.run(), &[114]).says(&["PROJECTPOLICYVIOLATION"]);
    assert_eq!(registry.exchanges().of("GET", "/manifests/v1").len(), 1);
}

/// Case 75.
#[test]
fn case_75_a_warning_of_the_registry_is_shown_once() {
    let (registry, image, signer) = seeded("no-sbom-layer");
    registry.inject(
        When::every("*", "/v2/"),
        Action::change(|answer| {
            answer.headers.push((
                "warning".to_owned(),
                r#"299 - "this registry \"ends\" soon""#.to_owned(),
            ));
            answer
                .headers
                .push(("warning".to_owned(), r#"199 - "not for users""#.to_owned()));
        }),
    );
    let run = signer.run().succeeded();
    let shown = run.stdout.matches(r#"this registry "ends" soon"#).count();
    assert_eq!(shown, 1, "{}", run.stdout);
    run.says(&[registry.host()])
        .does_not_say(&["not for users"]);
    assert!(
        registry
            .manifest(image.repository(), &image.attached("sig"))
            .is_some()
    );
}
