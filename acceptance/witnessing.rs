//! The step between signing and publishing: who is asked, when, what for, and how
//! often.

use serde_json::Value;

use crate::support::cosign::{Cosign, public_key};
use crate::support::images::{Document, Image};
use crate::support::needs::{Need, all_three, is_here};
use crate::support::pki::{Pki, SUBJECT};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Config, Signer};
use crate::support::witnesses::{Files, Listed, Role, Rule, Witness, Witnesses};

const V2: Witness = Witness::LogV2;
const TIME: Witness = Witness::TimestampAuthority;
const KEY: &str = "p256-cosign3";
const SPDX: &str = "https://spdx.dev/Document";

/// Whether both witnesses of these tests can be run.
fn are_here() -> bool {
    is_here(Need::Witness(V2)) && is_here(Need::Witness(TIME))
}

fn seeded(name: &str) -> (Registry, Image) {
    let (registry, image) = (Registry::start(), Image::recorded(name));
    image.seed(&registry);
    (registry, image)
}

fn config(format: &str, files: &Files) -> Config {
    Config::key(KEY)
        .set("format", format)
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config())
}

fn signer(registry: &Registry, image: &Image, config: Config) -> Signer {
    Signer::of(image, registry.host()).config(config)
}

/// Every cosign verifies signature and attestations, and demands evidence.
fn verified(witnesses: &Witnesses, demanded: &[Witness], reference: &str, with_documents: bool) {
    let key = public_key(KEY).display().to_string();
    let flags = witnesses.demanding(demanded);
    for cosign in all_three() {
        let verify = |command: &[&str]| {
            let mut arguments: Vec<String> = command.iter().map(|&one| one.into()).collect();
            arguments.extend(["--allow-insecure-registry", "--key", &key].map(str::to_owned));
            arguments.extend(flags.clone());
            arguments.push(reference.to_owned());
            cosign.run(&arguments, &[]).accepted();
        };
        verify(&["verify"]);
        if with_documents {
            verify(&["verify-attestation", "--type", SPDX]);
        }
    }
}

/// The requests of a run to all witnesses.
fn asked(witnesses: &Witnesses) -> usize {
    asked_of(witnesses, &[V2, TIME])
}

fn asked_of(witnesses: &Witnesses, some: &[Witness]) -> usize {
    let count = |&witness| witnesses.front(witness).recorded().len();
    some.iter().map(count).sum()
}

/// EVD-92, EVD-93, WIRE-93
#[test]
fn evidence_is_verified_by_every_cosign_and_asked_for_once() {
    if are_here() {
        for (format, demanded) in [
            ("legacy", &[TIME][..]),
            ("bundle", &[V2, TIME]),
            ("both", &[V2, TIME]),
        ] {
            let witnesses = Witnesses::of(&[V2, TIME]);
            let files = witnesses.files(demanded, Rule::Any);
            let (registry, image) = seeded("one-document");
            let signer = signer(&registry, &image, config(format, &files));
            signer.run().succeeded();
            verified(
                &witnesses,
                demanded,
                &image.reference(registry.host()),
                true,
            );
            // Signature and attestation; of both forms each has its timestamp.
            let stamps = if format == "both" { 4 } else { 2 };
            assert_eq!(witnesses.front(TIME).asked("POST", "").len(), stamps);
            let entries = if format == "legacy" { 0 } else { 2 };
            assert_eq!(witnesses.front(V2).asked("POST", "").len(), entries);
            let before = asked(&witnesses);
            registry.forget_exchanges();
            signer
                .run()
                .succeeded()
                .does_not_say(&["Publishing for ever"]);
            registry.stored_nothing();
            assert_eq!(asked(&witnesses), before, "{format}");
        }
    }
}

/// EVD-90
#[test]
fn evidence_is_added_to_a_signature_that_stands_there_without() {
    if are_here() {
        let witnesses = Witnesses::of(&[V2, TIME]);
        let (registry, image) = seeded("one-document");
        let reference = image.reference(registry.host());
        Cosign::V2.sign("p256-cosign2", &reference, &[]).accepted();
        let plain = Config::key(KEY).set("format", "both");
        signer(&registry, &image, plain).run().succeeded();
        let layers = |suffix: &str| {
            let tag = format!("{}.{suffix}", image.digest().replace(':', "-"));
            let stored = registry.manifest(image.repository(), &tag).expect("a tag");
            let manifest: Value = serde_json::from_slice(&stored.bytes).unwrap();
            manifest["layers"].as_array().unwrap().clone()
        };
        let before = layers("sig");
        assert_eq!(before.len(), 2);
        let files = witnesses.files(&[V2, TIME], Rule::Any);
        signer(&registry, &image, config("both", &files))
            .run()
            .succeeded();
        let after = layers("sig");
        assert_eq!(after.len(), 2);
        assert_eq!(after[0], before[0], "the layer of another signer");
        assert_eq!(after[1]["digest"], before[1]["digest"]);
        let stamp = &after[1]["annotations"]["dev.sigstore.cosign/rfc3161timestamp"];
        assert!(stamp.is_string(), "{after:?}");
        assert_eq!(layers("att").len(), 1);
        verified(&witnesses, &[V2, TIME], &reference, true);
        registry.forget_exchanges();
        signer(&registry, &image, config("both", &files))
            .run()
            .succeeded();
        registry.stored_nothing();
    }
}

/// EVD-29, EVD-91, EVD-95
#[test]
fn a_witness_that_fails_leaves_nothing_in_a_registry() {
    if are_here() {
        for format in ["legacy", "bundle", "both"] {
            let witnesses = Witnesses::of(&[V2, TIME]);
            let demanded = if format == "legacy" {
                &[TIME][..]
            } else {
                &[V2, TIME]
            };
            let files = witnesses.files(demanded, Rule::Any);
            let (registry, image) = seeded("one-document");
            let refusal = Answer::new(403);
            witnesses
                .front(TIME)
                .inject(When::every("POST", ""), Action::Answer(refusal));
            let signer = signer(&registry, &image, config(format, &files));
            let receipt = signer.folder().join("receipt.json");
            let signer = signer.arguments(&["-receipt", &receipt.display().to_string()]);
            let run = signer.run().ended_with(119);
            run.says(&["cannot have the signature of", "timestamp authority"]);
            registry.stored_nothing();
            assert_eq!(registry.open_uploads(), 0);
            let receipt: Value = serde_json::from_slice(&std::fs::read(&receipt).unwrap()).unwrap();
            assert_eq!(receipt["complete"], false);
            let entries = receipt["log-entries"].as_array().map_or(0, Vec::len);
            assert_eq!(entries, if format == "legacy" { 0 } else { 2 });
            witnesses.front(TIME).heal();
            signer.run().succeeded();
            verified(
                &witnesses,
                demanded,
                &image.reference(registry.host()),
                true,
            );
        }
    }
}

/// EVD-91
#[test]
fn nobody_is_asked_where_a_check_or_a_signature_fails() {
    if are_here() {
        let witnesses = Witnesses::of(&[V2, TIME]);
        let files = witnesses.files(&[V2, TIME], Rule::Any);
        let (registry, image) = seeded("one-document");
        registry.inject(
            When::every("POST", "/blobs/uploads/"),
            Action::Answer(Answer::new(403)),
        );
        signer(&registry, &image, config("bundle", &files))
            .run()
            .ended_with(113);
        assert_eq!(asked(&witnesses), 0);
        let (registry, image) = seeded("one-document");
        let locked = config("bundle", &files).set("password", "/dev/null");
        signer(&registry, &image, locked).run().ended_with(115);
        assert_eq!(asked(&witnesses), 0);
    }
}

/// EVD-94
#[test]
fn one_line_says_what_stays_for_ever() {
    if are_here() {
        let witnesses = Witnesses::of(&[V2, TIME]);
        let files = witnesses.files(&[V2, TIME], Rule::Any);
        let (registry, image) = seeded("one-document");
        let run = signer(&registry, &image, config("bundle", &files))
            .run()
            .succeeded();
        let lines = run.stdout.lines().filter(|line| line.contains("for ever"));
        let lines: Vec<&str> = lines.collect();
        let [line] = lines[..] else {
            panic!("{lines:?}")
        };
        let (_, port) = witnesses.front(V2).host().split_once(':').unwrap();
        assert!(line.contains("public key of 2 signatures"), "{line}");
        assert!(
            line.contains(&format!("http://localhost:{port}/")),
            "{line}"
        );
        // A timestamp authority publishes nothing.
        let (registry, image) = seeded("one-document");
        let files = witnesses.files(&[TIME], Rule::Any);
        let run = signer(&registry, &image, config("bundle", &files))
            .run()
            .succeeded();
        run.does_not_say(&["for ever"]);
    }
}

/// EVD-96
#[test]
fn keys_that_a_log_refuses_are_refused_before_anything_is_signed() {
    if are_here() {
        let witnesses = Witnesses::of(&[V2, TIME]);
        let files = witnesses.files(&[V2, TIME], Rule::Any);
        for key in [
            "p384-imported-cosign3",
            "p521-imported-cosign3",
            "ed25519-imported-cosign3",
        ] {
            for format in ["bundle", "both"] {
                let (registry, image) = seeded("one-document");
                let config = Config::key(key)
                    .set("format", format)
                    .set("trusted-root", files.trusted_root())
                    .set("signing-config", files.signing_config());
                let run = signer(&registry, &image, config).run().ended_with(3);
                run.says(&["no log of `configs[0]` takes signatures of", "Rekor v2"]);
                assert_eq!(asked(&witnesses), 0);
                registry.stored_nothing();
            }
        }
    }
}

/// EVD-31, EVD-93: a log keeps what verifies a signature beside it.
#[test]
fn a_key_with_and_without_a_certificate_has_an_entry_of_each() {
    for (log, format) in [(Witness::LogV1, "both"), (V2, "bundle")] {
        if is_here(Need::Witness(log)) && is_here(Need::Witness(TIME)) {
            let (pki, witnesses) = (Pki::new(), Witnesses::of(&[log, TIME]));
            let url = "https://authority.example";
            let authority = Listed::new(Role::CertificateAuthority, url, pki.pem("chain.pem"));
            let listed = [vec![authority], witnesses.listed(&[log, TIME])].concat();
            let files = Files::of(&listed, Rule::Any);
            // Logs are shared: other tests count what this key has there.
            let text = r#"{"spdxVersion":"SPDX-2.3","name":"by a key and a certificate"}"#;
            let document = Document::new("a/sbom.spdx.json", text);
            let (registry, image) = (Registry::start(), Image::with_documents(&[document]));
            image.seed(&registry);
            let alone = config(format, &files);
            let certified = alone.clone().set("certificate", &pki.leaf(KEY));
            let certified = certified.set("certificate-chain", &pki.path("chain.pem"));
            let signer = signer(&registry, &image, alone).config(certified);
            signer.run().succeeded();
            let key = public_key(KEY).display().to_string();
            let by_key = ["--key", &key].map(str::to_owned).to_vec();
            let by_name = [
                "--certificate-identity",
                SUBJECT,
                "--certificate-oidc-issuer-regexp=.*",
                "--insecure-ignore-sct",
            ];
            for verifier in [by_key, by_name.map(str::to_owned).to_vec()] {
                let root = ["--trusted-root", files.trusted_root()].map(str::to_owned);
                let flags = ["--use-signed-timestamps", "--allow-insecure-registry"];
                let flags = [verifier, root.to_vec(), flags.map(str::to_owned).to_vec()].concat();
                for cosign in all_three() {
                    for command in [&["verify"][..], &["verify-attestation", "--type", SPDX]] {
                        let mut arguments: Vec<_> =
                            command.iter().map(|&one| one.to_owned()).collect();
                        arguments.extend(flags.clone());
                        arguments.push(image.reference(registry.host()));
                        cosign.run(&arguments, &[]).accepted();
                    }
                }
            }
            // Of each verifier one for each message: at the tag, and in the envelopes; and
            // the empty one before.
            let entries = if format == "both" { 6 } else { 4 };
            assert_eq!(witnesses.front(log).asked("POST", "").len(), 1 + entries);
            let before = asked_of(&witnesses, &[log, TIME]);
            signer.run().succeeded().says(&["Nothing to write"]);
            assert_eq!(asked_of(&witnesses, &[log, TIME]), before);
        }
    }
}
