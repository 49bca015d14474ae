//! The cost of runs in numbers that are the same on every machine: requests, and
//! instructions before the first request. `testdata/baselines.toml` holds them;
//! whoever changes one says so there. Time is measured by `make bench`, and
//! never a test.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

use crate::support::images::{Document, Image};
use crate::support::needs::{Need, is_here};
use crate::support::registry::{Auth, Registry, Settings};
use crate::support::signer::{Config, Signer, run_within};
use crate::support::testdata;

/// The cheapest to unlock, and others.
const KEYS: [&str; 5] = [
    "p256-n32768-cosign-header",
    "p256-cosign2",
    "p256-cosign3",
    "p384-imported-cosign3",
    "ed25519-imported-cosign3",
];

static BASELINES: LazyLock<BTreeMap<String, usize>> = LazyLock::new(|| {
    let text = std::fs::read_to_string(testdata("baselines.toml")).expect("test data");
    toml::from_str(&text).expect("numbers")
});

#[track_caller]
fn assert_is_baseline(name: &str, measured: usize, shown: &dyn std::fmt::Display) {
    let baseline = BASELINES.get(name).copied();
    assert_eq!(
        Some(measured),
        baseline,
        "{name} is not what testdata/baselines.toml says (right side)\n{shown}"
    );
}

fn bearer(image: &Image) -> Registry {
    let registry = Registry::with(Settings {
        auth: Auth::bearer("pass"),
        ..Settings::default()
    });
    image.seed(&registry);
    registry
}

fn signer(image: &Image, registry: &Registry, keys: usize, export: &str) -> Signer {
    let signer =
        Signer::of(image, registry.host()).credential(registry.host(), "Basic cm9ib3Q6cGFzcw==");
    KEYS[..keys].iter().fold(signer, |signer, key| {
        signer.config(Config::key(key).set("export-sbom", export))
    })
}

fn repositories(count: usize) -> Image {
    let names: Vec<_> = (0..count).map(|n| format!("app/built-{n}:v1")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    Image::recorded("oci-media-types").named(&names)
}

fn documents(count: usize) -> Image {
    let document = |number: usize| {
        let text = format!(r#"{{"bomFormat":"CycloneDX","version":{number}}}"#);
        Document::new(&format!("bp{number:03}/sbom.cdx.json"), text)
    };
    let documents: Vec<_> = (0..count).map(document).collect();
    Image::with_documents(&documents)
}

/// WIRE-7, WIRE-8. Without settling: with it, a run that takes long asks more.
#[test]
fn runs_send_as_many_requests_as_their_baselines_say() {
    for (name, image, keys, export) in [
        ("p1", repositories(1), 1, "none"),
        ("p2", repositories(1), 3, "none"),
        ("p3", documents(3), 3, "attestation"),
        ("p4", repositories(10), 3, "none"),
        ("p5", repositories(30), 1, "none"),
        ("p6", repositories(1), 5, "none"),
        ("p7", documents(50), 1, "attestation"),
    ] {
        let registry = bearer(&image);
        let signer = signer(&image, &registry, keys, export);
        signer.arguments(&["-settle", "0"]).run().succeeded();
        let all = registry.exchanges();
        assert_is_baseline(name, all.len(), &all);
    }
}

/// WIRE-9
#[test]
fn running_again_sends_as_many_requests_as_its_baselines_say() {
    let image = documents(3);
    let registry = bearer(&image);
    let signer = signer(&image, &registry, 1, "attestation");
    let signer = signer.arguments(&["-settle", "0"]);
    signer.run().succeeded();
    registry.forget_exchanges();
    signer.run().succeeded();
    let all = registry.exchanges();
    let heads = all.of("HEAD", "/blobs/").len();
    assert_is_baseline("p9-reads", all.len() - all.writes().len() - heads, &all);
    assert_is_baseline("p9-heads", heads, &all);
    assert_is_baseline("p9-puts", all.puts().len(), &all);
}

/// Reading names once took more than everything else together, without anybody
/// noticing. A build for tests needs many times what a release does, and another
/// compiler's needs something else: the baseline has room for both.
#[test]
fn a_run_takes_no_more_instructions_before_its_first_request_than_its_baseline_says() {
    if !is_here(Need::Valgrind) {
        return;
    }
    let signer = Signer::of(&repositories(10), "127.0.0.1:9");
    // Nothing is sent where a key cannot be read.
    let signer = signer.config(Config::key_file(&testdata("keys/absent.key")));
    signer.run().ended_with(115);
    let count = signer.folder().join("callgrind");
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", count.display()))
        .arg(env!("CARGO_BIN_EXE_signer"))
        .arg("-report")
        .arg(signer.report_path())
        .arg("-cosign-config")
        .arg(signer.settings_path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    run_within(command, std::time::Duration::from_secs(60));
    let text = std::fs::read_to_string(&count).expect("what callgrind counted");
    let line = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let instructions: usize = line.expect("a sum").trim().parse().expect("a number");
    let most = BASELINES["instructions-before-the-first-request"];
    assert!(
        (most / 4..=most).contains(&instructions),
        "{instructions} instructions, and not a quarter to all of {most}"
    );
}
