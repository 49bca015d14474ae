//! Where bundles are listed: by the registry, or at the tag of the referrers tag
//! schema; and what registries and others can do to either.

mod list;

use std::thread;

use serde_json::{Value, json};

use crate::support::cosign::Cosign;
use crate::support::images::{Document, Image};
use crate::support::objects::{bundles, of_fallback, of_list};
use crate::support::real::RealRegistry;
use crate::support::registry::{Action, Answer, Auth, Registry, Settings, Stored, Switch, When};
use crate::support::signer::{Config, Signer};

const KEYS: [&str; 3] = ["p256-cosign3", "p256-cosign2", "ed25519-imported-cosign3"];
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn registry(referrers: Switch) -> Registry {
    Registry::with(Settings {
        referrers,
        ..Settings::default()
    })
}

fn image() -> Image {
    Image::recorded("no-sbom-layer")
}

fn bundle(key: &str) -> Config {
    Config::key(key).set("format", "bundle")
}

fn signer(image: &Image, registry: &Registry, keys: &[&str]) -> Signer {
    let signer = Signer::of(image, registry.host());
    keys.iter()
        .fold(signer, |signer, key| signer.config(bundle(key)))
}

fn index(entries: &[Value]) -> Answer {
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    Answer::new(200).body(INDEX, index.to_string())
}

/// WIRE-75: requests of one image and three keys, with Bearer tokens.
#[test]
fn three_bundles_are_seventeen_requests_and_without_a_list_at_most_three_more() {
    for (referrers, settle, expected) in [
        (Switch::On, &["-settle", "0"][..], 17),
        (Switch::On, &[], 18),
        (Switch::Off, &["-settle", "0"], 19),
        (Switch::Off, &[], 21),
    ] {
        let registry = Registry::with(Settings {
            auth: Auth::bearer("pass"),
            referrers,
            ..Settings::default()
        });
        let image = Image::recorded("oci-media-types");
        image.seed(&registry);
        let signer = Signer::of(&image, registry.host());
        let signer = signer.credential(registry.host(), "Basic cm9ib3Q6cGFzcw==");
        let without_sbom = |key: &&str| bundle(key).set("export-sbom", "none");
        let configs = KEYS.iter().map(without_sbom);
        let signer = configs.fold(signer, Signer::config);
        signer.arguments(settle).run().succeeded();
        let all = registry.exchanges();
        assert_eq!(all.len(), expected, "{all:?}");
        // `{}` and three bundles; a manifest each, and the index.
        assert_eq!(all.of("PUT", "/blobs/uploads/").len(), 4);
        let manifests = 3 + usize::from(referrers == Switch::Off);
        assert_eq!(all.of("PUT", "/manifests/").len(), manifests);
        assert_eq!(registry.open_uploads(), 0);
    }
}

/// WIRE-76
#[test]
fn running_again_writes_nothing() {
    let document = Document::new("a/sbom.cdx.json", r#"{"bomFormat":"CycloneDX"}"#);
    let image = Image::with_documents(&[document]);
    for referrers in [Switch::On, Switch::Off] {
        let registry = registry(referrers);
        image.seed(&registry);
        let signer = signer(&image, &registry, &KEYS);
        signer.run().succeeded();
        registry.forget_exchanges();
        signer.run().succeeded().says(&["Nothing to write"]);
        let puts = registry.exchanges().puts();
        assert!(puts.is_empty(), "{puts:?}");
    }
}

/// WIRE-77. Case 53: the registry's own list is used, and no tag is made.
#[test]
fn case_53_a_registry_that_lists_referrers_gets_no_tag() {
    let registry = registry(Switch::On);
    let image = image();
    image.seed(&registry);
    signer(&image, &registry, &KEYS).run().succeeded();
    assert_eq!(of_list(&registry, &image).len(), KEYS.len());
    assert_eq!(registry.tags(image.repository()), ["v1"]);
}

/// WIRE-77. Case 53: 404, 400, 406 and what is no index mean that there is no list.
#[test]
fn case_53_a_registry_without_a_list_gets_the_tag() {
    let page = Answer::new(200).body("text/html", "<html>");
    let answers = [404, 400, 406].map(Answer::new);
    for answer in answers.into_iter().chain([page]) {
        let registry = registry(Switch::Off);
        let image = image();
        image.seed(&registry);
        let status = answer.clone();
        registry.inject(When::every("GET", "/referrers/"), Action::Answer(status));
        signer(&image, &registry, &KEYS).run().succeeded();
        let listed = of_fallback(&registry, &image);
        assert_eq!(listed.len(), KEYS.len());
        for (entry, bundle) in listed
            .iter()
            .zip(bundles(&registry, image.repository(), &listed))
        {
            // As the OCI specification wants them listed.
            assert_eq!(entry["artifactType"], BUNDLE);
            assert_eq!(entry["annotations"], bundle.manifest.json()["annotations"]);
        }
    }
}

/// WIRE-77. Case 53: 403 is no "no referrers", and 429 passes.
#[test]
fn case_53_a_list_that_is_refused_is_no_list_that_is_not_there() {
    let image = image();
    let fallback = registry(Switch::On);
    image.seed(&fallback);
    fallback.inject(
        When::every("GET", "/referrers/"),
        Action::error(403, "DENIED"),
    );
    signer(&image, &fallback, &KEYS[..1]).run().ended_with(113);
    fallback.stored_nothing();

    let busy = registry(Switch::On);
    image.seed(&busy);
    busy.inject(
        When::first("GET", "/referrers/").times(2),
        Action::error(429, "TOOMANYREQUESTS"),
    );
    signer(&image, &busy, &KEYS[..1]).run().succeeded();
    assert_eq!(of_list(&busy, &image).len(), 1);
    assert_eq!(busy.tags(image.repository()), ["v1"]);

    let down = registry(Switch::On);
    image.seed(&down);
    down.inject(When::every("GET", "/referrers/"), Action::status(503));
    let signer = signer(&image, &down, &KEYS[..1]);
    signer
        .arguments(&["-retry-budget", "1s"])
        .run()
        .ended_with(111);
    down.stored_nothing();
}

/// WIRE-78: `cosign copy` leaves the image itself there, and GitLab takes the tag for the
/// digest. Who deletes by its digest what the tag shows deletes the image.
#[test]
fn a_tag_that_is_the_image_itself_is_refused_before_anything_is_put() {
    for name in ["no-sbom-layer", "index"] {
        let (registry, image) = (registry(Switch::Off), Image::recorded(name));
        image.seed(&registry);
        registry.tag(image.repository(), &image.fallback(), image.digest());
        let run = signer(&image, &registry, &KEYS[..1]).run().ended_with(118);
        run.says(&[&image.fallback(), "is the image itself", "`repository`"])
            .does_not_say(&["remove", "delete"]);
        registry.stored_nothing();
    }
}

/// WIRE-78. Case 53: anything else that is no index.
#[test]
fn case_53_a_tag_that_holds_something_else_is_never_overwritten() {
    let image = image();
    let list = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [],
    });
    let list = Stored {
        media_type: list["mediaType"].as_str().unwrap().to_owned(),
        bytes: list.to_string().into(),
    };
    let other = Image::recorded("one-document").manifest().clone();
    for there in [other, list] {
        let registry = registry(Switch::Off);
        image.seed(&registry);
        let digest = registry.store_manifest(image.repository(), there);
        registry.tag(image.repository(), &image.fallback(), &digest);
        signer(&image, &registry, &KEYS[..1])
            .run()
            .ended_with(118)
            .says(&[&image.fallback(), "not ours to replace"])
            .does_not_say(&["remove", "delete"]);
        let left = registry.manifest(image.repository(), &image.fallback());
        assert_eq!(left.unwrap().digest(), digest);
        registry.stored_nothing();
    }
}

/// WIRE-78. Case 54: entries of ours without type and annotations, as older tools list
/// them, are completed; what others listed stays as it was written.
#[test]
fn case_54_entries_that_say_too_little_are_completed() {
    let registry = registry(Switch::Off);
    let image = image();
    image.seed(&registry);
    let signer = signer(&image, &registry, &KEYS[..2]);
    signer.run().succeeded();
    let listed = of_fallback(&registry, &image);
    let mut stale = listed.clone();
    stale[0]["artifactType"] = json!("application/vnd.oci.empty.v1+json");
    stale[1].as_object_mut().unwrap().remove("annotations");
    let foreign = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": image.digest(),
        "size": image.manifest().bytes.len(),
        "artifactType": "application/vnd.example.thing",
        "x-unknown": [1.0e3, {"b": 1, "a": 2}],
    });
    stale.push(foreign.clone());
    let body = index(&stale).body;
    let stored = Stored {
        media_type: INDEX.to_owned(),
        bytes: body,
    };
    let digest = registry.store_manifest(image.repository(), stored);
    registry.tag(image.repository(), &image.fallback(), &digest);
    signer.run().succeeded();
    let repaired = of_fallback(&registry, &image);
    assert_eq!(repaired.len(), 3);
    assert!(repaired.contains(&foreign));
    assert!(listed.iter().all(|entry| repaired.contains(entry)));
}

/// WIRE-78: bundles were removed by their digests, and the tag that lists them was not.
#[test]
fn manifests_that_are_listed_and_gone_are_written_again() {
    let registry = registry(Switch::Off);
    let image = image();
    image.seed(&registry);
    let signer_of_two = signer(&image, &registry, &KEYS[..2]);
    signer_of_two.run().succeeded();
    let listed = of_fallback(&registry, &image);
    for entry in &listed {
        registry.remove(image.repository(), entry["digest"].as_str().unwrap());
    }
    signer_of_two.run().succeeded();
    assert_eq!(bundles(&registry, image.repository(), &listed).len(), 2);

    // Others' are not ours to bring back, and no registry takes an index of
    // manifests that are gone.
    for entry in &listed {
        registry.remove(image.repository(), entry["digest"].as_str().unwrap());
    }
    signer(&image, &registry, &KEYS[2..]).run().succeeded();
    let left = of_fallback(&registry, &image);
    assert_eq!(bundles(&registry, image.repository(), &left).len(), 1);
}

/// WIRE-77: a registry that begins to list referrers, and knows none from before.
#[test]
fn a_registry_that_gains_the_list_is_given_what_it_lacks() {
    let image = image();
    let registry = registry(Switch::On);
    image.seed(&registry);
    let absent = Action::error(404, "NOT_FOUND");
    registry.inject(When::every("GET", "/referrers/"), absent);
    let silent = Action::change(|answer| answer.headers.retain(|(name, _)| name != "oci-subject"));
    registry.inject(When::every("PUT", "/manifests/"), silent);
    let signer = signer(&image, &registry, &KEYS);
    signer.run().succeeded();
    assert_eq!(of_fallback(&registry, &image).len(), KEYS.len());
    registry.heal();
    // It lists what is there: nothing is to be done.
    registry.forget_exchanges();
    signer.run().succeeded();
    registry.stored_nothing();
    // It lists nothing of it.
    let none = Action::Answer(index(&[]));
    registry.inject(When::first("GET", "/referrers/"), none);
    signer.run().succeeded();
    assert_eq!(
        registry.exchanges().of("PUT", "/manifests/").len(),
        KEYS.len()
    );
}

/// WIRE-77: `OCI-Subject` is missing, and so is what was put in the list: the
/// specification then wants the tag.
#[test]
fn a_list_that_is_not_kept_is_replaced_by_the_tag() {
    let image = image();
    let registry = registry(Switch::Off);
    image.seed(&registry);
    let none = Action::Answer(index(&[]));
    registry.inject(When::every("GET", "/referrers/"), none);
    let outcome = signer(&image, &registry, &KEYS[..1]).run().succeeded();
    assert!(!outcome.warnings().is_empty());
    assert_eq!(of_fallback(&registry, &image).len(), 1);
}

/// WIRE-77: `OCI-Subject` says that it is listed, and it never is.
#[test]
fn a_list_that_never_shows_what_was_taken_is_no_success() {
    let image = image();
    let registry = registry(Switch::On);
    image.seed(&registry);
    let none = Action::Answer(index(&[]));
    registry.inject(When::every("GET", "/referrers/"), none);
    signer(&image, &registry, &KEYS[..1]).run().ended_with(117);
}

/// WIRE-77
#[test]
fn a_list_that_shows_late_is_waited_for() {
    let image = image();
    let registry = registry(Switch::On);
    image.seed(&registry);
    let none = Action::Answer(index(&[]));
    registry.inject(When::first("GET", "/referrers/").after(1).times(3), none);
    signer(&image, &registry, &KEYS[..1]).run().succeeded();
}

fn filler(n: usize) -> Value {
    json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": format!("sha256:{n:064x}"),
        "size": 2,
        "artifactType": "application/vnd.example.thing",
    })
}

/// WIRE-78: a tag with more entries than readers take is full before anything is put.
#[test]
fn a_full_tag_is_refused_before_anything_is_put() {
    let image = image();
    let registry = registry(Switch::Off);
    image.seed(&registry);
    let full: Vec<Value> = (0..1000).map(filler).collect();
    let stored = Stored {
        media_type: INDEX.to_owned(),
        bytes: index(&full).body,
    };
    let digest = registry.store_manifest(image.repository(), stored);
    registry.tag(image.repository(), &image.fallback(), &digest);
    signer(&image, &registry, &KEYS[..1])
        .run()
        .ended_with(118)
        .says(&["1001"]);
    registry.stored_nothing();
}

/// WIRE-80: the same list at the tag, from several processes at once, real
/// cosign among them.
#[test]
fn signers_at_the_same_time_lose_no_entry_of_the_tag() {
    let registry = RealRegistry::distribution();
    let image = image();
    image.push(registry.remote());
    let keys = [KEYS[0], KEYS[1], KEYS[2], "p384-imported-cosign3"];
    for _ in 0..2 {
        thread::scope(|scope| {
            for key in keys {
                let (image, registry) = (&image, &registry);
                scope.spawn(move || {
                    let signer = Signer::of(image, registry.host());
                    signer.config(bundle(key)).run().succeeded();
                });
            }
        });
        for key in keys {
            let reference = image.reference(registry.host());
            Cosign::V3.verify(key, &reference, &[]).accepted();
        }
        assert_eq!(of_fallback(registry.remote(), &image).len(), keys.len());
        registry
            .remote()
            .remove(image.repository(), &image.fallback());
    }
}
