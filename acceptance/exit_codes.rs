//! Every exit code is reached. Only 112 is not: no key file gives a wrong
//! signature. The unit tests of `phase` have a key that does.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::images::{Document, Image};
use crate::support::registry::{Access, Action, Answer, Registry, Settings, When};
use crate::support::signer::{Config, Signer};

fn seeded() -> (Registry, Image, Signer) {
    let registry = Registry::start();
    let image = Image::recorded("one-document");
    image.seed(&registry);
    let signer = Signer::of(&image, registry.host()).key("p256-cosign3");
    (registry, image, signer)
}

#[test]
fn code_0_is_success() {
    let (_, _, signer) = seeded();
    signer.run().ended_with(0);
}

#[test]
fn code_2_is_a_bad_flag() {
    let (_, _, signer) = seeded();
    signer.arguments(&["-unknown"]).run().ended_with(2);
}

#[test]
fn code_3_is_an_invalid_input() {
    let (_, _, signer) = seeded();
    signer.settings("[[configs]]\n").run().ended_with(3);
}

#[test]
fn code_11_is_a_platform_api_that_is_not_supported() {
    let (_, _, signer) = seeded();
    signer
        .environment("CNB_PLATFORM_API", "0.6")
        .run()
        .ended_with(11);
}

#[test]
fn code_111_is_a_registry_that_is_overloaded() {
    let (registry, _, signer) = seeded();
    let answer = Answer::error(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "3600");
    registry.inject(When::every("GET", "/manifests/"), Action::Answer(answer));
    // It does not wait for what does not fit the deadline, and says how long.
    let run = signer.run().ended_with(111).says(&["3600"]);
    assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
}

#[test]
fn code_113_is_access_denied() {
    let image = Image::recorded("one-document");
    let access = [(image.repository().to_owned(), Access::ReadOnly)].into();
    let registry = Registry::with(Settings {
        access,
        ..Settings::default()
    });
    image.seed(&registry);
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .ended_with(113);
}

#[test]
fn code_114_is_an_image_that_is_not_there() {
    let (registry, image, signer) = seeded();
    registry.remove(image.repository(), "v1");
    signer.run().ended_with(114);
}

#[test]
fn code_115_is_a_key_or_password() {
    let (_, _, signer) = seeded();
    signer
        .config(Config::key("refused/rsa1024"))
        .run()
        .ended_with(115);
}

#[test]
fn code_116_is_the_sbom() {
    let image = Image::with_documents(&[Document::new("a/sbom.cdx.json", "no JSON")]);
    let registry = Registry::start();
    image.seed(&registry);
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .run()
        .ended_with(116);
}

/// The signatures are written, the attestations are not.
/// SIG-18, SIG-36, SIG-37
#[test]
fn case_66_code_117_is_published_in_part_and_the_next_run_completes_it() {
    let (registry, image, signer) = seeded();
    let answer = Answer::error(503, "UNAVAILABLE", "gone").with("retry-after", "3600");
    let att = format!("/manifests/{}", image.attached("att"));
    registry.inject(
        When::every("PUT", att.clone()),
        Action::Answer(answer.clone()),
    );
    registry.inject(When::every("GET", att).after(1), Action::Answer(answer));
    let receipt = signer.folder().join("receipt.toml");
    let signer = signer.arguments(&["-receipt", receipt.to_str().unwrap()]);
    signer.run().ended_with(117);
    let text = std::fs::read_to_string(&receipt).unwrap();
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["complete"].as_bool(), Some(false), "{text}");
    let state = |suffix: &str| {
        let places = table["places"].as_array().unwrap();
        let end = format!(".{suffix}");
        let place = places
            .iter()
            .find(|p| p["reference"].as_str().unwrap().ends_with(&end));
        place.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (state("sig").as_str(), state("att").as_str()),
        ("written", "failed"),
        "{text}"
    );

    registry.heal();
    signer.run().ended_with(0);
    let text = std::fs::read_to_string(&receipt).unwrap();
    assert!(text.contains("complete = true"), "{text}");
}

/// SIG-35
#[test]
fn code_117_is_a_manifest_that_never_shows() {
    let (registry, image, signer) = seeded();
    let tag = format!("/manifests/{}", image.attached("sig"));
    registry.inject(
        When::every("GET", tag).after(1),
        Action::error(404, "MANIFEST_UNKNOWN"),
    );
    let run = signer.run().ended_with(117);
    assert!(run.took > Duration::from_secs(4), "{:?}", run.took);
}

/// SIG-18
#[test]
fn case_24_code_118_is_a_tag_that_may_not_be_changed() {
    for status in [400, 403, 409, 412] {
        let (registry, image, signer) = seeded();
        signer.run().succeeded();
        registry.inject(
            When::every("PUT", "/manifests/"),
            Action::error(status, "DENIED"),
        );
        let other = Signer::of(&image, registry.host()).key("p256-cosign2");
        other.run().ended_with(118).says(&["hint:", "repository"]);
    }
}

/// A run that hangs at the requests that `part` names, ended by a signal.
fn interrupted(method: &str, part: &str, signal: &str) -> (i32, Registry, Image) {
    let hanging = Action::Delay(Duration::from_secs(30));
    interrupted_by(hanging, method, part, signal)
}

/// The same, where `action` is why it hangs.
fn interrupted_by(
    action: Action,
    method: &str,
    part: &str,
    signal: &str,
) -> (i32, Registry, Image) {
    let (registry, image, signer) = seeded();
    registry.inject(When::every(method, part), action);
    let child = signer.start();
    let start = Instant::now();
    while registry.exchanges().of(method, part).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = Instant::now();
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert!(
        ended.elapsed() < Duration::from_secs(3),
        "{:?}",
        ended.elapsed()
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code();
    (
        code.unwrap_or_else(|| panic!("no exit code:\n{text}")),
        registry,
        image,
    )
}

/// SIG-18, WIRE-60
#[test]
fn case_65_code_1_is_a_signal_before_anything_was_written() {
    for signal in ["-TERM", "-INT"] {
        let (code, registry, _) = interrupted("PUT", "/blobs/uploads/", signal);
        assert_eq!(code, 1);
        assert!(registry.exchanges().of("PUT", "/manifests/").is_empty());
    }
}

/// SIG-18, WIRE-60: whether the registry stores the manifest is not known within the
/// second for which its answer is awaited.
#[test]
fn case_65_a_signal_while_the_first_manifest_is_under_way_ends_with_117() {
    for signal in ["-TERM", "-INT"] {
        let (code, _, _) = interrupted("PUT", "/manifests/sha256-", signal);
        assert_eq!(code, 117);
    }
}

/// SIG-18, WIRE-60: what is refused for now is not under way.
#[test]
fn case_65_a_signal_before_a_refused_manifest_is_sent_again_ends_with_1() {
    let later = Answer::new(429).with("retry-after", "30");
    let (code, registry, image) =
        interrupted_by(Action::Answer(later), "PUT", "/manifests/sha256-", "-TERM");
    assert_eq!(code, 1);
    assert_eq!(registry.tags(image.repository()), ["v1"]);
}

/// SIG-18, SIG-24, WIRE-5, WIRE-60
#[test]
fn case_65_a_signal_during_the_checks_leaves_no_session_open() {
    let (code, registry, image) = interrupted("GET", ".att", "-TERM");
    assert_eq!(code, 1);
    assert_eq!(registry.open_uploads(), 0, "{:?}", registry.exchanges());
    assert_eq!(registry.tags(image.repository()), ["v1"]);
}

/// SIG-18, SIG-36, WIRE-60: the signatures are read back when the signal comes; the
/// attestations are under way, or sent again and again.
#[test]
fn case_65_a_signal_after_something_was_written_ends_with_117() {
    for action in [Action::Delay(Duration::from_secs(30)), Action::status(503)] {
        let (registry, image, signer) = seeded();
        let receipt = signer.folder().join("receipt.json");
        let signer = signer.arguments(&["-receipt", receipt.to_str().unwrap()]);
        let [sig, att] = ["sig", "att"].map(|suffix| {
            let (host, repository) = (registry.host(), image.repository());
            format!("{host}/{repository}:{}", image.attached(suffix))
        });
        let put = format!("/manifests/{}", image.attached("att"));
        registry.inject(When::every("PUT", put.clone()), action);
        let mut child = signer.start();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut log = String::new();
        while !log.contains(&format!("Wrote {sig}: "))
            || registry.exchanges().of("PUT", &put).is_empty()
        {
            assert!(output.read_line(&mut log).unwrap() > 0, "{log}");
        }
        let sent = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        output.read_to_string(&mut log).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(117), "{log}");
        let words = format!("Something may have been written at {att}, ");
        assert!(log.contains(&words), "{log}");
        let receipt: Value = serde_json::from_slice(&std::fs::read(&receipt).unwrap()).unwrap();
        let state_of = |reference: &str| {
            let places = receipt["places"].as_array().unwrap();
            let place = places.iter().find(|place| place["reference"] == reference);
            let place = place.unwrap();
            let states = [&place["state"], &place["layers"][0]["state"]];
            states.map(|state| state.as_str().unwrap().to_owned())
        };
        assert_eq!(state_of(&sig), ["written", "written"]);
        assert_eq!(state_of(&att), ["failed", "unproven"]);
        registry.heal();
        signer.run().succeeded();
    }
}
