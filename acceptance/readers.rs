//! Other readers of the signer's objects: verifiers that are not cosign,
//! cosign's other commands, and images that others or older runs have signed.

mod commands;
mod upgrade;

use std::fmt::Write as _;

use crate::matrix::{
    FORMATS, KEYS, Place, Rule, SPDX, STRANGER, Signed, cell, merged, places, sign_everywhere,
};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::document::{committed, documented};
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::readers::{READERS, Reader, in_parallel};
use crate::support::testdata;

/// Real cosign signs an image and attests its document, in one form.
fn cosign_signs(cosign: Cosign, form: &str, key: &str, image: &Image, host: &str) {
    let folder = tempfile::tempdir().unwrap();
    let predicate = folder.path().join("predicate.json");
    std::fs::write(&predicate, &image.standard_documents()[0].bytes).unwrap();
    let predicate = predicate.display().to_string();
    let password = std::fs::read_to_string(testdata("keys/password")).unwrap();
    let key = testdata("keys").join(format!("{key}.key"));
    let key = key.display().to_string();
    let form = format!("--new-bundle-format={}", form == "bundle");
    let reference = image.reference(host);
    let attest = ["attest", "--type", "spdxjson", "--predicate", &predicate];
    for command in [["sign"].as_slice(), &attest] {
        let mut arguments = command.to_vec();
        arguments.extend(["--yes", "--key", &key, "--tlog-upload=false", &form]);
        if cosign == Cosign::V3 {
            arguments.push("--use-signing-config=false");
        }
        arguments.push(&reference);
        let environment = [("COSIGN_PASSWORD", password.as_str())];
        cosign.run(&arguments, &environment).accepted();
    }
}

/// Every release of cosign that reads this format finds the key's signature.
#[track_caller]
fn verified(image: &Image, place: &Place, format: &str, key: &str) {
    all_accept("verify", image, place, format, key);
}

/// And its attestation.
#[track_caller]
fn sbom_verified(image: &Image, place: &Place, format: &str, key: &str) {
    all_accept("verify-attestation", image, place, format, key);
}

#[track_caller]
fn all_accept(command: &str, image: &Image, place: &Place, format: &str, key: &str) {
    let reference = image.reference(place.registry.host());
    for cosign in BOTH {
        cosign.verify_any(command, key, &reference).accepted();
    }
    if format != "bundle" {
        let printed = Cosign::V2_4.verify_any(command, key, &reference);
        printed.accepted();
    }
}

const TAGS_ONLY: Rule = Rule {
    note: "c",
    words: ["no signatures found", "no matching attestations"],
};
const BUNDLES_ONLY: Rule = Rule {
    note: "d",
    words: ["no matching signatures found"; 2],
};
const ARTIFACT_TYPE: Rule = Rule {
    note: "e",
    words: ["no matching signatures found"; 2],
};
const LOG_OR_TIMESTAMP: Rule = Rule {
    note: "f",
    words: ["cosign bundle verification failed"; 2],
};
const KEYLESS_ONLY: Rule = Rule {
    note: "g",
    words: ["when using the new bundle format, the authority must be keyless"; 2],
};
const NO_REGISTRY: Rule = Rule {
    note: "h",
    words: ["no bundles"; 2],
};
const NO_TIME: Rule = Rule {
    note: "i",
    words: ["bundle must have at least one tlog entry or timestamp verification data"; 2],
};
const NO_P521: Rule = Rule {
    note: "j",
    words: ["nsupported"; 2],
};

/// The rule by which a reader refuses a signature or an attestation.
fn rule(
    reader: Reader,
    signed: &Signed<'_>,
    key: &str,
    attestation: Option<&str>,
) -> Option<&'static Rule> {
    let lists_another_type = signed.place.name.starts_with("go-containerregistry");
    match (reader.mode, signed.format) {
        (Some("Cosign" | "legacy"), "bundle") => Some(&TAGS_ONLY),
        (Some("SigstoreBundle"), "legacy") => Some(&BUNDLES_ONLY),
        (Some("SigstoreBundle"), _) if lists_another_type => Some(&ARTIFACT_TYPE),
        (Some("ImageValidatingPolicy"), "legacy") => attestation.map(|_| &LOG_OR_TIMESTAMP),
        (Some("bundle"), _) => Some(&KEYLESS_ONLY),
        (None | Some("verify" | "parse"), "legacy") => Some(&NO_REGISTRY),
        (Some("verify"), _) => Some(&NO_TIME),
        (Some("parse"), _) if key == "P-521" => Some(&NO_P521),
        _ => None,
    }
}

/// A reader's answers about an image: keys with the same answer stand together.
fn answers(reader: Reader, signed: &Signed<'_>) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, key) in KEYS {
        let both = [None, Some(SPDX)].map(|attestation| {
            let rule = rule(reader, signed, name, attestation);
            let printed = reader.verify(key, attestation, &signed.reference);
            cell(&printed, usize::from(attestation.is_some()), rule)
        });
        let answer = merged(&both);
        match groups.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, names)) => names.push(name),
            None => groups.push((answer, vec![name])),
        }
    }
    if let [(answer, _)] = groups.as_slice() {
        return answer.clone();
    }
    let parts = groups
        .iter()
        .map(|(answer, names)| format!("{}: {answer}", names.join(", ")));
    parts.collect::<Vec<_>>().join("; ")
}

/// A row: a reader on a registry.
fn row(reader: Reader, place: &Place, signed: &[Signed<'_>]) -> String {
    let mut row = head(reader, place);
    for format in FORMATS {
        let signed = signed
            .iter()
            .find(|s| s.format == format && s.place.name == place.name)
            .expect("every format everywhere");
        for attestation in [None, Some(SPDX)] {
            let printed = reader.verify(STRANGER, attestation, &signed.reference);
            printed.refused();
        }
        let _infallible = write!(row, " {} |", answers(reader, signed));
    }
    row
}

fn head(reader: Reader, place: &Place) -> String {
    format!("| {} | {} |", reader.name, place.name)
}

/// The rows of what is not installed stay as they are committed.
#[test]
fn readers_that_are_not_cosign_accept_what_the_specification_says_they_do() {
    let installed: Vec<_> = READERS
        .into_iter()
        .filter(|reader| is_here(Need::Reader(*reader)))
        .collect();
    if !installed.is_empty() {
        installed_readers_accept_what_they_should(&installed);
    }
}

fn installed_readers_accept_what_they_should(installed: &[Reader]) {
    let places = places();
    let signed = sign_everywhere(&places);
    let known = committed("readers");
    let wanted: Vec<_> = READERS
        .iter()
        .flat_map(|reader| places.iter().map(move |place| (*reader, place)))
        .collect();
    let rows = in_parallel(&wanted, |&(reader, place)| {
        if installed.contains(&reader) {
            return row(reader, place, &signed);
        }
        let head = head(reader, place);
        let row = known.lines().find(|line| line.starts_with(&head));
        row.unwrap_or_default().to_owned()
    });
    let wrong: Vec<_> = rows.iter().filter(|r| r.contains("UNEXPECTED")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let rows: Vec<_> = rows.into_iter().filter(|row| !row.is_empty()).collect();
    let head = "| reader | registry | `legacy` | `bundle` | `both` |\n|---|---|---|---|---|";
    documented("readers", &format!("{head}\n{}", rows.join("\n")));
}
