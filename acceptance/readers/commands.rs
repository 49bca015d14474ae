//! cosign's other commands, and regctl's, do with what the signer wrote what they
//! do with what cosign itself wrote, whatever they lose of it. `spec/interop.md`
//! shows what was seen.

use std::collections::BTreeMap;
use std::process::Command;

use super::{cosign_signs, sbom_verified, verified};
use crate::matrix::{FORMATS, Place, image, places, signer};
use crate::support::cosign::{Cosign, Printed, run};
use crate::support::document::documented;
use crate::support::images::Image;
use crate::support::readers::in_parallel;
use crate::support::tool;

const KEY: &str = "p256-cosign3";
const INSECURE: &str = "--allow-insecure-registry";

/// An image, signed in one format.
struct Subject<'a> {
    place: &'a Place,
    format: &'static str,
    image: Image,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Signer,
    Cosign,
}

impl<'a> Subject<'a> {
    fn written_by(writer: Writer, place: &'a Place, format: &'static str) -> Self {
        let name = match writer {
            Writer::Signer => "ours",
            Writer::Cosign => "cosigns",
        };
        let image = image(&format!("{name}/{format}"));
        image.push(place.registry.remote());
        let subject = Self {
            place,
            format,
            image,
        };
        subject.sign(writer);
        subject
    }

    fn sign(&self, writer: Writer) {
        let host = self.place.registry.host();
        if writer == Writer::Signer {
            let signer = signer(&self.image, host, self.format, &[KEY]);
            signer.run().succeeded();
            return;
        }
        for form in ["legacy", "bundle"] {
            if [form, "both"].contains(&self.format) {
                cosign_signs(Cosign::V3, form, KEY, &self.image, host);
            }
        }
    }

    fn reference(&self) -> String {
        self.image.reference(self.place.registry.host())
    }

    /// The same image in another repository, where nothing has been pushed yet.
    fn elsewhere(&self, folder: &str) -> Self {
        let repository = format!("{folder}/{}", self.image.repository());
        Self {
            place: self.place,
            format: self.format,
            image: image(&repository),
        }
    }

    /// By tag, for commands that push to it.
    fn tag(&self) -> String {
        let host = self.place.registry.host();
        format!("{host}/{}:v1", self.image.repository())
    }

    /// Everything that hangs on the image, in words.
    fn state(&self) -> String {
        let (remote, repository) = (self.place.registry.remote(), self.image.repository());
        let mut found = Vec::new();
        for suffix in ["sig", "att"] {
            if remote
                .manifest(repository, &self.image.attached(suffix))
                .is_some()
            {
                found.push(format!("`.{suffix}`"));
            }
        }
        let fallback = self.image.digest().replace(':', "-");
        let tag = remote.manifest(repository, &fallback);
        let taken = tag.is_some_and(|tag| tag.digest() == self.image.digest());
        match self.referrers() {
            0 => {}
            1 => found.push("1 bundle".to_owned()),
            count => found.push(format!("{count} bundles")),
        }
        if taken {
            found.push("the image under `sha256-<hex>`".to_owned());
        }
        match found.is_empty() {
            true => "nothing".to_owned(),
            false => found.join(", "),
        }
    }

    /// How many manifests regctl lists, by the referrers API or the fallback tag.
    fn referrers(&self) -> usize {
        let arguments = [
            "artifact",
            "list",
            "--format",
            "{{jsonPretty .Descriptors}}",
        ];
        let printed = regctl(self.place, &arguments, &self.reference());
        printed.stdout.matches("\"digest\"").count()
    }

    fn verify(&self) -> String {
        said(&Cosign::V3.verify(KEY, &self.reference(), &[]), "verified")
    }
}

fn regctl(place: &Place, arguments: &[&str], reference: &str) -> Printed {
    let host = format!("reg={},tls=disabled", place.registry.host());
    let mut all = vec!["--host", &host];
    all.extend(arguments);
    all.push(reference);
    run(Command::new(tool("regctl-v0.11.7/regctl")), &all, &[])
}

/// The result, or the kind of refusal.
fn said(printed: &Printed, result: &str) -> String {
    if printed.success {
        return result.to_owned();
    }
    let kinds = [
        "MANIFEST_BLOB_UNKNOWN",
        "no signatures found",
        "no signatures associated",
        "found no attestations",
        "UNSUPPORTED",
    ];
    let kind = kinds.iter().find(|kind| printed.stderr.contains(**kind));
    let kind = kind.unwrap_or_else(|| panic!("{}", printed.stderr));
    format!("refused (`{kind}`)")
}

/// How often each of these occurs.
fn counted<'a>(found: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in found {
        *counts.entry(name).or_default() += 1;
    }
    let parts = counts.iter().map(|(name, count)| format!("{count} {name}"));
    parts.collect::<Vec<_>>().join(", ")
}

fn tree(subject: &Subject<'_>) -> String {
    let printed = Cosign::V3.tree(&subject.reference()).accepted();
    let labels = printed.stdout.lines().filter(|line| line.starts_with("└"));
    let kinds = [
        ("Signatures for an image tag", "`.sig`"),
        ("Attestations for an image tag", "`.att`"),
        ("https://sigstore.dev/cosign/sign/v1", "signature bundle"),
        ("https://spdx.dev/Document", "SPDX bundle"),
    ];
    counted(labels.map(|label| {
        let kind = kinds.iter().find(|(text, _)| label.contains(text));
        kind.unwrap_or_else(|| panic!("{label}")).1
    }))
}

fn download(subject: &Subject<'_>, what: &str) -> String {
    let printed = Cosign::V3.download(what, &subject.reference());
    let found = counted(printed.stdout.lines().map(|line| {
        match line.contains("application/vnd.dev.sigstore.bundle") {
            true => "bundle",
            false => "of the tag",
        }
    }));
    said(&printed, &found)
}

fn regctl_tree(subject: &Subject<'_>) -> String {
    let printed = regctl(subject.place, &["artifact", "tree"], &subject.reference());
    let printed = printed.accepted();
    let referrers = printed.stdout.split("Referrers:").nth(1);
    let lines = referrers.unwrap_or_default().lines();
    let count = lines.filter(|line| line.trim_start().starts_with("- "));
    format!("{} referrers", count.count())
}

fn copy(subject: &Subject<'_>) -> String {
    let target = subject.elsewhere("copied");
    let arguments = ["copy", INSECURE, &subject.tag(), &target.tag()];
    let done = said(&Cosign::V3.run(&arguments, &[]), "there");
    format!("{done}: {}; {}", target.state(), target.verify())
}

/// With `--referrers` and `--digest-tags`.
fn regctl_copy(subject: &Subject<'_>) -> String {
    let target = subject.elsewhere("regctl");
    let source = subject.tag();
    let arguments = ["image", "copy", "--referrers", "--digest-tags", &source];
    let done = said(&regctl(subject.place, &arguments, &target.tag()), "there");
    format!("{done}: {}; {}", target.state(), target.verify())
}

fn save_and_load(subject: &Subject<'_>) -> String {
    let target = subject.elsewhere("loaded");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved").display().to_string();
    let save = ["save", INSECURE, "--dir", &path, &subject.tag()];
    Cosign::V3.run(&save, &[]).accepted();
    let load = ["load", INSECURE, "--dir", &path, &target.tag()];
    let done = said(&Cosign::V3.run(&load, &[]), "there");
    format!("{done}: {}; {}", target.state(), target.verify())
}

/// The last, since it takes away what it finds.
fn clean(subject: &Subject<'_>) -> String {
    let clean = ["clean", "--force", INSECURE, &subject.tag()];
    let done = said(&Cosign::V3.run(&clean, &[]), "left");
    format!("{done}: {}; {}", subject.state(), subject.verify())
}

type Observe = fn(&Subject<'_>) -> String;

const COMMANDS: [(&str, Observe); 9] = [
    ("`cosign tree`", tree),
    ("`cosign download signature`", |s| download(s, "signature")),
    ("`cosign download attestation`", |s| {
        download(s, "attestation")
    }),
    ("`regctl artifact list`", |s| {
        format!("{} referrers", s.referrers())
    }),
    ("`regctl artifact tree`", regctl_tree),
    ("`cosign copy`", copy),
    ("`regctl image copy`", regctl_copy),
    ("`cosign save`, `load`", save_and_load),
    ("`cosign clean`", clean),
];

/// The effect of each command.
fn observe(writer: Writer, place: &Place, format: &'static str) -> Vec<String> {
    let subject = Subject::written_by(writer, place, format);
    let observed: Vec<_> = COMMANDS.iter().map(|(_, see)| see(&subject)).collect();
    if writer == Writer::Signer {
        subject.sign(writer);
        verified(&subject.image, place, format, KEY);
        sbom_verified(&subject.image, place, format, KEY);
    }
    observed
}

/// And after `cosign clean` another run of the signer restores everything.
#[test]
fn other_commands_treat_ours_as_they_treat_cosign_s_own() {
    let places = places();
    let wanted: Vec<_> = FORMATS
        .iter()
        .flat_map(|format| places.iter().map(move |place| (*format, place)))
        .collect();
    let observed = in_parallel(&wanted, |&(format, place)| {
        let ours = observe(Writer::Signer, place, format);
        let cosigns = observe(Writer::Cosign, place, format);
        assert_eq!(ours, cosigns, "{format} {}", place.name);
        ours
    });
    let mut table = "| command | format |".to_owned();
    places
        .iter()
        .for_each(|place| table += &format!(" {} |", place.name));
    table += "\n|---|---|---|---|---|\n";
    for (row, (command, _)) in COMMANDS.iter().enumerate() {
        for (format, columns) in FORMATS.iter().zip(observed.chunks(places.len())) {
            table += &format!("| {command} | `{format}` |");
            columns
                .iter()
                .for_each(|seen| table += &format!(" {} |", seen[row]));
            table += "\n";
        }
    }
    documented("commands", &table);
}

/// The rest where only the bundles were deleted, by a registry's clean-up or
/// by hand.
#[test]
fn a_fallback_tag_that_lists_what_is_gone_is_completed_again() {
    let place = Place::distribution();
    let image = image("app/gone");
    let (remote, host) = (place.registry.remote(), place.registry.host());
    image.push(remote);
    let signer = signer(&image, host, "bundle", &[KEY]);
    signer.run().succeeded();
    let fallback = image.digest().replace(':', "-");
    let index = remote.manifest(image.repository(), &fallback).unwrap();
    let listed = index.json()["manifests"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    for entry in &listed {
        remote.remove(image.repository(), entry["digest"].as_str().unwrap());
    }
    Cosign::V3
        .verify(KEY, &image.reference(host), &[])
        .refused();
    signer.run().succeeded();
    verified(&image, &place, "bundle", KEY);
    sbom_verified(&image, &place, "bundle", KEY);
}

/// `cosign copy` puts the image under its fallback tag, which the signer does not
/// overwrite; a registry with the referrers API needs no such tag.
#[test]
fn after_cosign_copy_bundles_need_the_referrers_api_or_the_tag_removed() {
    for place in [Place::distribution(), Place::ferro()] {
        let subject = Subject::written_by(Writer::Signer, &place, "both");
        let copied = subject.elsewhere("copied");
        let arguments = ["copy", INSECURE, &subject.tag(), &copied.tag()];
        Cosign::V3.run(&arguments, &[]).accepted();
        let (remote, image) = (place.registry.remote(), &copied.image);
        let signer = |format| signer(image, place.registry.host(), format, &[KEY]);
        if place.name.contains("no API") {
            let fallback = image.digest().replace(':', "-");
            let run = signer("both").run().ended_with(118);
            run.says(&[&fallback]).does_not_say(&["Wrote"]);
            signer("legacy").run().succeeded();
            remote.remove(image.repository(), &fallback);
        }
        signer("both").run().succeeded();
        verified(image, &place, "both", KEY);
        sbom_verified(image, &place, "both", KEY);
    }
}
