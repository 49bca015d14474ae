//! Formats and the cosigns that accept them: every format on registries with and without
//! the referrers API, signed by every kind of key in one run, verified by three
//! releases of cosign. `spec/interop.md` shows what came of it.

use std::fmt::Write as _;

use crate::support::cosign::{Cosign, Printed};
use crate::support::document::documented;
use crate::support::images::Image;
use crate::support::readers::in_parallel;
use crate::support::real::RealRegistry;
use crate::support::signer::{Config, Signer};

pub const FORMATS: [&str; 3] = ["legacy", "bundle", "both"];

/// Every kind of key, as the table calls it.
pub const KEYS: [(&str, &str); 5] = [
    ("P-256", "p256-cosign3"),
    ("P-384", "p384-imported-cosign3"),
    ("P-521", "p521-imported-cosign3"),
    ("RSA 2048", "rsa2048-imported-cosign3"),
    ("Ed25519", "ed25519-imported-cosign3"),
];

/// It has signed nothing.
pub const STRANGER: &str = "p256-cosign2";

/// The predicate type of the image's only document, `spdxjson` for cosign.
pub const SPDX: &str = "https://spdx.dev/Document";

/// A registry, as the tables call it.
pub struct Place {
    pub name: &'static str,
    pub registry: RealRegistry,
}

impl Place {
    /// Without the referrers API.
    pub fn distribution() -> Self {
        let (name, registry) = ("distribution 3.1.2 (no API)", RealRegistry::distribution());
        Self { name, registry }
    }

    /// With it, though it lists the config's media type as the artifact's.
    fn go_containerregistry() -> Self {
        let (name, registry) = (
            "go-containerregistry 0.22.1",
            RealRegistry::with_referrers(),
        );
        Self { name, registry }
    }

    /// With it.
    pub fn ferro() -> Self {
        let (name, registry) = ("ferro-oci-server 1.0.0", RealRegistry::ferro());
        Self { name, registry }
    }
}

pub fn places() -> [Place; 3] {
    [
        Place::distribution(),
        Place::go_containerregistry(),
        Place::ferro(),
    ]
}

/// An image that all keys have signed.
pub struct Signed<'a> {
    pub place: &'a Place,
    pub format: &'static str,
    pub reference: String,
}

/// An image with one SBOM document, in a repository of its own.
pub fn image(repository: &str) -> Image {
    Image::recorded("one-document").named(&[&format!("{repository}:v1")])
}

/// The signer with these keys in one format.
pub fn signer(image: &Image, host: &str, format: &str, keys: &[&str]) -> Signer {
    let config = |key: &&str| Config::key(key).set("format", format);
    let signer = Signer::of(image, host);
    keys.iter().map(config).fold(signer, Signer::config)
}

/// The image on every registry in every format.
pub fn sign_everywhere(places: &[Place]) -> Vec<Signed<'_>> {
    let each = |place| FORMATS.map(|format| (place, format));
    let wanted: Vec<(&Place, &'static str)> = places.iter().flat_map(each).collect();
    let keys = KEYS.map(|(_, key)| key);
    in_parallel(&wanted, |&(place, format)| {
        let image = image(&format!("matrix/{format}"));
        image.push(place.registry.remote());
        let host = place.registry.host();
        signer(&image, host, format, &keys).run().succeeded();
        Signed {
            place,
            format,
            reference: image.reference(host),
        }
    })
}

/// A column of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verifier {
    V2_4,
    V2,
    /// With `--trusted-root` of an empty root.
    V2WithRoot,
    V3,
}

const VERIFIERS: [Verifier; 4] = [
    Verifier::V2_4,
    Verifier::V2,
    Verifier::V2WithRoot,
    Verifier::V3,
];
const COMMANDS: [&str; 2] = ["verify", "verify-attestation"];

impl Verifier {
    fn ask(self, command: &str, key: &str, reference: &str) -> Printed {
        match (self, command) {
            (Self::V2_4, _) => Cosign::V2_4.verify_any(command, key, reference),
            (Self::V2WithRoot, _) => Cosign::V2.verify_any(command, key, reference),
            (Self::V3, _) => Cosign::V3.verify_any(command, key, reference),
            (Self::V2, "verify") => Cosign::V2.verify(key, reference, &[]),
            (Self::V2, _) => Cosign::V2.verify_attestation(key, "spdxjson", reference),
        }
    }
}

/// Why a verifier refuses what it cannot be blamed for, in its own words.
pub struct Rule {
    pub note: &'static str,
    /// Its words about a signature and about an attestation.
    pub words: [&'static str; 2],
}

const TAGS_ONLY: Rule = Rule {
    note: "a",
    words: ["no signatures found", "no matching attestations"],
};
const WANTS_A_ROOT: Rule = Rule {
    note: "b",
    words: ["trusted root is required when using new bundle format"; 2],
};

/// The rule by which a cell is a refusal; all others are relied upon.
fn rule(format: &str, verifier: Verifier) -> Option<&'static Rule> {
    match (format, verifier) {
        ("bundle", Verifier::V2_4) => Some(&TAGS_ONLY),
        ("bundle" | "both", Verifier::V2) => Some(&WANTS_A_ROOT),
        _ => None,
    }
}

/// A table's cell for one command: `yes`, a note, or the fault.
pub fn cell(printed: &Printed, command: usize, rule: Option<&Rule>) -> String {
    match rule {
        None if printed.success => "yes".to_owned(),
        Some(rule) if !printed.success && printed.stderr.contains(rule.words[command]) => {
            format!("no ({})", rule.note)
        }
        _ if printed.success => "UNEXPECTED: accepted".to_owned(),
        _ => format!("UNEXPECTED: {}", printed.stderr.trim()),
    }
}

/// Both commands in one cell, the same answer once.
pub fn merged(cells: &[String]) -> String {
    match cells.windows(2).all(|pair| pair[0] == pair[1]) {
        true => cells[0].clone(),
        false => cells.join(", "),
    }
}

/// A row: an image and one of its keys.
fn row(signed: &Signed<'_>, (name, key): (&str, &str)) -> String {
    let mut row = format!("| `{}` | {} | {name} |", signed.format, signed.place.name);
    for verifier in VERIFIERS {
        let answers = [0, 1].map(|command| {
            let printed = verifier.ask(COMMANDS[command], key, &signed.reference);
            cell(&printed, command, rule(signed.format, verifier))
        });
        let _infallible = write!(row, " {} |", merged(&answers));
    }
    row
}

/// No verifier accepts the key that did not sign.
fn refuses_a_stranger(signed: &Signed<'_>) {
    for verifier in VERIFIERS {
        for command in COMMANDS {
            verifier.ask(command, STRANGER, &signed.reference).refused();
        }
    }
}

#[test]
fn every_cosign_accepts_what_the_specification_says_it_does() {
    let places = places();
    let signed = sign_everywhere(&places);
    in_parallel(&signed, refuses_a_stranger);
    let wanted: Vec<_> = FORMATS
        .iter()
        .flat_map(|format| signed.iter().filter(move |s| s.format == *format))
        .flat_map(|signed| KEYS.map(|key| (signed, key)))
        .collect();
    let rows = in_parallel(&wanted, |&(signed, key)| row(signed, key));
    let wrong: Vec<_> = rows.iter().filter(|r| r.contains("UNEXPECTED")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let head = "| format | registry | key | 2.4.0 | 2.6.4 | 2.6.4, empty root | 3.1.2 |\n\
                |---|---|---|---|---|---|---|";
    documented("matrix", &format!("{head}\n{}", rows.join("\n")));
}
