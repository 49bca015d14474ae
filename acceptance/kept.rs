//! Evidence that stands there already: it is kept, and the lacking is added;
//! nothing is asked for or published a second time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::cosign::{Cosign, public_key};
use crate::support::images::{Document, Image};
use crate::support::needs::{Need, all_three, is_here};
use crate::support::objects::{Layer, attachment};
use crate::support::pki::Pki;
use crate::support::registry::{Action, Registry, When};
use crate::support::signer::{Config, Signer};
use crate::support::timestamp_authority::Authority;
use crate::support::witnesses::log_stand_in::LogStandIn;
use crate::support::witnesses::{Files, Listed, Role, Rule, Witness, Witnesses};

const V1: Witness = Witness::LogV1;
const V2: Witness = Witness::LogV2;
const TIME: Witness = Witness::TimestampAuthority;
const KEY: &str = "p256-cosign3";
const STRANGER: &str = "p256-cosign2";
const SPDX: &str = "https://spdx.dev/Document";
const COMMANDS: [&[&str]; 2] = [&["verify"], &["verify-attestation", "--type", SPDX]];

/// Every form that has room for the entries of a log.
const FORMS: [(Witness, &str); 5] = [
    (V1, "legacy"),
    (V1, "bundle"),
    (V1, "both"),
    (V2, "bundle"),
    (V2, "both"),
];

fn are_here() -> bool {
    [V1, V2, TIME]
        .into_iter()
        .all(|one| is_here(Need::Witness(one)))
}

/// An image that nobody has: logs are shared, and know what others entered.
fn seeded() -> (Registry, Image) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let text = format!(
        r#"{{"spdxVersion":"SPDX-2.3","name":"{}"}}"#,
        now.as_nanos()
    );
    let document = Document::new("a/sbom.spdx.json", text);
    let (registry, image) = (Registry::start(), Image::with_documents(&[document]));
    image.seed(&registry);
    (registry, image)
}

fn signer(registry: &Registry, image: &Image, format: &str, files: &Files) -> Signer {
    let config = Config::key(KEY)
        .set("format", format)
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config());
    Signer::of(image, registry.host()).config(config)
}

fn verified(flags: &[String], registry: &Registry, image: &Image) {
    let key = public_key(KEY).display().to_string();
    for cosign in all_three() {
        for command in COMMANDS {
            let mut arguments: Vec<String> = command.iter().map(|&one| one.into()).collect();
            arguments.extend(["--allow-insecure-registry", "--key", &key].map(str::to_owned));
            arguments.extend_from_slice(flags);
            arguments.push(image.reference(registry.host()));
            cosign.run(&arguments, &[]).accepted();
        }
    }
}

/// The statuses of a witness's answers, which it forgets then.
fn answers(witnesses: &Witnesses, witness: Witness) -> Vec<u16> {
    let front = witnesses.front(witness);
    let asked = front.asked("POST", "");
    front.forget();
    let mut answers: Vec<u16> = asked.iter().filter_map(|one| one.status).collect();
    answers.sort_unstable();
    answers
}

fn layers(registry: &Registry, image: &Image, kind: &str) -> Vec<Layer> {
    let there = attachment(registry, image.repository(), &image.attached(kind));
    there.map(|there| there.layers).unwrap_or_default()
}

/// Another run asks nobody and writes nothing.
fn is_complete(signer: &Signer, registry: &Registry, witnesses: &Witnesses, some: &[Witness]) {
    let forget = |witness: &Witness| witnesses.front(*witness).forget();
    some.iter().for_each(forget);
    registry.forget_exchanges();
    signer.run().succeeded();
    registry.stored_nothing();
    for &witness in some {
        assert!(
            witnesses.front(witness).recorded().is_empty(),
            "{witness:?}"
        );
    }
}

/// EVD-90, EVD-92
#[test]
fn evidence_of_a_kind_is_added_to_that_of_another() {
    if are_here() {
        let witnesses = Witnesses::of(&[V1, V2, TIME]);
        for (log, format) in FORMS {
            let both = witnesses.files(&[log, TIME], Rule::Any);
            for (first, second) in [(TIME, log), (log, TIME)] {
                let (registry, image) = seeded();
                let one = witnesses.files(&[first], Rule::Any);
                signer(&registry, &image, format, &one).run().succeeded();
                answers(&witnesses, first);
                answers(&witnesses, second);
                let signer = signer(&registry, &image, format, &both);
                signer.run().succeeded();
                assert!(answers(&witnesses, first).is_empty(), "{format} {first:?}");
                verified(&witnesses.demanding(&[log, TIME]), &registry, &image);
                is_complete(&signer, &registry, &witnesses, &[log, TIME]);
            }
        }
    }
}

/// EVD-92, EVD-93: the attestation's entry is that of both forms.
#[test]
fn bundles_are_added_to_tags_with_evidence() {
    if are_here() {
        let witnesses = Witnesses::of(&[V1, TIME]);
        let files = witnesses.files(&[V1, TIME], Rule::Any);
        let (registry, image) = seeded();
        let tags = signer(&registry, &image, "legacy", &files);
        tags.run().succeeded();
        assert_eq!(answers(&witnesses, V1), [201; 2]);
        answers(&witnesses, TIME);
        registry.forget_exchanges();
        let both = signer(&registry, &image, "both", &files);
        both.run().succeeded();
        assert_eq!(answers(&witnesses, V1), [201, 409]);
        assert_eq!(answers(&witnesses, TIME).len(), 2);
        for kind in [".sig", ".att"] {
            assert!(registry.exchanges().of("PUT", kind).is_empty(), "{kind}");
        }
        verified(&witnesses.demanding(&[V1, TIME]), &registry, &image);
        is_complete(&both, &registry, &witnesses, &[V1, TIME]);
    }
}

/// Runs until `after` manifests are written, and is killed at the next.
fn killed(signer: &Signer, registry: &Registry, after: usize) {
    let slow = Action::Delay(Duration::from_secs(600));
    registry.inject(When::every("PUT", "/manifests/").after(after), slow);
    let mut child = signer.start();
    let began = Instant::now();
    while registry.exchanges().of("PUT", "/manifests/").len() <= after {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        assert!(began.elapsed() < Duration::from_secs(60), "nothing written");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    registry.heal();
}

/// EVD-37, EVD-38, EVD-92
#[test]
fn a_run_that_was_killed_while_it_wrote_is_completed_without_a_second_entry() {
    if are_here() {
        let witnesses = Witnesses::of(&[V1, V2, TIME]);
        for (log, format) in FORMS {
            let files = witnesses.files(&[log, TIME], Rule::Any);
            for after in [0, 1] {
                let (registry, image) = seeded();
                let signer = signer(&registry, &image, format, &files);
                killed(&signer, &registry, after);
                // Three take a question before them, which no log enters (EVD-40).
                let (entries, questions) = match (log, format) {
                    (V1, "both") => (3, 1),
                    _ => (2, 0),
                };
                let answered = answers(&witnesses, log);
                let entered = answered.iter().filter(|status| **status == 201).count();
                let expected = (entries, entries + questions);
                assert_eq!((entered, answered.len()), expected, "{format} {answered:?}");
                signer.run().succeeded();
                let again = answers(&witnesses, log);
                assert!(!again.contains(&201), "{format} {after}: {again:?}");
                verified(&witnesses.demanding(&[log, TIME]), &registry, &image);
                is_complete(&signer, &registry, &witnesses, &[log, TIME]);
            }
        }
    }
}

/// EVD-90: evidence counts as far as this run's trusted root verifies it.
#[test]
fn timestamps_of_strangers_are_replaced_and_layers_of_strangers_are_not() {
    let of = |authority: Authority| {
        let pem = authority.pem();
        let front = authority.serve(|_, _| ());
        let url = format!("{}/timestamp", front.url());
        let listed = Listed::new(Role::TimestampAuthority, url, pem);
        (front, Files::of(&[listed], Rule::Any))
    };
    for format in ["legacy", "bundle", "both"] {
        let ((_old, before), (front, now)) = (of(Authority::new()), of(Authority::new()));
        let (registry, image) = seeded();
        let reference = image.reference(registry.host());
        Cosign::V2.sign(STRANGER, &reference, &[]).accepted();
        let theirs = layers(&registry, &image, "sig").remove(0);
        signer(&registry, &image, format, &before).run().succeeded();
        let signer = signer(&registry, &image, format, &now);
        signer.run().succeeded();
        let flags = ["--insecure-ignore-tlog", "--use-signed-timestamps"];
        let mut flags: Vec<_> = flags.map(str::to_owned).into();
        flags.extend(["--trusted-root", now.trusted_root()].map(str::to_owned));
        verified(&flags, &registry, &image);
        let all = layers(&registry, &image, "sig");
        let wanted = if format == "bundle" { 1 } else { 2 };
        assert_eq!(all.len(), wanted);
        assert_eq!(all[0].annotations, theirs.annotations);
        front.forget();
        registry.forget_exchanges();
        signer.run().succeeded();
        registry.stored_nothing();
        assert!(front.recorded().is_empty());
    }
}

/// EVD-90: a certificate is added without a trusted root, a timestamp and an entry by
/// one without the log.
#[test]
fn an_entry_of_a_log_that_this_run_does_not_know_stays() {
    let (pki, log, other) = (Pki::new(), LogStandIn::start(), LogStandIn::start());
    let logged = Files::of(&[log.listed(1)], Rule::Any);
    let authority = Authority::new();
    let pem = authority.pem();
    let front = authority.serve(|_, _| ());
    let url = format!("{}/timestamp", front.url());
    let stamped = Listed::new(Role::TimestampAuthority, url, pem);
    let [stamped, again] = [stamped, other.listed(1)].map(|one| Files::of(&[one], Rule::Any));
    let certified = Config::key(KEY)
        .set("certificate", &pki.leaf(KEY))
        .set("certificate-chain", &pki.path("chain.pem"));
    let vouched = |files: &Files| {
        Config::key(KEY)
            .set("trusted-root", files.trusted_root())
            .set("signing-config", files.signing_config())
    };
    let trusting = |files: &Files| ["--trusted-root", files.trusted_root()].map(str::to_owned);
    for (added, annotation, by) in [
        (certified, "certificate", None),
        (vouched(&stamped), "rfc3161timestamp", None),
        (vouched(&again), "bundle", Some(&again)),
    ] {
        for format in ["legacy", "both"] {
            let (registry, image) = seeded();
            signer(&registry, &image, format, &logged).run().succeeded();
            let kinds = ["sig", "att"];
            let before = kinds.map(|kind| layers(&registry, &image, kind));
            let added = added.clone().set("format", format);
            let signer = Signer::of(&image, registry.host()).config(added);
            signer.run().succeeded();
            for (kind, before) in kinds.into_iter().zip(before) {
                let after = layers(&registry, &image, kind);
                assert_eq!((before.len(), after.len()), (1, 2), "{format} {kind}");
                assert_eq!(after[0].annotations, before[0].annotations);
                let annotation = format!("dev.sigstore.cosign/{annotation}");
                assert!(after[1].annotations.contains_key(&annotation), "{kind}");
            }
            for files in std::iter::once(&logged).chain(by) {
                verified(&trusting(files), &registry, &image);
            }
            registry.forget_exchanges();
            signer.run().succeeded();
            registry.stored_nothing();
        }
    }
}

/// EVD-90, EVD-92
#[test]
fn evidence_of_another_signature_does_not_count() {
    if are_here() {
        let witnesses = Witnesses::of(&[V1, TIME]);
        let files = witnesses.files(&[V1, TIME], Rule::Any);
        let ((registry, image), (other, other_image)) = (seeded(), seeded());
        let manifest = |registry: &Registry, image: &Image| {
            let stored = registry.manifest(image.repository(), &image.attached("sig"));
            stored.expect("a tag")
        };
        signer(&other, &other_image, "legacy", &files)
            .run()
            .succeeded();
        let signer = signer(&registry, &image, "legacy", &files);
        signer.run().succeeded();
        let stranger = manifest(&other, &other_image).json();
        let whole = manifest(&registry, &image);
        for (name, wanted) in [
            ("dev.sigstore.cosign/bundle", 2),
            ("dev.sigstore.cosign/rfc3161timestamp", 1),
        ] {
            let mut stored = whole.clone();
            let mut json: Value = stored.json();
            let annotation = &stranger["layers"][0]["annotations"][name];
            json["layers"][0]["annotations"][name] = annotation.clone();
            stored.bytes = json.to_string().into();
            let digest = registry.store_manifest(image.repository(), stored);
            registry.tag(image.repository(), &image.attached("sig"), &digest);
            answers(&witnesses, V1);
            answers(&witnesses, TIME);
            signer.run().succeeded();
            let asked = [V1, TIME].map(|one| answers(&witnesses, one).len());
            assert_eq!(asked.iter().sum::<usize>(), 1, "{name}");
            assert_eq!(layers(&registry, &image, "sig").len(), wanted);
            verified(&witnesses.demanding(&[V1, TIME]), &registry, &image);
            is_complete(&signer, &registry, &witnesses, &[V1, TIME]);
        }
    }
}
