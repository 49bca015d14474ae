//! Evidence that verifiers accept: every kind of it, by every kind of key, in
//! every format, verified by three releases of cosign and by Kyverno.
//! `spec/interop.md` shows what came of it.

mod rules;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rules::{refusal, rule};

use crate::matrix::{FORMATS, KEYS, Place, SPDX, STRANGER, cell, merged};
use crate::support::cosign::{Cosign, Printed, public_key};
use crate::support::document::{committed, documented};
use crate::support::images::{Document, Image};
use crate::support::needs::{Need, is_here};
use crate::support::pki::{Pki, SUBJECT};
use crate::support::readers::{Reader, in_parallel};
use crate::support::signer::{Config, Signer};
use crate::support::witnesses::issuer::{Identity, Issuer};
use crate::support::witnesses::{Files, Listed, Role, Rule as Choice, Witness, Witnesses};

const V1: Witness = Witness::LogV1;
const V2: Witness = Witness::LogV2;
const TIME: Witness = Witness::TimestampAuthority;
const FULCIO: Witness = Witness::Authority;

/// The signer of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Key,
    /// A key with a certificate of a private PKI.
    Certificate,
    /// A key of the run's own, which the authority certifies.
    Identity,
}

/// A key as the table calls it, and its name in `testdata/keys`.
type Key = (&'static str, &'static str);

/// The evidence of some rows of the table.
#[derive(Clone, Copy)]
struct Evidence {
    name: &'static str,
    who: Who,
    witnesses: &'static [Witness],
}

const fn evidence(name: &'static str, who: Who, witnesses: &'static [Witness]) -> Evidence {
    Evidence {
        name,
        who,
        witnesses,
    }
}

const ALL: [Evidence; 11] = [
    evidence("timestamp", Who::Key, &[TIME]),
    evidence("Rekor v1", Who::Key, &[V1]),
    evidence("Rekor v1, timestamp", Who::Key, &[V1, TIME]),
    evidence("Rekor v2", Who::Key, &[V2]),
    evidence("Rekor v2, timestamp", Who::Key, &[V2, TIME]),
    evidence("certificate", Who::Certificate, &[]),
    evidence("certificate, timestamp", Who::Certificate, &[TIME]),
    evidence("certificate, Rekor v1", Who::Certificate, &[V1]),
    evidence(
        "certificate, Rekor v2, timestamp",
        Who::Certificate,
        &[V2, TIME],
    ),
    evidence("keyless, Rekor v1", Who::Identity, &[FULCIO, V1]),
    evidence(
        "keyless, Rekor v2, timestamp",
        Who::Identity,
        &[FULCIO, V2, TIME],
    ),
];

impl Evidence {
    fn has(self, witness: Witness) -> bool {
        self.witnesses.contains(&witness)
    }

    fn is_logged(self) -> bool {
        self.has(V1) || self.has(V2)
    }

    /// The kinds of keys that sign so.
    fn keys(self) -> &'static [Key] {
        match self.who {
            Who::Identity => &[("P-256", "")],
            Who::Key | Who::Certificate => &KEYS,
        }
    }
}

/// The verifiers, a line of the table each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verifier {
    Cosign(&'static str, Cosign),
    /// With a `type` for tags and another for bundles.
    Kyverno,
    /// Reads bundles.
    Library(Reader),
}

fn verifiers() -> [Verifier; 6] {
    [
        Verifier::Cosign("cosign 2.6.4", Cosign::V2),
        Verifier::Cosign("cosign 3.1.2", Cosign::V3),
        Verifier::Cosign("cosign 3.1.3", Cosign::V3_1_3),
        Verifier::Kyverno,
        Verifier::Library(Reader::JAVASCRIPT),
        Verifier::Library(Reader::RUST),
    ]
}

impl Verifier {
    fn name(self) -> &'static str {
        match self {
            Self::Cosign(name, _) => name,
            Self::Kyverno => "Kyverno 1.19.1",
            Self::Library(reader) => reader.name,
        }
    }

    fn is_here(self) -> bool {
        match self {
            Self::Cosign(_, Cosign::V3_1_3) => is_here(Need::Cosign(Cosign::V3_1_3)),
            Self::Cosign(..) => true,
            Self::Kyverno => is_here(Need::Reader(Reader::KYVERNO_TAGS)),
            Self::Library(reader) => is_here(Need::Reader(reader)),
        }
    }
}

/// An image that all keys have signed which may, or an image for each of them where
/// their certificates have the same name.
struct Signed {
    evidence: Evidence,
    format: &'static str,
    /// By kind of key.
    references: BTreeMap<&'static str, String>,
    trusted: Files,
}

/// The services and files that all images have in common.
struct Scene {
    place: Place,
    witnesses: Witnesses,
    pki: Pki,
    /// The paths of certificates, by key.
    leaves: BTreeMap<&'static str, String>,
}

impl Scene {
    fn start(witnesses: &[Witness]) -> Self {
        let pki = Pki::new();
        Self {
            place: Place::distribution(),
            witnesses: Witnesses::of(witnesses),
            leaves: KEYS.map(|(_, key)| (key, pki.leaf(key))).into(),
            pki,
        }
    }

    /// The witnesses of the evidence, and the PKI if it is theirs.
    fn trusted(&self, evidence: Evidence) -> Files {
        let mut listed = self.witnesses.listed(evidence.witnesses);
        if evidence.who == Who::Certificate {
            let (url, pem) = ("https://pki.example", self.pki.pem("chain.pem"));
            listed.push(Listed::new(Role::CertificateAuthority, url, pem));
        }
        Files::of(&listed, Choice::Any)
    }

    fn config(&self, evidence: Evidence, format: &str, key: &str, trusted: &Files) -> Config {
        let config = match evidence.who {
            Who::Key => Config::key(key),
            Who::Certificate => Config::key(key)
                .set("certificate", &self.leaves[key])
                .set("certificate-chain", &self.pki.path("chain.pem")),
            Who::Identity => {
                let token = Issuer::shared().token(Identity::Kubernetes);
                let path = self
                    .pki
                    .write(&format!("{:x}.jwt", fastrand::u64(..)), token);
                Config::none().set("identity-token", &path)
            }
        };
        let config = config.set("format", format);
        if evidence.witnesses.is_empty() {
            return config;
        }
        config
            .set("trusted-root", trusted.trusted_root())
            .set("signing-config", trusted.signing_config())
    }

    fn sign(&self, evidence: Evidence, format: &'static str) -> Signed {
        let trusted = self.trusted(evidence);
        let keys = evidence.keys();
        let is_taken = |(kind, _): &Key| refusal(evidence, format, kind).is_none();
        let (taken, refused): (Vec<Key>, Vec<Key>) = keys.iter().partition(|key| is_taken(key));
        let run = |keys: &[Key]| {
            let image = image();
            image.push(self.place.registry.remote());
            let host = self.place.registry.host();
            let config = |(_, key): &Key| self.config(evidence, format, key, &trusted);
            let signer = Signer::of(&image, host);
            let signer = keys.iter().map(config).fold(signer, Signer::config);
            (signer.run(), image.reference(host))
        };
        for key in refused {
            let rule = refusal(evidence, format, key.0).expect("a key that is refused");
            run(&[key]).0.ended_with(3).says(&rule.words[..1]);
        }
        let together = match evidence.who {
            Who::Certificate => 1,
            Who::Key | Who::Identity => keys.len(),
        };
        let mut references = BTreeMap::new();
        for keys in taken.chunks(together) {
            let (outcome, reference) = run(keys);
            outcome.succeeded();
            references.extend(keys.iter().map(|(kind, _)| (*kind, reference.clone())));
        }
        Signed {
            evidence,
            format,
            references,
            trusted,
        }
    }

    /// A verifier's answer about a key's signature or attestation.
    fn ask(&self, verifier: Verifier, signed: &Signed, key: Key, command: usize) -> Printed {
        let (kind, key) = key;
        let reference = &signed.references[kind];
        match verifier {
            Verifier::Cosign(_, cosign) => {
                let flags = self.flags(signed, key);
                let (verb, more) = match command {
                    0 => ("verify", &[][..]),
                    _ => ("verify-attestation", &["--type", "spdxjson"][..]),
                };
                let mut arguments = vec![verb, "--allow-insecure-registry"];
                arguments.extend(more);
                arguments.extend(flags.iter().map(String::as_str));
                arguments.push(reference);
                cosign.run(&arguments, &[])
            }
            Verifier::Kyverno => {
                let reader = match signed.format {
                    "bundle" => Reader::KYVERNO_BUNDLES,
                    _ => Reader::KYVERNO_TAGS,
                };
                read(
                    reader,
                    &self.flags_of_kyverno(signed, key),
                    reference,
                    command,
                )
            }
            Verifier::Library(reader) => read(
                reader,
                &self.flags_of_library(signed, key),
                reference,
                command,
            ),
        }
    }

    /// The flags by which cosign demands this evidence.
    fn flags(&self, signed: &Signed, key: &str) -> Vec<String> {
        let evidence = signed.evidence;
        let path = || public_key(key).display().to_string();
        let identity = Identity::Kubernetes;
        let issuer = || Issuer::shared().url(identity);
        let flags = match evidence.who {
            Who::Key => vec!["--key".to_owned(), path()],
            Who::Certificate => vec![
                format!("--certificate-identity={}", SUBJECT),
                "--certificate-oidc-issuer-regexp=.*".to_owned(),
                "--insecure-ignore-sct".to_owned(),
            ],
            Who::Identity => vec![
                format!("--certificate-identity={}", identity.name()),
                format!("--certificate-oidc-issuer={}", issuer()),
            ],
        };
        let root = signed.trusted.trusted_root();
        let root = [format!("--trusted-root={root}")];
        let ignoring = (!evidence.is_logged()).then(|| "--insecure-ignore-tlog".to_owned());
        let stamped = evidence
            .has(TIME)
            .then(|| "--use-signed-timestamps".to_owned());
        let flags = flags.into_iter().chain(root);
        flags.chain(ignoring).chain(stamped).collect()
    }

    /// The flags by which Kyverno does, as far as it can.
    fn flags_of_kyverno(&self, signed: &Signed, key: &str) -> Vec<String> {
        let evidence = signed.evidence;
        let mut flags = match evidence.who {
            Who::Key => vec!["--key".to_owned(), public_key(key).display().to_string()],
            Who::Certificate => {
                let root = self.pki.path("root.pem");
                ["--roots", &root, "--identity", SUBJECT]
                    .map(str::to_owned)
                    .into()
            }
            Who::Identity => {
                let (root, name) = (self.file(FULCIO), Identity::Kubernetes.name());
                ["--roots", &root, "--identity", name]
                    .map(str::to_owned)
                    .into()
            }
        };
        if signed.format != "bundle" && evidence.has(V1) {
            flags.extend(["--rekor-key".to_owned(), self.file(V1)]);
        }
        if signed.format != "bundle" && evidence.has(TIME) {
            flags.extend(["--tsa-chain".to_owned(), self.file(TIME)]);
        }
        flags
    }

    /// The flags by which a library demands this evidence.
    fn flags_of_library(&self, signed: &Signed, key: &str) -> Vec<String> {
        let evidence = signed.evidence;
        let mut flags = match evidence.who {
            Who::Key => vec!["--key".to_owned(), public_key(key).display().to_string()],
            Who::Certificate => vec!["--identity".to_owned(), SUBJECT.to_owned()],
            Who::Identity => {
                let identity = Identity::Kubernetes;
                let issuer = Issuer::shared().url(identity);
                let flags = ["--identity", identity.name(), "--issuer", &issuer];
                flags.map(str::to_owned).into()
            }
        };
        let root = ["--trusted-root", signed.trusted.trusted_root()];
        flags.extend(root.map(str::to_owned));
        if evidence.is_logged() {
            flags.extend(["--demand", "log"].map(str::to_owned));
        }
        if evidence.has(TIME) {
            flags.extend(["--demand", "timestamp"].map(str::to_owned));
        }
        flags
    }

    /// The path of a witness's key or certificates.
    fn file(&self, witness: Witness) -> String {
        let listed = self.witnesses.listed(&[witness]);
        let name = format!("{witness:?}-{:x}.pem", fastrand::u64(..));
        self.pki.write(&name, &listed[0].pem)
    }

    /// A verifier's answers about an image: keys with the same answer stand together.
    fn answers(&self, verifier: Verifier, signed: &Signed) -> String {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for (kind, key) in signed.evidence.keys() {
            let answer = match refusal(signed.evidence, signed.format, kind) {
                Some(rule) => format!("not signed ({})", rule.note),
                None => merged(&[0, 1].map(|command| {
                    let rule = rule(verifier, signed, kind, command);
                    cell(
                        &self.ask(verifier, signed, (kind, key), command),
                        command,
                        rule,
                    )
                })),
            };
            match groups.iter_mut().find(|(known, _)| *known == answer) {
                Some((_, kinds)) => kinds.push(kind),
                None => groups.push((answer, vec![kind])),
            }
        }
        if let [(answer, _)] = groups.as_slice() {
            return answer.clone();
        }
        let parts = groups.iter();
        let parts = parts.map(|(answer, kinds)| format!("{}: {answer}", kinds.join(", ")));
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// An image like no other with one document: what is signed of two images by the
/// same key would be the same entry otherwise.
fn image() -> Image {
    let name = format!("{:x}", fastrand::u64(..));
    let text =
        format!(r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"{name}"}}"#);
    let document = Document::new("app/sbom.spdx.json", text);
    Image::with_documents(&[document]).named(&[&format!("witnessed/{name}:v1")])
}

fn read(reader: Reader, flags: &[String], reference: &str, command: usize) -> Printed {
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let attestation = (command == 1).then_some(SPDX);
    reader.verify_by(&flags, attestation, reference)
}

fn head(evidence: Evidence, verifier: Verifier) -> String {
    format!("| {} | {} |", evidence.name, verifier.name())
}

/// The rows of what is not installed stay as they are committed.
#[test]
fn verifiers_accept_the_evidence_that_the_specification_says_they_do() {
    let installed = |&witness: &Witness| is_here(Need::Witness(witness));
    let here: Vec<_> = [FULCIO, V1, V2, TIME]
        .into_iter()
        .filter(installed)
        .collect();
    let scene = Scene::start(&here);
    let verifiers: Vec<_> = verifiers()
        .into_iter()
        .map(|one| (one, one.is_here()))
        .collect();
    let can = |evidence: &&Evidence| evidence.witnesses.iter().all(|one| here.contains(one));
    let wanted: Vec<_> = ALL
        .iter()
        .filter(can)
        .flat_map(|evidence| FORMATS.map(|format| (*evidence, format)))
        .collect();
    let signed = in_parallel(&wanted, |&(evidence, format)| scene.sign(evidence, format));
    in_parallel(&signed, |signed| refuses_strangers(&scene, signed));
    let known = committed("evidence");
    let rows: Vec<_> = ALL
        .iter()
        .flat_map(|evidence| verifiers.iter().map(move |verifier| (*evidence, *verifier)))
        .collect();
    let rows = in_parallel(&rows, |&(evidence, (verifier, is_here))| {
        let mut row = head(evidence, verifier);
        if !is_here || !can(&&evidence) {
            let known = known.lines().find(|line| line.starts_with(&row));
            return known.unwrap_or_default().to_owned();
        }
        for signed in signed.iter().filter(|s| s.evidence.name == evidence.name) {
            let _infallible = write!(row, " {} |", scene.answers(verifier, signed));
        }
        row
    });
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| row.contains("UNEXPECTED"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let rows: Vec<_> = rows.into_iter().filter(|row| !row.is_empty()).collect();
    let head = "| evidence | verifier | `legacy` | `bundle` | `both` |\n|---|---|---|---|---|";
    documented("evidence", &format!("{head}\n{}", rows.join("\n")));
}

/// No cosign accepts a key that did not sign, or what is witnessed by others.
fn refuses_strangers(scene: &Scene, signed: &Signed) {
    if refusal(signed.evidence, signed.format, "P-256").is_some() {
        return;
    }
    let [(kind, key), ..] = signed.evidence.keys() else {
        panic!("a key at least");
    };
    let strangers = Signed {
        trusted: Files::of(&[], Choice::Any),
        references: signed.references.clone(),
        ..*signed
    };
    for cosign in [Cosign::V2, Cosign::V3] {
        for command in [0, 1] {
            let verifier = Verifier::Cosign("", cosign);
            if signed.evidence.who == Who::Key {
                scene
                    .ask(verifier, signed, (kind, STRANGER), command)
                    .refused();
            }
            scene
                .ask(verifier, &strangers, (kind, key), command)
                .refused();
        }
    }
}
