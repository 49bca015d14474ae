//! Two teams sign one image, each in its own form: what newer cosigns no longer
//! see then, and what the second run says of it or refuses.

use serde_json::{Value, json};

use crate::matrix::{Place, image, signer};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::objects::{of_fallback, of_list};
use crate::support::registry::{Action, Answer, Registry, Settings, Switch, When};
use crate::support::signer::{Config, Outcome, Signer};

/// Of the team that signs first, and of the other one.
const THEIRS: &str = "p256-cosign2";
const OURS: &str = "p256-cosign3";
const STRICT: &[&str] = &["-strict-formats"];
const HIDES: &str = "hides 1 signature of others at its `.sig` tag";
const UNSEEN: &str = "1 signature of this run at its `.sig` tag alone";

fn registry(referrers: Switch) -> Registry {
    Registry::with(Settings {
        referrers,
        ..Settings::default()
    })
}

/// A run that signs the image alone.
fn run(image: &Image, host: &str, key: &str, format: &str, arguments: &[&str]) -> Outcome {
    let config = Config::key(key).set("format", format);
    let config = config.set("export-sbom", "none");
    let signer = Signer::of(image, host).config(config);
    signer.arguments(arguments).run()
}

fn warnings_of_formats(run: &Outcome) -> usize {
    let warnings = run.warnings();
    let is_ours = |line: &&&str| line.contains("look at bundles alone");
    warnings.iter().filter(is_ours).count()
}

/// The newer cosigns that find the key's signature.
fn seen(image: &Image, host: &str, key: &str) -> [bool; 2] {
    BOTH.map(|cosign| {
        let printed = cosign.verify_any("verify", key, &image.reference(host));
        printed.success
    })
}

/// Without and with the referrers API.
fn everywhere(test: impl Fn(&Place)) {
    for place in [Place::distribution(), Place::ferro()] {
        test(&place);
    }
}

/// SIG-85
#[test]
fn the_first_bundle_hides_a_legacy_signature_and_is_refused_if_that_is_asked_for() {
    let both_forms = ["bundle", "both"];
    everywhere(|place| {
        both_forms.iter().for_each(|format| {
            let name = format!("formats/legacy-first-{format}");
            let (image, host) = (image(&name), place.registry.host());
            let (remote, reference) = (place.registry.remote(), image.reference(host));
            image.push(remote);
            signer(&image, host, "legacy", &[THEIRS]).run().succeeded();
            assert_eq!(seen(&image, host, THEIRS), [true; 2]);
            {
                let refused = run(&image, host, OURS, format, STRICT).ended_with(118);
                let hint =
                    "hint: let all signatories of the image sign it with `format = \"both\"`";
                refused.says(&[HIDES, hint]).does_not_say(&["Wrote"]);
                assert_eq!(seen(&image, host, THEIRS), [true; 2]);
                assert_eq!(seen(&image, host, OURS), [false; 2]);
            }
            let mixed = run(&image, host, OURS, format, &[]).succeeded();
            assert_eq!(warnings_of_formats(&mixed), 1, "{}", mixed.stdout);
            mixed.says(&[HIDES, "cosign 2.6.3 and later", "`format = \"both\"`"]);
            assert_eq!(seen(&image, host, THEIRS), [false; 2]);
            assert_eq!(seen(&image, host, OURS), [true; 2]);
            Cosign::V2_4.verify(THEIRS, &reference, &[]).accepted();
            // The remedy.
            let both = run(&image, host, THEIRS, "both", STRICT).succeeded();
            assert_eq!(warnings_of_formats(&both), 0);
            assert_eq!(seen(&image, host, THEIRS), [true; 2]);
        })
    });
}

/// SIG-85
#[test]
fn a_legacy_signature_beside_a_bundle_is_not_seen_and_refused_if_that_is_asked_for() {
    everywhere(|place| {
        let (image, host) = (image("formats/bundle-first"), place.registry.host());
        let remote = place.registry.remote();
        image.push(remote);
        signer(&image, host, "bundle", &[THEIRS]).run().succeeded();
        let refused = run(&image, host, OURS, "legacy", STRICT).ended_with(118);
        let hint = "hint: sign with `format = \"both\"`";
        refused.says(&[UNSEEN, hint]).does_not_say(&["Wrote"]);
        let tag = image.attached("sig");
        assert!(remote.manifest(image.repository(), &tag).is_none());
        run(&image, host, OURS, "legacy", &[]).succeeded();
        assert_eq!(seen(&image, host, OURS), [false; 2]);
        assert_eq!(seen(&image, host, THEIRS), [true; 2]);
        run(&image, host, OURS, "both", STRICT).succeeded();
        assert_eq!(seen(&image, host, OURS), [true; 2]);
    });
}

/// SIG-85
#[test]
fn a_run_that_is_refused_has_put_nothing_and_leaves_no_session() {
    for referrers in [Switch::On, Switch::Off] {
        for (first, second, words) in [
            ("legacy", "bundle", HIDES),
            ("legacy", "both", HIDES),
            ("bundle", "legacy", UNSEEN),
        ] {
            let (registry, image) = (registry(referrers), Image::recorded("no-sbom-layer"));
            image.seed(&registry);
            let host = registry.host();
            run(&image, host, THEIRS, first, &[]).succeeded();
            let left = |registry: &Registry| {
                let (listed, tag) = (of_list(registry, &image), of_fallback(registry, &image));
                (registry.tags(image.repository()), listed, tag)
            };
            let before = left(&registry);
            registry.forget_exchanges();
            let refused = run(&image, host, OURS, second, STRICT).ended_with(118);
            refused.says(&[words]);
            let puts = registry.exchanges().puts();
            assert!(puts.is_empty(), "{first}, {second}: {puts:?}");
            assert_eq!(registry.open_uploads(), 0, "{first}, {second}");
            assert_eq!(left(&registry), before, "{first}, {second}");
        }
    }
}

/// SIG-85: nobody else's signature is concerned.
#[test]
fn strict_formats_refuse_nothing_that_hides_nobody() {
    for referrers in [Switch::On, Switch::Off] {
        for formats in [
            &["legacy", "legacy", "bundle", "both", "legacy"][..],
            &["bundle", "bundle", "both", "legacy"],
            &["both", "bundle", "legacy"],
        ] {
            let (registry, image) = (registry(referrers), Image::recorded("no-sbom-layer"));
            image.seed(&registry);
            for format in formats {
                let strict = run(&image, registry.host(), OURS, format, STRICT).succeeded();
                assert_eq!(warnings_of_formats(&strict), 0, "{formats:?}");
            }
        }
        for format in ["legacy", "bundle", "both"] {
            let (registry, image) = (registry(referrers), Image::recorded("no-sbom-layer"));
            image.seed(&registry);
            for key in [THEIRS, OURS] {
                run(&image, registry.host(), key, format, STRICT).succeeded();
            }
        }
    }
}

/// SIG-85: in the repository where they hang, and for each image of the report.
#[test]
fn strict_formats_look_where_signatures_hang() {
    let registry = registry(Switch::On);
    let image = Image::recorded("no-sbom-layer").named(&["app/one:v1", "app/two:v1"]);
    image.seed(&registry);
    let two = Image::recorded("no-sbom-layer").named(&["app/two:v1"]);
    run(&two, registry.host(), THEIRS, "legacy", &[]).succeeded();
    let elsewhere = format!("{}/app/signatures", registry.host());
    let config = Config::key(OURS).set("format", "bundle");
    let signer = |config: Config| Signer::of(&image, registry.host()).config(config);
    let beside = signer(config.clone()).arguments(STRICT).run();
    let name = format!("{}/app/two@{}", registry.host(), image.digest());
    beside.ended_with(118).says(&[HIDES, &name]);
    let elsewhere = signer(config.set("repository", &elsewhere)).arguments(STRICT);
    elsewhere.run().succeeded();
}

/// SIG-85
#[test]
fn the_variable_asks_for_strict_formats_and_the_flag_wins() {
    let (registry, image) = (registry(Switch::On), Image::recorded("no-sbom-layer"));
    image.seed(&registry);
    run(&image, registry.host(), THEIRS, "bundle", &[]).succeeded();
    for (value, arguments, code) in [
        ("true", &[][..], 118),
        ("1", &[], 118),
        ("true", &["-strict-formats=false"], 0),
        ("nonsense", &[], 0),
    ] {
        let signer = Signer::of(&image, registry.host()).key(OURS);
        let signer = signer.environment("CNB_STRICT_FORMATS", value);
        let run = signer.arguments(arguments).run().ended_with(code);
        if value == "nonsense" {
            run.says(&["`CNB_STRICT_FORMATS` is no boolean but `nonsense`"]);
        }
        if code == 0 {
            registry.remove(image.repository(), &image.attached("sig"));
        }
    }
}

/// SIG-86: one `GET` for each place beside, and two where the registry keeps no
/// list of referrers.
#[test]
fn legacy_runs_alone_send_more_with_strict_formats() {
    for (format, referrers, more) in [
        ("legacy", Switch::On, 1),
        ("legacy", Switch::Off, 2),
        ("bundle", Switch::On, 0),
        ("bundle", Switch::Off, 0),
        ("both", Switch::On, 0),
        ("both", Switch::Off, 0),
    ] {
        let requests = |arguments: &[&str]| {
            let (registry, image) = (registry(referrers), Image::recorded("no-sbom-layer"));
            image.seed(&registry);
            let arguments = [arguments, &["-settle", "0"]].concat();
            run(&image, registry.host(), OURS, format, &arguments).succeeded();
            registry.exchanges()
        };
        let (mixed, strict) = (requests(&[]), requests(STRICT));
        assert_eq!(strict.len(), mixed.len() + more, "{format}: {strict:?}");
        let reads = mixed.of("GET", ".sig").len();
        assert_eq!(reads, if format == "bundle" { 1 } else { 2 }, "{mixed:?}");
        let asks = !mixed.of("GET", "/referrers/").is_empty();
        assert_eq!(asks, format != "legacy", "{mixed:?}");
    }
}

/// SIG-85: no reader takes the image itself for a list, and what cannot be looked
/// at is not taken for nothing.
#[test]
fn strict_formats_know_a_place_that_shows_nothing_from_one_that_is_not_shown() {
    let (tagged, image) = (registry(Switch::Off), Image::recorded("no-sbom-layer"));
    image.seed(&tagged);
    tagged.tag(image.repository(), &image.fallback(), image.digest());
    run(&image, tagged.host(), OURS, "legacy", STRICT).succeeded();

    let unread = registry(Switch::On);
    image.seed(&unread);
    unread.inject(When::every("GET", ".sig"), Action::error(403, "DENIED"));
    run(&image, unread.host(), OURS, "bundle", &[]).succeeded();
    run(&image, unread.host(), OURS, "bundle", STRICT).ended_with(113);

    let denied = registry(Switch::On);
    image.seed(&denied);
    denied.inject(
        When::every("GET", "/referrers/"),
        Action::error(403, "DENIED"),
    );
    run(&image, denied.host(), OURS, "legacy", STRICT).ended_with(113);
    assert!(denied.exchanges().puts().is_empty());
}

/// SIG-85: a document that refers to the image is none; a bundle is one, however
/// much was listed after it.
#[test]
fn what_else_refers_to_the_image_is_no_bundle() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let entry = |number: usize, kind: &str| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": format!("sha256:{number:064x}"),
            "size": 7,
            "artifactType": kind,
        })
    };
    let documents = (1..=300).map(|number| entry(number, "application/spdx+json"));
    let bundle = entry(0, "application/vnd.dev.sigstore.bundle.v0.3+json");
    let documents: Vec<Value> = documents.collect();
    let with_bundle = [&[bundle], documents.as_slice()].concat();
    for (entries, code) in [(documents, 0), (with_bundle, 118)] {
        let (registry, image) = (registry(Switch::On), Image::recorded("no-sbom-layer"));
        image.seed(&registry);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
        let list = Answer::new(200).body(INDEX, index.to_string());
        registry.inject(When::every("GET", "/referrers/"), Action::Answer(list));
        run(&image, registry.host(), OURS, "legacy", STRICT).ended_with(code);
    }
}

/// SIG-85: a list may name the config's type in place of the bundle's.
#[test]
fn a_bundle_that_its_registry_lists_without_a_type_counts() {
    let registry = crate::support::real::RealRegistry::with_referrers();
    let (image, host) = (image("formats/untyped"), registry.host());
    image.push(registry.remote());
    run(&image, host, THEIRS, "bundle", &[]).succeeded();
    let refused = run(&image, host, OURS, "legacy", STRICT).ended_with(118);
    refused.says(&[UNSEEN]);
    assert_eq!(seen(&image, host, THEIRS), [true; 2]);
}
