//! Signatures that were made elsewhere, and vouched for in the run that takes them.

use std::fs;

use super::{Kind, Room, signer, wrapped};
use crate::support::elsewhere::seeded;
use crate::support::images::Image;
use crate::support::needs::{Need, all_three, is_here};
use crate::support::pki::{Pki, SUBJECT};
use crate::support::registry::Registry;
use crate::support::signer::Config;
use crate::support::witnesses::{Files, Listed, Role, Rule, Witness, Witnesses};

const TIME: Witness = Witness::TimestampAuthority;
const V1: Witness = Witness::LogV1;
const V2: Witness = Witness::LogV2;

fn with_files(config: Config, files: &Files) -> Config {
    config
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config())
}

fn requests(witnesses: &Witnesses, all: &[Witness]) -> usize {
    let count = |one: &Witness| witnesses.front(*one).recorded().len();
    all.iter().map(count).sum()
}

/// Every cosign verifies signature and attestations by these flags.
fn verified(flags: &[String], registry: &Registry, image: &Image) {
    let reference = image.reference(registry.host());
    for cosign in all_three() {
        for command in [
            &["verify"][..],
            &["verify-attestation", "--type", "cyclonedx"],
        ] {
            let mut arguments: Vec<&str> = command.to_vec();
            arguments.push("--allow-insecure-registry");
            arguments.extend(flags.iter().map(String::as_str));
            arguments.push(&reference);
            cosign.run(&arguments, &[]).accepted();
        }
    }
}

/// EVD-70, EVD-92, EVD-94: witnesses are asked by the second run, and never again.
#[test]
fn who_takes_the_signatures_has_them_vouched_for() {
    for (format, all, demanded) in [
        ("legacy", [V1, TIME], &[V1, TIME][..]),
        ("bundle", [V2, TIME], &[V2, TIME]),
        ("both", [V2, TIME], &[TIME]),
        ("both", [V1, TIME], &[V1, TIME]),
    ] {
        if all.into_iter().all(|one| is_here(Need::Witness(one))) {
            let witnesses = Witnesses::of(&all);
            let files = witnesses.files(&all, Rule::Any);
            let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
            let config = with_files(room.config().set("format", format), &files);
            let run = || signer(&registry, &image, config.clone());
            room.generate(run())
                .succeeded()
                .does_not_say(&["Publishing for ever"]);
            run().arguments(&["-check"]).run().ended_with(112);
            room.answer_all(Kind::P256, |signature| wrapped(&signature, "\r\n"));
            run().arguments(&["-check"]).run().succeeded();
            assert_eq!(requests(&witnesses, &all), 0, "{format}");
            registry.stored_nothing();
            let outcome = run().run().succeeded();
            let lines = outcome.stdout.lines();
            let lines = lines.filter(|line| line.contains("Publishing for ever"));
            assert_eq!(lines.count(), 1, "{format}");
            let key = room.path("public.pub").display().to_string();
            let mut flags = vec!["--key".to_owned(), key];
            flags.extend(witnesses.demanding(demanded));
            verified(&flags, &registry, &image);
            fs::remove_dir_all(room.path("answers")).unwrap();
            registry.forget_exchanges();
            for one in all {
                witnesses.front(one).forget();
            }
            run().run().succeeded();
            assert_eq!(requests(&witnesses, &all), 0, "{format}");
            assert!(registry.exchanges().puts().is_empty(), "{format}");
        }
    }
}

/// EVD-5, EVD-75
#[test]
fn a_certificate_of_a_key_elsewhere_is_stamped_and_stored() {
    if is_here(Need::Witness(TIME)) {
        let (pki, witnesses) = (Pki::new(), Witnesses::of(&[TIME]));
        for format in ["legacy", "bundle", "both"] {
            let (room, (registry, image)) = (Room::new(Kind::P256), seeded());
            let leaf = pki.issue(&room.path("public.pub"), |_| {});
            let mut listed = witnesses.listed(&[TIME]);
            let url = "https://authority.example";
            let authority = Listed::new(Role::CertificateAuthority, url, pki.pem("chain.pem"));
            listed.push(authority);
            let files = Files::of(&listed, Rule::Any);
            let config = Config::none()
                .set("signatures", &room.path("answers").display().to_string())
                .set("certificate", &leaf)
                .set("certificate-chain", &pki.path("chain.pem"))
                .set("format", format);
            let config = with_files(config, &files);
            let run = || signer(&registry, &image, config.clone());
            room.generate(run()).succeeded();
            room.answer_all(Kind::P256, |signature| signature);
            run().run().succeeded();
            if format == "bundle" {
                let flags = [
                    "--certificate-identity",
                    SUBJECT,
                    "--certificate-oidc-issuer-regexp=.*",
                    "--insecure-ignore-sct",
                    "--insecure-ignore-tlog",
                    "--use-signed-timestamps",
                    "--trusted-root",
                    files.trusted_root(),
                ];
                verified(&flags.map(str::to_owned), &registry, &image);
            }
            registry.forget_exchanges();
            witnesses.front(TIME).forget();
            run().run().succeeded();
            assert!(registry.exchanges().puts().is_empty(), "{format}");
            assert!(witnesses.front(TIME).recorded().is_empty(), "{format}");
        }
    }
}
