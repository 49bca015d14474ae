//! Steps 1 and 2 of the RFC: whatever they find wrong, nothing was stored
//! anywhere and no upload session is left open.

use bytes::Bytes;

use crate::support::images::Image;
use crate::support::registry::{Access, Action, Auth, Registry, Settings, Stored, When};
use crate::support::signer::{Config, Outcome, Signer};

/// Nothing was stored, and what was opened was cancelled.
#[track_caller]
fn untouched(registry: &Registry) {
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
}

fn seeded(name: &str) -> (Registry, Image) {
    let registry = Registry::start();
    let image = Image::recorded(name);
    image.seed(&registry);
    (registry, image)
}

/// Nothing is asked for again: how long for is tested in `faults/just_pushed.rs`.
#[track_caller]
fn refused(registry: &Registry, image: &Image, code: i32) -> Outcome {
    let signer = Signer::of(image, registry.host()).key("p256-cosign3");
    let run = signer
        .arguments(&["-retry-budget=0"])
        .run()
        .ended_with(code);
    untouched(registry);
    run
}

/// Another image in the same repository.
fn stranger(registry: &Registry, repository: &str) -> String {
    let other = Image::recorded("one-document").named(&[&format!("{repository}:stranger")]);
    other.seed(registry);
    other.digest().to_owned()
}

/// SIG-20, SIG-21
#[test]
fn case_40_a_first_tag_that_moved_is_found_and_told_from_a_missing_image() {
    let (registry, image) = seeded("platform-api-0.15");
    let moved = stranger(&registry, image.repository());
    registry.tag(image.repository(), "v1", &moved);
    refused(&registry, &image, 114).says(&[":v1", image.digest(), &moved]);
}

/// A run that signs with one key while `v1` moves.
fn signed_while_the_tag_moves(arguments: &[&str]) -> (Registry, Outcome) {
    let (registry, image) = seeded("oci-media-types");
    let moved = stranger(&registry, image.repository());
    let (moving, to) = (registry.clone(), moved.clone());
    let repository = image.repository().to_owned();
    let part = "/blobs/uploads/";
    registry.inject(
        When::first("PUT", part),
        Action::before(move || moving.tag(&repository, "v1", &to)),
    );
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    let run = signer.arguments(arguments).run().succeeded();
    let place = |tag: &str| registry.manifest(image.repository(), tag);
    assert_eq!(place("v1").unwrap().digest(), moved);
    assert!(place(&image.attached("sig")).is_some());
    let signed = registry.tags(image.repository());
    let of_moved = format!("{}.sig", moved.replace(':', "-"));
    assert!(!signed.contains(&of_moved), "{signed:?}");
    (registry, run)
}

/// Case 41. SIG-20, SIG-48
#[test]
fn case_41_a_tag_that_moves_after_the_check_is_warned_of() {
    let (registry, run) = signed_while_the_tag_moves(&[]);
    let warned = run.warnings();
    assert!(
        matches!(warned[..], [line] if line.contains(":v1 moved to sha256:")),
        "{warned:?}"
    );
    assert_eq!(registry.exchanges().of("HEAD", "/manifests/v1").len(), 1);
}

/// Case 41: who does not settle does not look again either.
/// SIG-48
#[test]
fn case_41_without_settling_no_tag_is_looked_at_again() {
    let (registry, run) = signed_while_the_tag_moves(&["-settle=0"]);
    assert!(run.warnings().is_empty(), "{}", run.stdout);
    assert!(registry.exchanges().of("HEAD", "/manifests/v1").is_empty());
}

/// SIG-20, SIG-21
#[test]
fn case_40_a_further_tag_that_moved_is_found() {
    let (registry, image) = seeded("platform-api-0.15");
    let moved = stranger(&registry, image.repository());
    registry.tag(image.repository(), "latest", &moved);
    refused(&registry, &image, 114).says(&[":latest", image.digest()]);
}

/// SIG-21
#[test]
fn a_tag_that_is_gone_is_found() {
    for tag in ["v1", "latest"] {
        let (registry, image) = seeded("platform-api-0.15");
        registry.remove(image.repository(), tag);
        refused(&registry, &image, 114).says(&[&format!(":{tag}")]);
    }
}

#[test]
fn an_image_that_was_never_there_is_named() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.15");
    refused(&registry, &image, 114).says(&[image.repository()]);
}

#[test]
fn an_image_that_is_gone_behind_a_moved_tag_is_missing() {
    let (registry, image) = seeded("oci-media-types");
    let moved = stranger(&registry, image.repository());
    registry.tag(image.repository(), "v1", &moved);
    registry.remove(image.repository(), image.digest());
    refused(&registry, &image, 114).says(&[image.digest()]);
}

/// SIG-20
#[test]
fn bytes_with_another_digest_are_not_signed_whatever_the_header_says() {
    let (registry, image) = seeded("oci-media-types");
    registry.inject(
        When::every("GET", "/manifests/"),
        Action::change(|answer| {
            let mut bytes = answer.body.to_vec();
            bytes.push(b'\n');
            answer.body = Bytes::from(bytes);
        }),
    );
    refused(&registry, &image, 114);
}

#[test]
fn a_digest_header_that_disagrees_with_the_bytes_is_an_error() {
    let (registry, image) = seeded("oci-media-types");
    let other = format!("sha256:{}", "0".repeat(64));
    registry.inject(
        When::every("GET", "/manifests/"),
        Action::change(move |answer| answer.set("docker-content-digest", other.clone())),
    );
    refused(&registry, &image, 114);
}

/// A manifest with the digest and the tag, but of no image and no index.
/// SIG-67
#[test]
fn anything_but_an_image_or_an_index_is_not_signed() {
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let whole = Image::recorded("oci-media-types").manifest().json();
    let mut both = whole.clone();
    both["manifests"] = serde_json::json!([]);
    for (media_type, text) in [
        (IMAGE, r#"{"hello":1}"#.to_owned()),
        (INDEX, r#"{"hello":1}"#.to_owned()),
        (IMAGE, r#"{"schemaVersion":2,"hello":1}"#.to_owned()),
        (INDEX, r#"{"schemaVersion":2,"hello":1}"#.to_owned()),
        (INDEX, r#"{"schemaVersion":2,"manifests":["x"]}"#.to_owned()),
        (
            IMAGE,
            r#"{"schemaVersion":2,"config":{},"layers":[]}"#.to_owned(),
        ),
        (SCHEMA_1, r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned()),
        ("application/json", r#"{"hello":1}"#.to_owned()),
        ("text/html", r#"{"hello":1}"#.to_owned()),
        (IMAGE, both.to_string()),
    ] {
        let registry = Registry::start();
        let stored = Stored {
            media_type: media_type.to_owned(),
            bytes: text.clone().into(),
        };
        let digest = registry.store_manifest("app", stored);
        registry.tag("app", "v1", &digest);
        let host = registry.host();
        let report = format!("[image]\ntags = [\"{host}/app:v1\"]\ndigest = \"{digest}\"\n");
        for export in ["none", "attestation"] {
            let key = Config::key("p256-n32768-cosign-header").set("export-sbom", export);
            let run = Signer::with_report(&report).config(key).run();
            assert_eq!(run.code, Some(114), "{media_type} {text}\n{}", run.stdout);
            untouched(&registry);
        }
    }
}

/// Any name that the host has there: the tag shows the image.
/// SIG-33
#[test]
fn a_place_where_the_image_itself_is_tagged_is_not_written() {
    for suffix in ["sig", "att", "sbom"] {
        let (registry, image) = seeded("one-document");
        registry.tag(image.repository(), &image.attached(suffix), image.digest());
        let key = |export| Config::key("p256-cosign3").set("export-sbom", export);
        let signer = Signer::of(&image, registry.host())
            .config(key("attestation"))
            .config(Config::key("p256-cosign2").set("export-sbom", "attachment"));
        let run = signer.run().ended_with(118);
        run.says(&[
            &image.attached(suffix),
            "is the image itself",
            "`repository`",
        ]);
        untouched(&registry);
    }
}

#[test]
fn an_image_that_may_not_be_pulled_ends_with_113() {
    for auth in [Auth::None, Auth::basic("pass"), Auth::bearer("pass")] {
        let image = Image::recorded("oci-media-types");
        let access = [(image.repository().to_owned(), Access::Nothing)].into();
        let registry = Registry::with(Settings {
            auth,
            access,
            ..Settings::default()
        });
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let signer = signer.credential(registry.host(), "Basic cm9ib3Q6cGFzcw==");
        signer.run().ended_with(113).says(&[image.repository()]);
        untouched(&registry);
    }
}

#[test]
fn wrong_credentials_and_none_end_with_113() {
    for auth in [Auth::basic("pass"), Auth::bearer("pass")] {
        let image = Image::recorded("oci-media-types");
        let registry = Registry::with(Settings {
            auth,
            ..Settings::default()
        });
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        signer.run().ended_with(113);
        let signer = signer.credential(registry.host(), "Basic cm9ib3Q6d3Jvbmc=");
        signer.run().ended_with(113);
        untouched(&registry);
    }
}

/// SIG-23, SIG-32
#[test]
fn one_of_two_repositories_that_may_not_be_pushed_to_keeps_both_unsigned() {
    for auth in [Auth::None, Auth::basic("pass"), Auth::bearer("pass")] {
        let image = Image::recorded("two-repositories");
        let refused = image.repositories()[1].to_owned();
        let access = [(refused.clone(), Access::ReadOnly)].into();
        let registry = Registry::with(Settings {
            auth,
            access,
            ..Settings::default()
        });
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
        let signer = signer.credential(registry.host(), "Basic cm9ib3Q6cGFzcw==");
        signer.run().ended_with(113).says(&[&refused]);
        untouched(&registry);
    }
}

/// SIG-23, SIG-32
#[test]
fn a_destination_in_another_registry_that_refuses_keeps_the_first_one_unsigned() {
    let (first, image) = seeded("oci-media-types");
    let access = [("signatures".to_owned(), Access::ReadOnly)].into();
    let second = Registry::with(Settings {
        access,
        ..Settings::default()
    });
    let elsewhere =
        Config::key("p256-cosign2").set("repository", &format!("{}/signatures", second.host()));
    let signer = Signer::of(&image, first.host())
        .key("p256-cosign3")
        .config(elsewhere);
    signer.run().ended_with(113).says(&["signatures"]);
    untouched(&first);
    untouched(&second);
}

/// SIG-24
#[test]
fn a_destination_that_cannot_be_read_ends_before_anything_is_stored() {
    let (registry, image) = seeded("oci-media-types");
    registry.inject(When::every("GET", ".sig"), Action::error(403, "DENIED"));
    refused(&registry, &image, 113).says(&[image.repository()]);
}

/// WIRE-43
#[test]
fn an_object_that_is_no_image_manifest_is_not_overwritten() {
    let (registry, image) = seeded("oci-media-types");
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let stored = Stored {
        media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        bytes: Bytes::from_static(index.as_bytes()),
    };
    let digest = registry.store_manifest(image.repository(), stored);
    registry.tag(image.repository(), &image.attached("sig"), &digest);
    refused(&registry, &image, 118).says(&[&image.attached("sig")]);
}

/// A run with `-check` for `key`.
fn checked(registry: &Registry, image: &Image, key: &str, arguments: &[&str]) -> Outcome {
    let signer = Signer::of(image, registry.host()).key(key);
    let receipt = signer.folder().join("receipt.toml");
    let run = signer
        .arguments(&["-check", "-retry-budget=0", "-receipt"])
        .arguments(&[receipt.to_str().unwrap()])
        .arguments(arguments)
        .run();
    untouched(registry);
    assert!(!receipt.exists());
    run
}

/// SIG-93
#[test]
fn a_check_says_what_is_ready_and_leaves_nothing() {
    let (registry, image) = seeded("platform-api-0.15");
    let run = checked(&registry, &image, "p256-cosign3", &[]).succeeded();
    run.says(&["ready to sign 1 image with 1 key", "Unlocked key"])
        .does_not_say(&["Signed", "Done in"]);
    let sessions = |method| registry.exchanges().of(method, "/blobs/uploads/").len();
    assert!(sessions("POST") > 0);
    assert_eq!(sessions("POST"), sessions("DELETE"));
}

/// SIG-93
#[test]
fn a_check_ends_as_the_run_would_have_ended() {
    let (registry, image) = seeded("platform-api-0.15");
    let wrong = Signer::of(&image, registry.host())
        .config(Config::key("p256-cosign3").set("password", "/dev/null"))
        .arguments(&["-check"])
        .run();
    wrong.ended_with(115);
    let moved = stranger(&registry, image.repository());
    registry.tag(image.repository(), "v1", &moved);
    checked(&registry, &image, "p256-cosign3", &[]).ended_with(114);
    let image = Image::recorded("platform-api-0.15");
    let registry = Registry::with(Settings {
        access: [(image.repository().to_owned(), Access::ReadOnly)].into(),
        ..Settings::default()
    });
    image.seed(&registry);
    checked(&registry, &image, "p256-cosign3", &[]).ended_with(113);
}
