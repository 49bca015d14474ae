//! The log of a run that goes well: it says each step when the run has done
//! it, in numbers of what is there.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::support::front::Front;
use crate::support::images::{Document, Image};
use crate::support::objects::attachment;
use crate::support::registry::{Action, Registry, When};
use crate::support::signer::{Config, Signer};

const KEY: &str = "p256-n32768-cosign-header";
const OTHER: &str = "ed25519-imported-cosign3";

fn seeded(image: Image) -> (Registry, Image) {
    let registry = Registry::start();
    image.seed(&registry);
    (registry, image)
}

fn documents(texts: &[(&str, &str)]) -> Image {
    let documents = texts.iter().map(|(path, text)| {
        let text = format!(r#"{{"bomFormat":"CycloneDX","x":"{text}"}}"#);
        Document::new(path, text)
    });
    Image::with_documents(&documents.collect::<Vec<_>>())
}

/// The lines that begin with `start`, without the run's time.
fn lines<'a>(log: &'a str, start: &str) -> Vec<&'a str> {
    let lines = log.lines().filter(|line| line.starts_with(start));
    lines
        .map(|line| line.split_once(" s: ").map_or(line, |(_, rest)| rest))
        .collect()
}

/// SIG-82
#[test]
fn the_last_line_counts_what_was_published_and_says_how_long_it_took() {
    let (registry, image) = seeded(documents(&[("a/sbom.cdx.json", "1")]));
    let signer = Signer::of(&image, registry.host())
        .key(KEY)
        .config(Config::key(OTHER).set("export-sbom", "attachment"));
    let first = signer.run().succeeded();
    let last = first.stdout.lines().last().unwrap();
    let (took, numbers) = last.split_once(" s: ").unwrap();
    let took: f64 = took.strip_prefix("Done in ").unwrap().parse().unwrap();
    assert!(took <= first.took.as_secs_f64() + 0.1, "{last}");
    let all = "1 image, 2 keys, 2 signatures, 1 attestation of 1 document, 1 attachment";
    assert_eq!(numbers, all);
    let second = signer.run().succeeded();
    let again = format!("{all}; all of it was there already");
    assert_eq!(lines(&second.stdout, "Done in "), [again]);
}

/// SIG-82
#[test]
fn a_key_that_is_named_twice_and_documents_with_the_same_content_count_once() {
    let image = documents(&[
        ("a/sbom.cdx.json", "same"),
        ("b/sbom.cdx.json", "same"),
        ("c/sbom.cdx.json", "other"),
    ]);
    let (registry, image) = seeded(image);
    let signer = Signer::of(&image, registry.host())
        .key(KEY)
        .key(KEY)
        .key(OTHER);
    let run = signer.run().succeeded();
    for (suffix, there) in [("sig", 2), ("att", 4)] {
        let place = attachment(&registry, image.repository(), &image.attached(suffix)).unwrap();
        assert_eq!(place.layers.len(), there);
        let line = format!(".{suffix}: {there} added, 0 already there");
        assert!(run.stdout.contains(&line), "{}", run.stdout);
    }
    let run = run.says(&["Read 3 SBOM documents of "]);
    let all = "1 image, 2 keys, 2 signatures, 4 attestations of 3 documents";
    assert_eq!(lines(&run.stdout, "Done in "), [all]);
    assert_eq!(lines(&run.stdout, "Signed ").len(), 2, "{}", run.stdout);
    let again = signer.run().succeeded();
    again.says(&[".sig: 2 already there", ".att: 4 already there"]);
}

/// SIG-82
#[test]
fn an_image_is_called_signed_once_its_signature_was_read_back() {
    let (registry, image) = seeded(Image::recorded("no-sbom-layer"));
    let signer = Signer::of(&image, registry.host()).key(KEY);
    registry.inject(
        When::first("PUT", ".sig").times(2),
        Action::error(403, "DENIED"),
    );
    let refused = signer.run().ended_with(113);
    refused.does_not_say(&["Signed ", "Done in "]);
    let run = signer.run().succeeded();
    let written = run.stdout.find("Wrote ").unwrap();
    let signed = run.stdout.find("Signed ").unwrap();
    assert!(written < signed, "{}", run.stdout);
    let run = signer.run().succeeded().says(&["Nothing to write at "]);
    run.does_not_say(&["Signed ", "Wrote "]);
}

/// SIG-81
#[test]
fn an_upload_on_a_slow_line_says_how_far_it_is_each_ten_seconds() {
    let (registry, image) = seeded(documents(&[("a/sbom.cdx.json", &"x".repeat(16_000_000))]));
    let line = Front::slow(registry.host(), 1_600_000);
    let run = Signer::of(&image, &line.host()).key(KEY).run().succeeded();
    assert!(run.took > Duration::from_secs(10), "{:?}", run.took);
    let sent = lines(&run.stdout, "Sent ");
    let expected = run.took.as_secs() as usize / 10;
    assert!((1..=expected).contains(&sent.len()), "{}", run.stdout);
    for line in sent {
        assert!(line.ends_with(" MB of 21.3 MB"), "{line}");
    }
    run.does_not_say(&["Waiting for ", "\r"]);
    let quick = Signer::of(&image, registry.host()).key(OTHER).run();
    quick.succeeded().does_not_say(&["Sent "]);
}

/// The lines of a log for machines.
#[track_caller]
fn objects(log: &str) -> Vec<Map<String, Value>> {
    let objects = log.lines().map(serde_json::from_str);
    objects
        .map(|object| object.unwrap_or_else(|error| panic!("{error}\n{log}")))
        .collect()
}

/// SIG-83
#[test]
fn a_log_for_machines_names_image_place_and_key_beside_the_words() {
    let (registry, image) = seeded(documents(&[("a/sbom.cdx.json", "1")]));
    let signer = Signer::of(&image, registry.host()).key(KEY);
    let signer = signer.arguments(&["-log-format", "json", "-log-level", "debug"]);
    let run = signer.run().succeeded();
    assert_eq!(run.stderr, "");
    let lines = objects(&run.stdout);
    let about = |start: &str| {
        let starts =
            |line: &&Map<String, Value>| line["message"].as_str().unwrap().starts_with(start);
        lines.iter().find(starts).unwrap()
    };
    let reference = format!(
        "{}/{}@{}",
        registry.host(),
        image.repository(),
        image.digest()
    );
    let signed = about("Signed ");
    assert_eq!(signed["level"], "info");
    assert_eq!(signed["image"], *reference);
    assert!(
        signed["key"]
            .as_str()
            .unwrap()
            .ends_with(&format!("{KEY}.key"))
    );
    let place = format!(
        "{}/{}:{}",
        registry.host(),
        image.repository(),
        image.attached("sig")
    );
    assert_eq!(about(&format!("Wrote {place}: "))["place"], *place);
    assert_eq!(about("GET ")["level"], "debug");
    assert_eq!(
        lines.last().unwrap()["message"]
            .as_str()
            .unwrap()
            .find("Done in "),
        Some(0)
    );
}

/// SIG-83
#[test]
fn every_failure_of_a_run_is_an_object_too() {
    let (registry, image) = seeded(Image::recorded("no-sbom-layer"));
    let signer = || Signer::of(&image, registry.host()).environment("CNB_LOG_FORMAT", "json");
    registry.inject(When::every("PUT", ".sig"), Action::error(403, "DENIED"));
    let run = signer().key(KEY).run().ended_with(113);
    let lines = objects(&run.stdout);
    let failure = lines.last().unwrap();
    assert_eq!(failure["level"], "error");
    assert!(
        failure["place"].as_str().unwrap().ends_with(".sig"),
        "{failure:?}"
    );
    assert!(failure.contains_key("hint"), "{failure:?}");
    for (arguments, api, code) in [
        (&["-log-level", "loud"][..], "0.13", 3),
        (&["-nonsense", "-log-format=json"], "0.13", 2),
        (&["-timeout", "soon"], "0.13", 2),
        (&["-log-format=json"], "0.6", 11),
        (&[], "0.13", 3),
        (&["positional", "-late"], "0.13", 3),
    ] {
        let signer = signer().environment("CNB_PLATFORM_API", api);
        let run = signer.run_bare(arguments).ended_with(code);
        assert_eq!(run.stderr, "", "{arguments:?}");
        let lines = objects(&run.stdout);
        assert_eq!(lines.last().unwrap()["level"], "error", "{arguments:?}");
    }
    let run = signer().run_bare(&["-log-format", "xml"]).ended_with(3);
    run.says(&[
        "failed to parse log format: invalid format",
        "hint: write `text` or `json`",
    ]);
}
