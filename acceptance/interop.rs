//! Every recorded image, signed by three kinds of keys on CNCF distribution:
//! both majors of cosign accept all that hangs there afterwards.

use std::collections::BTreeSet;

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::{Image, RECORDED};
use crate::support::objects::attachment;
use crate::support::real::RealRegistry;
use crate::support::signer::{Config, Signer};

const KEYS: [&str; 3] = [
    "p256-cosign3",
    "rsa2048-imported-cosign3",
    "ed25519-imported-cosign3",
];
const WITH_DOCUMENTS: [&str; 5] = [
    "platform-api-0.15",
    "platform-api-0.8",
    "only-cyclonedx",
    "one-document",
    "rebased",
];

fn sign(registry: &RealRegistry, image: &Image) {
    image.push(registry.remote());
    let signer = Signer::of(image, registry.host())
        .annotation("env", "prod")
        .annotation("n", "1");
    KEYS.into_iter().fold(signer, Signer::key).run().succeeded();
}

#[test]
fn both_majors_verify_every_recorded_image_with_every_kind_of_key() {
    let registry = RealRegistry::distribution();
    for name in RECORDED {
        let image = Image::recorded(name);
        sign(&registry, &image);
        for repository in image.repositories() {
            let reference = format!("{}/{repository}@{}", registry.host(), image.digest());
            for cosign in BOTH {
                for key in KEYS {
                    let annotations = [("env", "prod"), ("n", "1")];
                    cosign.verify(key, &reference, &annotations).accepted();
                }
            }
        }
    }
}

#[test]
fn a_key_that_did_not_sign_and_an_annotation_that_is_not_there_are_refused() {
    let registry = RealRegistry::distribution();
    let image = Image::recorded("one-document");
    sign(&registry, &image);
    let reference = image.reference(registry.host());
    for cosign in BOTH {
        cosign.verify("p256-cosign2", &reference, &[]).refused();
        cosign
            .verify(KEYS[0], &reference, &[("env", "test")])
            .refused();
        cosign
            .verify_attestation("p256-cosign2", "spdxjson", &reference)
            .refused();
        cosign
            .verify_attestation(KEYS[0], "cyclonedx", &reference)
            .refused();
    }
}

#[test]
fn both_majors_verify_the_attestations_of_every_type_and_key() {
    let registry = RealRegistry::distribution();
    for name in WITH_DOCUMENTS {
        let image = Image::recorded(name);
        sign(&registry, &image);
        let reference = image.reference(registry.host());
        let documents = image.standard_documents();
        let types: BTreeSet<_> = documents
            .iter()
            .filter_map(|d| d.predicate_type())
            .collect();
        for predicate_type in types {
            let count = documents
                .iter()
                .filter(|d| d.predicate_type() == Some(predicate_type));
            let count = count.count();
            for cosign in BOTH {
                for key in KEYS {
                    let printed = cosign.verify_attestation(key, predicate_type, &reference);
                    // One envelope per line.
                    assert_eq!(
                        printed.accepted().stdout.lines().count(),
                        count,
                        "{name} {key}"
                    );
                }
            }
        }
    }
}

#[test]
fn attestations_and_attachments_are_downloaded_and_listed() {
    let registry = RealRegistry::distribution();
    let image = Image::recorded("one-document");
    image.push(registry.remote());
    Signer::of(&image, registry.host())
        .key(KEYS[0])
        .config(Config::key(KEYS[1]).set("export-sbom", "attachment"))
        .run()
        .succeeded();
    let reference = image.reference(registry.host());
    let document = image.standard_documents().remove(0);
    for cosign in BOTH {
        let attestations = cosign.download("attestation", &reference).accepted();
        assert_eq!(attestations.stdout.lines().count(), 1);
        let signatures = cosign.download("signature", &reference).accepted();
        assert_eq!(signatures.stdout.lines().count(), 2);
        let sbom = cosign.download("sbom", &reference).accepted();
        assert_eq!(
            sbom.stdout.trim_end().as_bytes(),
            document.bytes.trim_ascii_end()
        );
        let tree = cosign.tree(&reference).accepted();
        for suffix in ["sig", "att", "sbom"] {
            assert!(
                tree.stdout.contains(&image.attached(suffix)),
                "{}",
                tree.stdout
            );
        }
    }
}

/// cosign appends to what we wrote, and we to what it wrote, on a registry with
/// the referrers API too.
#[test]
fn cosign_and_the_signer_append_to_each_other_s_tags_on_any_registry() {
    for registry in [RealRegistry::distribution(), RealRegistry::with_referrers()] {
        let image = Image::recorded("oci-media-types");
        image.push(registry.remote());
        let reference = image.reference(registry.host());
        Cosign::V3.sign("p256-cosign2", &reference, &[]).accepted();
        let signer = KEYS.into_iter().fold(
            Signer::of(&image, registry.host()),
            Signer::key_without_sbom,
        );
        signer.run().succeeded();
        Cosign::V2
            .sign("p384-imported-cosign3", &reference, &[])
            .accepted();
        let tag = image.attached("sig");
        let signatures = attachment(registry.remote(), image.repository(), &tag).unwrap();
        assert_eq!(signatures.layers.len(), 5);
        for cosign in BOTH {
            for key in KEYS.into_iter().chain(["p256-cosign2"]) {
                cosign.verify(key, &reference, &[]).accepted();
            }
        }
    }
}

#[test]
fn docker_media_types_are_verified_too() {
    let registry = RealRegistry::distribution();
    let image = Image::recorded("platform-api-0.15");
    image.push(registry.remote());
    let config = Config::key(KEYS[0]).set_raw("docker-media-types", "true");
    Signer::of(&image, registry.host())
        .config(config)
        .run()
        .succeeded();
    for suffix in ["sig", "att"] {
        let place = registry
            .remote()
            .manifest(image.repository(), &image.attached(suffix))
            .unwrap();
        assert_eq!(
            place.media_type,
            "application/vnd.docker.distribution.manifest.v2+json"
        );
    }
    let reference = image.reference(registry.host());
    for cosign in BOTH {
        cosign.verify(KEYS[0], &reference, &[]).accepted();
        cosign
            .verify_attestation(KEYS[0], "cyclonedx", &reference)
            .accepted();
    }
}
