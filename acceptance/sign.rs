//! What hangs on an image afterwards, byte for byte what real cosign wrote in
//! the same place (`testdata/objects`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::objects::{Attachment, RecordedObjects, SIGNATURE, attachment};
use crate::support::registry::Registry;
use crate::support::signer::{Config, Signer};

/// The place that was recorded: `(folder, tag)`.
fn recorded(folder: &str, image: &Image) -> Attachment {
    let objects = RecordedObjects::folder(folder);
    attachment(&objects, image.repository(), &image.attached("sig")).unwrap()
}

/// The manifest with every ECDSA signature replaced, since cosign's are random.
fn without_random_signatures(attachment: &Attachment) -> String {
    let mut text = String::from_utf8(attachment.manifest.bytes.to_vec()).unwrap();
    for layer in &attachment.layers {
        let signature = layer.signature();
        if STANDARD.decode(signature).unwrap().len() < 256 {
            text = text.replace(signature, "…");
        }
    }
    text
}

#[track_caller]
fn equal_to_cosign_s(registry: &Registry, folder: &str, prepare: impl Fn(Signer) -> Signer) {
    let image = Image::recorded("oci-media-types").named(&[&format!("obj/{folder}:v1")]);
    image.seed(registry);
    prepare(Signer::of(&image, registry.host())).run().succeeded();
    let ours = attachment(registry, image.repository(), &image.attached("sig")).unwrap();
    let theirs = recorded(folder, &image);
    assert_eq!(ours.manifest.media_type, theirs.manifest.media_type, "{folder}");
    assert_eq!(without_random_signatures(&ours), without_random_signatures(&theirs), "{folder}");
    assert_eq!(ours.config, theirs.config, "{folder}");
    for (ours, theirs) in ours.layers.iter().zip(&theirs.layers) {
        assert_eq!(ours.bytes, theirs.bytes, "{folder}");
    }
}

/// The payload names the registry, so it must be served at the recorded port.
#[test]
fn payload_manifest_and_config_are_cosign_s_byte_for_byte() {
    let registry = Registry::at_port(5055);
    let none = |key: &str| Config::key(key).set("export-sbom", "none");
    equal_to_cosign_s(&registry, "legacy-one-key-cosign2", |s| s.config(none("p256-cosign2")));
    equal_to_cosign_s(&registry, "legacy-one-key-cosign3", |s| s.config(none("p256-cosign3")));
    equal_to_cosign_s(&registry, "legacy-annotations-cosign2", |s| {
        s.config(none("p256-cosign2"))
            .annotation("umlaut", "é")
            .annotation("env", "prod")
            .annotation("sep", "a\u{2028}b")
            .annotation("b<>&", "x&y")
    });
    equal_to_cosign_s(&registry, "legacy-three-keys-cosign2", |s| {
        ["p256-cosign2", "p256-n32768-cosign-header", "rsa2048-imported-cosign3"]
            .into_iter()
            .fold(s, Signer::key_without_sbom)
    });
    equal_to_cosign_s(&registry, "legacy-docker-media-types-cosign2", |s| {
        s.config(none("p256-cosign2").set_raw("docker-media-types", "true"))
    });
    registry.stop();
}

#[test]
fn each_repository_of_the_report_gets_one_signature_about_itself() {
    let registry = Registry::start();
    let image = Image::recorded("two-repositories");
    image.seed(&registry);
    Signer::of(&image, registry.host()).key_without_sbom("p256-cosign3").run().succeeded();
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

#[test]
fn the_image_and_its_tags_stay_as_they_were() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    Signer::of(&image, registry.host()).key("p256-cosign3").run().succeeded();
    for (repository, tag) in image.tags() {
        assert_eq!(registry.manifest(repository, tag).unwrap(), *image.manifest());
    }
    let tags = registry.tags(image.repository());
    assert_eq!(tags, ["latest", &image.attached("att"), &image.attached("sig"), "v1"]);
}

#[test]
fn a_repository_replaces_the_image_s_whole_repository() {
    let (images, signatures) = (Registry::start(), Registry::start());
    let image = Image::recorded("platform-api-0.8");
    image.seed(&images);
    let place = format!("{}/team/signatures", signatures.host());
    let config = Config::key("p256-cosign3").set("repository", &place);
    Signer::of(&image, images.host()).config(config).run().succeeded();
    assert_eq!(images.exchanges().writes().len(), 0, "{:?}", images.exchanges());
    assert_eq!(images.tags(image.repository()), ["latest", "v1"]);

    let there = attachment(&signatures, "team/signatures", &image.attached("sig")).unwrap();
    let name = format!("{}/{}", images.host(), image.repository());
    let critical = &there.layers[0].json()["critical"];
    assert_eq!(critical["identity"]["docker-reference"], Value::from(name));
    let key = crate::support::cosign::public_key("p256-cosign3").display().to_string();
    let reference = image.reference(images.host());
    let verify = ["--key", &key, "--insecure-ignore-tlog", "--allow-insecure-registry", &reference];
    for cosign in BOTH {
        let command = |name| [&[name][..], &verify].concat();
        cosign.run(&command("verify"), &[("COSIGN_REPOSITORY", &place)]).accepted();
        cosign.run(&command("verify"), &[]).refused();
        let attestation = [&["verify-attestation", "--type", "cyclonedx"][..], &verify].concat();
        cosign.run(&attestation, &[("COSIGN_REPOSITORY", &place)]).accepted();
    }
}

#[test]
fn signatures_of_others_stay_as_they_are_and_in_their_order() {
    for (before, after) in [(Cosign::V2, Cosign::V3), (Cosign::V3, Cosign::V2)] {
        let registry = Registry::start();
        let image = Image::recorded("oci-media-types");
        image.seed(&registry);
        let reference = image.reference(registry.host());
        let read = || attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
        before.sign("p256-cosign2", &reference, &[]).accepted();
        let theirs = read();
        Signer::of(&image, registry.host()).key_without_sbom("ed25519-imported-cosign3").run().succeeded();
        let both = read();
        assert_eq!(both.layers[0], theirs.layers[0]);
        after.sign("rsa2048-imported-cosign3", &reference, &[]).accepted();
        let all = read();
        assert_eq!(all.layers[..2], both.layers);
        for cosign in BOTH {
            for key in ["p256-cosign2", "ed25519-imported-cosign3", "rsa2048-imported-cosign3"] {
                cosign.verify(key, &reference, &[]).accepted();
            }
        }
    }
}

#[test]
fn what_others_wrote_into_the_manifest_is_kept() {
    let registry = Registry::start();
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let (repository, tag) = (image.repository(), image.attached("sig"));
    Cosign::V2.sign("p256-cosign2", &image.reference(registry.host()), &[]).accepted();
    let mut stored = registry.manifest(repository, &tag).unwrap();
    let text = String::from_utf8(stored.bytes.to_vec()).unwrap();
    let foreign = r#""annotations":{"z":"1","a":"2"},"x-unknown":{"b": 1.0}"#;
    let text = format!("{},{foreign}}}", text.strip_suffix('}').unwrap());
    let layer = format!(r#""{SIGNATURE}""#);
    let text = text.replacen(&layer, &format!(r#""their.own":"kept",{layer}"#), 1);
    stored.bytes = text.into();
    let digest = registry.store_manifest(repository, stored);
    registry.tag(repository, &tag, &digest);

    Signer::of(&image, registry.host()).key_without_sbom("p256-cosign3").run().succeeded();
    let now = registry.manifest(repository, &tag).unwrap();
    let now = String::from_utf8(now.bytes.to_vec()).unwrap();
    assert!(now.contains(foreign), "{now}");
    let layers = attachment(&registry, repository, &tag).unwrap().layers;
    assert_eq!(layers.len(), 2);
    assert_eq!(layers[0].annotations["their.own"], "kept");
}

#[test]
fn a_tag_that_exists_keeps_its_media_types() {
    let registry = Registry::start();
    let image = Image::recorded("oci-media-types");
    image.seed(&registry);
    let docker = Config::key("p256-cosign2").set("export-sbom", "none").set_raw("docker-media-types", "true");
    Signer::of(&image, registry.host()).config(docker).run().succeeded();
    Signer::of(&image, registry.host()).key_without_sbom("p256-cosign3").run().succeeded();
    let signatures = attachment(&registry, image.repository(), &image.attached("sig")).unwrap();
    assert_eq!(signatures.layers.len(), 2);
    assert_eq!(signatures.manifest.media_type, "application/vnd.docker.distribution.manifest.v2+json");
}

#[test]
fn the_first_write_to_an_immutable_tag_holds_everything() {
    let registry = Registry::with(crate::support::registry::Settings {
        immutable_tags: crate::support::registry::Switch::On,
        ..Default::default()
    });
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    let signer = || Signer::of(&image, registry.host()).key("p256-cosign3").key("ed25519-imported-cosign3");
    signer().run().succeeded();
    // Complete is success; a change is refused with the ways out.
    signer().run().succeeded();
    let more = signer().key("rsa2048-imported-cosign3").run().ended_with(118);
    more.says(&["hint:", "repository"]);
}

#[test]
fn the_log_names_every_place_and_key() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    image.seed(&registry);
    let run = Signer::of(&image, registry.host()).key("p256-cosign3").run().succeeded();
    for suffix in ["sig", "att"] {
        let place = format!("{}/{}:{}", registry.host(), image.repository(), image.attached(suffix));
        assert!(run.stdout.contains(&place), "{place} is not in:\n{}", run.stdout);
    }
}
