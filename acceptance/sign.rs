//! The objects on an image afterwards, byte for byte those that real cosign wrote in
//! the same place (`testdata/objects`).

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::{Image, RECORDED_HOST};
use crate::support::objects::{Attachment, Layer, RecordedObjects, SIGNATURE, attachment};
use crate::support::registry::{Action, Registry, Settings, Switch, When, sha256};
use crate::support::signer::{Config, Signer};

/// The objects of cosign, as they would have been on our registry: the payloads name
/// the registry, so that their digests and sizes, and the config's, are ours.
/// ECDSA signatures are random in cosign and left out.
fn on_our_registry(theirs: &Attachment, ours: &Attachment) -> (String, String) {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let (mut manifest, mut config) = (text(&theirs.manifest.bytes), text(&theirs.config));
    for (their, our) in theirs.layers.iter().zip(&ours.layers) {
        let sized = |layer: &Layer| {
            format!(
                r#""size":{},"digest":"{}""#,
                layer.bytes.len(),
                layer.digest
            )
        };
        manifest = manifest.replace(&sized(their), &sized(our));
        manifest = manifest.replace(their.signature(), our.signature());
        config = config.replace(&their.digest, &our.digest);
    }
    let manifest = manifest.replace(&sha256(&theirs.config), &sha256(&ours.config));
    (manifest, config)
}

#[track_caller]
fn equal_to_the_recorded(folder: &str, prepare: impl Fn(Signer) -> Signer) {
    let image = Image::recorded("oci-media-types").named(&[&format!("obj/{folder}:v1")]);
    let registry = Registry::start();
    image.seed(&registry);
    prepare(Signer::of(&image, registry.host()))
        .run()
        .succeeded();
    let tag = image.attached("sig");
    let ours = attachment(&registry, image.repository(), &tag).unwrap();
    let theirs = RecordedObjects::folder(folder);
    let theirs = attachment(&theirs, image.repository(), &tag).unwrap();
    assert_eq!(ours.layers.len(), theirs.layers.len());
    for (ours, theirs) in ours.layers.iter().zip(&theirs.layers) {
        let ours = String::from_utf8(ours.bytes.to_vec()).unwrap();
        assert_eq!(
            ours.replace(registry.host(), RECORDED_HOST).as_bytes(),
            theirs.bytes,
            "{folder}"
        );
    }
    let (manifest, config) = on_our_registry(&theirs, &ours);
    assert_eq!(
        ours.manifest.media_type, theirs.manifest.media_type,
        "{folder}"
    );
    assert_eq!(ours.manifest.bytes, manifest, "{folder}");
    assert_eq!(ours.config, config, "{folder}");
}

/// WIRE-20, WIRE-22, WIRE-40
#[test]
fn payload_manifest_and_config_are_those_that_cosign_wrote() {
    equal_to_the_recorded("legacy-one-key-cosign2", |s| {
        s.key_without_sbom("p256-cosign2")
    });
    equal_to_the_recorded("legacy-one-key-cosign3", |s| {
        s.key_without_sbom("p256-cosign3")
    });
    equal_to_the_recorded("legacy-annotations-cosign2", |s| {
        s.key_without_sbom("p256-cosign2")
            .annotation("umlaut", "é")
            .annotation("env", "prod")
            .annotation("sep", "a\u{2028}b")
            .annotation("b<>&", "x&y")
    });
    equal_to_the_recorded("legacy-three-keys-cosign2", |s| {
        [
            "p256-cosign2",
            "p256-n32768-cosign-header",
            "rsa2048-imported-cosign3",
        ]
        .into_iter()
        .fold(s, Signer::key_without_sbom)
    });
    equal_to_the_recorded("legacy-docker-media-types-cosign2", |s| {
        let config = Config::key("p256-cosign2").set("export-sbom", "none");
        s.config(config.set_raw("docker-media-types", "true"))
    });
}

/// RSA signatures are deterministic, so that nothing at all may differ.
/// WIRE-20, WIRE-22, WIRE-40
#[test]
fn with_an_rsa_key_both_majors_of_cosign_write_the_same_bytes() {
    for cosign in BOTH {
        for key in ["rsa2048-imported-cosign3", "rsa3072-imported-cosign3"] {
            let registry = Registry::start();
            let image = Image::recorded("oci-media-types");
            image.seed(&registry);
            let tag = image.attached("sig");
            let signer = Signer::of(&image, registry.host()).key_without_sbom(key);
            signer
                .annotation("env", "prod")
                .annotation("a", "<&>")
                .run()
                .succeeded();
            let ours = registry.manifest(image.repository(), &tag).unwrap();
            registry.remove(image.repository(), &tag);
            let annotations = [("a", "<&>"), ("env", "prod")];
            cosign
                .sign(key, &image.reference(registry.host()), &annotations)
                .accepted();
            assert_eq!(
                ours,
                registry.manifest(image.repository(), &tag).unwrap(),
                "{cosign:?} {key}"
            );
        }
    }
}

/// SIG-25, SIG-26, WIRE-21
#[test]
fn each_repository_of_the_report_gets_one_signature_about_itself() {
    let registry = Registry::start();
    let image = Image::recorded("two-repositories");
    image.seed(&registry);
    Signer::of(&image, registry.host())
        .key_without_sbom("p256-cosign3")
        .run()
        .succeeded();
    assert_eq!(image.repositories().len(), 2);
    for repository in image.repositories() {
        let signatures = attachment(&registry, repository, &image.attached("sig")).unwrap();
        assert_eq!(signatures.layers.len(), 1);
        let critical = signatures.layers[0].json()["critical"].clone();
        let name = format!("{}/{repository}", registry.host());
        assert_eq!(critical["identity"]["docker-reference"], Value::from(name));
        assert_eq!(critical["image"]["docker-manifest-digest"], image.digest());
        let reference = format!("{}/{repository}@{}", registry.host(), image.digest());
        for cosign in BOTH {
            cosign.verify("p256-cosign3", &reference, &[]).accepted();
        }
    }
}

/// SIG-33
#[test]
fn the_image_and_its_tags_stay_as_they_were() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .succeeded();
    for (repository, tag) in image.tags() {
        assert_eq!(
            registry.manifest(repository, tag).unwrap(),
            *image.manifest()
        );
    }
    let tags = registry.tags(image.repository());
    assert_eq!(
        tags,
        [
            "latest",
            &image.attached("att"),
            &image.attached("sig"),
            "v1"
        ]
    );
}

/// SIG-22, SIG-26, WIRE-21
#[test]
fn a_repository_replaces_the_image_s_whole_repository() {
    let (images, signatures) = (Registry::start(), Registry::start());
    let image = Image::recorded("platform-api-0.8");
    image.seed(&images);
    let place = format!("{}/team/signatures", signatures.host());
    let config = Config::key("p256-cosign3").set("repository", &place);
    Signer::of(&image, images.host())
        .config(config)
        .run()
        .succeeded();
    assert_eq!(
        images.exchanges().writes().len(),
        0,
        "{:?}",
        images.exchanges()
    );
    assert_eq!(images.tags(image.repository()), ["latest", "v1"]);

    let there = attachment(&signatures, "team/signatures", &image.attached("sig")).unwrap();
    let name = format!("{}/{}", images.host(), image.repository());
    let critical = &there.layers[0].json()["critical"];
    assert_eq!(critical["identity"]["docker-reference"], Value::from(name));
    let key = crate::support::cosign::public_key("p256-cosign3")
        .display()
        .to_string();
    let reference = image.reference(images.host());
    let verify = [
        "--key",
        &key,
        "--insecure-ignore-tlog",
        "--allow-insecure-registry",
        &reference,
    ];
    for cosign in BOTH {
        let command = |name| [&[name][..], &verify].concat();
        cosign
            .run(&command("verify"), &[("COSIGN_REPOSITORY", &place)])
            .accepted();
        cosign.run(&command("verify"), &[]).refused();
        let attestation = [&["verify-attestation", "--type", "cyclonedx"][..], &verify].concat();
        cosign
            .run(&attestation, &[("COSIGN_REPOSITORY", &place)])
            .accepted();
    }
}

/// SIG-34, WIRE-41
#[test]
fn case_47_signatures_of_others_stay_as_they_are_and_in_their_order() {
    for (before, after) in [(Cosign::V2, Cosign::V3), (Cosign::V3, Cosign::V2)] {
        let registry = Registry::start();
        let image = Image::recorded("oci-media-types");
        image.seed(&registry);
        let reference = image.reference(registry.host());
        let read = || attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
        before.sign("p256-cosign2", &reference, &[]).accepted();
        let theirs = read();
        Signer::of(&image, registry.host())
            .key_without_sbom("ed25519-imported-cosign3")
            .run()
            .succeeded();
        let both = read();
        assert_eq!(both.layers[0], theirs.layers[0]);
        after
            .sign("rsa2048-imported-cosign3", &reference, &[])
            .accepted();
        let all = read();
        assert_eq!(all.layers[..2], both.layers);
        for cosign in BOTH {
            for key in [
                "p256-cosign2",
                "ed25519-imported-cosign3",
                "rsa2048-imported-cosign3",
            ] {
                cosign.verify(key, &reference, &[]).accepted();
            }
        }
    }
}

/// SIG-34, WIRE-41
#[test]
fn what_others_wrote_into_the_manifest_is_kept() {
    let registry = Registry::start();
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let (repository, tag) = (image.repository(), image.attached("sig"));
    Cosign::V2
        .sign("p256-cosign2", &image.reference(registry.host()), &[])
        .accepted();
    let mut stored = registry.manifest(repository, &tag).unwrap();
    let text = String::from_utf8(stored.bytes.to_vec()).unwrap();
    let subject = json!({
        "mediaType": image.manifest().media_type,
        "digest": image.digest(),
        "size": image.manifest().bytes.len(),
    });
    let foreign = format!(
        r#""subject":{subject},"annotations":{{"z":"1","a":"2"}},"x-unknown":{{"b": 1.0}}"#
    );
    let text = format!("{},{foreign}}}", text.strip_suffix('}').unwrap());
    let layer = format!(r#""{SIGNATURE}""#);
    let text = text.replacen(&layer, &format!(r#""their.own":"kept",{layer}"#), 1);
    stored.bytes = text.into();
    let digest = registry.store_manifest(repository, stored);
    registry.tag(repository, &tag, &digest);

    Signer::of(&image, registry.host())
        .key_without_sbom("p256-cosign3")
        .run()
        .succeeded();
    let now = registry.manifest(repository, &tag).unwrap();
    let now = String::from_utf8(now.bytes.to_vec()).unwrap();
    assert!(now.contains(&foreign), "{now}");
    let layers = attachment(&registry, repository, &tag).unwrap().layers;
    assert_eq!(layers.len(), 2);
    assert_eq!(layers[0].annotations["their.own"], "kept");
}

#[test]
fn a_tag_that_exists_keeps_its_media_types() {
    let registry = Registry::start();
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let docker = Config::key("p256-cosign2")
        .set("export-sbom", "none")
        .set_raw("docker-media-types", "true");
    Signer::of(&image, registry.host())
        .config(docker)
        .run()
        .succeeded();
    Signer::of(&image, registry.host())
        .key_without_sbom("p256-cosign3")
        .run()
        .succeeded();
    let signatures = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
    assert_eq!(signatures.layers.len(), 2);
    assert_eq!(
        signatures.manifest.media_type,
        "application/vnd.docker.distribution.manifest.v2+json"
    );
}

#[test]
fn a_registry_that_takes_no_oci_manifest_is_named_with_the_setting_to_try() {
    let registry = Registry::start();
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let invalid = Action::error(400, "MANIFEST_INVALID");
    registry.inject(When::every("PUT", "/manifests/"), invalid);
    Signer::of(&image, registry.host())
        .key_without_sbom("p256-cosign3")
        .run()
        .ended_with(118)
        .says(&["MANIFEST_INVALID", "hint:", "`docker-media-types = true`"]);
}

/// WIRE-3, WIRE-4
#[test]
fn case_24_the_first_write_to_an_immutable_tag_holds_everything() {
    let registry = Registry::with(Settings {
        immutable_tags: Switch::On,
        ..Settings::default()
    });
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    let signer = || {
        Signer::of(&image, registry.host())
            .key("p256-cosign3")
            .key("ed25519-imported-cosign3")
    };
    signer().run().succeeded();
    // Complete is success; a change is refused with the ways out.
    signer().run().succeeded();
    let more = signer()
        .key("rsa2048-imported-cosign3")
        .run()
        .ended_with(118);
    more.says(&["hint:", "repository"]);
}

/// SIG-36
#[test]
fn the_log_names_every_place_and_key() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    let run = Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .succeeded();
    for suffix in ["sig", "att"] {
        let place = format!(
            "{}/{}:{}",
            registry.host(),
            image.repository(),
            image.attached(suffix)
        );
        assert!(
            run.stdout.contains(&place),
            "{place} is not in:\n{}",
            run.stdout
        );
    }
}
