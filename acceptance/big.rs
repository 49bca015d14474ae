//! Big and endless content: memory stays flat, work grows with the content and
//! not with its square, and what is too much is refused in words.
//!
//! The measure is the largest resident set of the process (`VmHWM`), the
//! program's own pages included. scrypt needs 64 MiB for each key that is being
//! unlocked, and a run unlocks as many keys at a time as there are processors.

mod bombs;
mod hostile;

use std::io::Write as _;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::images::{Document, Image};
use crate::support::objects::{Attachment, Layer, attachment};
use crate::support::programs::{PLUGIN, Programs, SIGN};
use crate::support::registry::Registry;
use crate::support::signer::{Config, Signer};

const MB: u64 = 1_000_000;
/// scrypt with N = 65536, r = 8.
const KEY: u64 = 64 << 20;
/// Of a key with N = 32768.
const SMALL_KEY: u64 = 32 << 20;
/// A build for tests has larger pages of code, and takes more for the same work.
const UNOPTIMISED: u64 = if cfg!(debug_assertions) { 10 * MB } else { 0 };
/// The memory that a run may take beside its keys, however big the content is.
const FLAT: u64 = 45 * MB + UNOPTIMISED;
/// The memory that a run may take beside its keys if a registry's answer ends it.
const SMALL: u64 = 32 * MB + UNOPTIMISED;

/// The longest that a run is waited for.
const WITHIN: Duration = Duration::from_secs(60);

const KEYS: [&str; 3] = ["p256-cosign2", "p256-cosign3", "rsa2048-imported-cosign3"];
const CHEAP_KEY: &str = "p256-n32768-cosign-header";

/// A run that was watched.
struct Watched {
    code: Option<i32>,
    stdout: String,
    /// In bytes.
    peak: u64,
    took: Duration,
}

impl Watched {
    #[track_caller]
    fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stdout);
        self
    }

    #[track_caller]
    fn took_at_most(self, bytes: u64) -> Self {
        assert!(
            self.peak > 0 && self.peak <= bytes,
            "{} of {bytes} bytes",
            self.peak
        );
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "no `{text}` in:\n{}",
            self.stdout
        );
        self
    }
}

/// Runs the program and watches its memory; kills it if it takes too long. Its
/// log is short enough for a pipe to hold.
fn watch(signer: &Signer) -> Watched {
    let start = Instant::now();
    let mut child = signer.start();
    let mut peak = 0;
    while child.try_wait().expect("our own child").is_none() {
        peak = high_water_mark(&child).unwrap_or(peak);
        if start.elapsed() > WITHIN {
            child.kill().expect("our own child");
        }
        thread::sleep(Duration::from_millis(1));
    }
    let took = start.elapsed();
    let output = child.wait_with_output().expect("our own child");
    Watched {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        peak,
        took,
    }
}

/// The kernel's own figure, so that nothing between two looks is missed.
/// (`wait4` tells the parent's size if that was larger before `exec`.)
fn high_water_mark(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The memory that unlocking `count` keys takes here.
fn unlocking(count: u64) -> u64 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    count.min(processors as u64) * KEY
}

/// A CycloneDX document of at least `size` bytes that compresses as real ones do.
fn cyclonedx(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bom =
        br#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":["#.to_vec();
    for number in 0.. {
        let separator = if number == 0 { "" } else { "," };
        write!(
            bom,
            r#"{separator}{{"bom-ref":"pkg:npm/lib{number}@1.{}","type":"library","name":"lib{number}","version":"1.{}","hashes":[{{"alg":"SHA-256","content":"{:016x}{:016x}"}}],"licenses":[{{"license":{{"id":"Apache-2.0"}}}}],"properties":[{{"name":"syft:package:foundBy","value":"javascript-lock-cataloger"}},{{"name":"syft:location:0:path","value":"/workspace/node_modules/lib{number}/package.json"}}]}}"#,
            random() % 90, random() % 90, random(), random(),
        )
        .expect("in memory");
        if bom.len() >= size {
            break;
        }
    }
    bom.extend(b"]}");
    bom
}

fn seeded(image: &Image) -> Registry {
    let registry = Registry::start();
    image.seed(&registry);
    registry
}

fn signer(image: &Image, registry: &Registry, keys: &[&str], export: &str) -> Signer {
    keys.iter()
        .fold(Signer::of(image, registry.host()), |signer, key| {
            signer.config(Config::key(key).set("export-sbom", export))
        })
}

fn attached(registry: &Registry, image: &Image, suffix: &str) -> Attachment {
    let repository = image.repository();
    attachment(registry, repository, &image.attached(suffix)).expect("something attached")
}

/// The bytes that an envelope holds after the head of its statement: what
/// [`Layer::envelope`] tells, without parsing megabytes three times.
fn predicate(layer: &Layer) -> Vec<u8> {
    const HEAD: &str = r#"{"payloadType":"application/vnd.in-toto+json","payload":""#;
    let text = std::str::from_utf8(&layer.bytes).unwrap();
    let (payload, _) = text.strip_prefix(HEAD).unwrap().split_once('"').unwrap();
    let mut statement = STANDARD.decode(payload).unwrap();
    let name = br#""predicate":"#;
    let head = statement
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    assert_eq!(statement.pop(), Some(b'}'));
    statement.split_off(head + name.len())
}

/// SBOM-11, SBOM-12
#[test]
fn fifty_megabytes_are_attested_in_flat_memory_and_sent_once_for_each_key() {
    let document = Document::new("bp/sbom.cdx.json", cyclonedx(50 * MB as usize, 1));
    let image = Image::with_documents(std::slice::from_ref(&document));
    for keys in [&KEYS[..1], &KEYS] {
        let count = keys.len();
        let registry = seeded(&image);
        watch(&signer(&image, &registry, keys, "attestation"))
            .ended_with(0)
            .took_at_most(FLAT + unlocking(count as u64));
        // A payload for all keys, an envelope for each, two configs.
        let puts = registry.exchanges().of("PUT", "/blobs/uploads/");
        assert_eq!(puts.len(), 1 + count + 2, "{puts:?}");
        let layers = attached(&registry, &image, "att").layers;
        assert_eq!(layers.len(), count);
        if let [layer] = &*layers {
            assert!(predicate(layer) == document.bytes);
        }
    }
}

/// KEY-113, SBOM-11. A key that signs elsewhere is not unlocked here.
#[test]
fn a_key_elsewhere_attests_fifty_megabytes_in_flat_memory() {
    let document = Document::new("bp/sbom.cdx.json", cyclonedx(50 * MB as usize, 1));
    let image = Image::with_documents(std::slice::from_ref(&document));
    let programs = Programs::new();
    for config in [programs.program(SIGN), programs.plugin(PLUGIN)] {
        let registry = seeded(&image);
        let signer = Signer::of(&image, registry.host())
            .config(config)
            .environment("PATH", &programs.search_path());
        watch(&signer).ended_with(0).took_at_most(FLAT);
        assert_eq!(attached(&registry, &image, "att").layers.len(), 1);
    }
}

/// EVD-72, SBOM-11. The message is written and verified as it is read.
#[test]
fn what_is_signed_between_two_runs_may_have_fifty_megabytes() {
    let document = Document::new("bp/sbom.cdx.json", cyclonedx(50 * MB as usize, 1));
    let image = Image::with_documents(std::slice::from_ref(&document));
    let (programs, registry) = (Programs::new(), seeded(&image));
    let run = || Signer::of(&image, registry.host()).config(programs.folder("answers"));
    let folder = programs.path("messages");
    let generate = ["-generate", &*folder.display().to_string()];
    watch(&run().arguments(&generate))
        .ended_with(0)
        .took_at_most(FLAT);
    registry.stored_nothing();
    let messages = std::fs::read_dir(&folder).unwrap().flatten();
    let largest = messages.map(|entry| entry.metadata().unwrap().len()).max();
    assert!(largest.unwrap() > 50 * MB);
    programs.answer(&folder, "answers");
    watch(&run()).ended_with(0).took_at_most(FLAT);
    assert_eq!(attached(&registry, &image, "att").layers.len(), 1);
}

/// SBOM-11, SBOM-12
#[test]
fn fifty_megabytes_are_attached_in_flat_memory_and_sent_once_for_all_keys() {
    let document = Document::new("bp/sbom.cdx.json", cyclonedx(50 * MB as usize, 2));
    let image = Image::with_documents(std::slice::from_ref(&document));
    let registry = seeded(&image);
    watch(&signer(&image, &registry, &KEYS, "attachment"))
        .ended_with(0)
        .took_at_most(FLAT + unlocking(3));
    // The payload, the document, two configs.
    let puts = registry.exchanges().of("PUT", "/blobs/uploads/");
    assert_eq!(puts.len(), 4, "{puts:?}");
    assert!(attached(&registry, &image, "sbom").layers[0].bytes == document.bytes);
}

/// 12 MB of documents: most of them are not kept as they are, and the last one
/// lies behind a hundred others.
#[test]
fn many_documents_take_two_requests_each_and_are_each_attested() {
    const COUNT: usize = 120;
    let document = |number: usize| {
        let path = format!("bp{number:03}/sbom.cdx.json");
        Document::new(&path, cyclonedx(100_000, number as u64))
    };
    let documents: Vec<_> = (0..COUNT).map(document).collect();
    let image = Image::with_documents(&documents);
    let registry = seeded(&image);
    let signer = signer(
        &image,
        &registry,
        &["rsa2048-imported-cosign3"],
        "attestation",
    );
    watch(&signer.arguments(&["-settle=0"]))
        .ended_with(0)
        .took_at_most(FLAT + KEY);
    let requests = registry.exchanges();
    assert!(requests.len() <= 15 + 2 * COUNT, "{requests:?}");
    let layers = attached(&registry, &image, "att").layers;
    assert_eq!(layers.len(), COUNT);
    for (layer, document) in layers.iter().zip(&documents) {
        assert!(predicate(layer) == document.bytes, "{}", document.path);
    }
}

/// SBOM-12. Decompressing the layer from its start for each document would take
/// minutes.
#[test]
fn work_grows_with_the_documents_and_not_with_their_square() {
    let took = |count: u64| {
        let document = |number: u64| {
            let path = format!("bp{number:03}/sbom.cdx.json");
            Document::new(&path, cyclonedx(120_000, number))
        };
        let documents: Vec<_> = (0..count).map(document).collect();
        let image = Image::with_documents(&documents);
        let registry = seeded(&image);
        let key = ["rsa2048-imported-cosign3"];
        let signer = signer(&image, &registry, &key, "attestation").arguments(&["-settle=0"]);
        let run = watch(&signer).ended_with(0).took_at_most(FLAT + KEY);
        run.took
    };
    let (some, more) = (took(100), took(400));
    assert!(more < some * 8, "100 documents took {some:?}, 400 {more:?}");
}

/// SBOM-11. So large that it would show beside the key, were it held at once or
/// encoded as a whole.
#[test]
fn a_document_is_never_held_whole() {
    let filler = "All rights reserved. ".repeat(100);
    let component = format!(r#"{{"type":"library","name":"lib","description":"{filler}"}}"#);
    let components = vec![component; 150 * MB as usize / 2150].join(",");
    let bom = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{components}]}}"#
    );
    assert!(bom.len() as u64 > 140 * MB);
    let image = Image::with_documents(&[Document::new("bp/sbom.cdx.json", bom)]);
    for export in ["attestation", "attachment"] {
        let registry = seeded(&image);
        watch(&signer(&image, &registry, &[CHEAP_KEY], export))
            .ended_with(0)
            .took_at_most(FLAT + SMALL_KEY);
    }
}

#[test]
fn ten_repositories_and_three_keys_take_no_more_than_the_keys() {
    let names: Vec<_> = (0..10)
        .map(|number| format!("app/number{number}:v1"))
        .collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let image = Image::recorded("platform-api-0.15").named(&names);
    let registry = seeded(&image);
    watch(&signer(&image, &registry, &KEYS, "attestation"))
        .ended_with(0)
        .took_at_most(FLAT + unlocking(3));
}

/// SBOM-12. 118 at once: not after thousands of signatures that no tag could hold.
#[test]
fn more_documents_than_a_tag_holds_are_refused_before_anything_is_uploaded() {
    let document = |number: usize| {
        Document::new(
            &format!("bp{number}/sbom.cdx.json"),
            format!("{{\"n\":{number}}}"),
        )
    };
    let documents: Vec<_> = (0..9_999).map(document).collect();
    let image = Image::with_documents(&documents);
    let registry = seeded(&image);
    let run = watch(&signer(&image, &registry, &KEYS, "attestation"))
        .ended_with(118)
        .took_at_most(FLAT + unlocking(3))
        .says("would have 9999 layers")
        .says("export-sbom");
    assert!(!run.stdout.contains("Signed "), "{}", run.stdout);
    registry.stored_nothing();
    assert_eq!(registry.open_uploads(), 0);
}
