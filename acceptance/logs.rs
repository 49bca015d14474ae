//! Entries in transparency logs: of every kind of key as far as a log takes it, read
//! back from a log that has it already, and refused where they do not hold.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cosign::public_key;
use crate::support::images::{Document, Image};
use crate::support::needs::{Need, all_three, is_here};
use crate::support::registry::{Action, Registry, When};
use crate::support::services::stand_in::StandIn;
use crate::support::signer::{Config, Signer};
use crate::support::witnesses::log_stand_in::{Fault, LogStandIn};
use crate::support::witnesses::{Files, Rule, Witness, Witnesses};

const V1: Witness = Witness::LogV1;
const V2: Witness = Witness::LogV2;
const KEY: &str = "p256-cosign3";
const SPDX: &str = "https://spdx.dev/Document";
const ENTRIES: &str = "log/entries";

fn seeded() -> (Registry, Image) {
    let (registry, image) = (Registry::start(), Image::recorded("one-document"));
    image.seed(&registry);
    (registry, image)
}

fn signer(registry: &Registry, image: &Image, key: &str, format: &str, files: &Files) -> Signer {
    let config = Config::key(key)
        .set("format", format)
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config());
    Signer::of(image, registry.host()).config(config)
}

/// Every cosign verifies signature and attestation by their entries in a log.
fn verified(files: &Files, key: &str, reference: &str) {
    let key = public_key(key).display().to_string();
    for cosign in all_three() {
        for command in [&["verify"][..], &["verify-attestation", "--type", SPDX]] {
            let flags = ["--allow-insecure-registry", "--key", &key];
            let trust = ["--trusted-root", files.trusted_root(), reference];
            let arguments: Vec<&str> = [command, &flags, &trust].concat();
            cosign.run(&arguments, &[]).accepted();
        }
    }
}

/// The statuses that a log answered to new entries, without the empty one by which it
/// is asked whether it takes any.
fn statuses(log: &StandIn) -> Vec<Option<u16>> {
    let asked = log.asked("POST", ENTRIES);
    let entries = asked.iter().filter(|one| one.body != "{}");
    entries.map(|one| one.status).collect()
}

/// EVD-34, EVD-35, EVD-36
#[test]
fn entries_of_every_kind_of_key_are_verified_by_every_cosign() {
    for (witness, format, keys) in [
        (V2, "bundle", &[KEY, "rsa2048-imported-cosign3"][..]),
        (V1, "both", &[KEY, "rsa2048-imported-cosign3"]),
        (
            V1,
            "bundle",
            &[
                "p384-imported-cosign3",
                "p521-imported-cosign3",
                "ed25519-imported-cosign3",
                "rsa4096-imported-cosign3",
            ],
        ),
    ] {
        if is_here(Need::Witness(witness)) {
            let witnesses = Witnesses::of(&[witness]);
            let files = witnesses.files(&[witness], Rule::Any);
            for key in keys {
                let (registry, image) = seeded();
                let signer = signer(&registry, &image, key, format, &files);
                signer.run().succeeded();
                verified(&files, key, &image.reference(registry.host()));
                // Both forms of an attestation share one entry.
                let entries = if format == "both" { 3 } else { 2 };
                let front = witnesses.front(witness);
                assert_eq!(statuses(front), vec![Some(201); entries], "{key} {format}");
                front.forget();
                registry.forget_exchanges();
                signer.run().succeeded();
                assert!(front.recorded().is_empty(), "{key} {format}");
                registry.stored_nothing();
            }
        }
    }
}

/// Runs until the first manifest is to be written, and is killed there.
fn killed(signer: &Signer, registry: &Registry) {
    let slow = Action::Delay(Duration::from_secs(600));
    registry.inject(When::every("PUT", "/manifests/"), slow);
    let writes = || registry.exchanges().puts().len();
    let mut child = signer.start();
    let began = Instant::now();
    while writes() == 0 && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing written");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    registry.heal();
}

/// EVD-37, EVD-38
#[test]
fn a_run_that_was_killed_between_log_and_registry_is_completed_without_a_second_entry() {
    for witness in [V1, V2] {
        if is_here(Need::Witness(witness)) {
            let witnesses = Witnesses::of(&[witness]);
            let files = witnesses.files(&[witness], Rule::Any);
            let (registry, image) = seeded();
            let signer = signer(&registry, &image, KEY, "bundle", &files);
            killed(&signer, &registry);
            let front = witnesses.front(witness);
            assert_eq!(statuses(front), [Some(201); 2]);
            front.forget();
            signer.run().succeeded();
            assert_eq!(statuses(front), [Some(409); 2]);
            verified(&files, KEY, &image.reference(registry.host()));
        }
    }
}

/// The log of the tests is one, as far as cosign can tell.
#[test]
fn cosign_accepts_the_entries_of_a_log_in_which_nothing_is_wrong() {
    for version in [1, 2] {
        let log = LogStandIn::start();
        // More than one tile.
        log.grow(300);
        let files = Files::of(&[log.listed(version)], Rule::Any);
        let (registry, image) = seeded();
        let signer = signer(&registry, &image, KEY, "bundle", &files);
        killed(&signer, &registry);
        let entries = log.bodies().len();
        signer.run().succeeded();
        assert_eq!(log.bodies().len(), entries);
        verified(&files, KEY, &image.reference(registry.host()));
    }
}

/// EVD-29, EVD-31, EVD-40
#[test]
fn an_answer_that_does_not_hold_leaves_nothing_in_a_registry() {
    for version in [1, 2] {
        let log = LogStandIn::start();
        let files = Files::of(&[log.listed(version)], Rule::Any);
        for fault in Fault::ALL {
            if (version, fault) == (2, Fault::AnotherPromise) {
                continue;
            }
            log.suffer(fault);
            log.server().forget();
            let (registry, image) = seeded();
            let format = if version == 1 { "both" } else { "bundle" };
            let run = signer(&registry, &image, KEY, format, &files)
                .arguments(&["-retry-budget", "2s"])
                .run()
                .ended_with(119);
            run.says(&["the log `127.0.0.1`"]);
            registry.stored_nothing();
            assert_eq!(registry.open_uploads(), 0, "{fault:?}");
            let asked = log.server().asked("POST", ENTRIES).len();
            assert!(fault != Fault::Frozen || asked <= 2, "{asked}");
        }
    }
}

/// EVD-42: the next operator's log, where the signing config leaves the choice.
#[test]
fn a_log_that_fails_is_replaced_by_another() {
    let (frozen, well) = (LogStandIn::start(), LogStandIn::start());
    frozen.suffer(Fault::Frozen);
    let logs = [&frozen, &well].map(|log| log.listed(2).operated_by(log.server().host()));
    let files = Files::of(&logs, Rule::Any);
    let (registry, image) = seeded();
    let signer = signer(&registry, &image, KEY, "bundle", &files);
    signer.run().succeeded();
    assert_eq!(statuses(well.server()), [Some(201); 2]);
    verified(&files, KEY, &image.reference(registry.host()));
    // Both have to have it.
    let files = Files::of(&logs, Rule::All);
    let (registry, image) = seeded();
    let signer = self::signer(&registry, &image, KEY, "bundle", &files);
    signer.run().ended_with(119).says(&["the log is frozen"]);
    registry.stored_nothing();
}

/// EVD-42, EVD-95: after the 30 seconds that a log has.
#[test]
fn a_log_whose_answer_is_not_awaited_is_named() {
    let (late, well) = (LogStandIn::start(), LogStandIn::start());
    let slow = Action::Delay(Duration::from_secs(120));
    late.server().inject(When::every("POST", ENTRIES), slow);
    let logs = [&late, &well].map(|log| log.listed(2).operated_by(&log.server().url()));
    let files = Files::of(&logs, Rule::Any);
    let (registry, image) = seeded();
    let began = Instant::now();
    signer(&registry, &image, KEY, "bundle", &files)
        .run()
        .succeeded()
        .says(&[
            "takes long; another operator is asked as well",
            &format!("`{}/` may have an entry too", late.server().url()),
        ])
        .does_not_say(&[&format!("`{}/` may have", well.server().url())]);
    assert!(
        began.elapsed() < Duration::from_secs(100),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(statuses(well.server()), [Some(201); 2]);
}

/// EVD-40: the real one, by a run of twelve signatures.
#[test]
fn a_frozen_log_is_asked_at_most_twice() {
    let frozen = Witness::FrozenLogV2;
    if is_here(Need::Witness(frozen)) {
        let witnesses = Witnesses::of(&[frozen, V2]);
        let files = witnesses.files(&[frozen], Rule::Any);
        let registry = Registry::start();
        let documents: Vec<_> = (0..11)
            .map(|number| {
                let path = format!("bp{number}/sbom.cdx.json");
                let bytes = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.{number}"}}"#);
                Document::new(&path, bytes.into_bytes())
            })
            .collect();
        let image = Image::with_documents(&documents);
        image.seed(&registry);
        let run = signer(&registry, &image, KEY, "bundle", &files);
        run.run()
            .ended_with(119)
            .says(&["the log is frozen", "please switch to the latest log"]);
        registry.stored_nothing();
        assert!(statuses(witnesses.front(frozen)).len() <= 2);
        assert!(witnesses.front(frozen).recorded().len() <= 2);
        // One that is well gets all of them at once.
        let files = witnesses.files(&[V2], Rule::Any);
        signer(&registry, &image, KEY, "bundle", &files)
            .run()
            .succeeded();
        assert_eq!(statuses(witnesses.front(V2)), [Some(201); 12]);
        assert_eq!(witnesses.front(V2).recorded().len(), 13);
    }
}

/// EVD-43. Which log it is does not matter: nobody is asked.
#[test]
fn a_document_that_rekor_v1_would_not_take_is_refused_before_anything_is_signed() {
    let document = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"x":"{}"}}"#,
        "x".repeat(25 * 1024 * 1024)
    );
    let document = Document::new("bp/sbom.cdx.json", document.into_bytes());
    let image = Image::with_documents(&[document]);
    for (witness, is_taken) in [(V1, false), (V2, true)] {
        if is_here(Need::Witness(witness)) {
            let witnesses = Witnesses::of(&[witness]);
            let files = witnesses.files(&[witness], Rule::Any);
            let registry = Registry::start();
            image.seed(&registry);
            let run = signer(&registry, &image, KEY, "bundle", &files).run();
            if is_taken {
                run.succeeded();
                continue;
            }
            run.ended_with(116)
                .says(&["more than a log of version 1 takes"]);
            registry.stored_nothing();
            assert!(witnesses.front(witness).recorded().is_empty());
        }
    }
}

/// EVD-39, EVD-95: whatever stands in a log stands in the receipt.
#[test]
fn entries_of_a_log_that_was_replaced_are_in_the_receipt() {
    for version in [1, 2] {
        let (wrong, well) = (LogStandIn::start(), LogStandIn::start());
        wrong.suffer(Fault::BadSignature);
        let logs = [&wrong, &well].map(|log| log.listed(version).operated_by(log.server().host()));
        let files = Files::of(&logs, Rule::Any);
        let (registry, image) = seeded();
        let signer = signer(&registry, &image, KEY, "bundle", &files);
        let receipt = signer.folder().join("receipt.json");
        let signer = signer.arguments(&["-receipt", &receipt.display().to_string()]);
        signer.run().succeeded();
        let receipt: Value = serde_json::from_slice(&std::fs::read(&receipt).unwrap()).unwrap();
        let entries = receipt["log-entries"].as_array().unwrap();
        let is_of = |log: &LogStandIn| {
            let url = log.server().url();
            entries
                .iter()
                .filter(|entry| entry["log"].as_str().unwrap().trim_end_matches('/') == url)
                .count()
        };
        let others = wrong.bodies().len() - 1;
        assert_eq!((is_of(&wrong), is_of(&well)), (others, 2), "{receipt}");
        assert!(others > 0);
    }
}

/// The entries of logs in the receipt at `path`.
fn entries_in(path: &Path) -> Vec<Value> {
    let receipt: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    receipt["log-entries"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// EVD-93, EVD-95: the bundle of a signature names no repository, so that images of one
/// digest share it; attestations name theirs.
#[test]
fn an_entry_of_several_images_is_in_the_receipt_for_each() {
    let log = LogStandIn::start();
    let files = Files::of(&[log.listed(2)], Rule::Any);
    let names = ["app/one:v1", "app/two:v1"];
    let (registry, image) = (
        Registry::start(),
        Image::recorded("one-document").named(&names),
    );
    image.seed(&registry);
    let signer = signer(&registry, &image, KEY, "bundle", &files);
    let receipt = signer.folder().join("receipt.json");
    let signer = signer.arguments(&["-receipt", &receipt.display().to_string()]);
    signer.run().succeeded();
    assert_eq!(statuses(log.server()), [Some(201); 3]);
    let entries = entries_in(&receipt);
    for repository in image.repositories() {
        let name = format!("{}/{repository}@{}", registry.host(), image.digest());
        let of_image = entries.iter().filter(|entry| entry["image"] == *name);
        let documents = of_image.map(|entry| entry.get("document").is_some());
        let mut documents: Vec<_> = documents.collect();
        documents.sort_unstable();
        assert_eq!(documents, [false, true], "{entries:?}");
    }
}

/// EVD-39, EVD-95
#[test]
fn an_entry_that_a_log_says_it_has_is_in_the_receipt_of_a_run_that_was_stopped() {
    let log = LogStandIn::start();
    let files = Files::of(&[log.listed(2)], Rule::Any);
    let (registry, image) = seeded();
    let signer = signer(&registry, &image, KEY, "bundle", &files);
    killed(&signer, &registry);
    registry.forget_exchanges();
    let receipt = signer.folder().join("receipt.json");
    let signer = signer.arguments(&["-receipt", &receipt.display().to_string()]);
    let slow = Action::Delay(Duration::from_secs(600));
    log.server().inject(When::every("GET", "checkpoint"), slow);
    let child = signer.start();
    let began = Instant::now();
    while log.server().asked("GET", "checkpoint").len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(60), "not asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let index = |entry: &Value| entry["index"].as_u64().unwrap();
    let mut indices: Vec<_> = entries_in(&receipt).iter().map(index).collect();
    indices.sort_unstable();
    assert_eq!(indices, [1, 2]);
    registry.stored_nothing();
}
