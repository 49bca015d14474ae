//! Timestamps: by every kind of key and in every form, for every cosign; and the
//! authorities whose answers prove nothing.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use crate::support::cosign::{Cosign, Printed, public_key};
use crate::support::images::Image;
use crate::support::needs::{Need, all_three, is_here};
use crate::support::registry::{Action, Answer, Registry, Stored, When};
use crate::support::services::stand_in::StandIn;
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::timestamp_authority::{Authority, Leaf, Recipe, SHA512};
use crate::support::witnesses::{Files, Listed, Role, Rule, Witness, Witnesses};

const TIME: Witness = Witness::TimestampAuthority;
const KEY: &str = "p256-cosign3";
const KEYS: [&str; 5] = [
    KEY,
    "p384-imported-cosign3",
    "p521-imported-cosign3",
    "ed25519-imported-cosign3",
    "rsa2048-imported-cosign3",
];
const SPDX: &str = "https://spdx.dev/Document";

fn seeded() -> (Registry, Image) {
    let (registry, image) = (Registry::start(), Image::recorded("one-document"));
    image.seed(&registry);
    (registry, image)
}

fn signer(image: &Image, registry: &Registry, key: &str, format: &str, files: &Files) -> Signer {
    let config = Config::key(key)
        .set("format", format)
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config());
    Signer::of(image, registry.host()).config(config)
}

fn verify(cosign: Cosign, command: &[&str], key: &str, flags: &[String], image: &str) -> Printed {
    let key = public_key(key).display().to_string();
    let more = ["--allow-insecure-registry", "--key", &key];
    let mut arguments: Vec<String> = command.iter().chain(&more).map(|&one| one.into()).collect();
    arguments.extend_from_slice(flags);
    arguments.push(image.to_owned());
    cosign.run(&arguments, &[])
}

/// EVD-20, EVD-21: by the real authority, with keys of every kind.
#[test]
fn every_cosign_verifies_timestamps_by_every_kind_of_key_in_every_form() {
    if is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[TIME]);
        let files = witnesses.files(&[TIME], Rule::All);
        let url = "http://127.0.0.1:1/timestamp";
        let other = Listed::new(Role::TimestampAuthority, url, Authority::new().pem());
        let untrusting = Files::of(&[other], Rule::All);
        for key in KEYS {
            for format in ["legacy", "bundle"] {
                let (registry, image) = seeded();
                signer(&image, &registry, key, format, &files)
                    .run()
                    .succeeded();
                let reference = image.reference(registry.host());
                let demanding = witnesses.demanding(&[TIME]);
                let mut untrusted = demanding.clone();
                untrusted[1] = untrusting.trusted_root().to_owned();
                for cosign in all_three() {
                    for command in [&["verify"][..], &["verify-attestation", "--type", SPDX]] {
                        let ask =
                            |flags: &[String]| verify(cosign, command, key, flags, &reference);
                        ask(&demanding).accepted();
                        if key == KEY {
                            ask(&untrusted).refused();
                        }
                    }
                }
            }
        }
    }
}

/// EVD-21: without a trusted root, by the chain of the authority alone.
#[test]
fn cosign_2_verifies_timestamps_of_tags_by_the_chain_of_the_authority() {
    if is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[TIME]);
        let files = witnesses.files(&[TIME], Rule::All);
        let (registry, image) = seeded();
        signer(&image, &registry, KEY, "legacy", &files)
            .run()
            .succeeded();
        let folder = tempfile::tempdir().unwrap();
        let chain = |name: &str, pem: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, pem).unwrap();
            let flags = ["--insecure-ignore-tlog", "--timestamp-certificate-chain"];
            let mut flags: Vec<_> = flags.map(str::to_owned).into();
            flags.push(path.display().to_string());
            flags
        };
        let right = chain("right.pem", &witnesses.listed(&[TIME])[0].pem);
        let wrong = chain("wrong.pem", &Authority::new().pem());
        let reference = image.reference(registry.host());
        for command in [&["verify"][..], &["verify-attestation", "--type", SPDX]] {
            verify(Cosign::V2, command, KEY, &right, &reference).accepted();
            verify(Cosign::V2, command, KEY, &wrong, &reference).refused();
        }
    }
}

type Change = fn(&Authority, &mut Recipe);

/// A run whose only authority answers so, which has 119 at its end, and nothing in
/// the registry.
fn refused(front: &StandIn, pem: &str) -> Outcome {
    let url = format!("{}/timestamp", front.url());
    let listed = Listed::new(Role::TimestampAuthority, url, pem);
    let files = Files::of(&[listed], Rule::Any);
    let (registry, image) = seeded();
    registry.forget_exchanges();
    let outcome = signer(&image, &registry, KEY, "both", &files)
        .arguments(&["-retry-budget", "1s"])
        .run()
        .ended_with(119);
    registry.stored_nothing();
    outcome
}

/// EVD-29
#[test]
fn an_answer_that_does_not_hold_ends_with_119_before_anything_is_written() {
    let rows: [(Change, &str); 8] = [
        (
            |_, one| one.imprint[0] ^= 1,
            "the timestamp is of something else",
        ),
        (|_, one| one.nonce = Some(vec![7]), "its nonce is not ours"),
        (|_, one| one.nonce = None, "its nonce is not ours"),
        (
            |_, one| one.status = 2,
            "the authority did not stamp it: status 2",
        ),
        (
            |_, one| one.is_signature_right = false,
            "signature is wrong",
        ),
        (|_, one| one.signers = 2, "has 2 signers, not one"),
        (
            |_, one| one.time = "20490601120000Z".to_owned(),
            "the certificate of the timestamp's signer is not trusted",
        ),
        (
            |_, one| one.time = "20190601120000Z".to_owned(),
            "the certificate of the timestamp's signer is not trusted",
        ),
    ];
    for (change, words) in rows {
        let authority = Authority::new();
        let pem = authority.pem();
        let outcome = refused(&authority.serve(change), &pem);
        outcome.says(&["the timestamp authority `127.0.0.1`", words, "hint: "]);
    }
}

/// EVD-22, EVD-24, EVD-29
#[test]
fn an_authority_that_may_not_stamp_ends_with_119() {
    let untrusted = Authority::new().serve(|_, _| ());
    refused(&untrusted, &Authority::new().pem()).says(&["the answer proves nothing", "hint: "]);
    // cosign takes its chain into a trusted root all the same.
    let leaf = Leaf {
        is_critical: false,
        ..Leaf::default()
    };
    let authority = Authority::with(&leaf);
    let pem = authority.pem();
    refused(&authority.serve(|_, _| ()), &pem).says(&["not for time stamping"]);
}

/// EVD-29
#[test]
fn an_authority_that_is_none_or_is_down_ends_with_119() {
    let pem = Authority::new().pem();
    for (status, words) in [
        (500, "answered 500 to each of"),
        (403, "access denied"),
        (404, "not found"),
        (418, "unexpected status 418"),
    ] {
        let front = Authority::new().serve(|_, _| ());
        front.inject(When::every("POST", ""), Action::Answer(Answer::new(status)));
        refused(&front, &pem).says(&["the timestamp authority", words, "hint: "]);
    }
    let garbage = Answer::new(200).body("text/html", "<html>welcome</html>");
    let front = StandIn::start(move |_| garbage.clone());
    refused(&front, &pem).says(&["it is no timestamp", "hint: "]);
    let front = Authority::new().serve(|_, _| ());
    front.inject(When::every("POST", ""), Action::Cut);
    refused(&front, &pem).says(&["the timestamp authority", "hint: "]);
}

/// EVD-28
#[test]
fn another_operator_stamps_in_place_of_one_that_fails() {
    let bad = |_: &Authority, one: &mut Recipe| one.imprint[0] ^= 1;
    let both: Vec<_> = [bad as Change, |_, _| ()]
        .into_iter()
        .enumerate()
        .map(|(number, change)| {
            let authority = Authority::new();
            let pem = authority.pem();
            let front = authority.serve(change);
            let url = format!("{}/timestamp", front.url());
            let listed = Listed::new(Role::TimestampAuthority, url, pem);
            (front, listed.operated_by(&format!("{number}.example")))
        })
        .collect();
    let listed: Vec<_> = both.iter().map(|(_, listed)| listed.clone()).collect();
    for (rule, code) in [(Rule::Any, 0), (Rule::Exact(1), 0), (Rule::All, 119)] {
        let files = Files::of(&listed, rule);
        let (registry, image) = seeded();
        let outcome = signer(&image, &registry, KEY, "bundle", &files).run();
        outcome.ended_with(code);
        if code == 0 {
            let flags = ["--insecure-ignore-tlog", "--use-signed-timestamps"];
            let mut flags: Vec<_> = flags.map(str::to_owned).into();
            flags.extend(["--trusted-root".to_owned(), files.trusted_root().into()]);
            let reference = image.reference(registry.host());
            for cosign in all_three() {
                verify(cosign, &["verify"], KEY, &flags, &reference).accepted();
            }
        }
    }
}

/// EVD-92: a trusted root need not say where its authorities are.
#[test]
fn timestamps_of_authorities_without_urls_are_kept() {
    let both = ["one.example", "two.example"].map(|operator| {
        let authority = Authority::new();
        let pem = authority.pem();
        let front = authority.serve(|_, _| ());
        let url = format!("{}/timestamp", front.url());
        let listed = Listed::new(Role::TimestampAuthority, url, pem);
        (front, listed.operated_by(operator))
    });
    let listed: Vec<_> = both.iter().map(|(_, listed)| listed.clone()).collect();
    let files = Files::of(&listed, Rule::All);
    let text = std::fs::read_to_string(files.trusted_root()).unwrap();
    let mut root: Value = serde_json::from_str(&text).unwrap();
    for authority in root["timestampAuthorities"].as_array_mut().unwrap() {
        authority.as_object_mut().unwrap().remove("uri").unwrap();
    }
    std::fs::write(files.trusted_root(), root.to_string()).unwrap();
    let (registry, image) = seeded();
    let signer = signer(&image, &registry, KEY, "bundle", &files);
    signer.run().succeeded();
    let flags = ["--insecure-ignore-tlog", "--use-signed-timestamps"];
    let mut flags: Vec<_> = flags.map(str::to_owned).into();
    flags.extend(["--trusted-root".to_owned(), files.trusted_root().into()]);
    for cosign in all_three() {
        let reference = image.reference(registry.host());
        verify(cosign, &["verify"], KEY, &flags, &reference).accepted();
    }
    both.iter().for_each(|(front, _)| front.forget());
    signer.run().succeeded().says(&["Nothing to write"]);
    assert!(both.iter().all(|(front, _)| front.recorded().is_empty()));
}

/// Changes the annotations of the only layer at a tag, as another signer would have
/// written them. `change` gets the bytes that a timestamp of the layer is about, too.
fn edit(registry: &Registry, image: &Image, suffix: &str, change: impl Fn(&mut Value, &[u8])) {
    const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
    let (repository, tag) = (image.repository(), image.attached(suffix));
    let stored = registry.manifest(repository, &tag).unwrap();
    let mut manifest: Value = serde_json::from_slice(&stored.bytes).unwrap();
    let layer = &mut manifest["layers"][0];
    let signature = layer["annotations"][SIGNATURE].as_str().unwrap();
    let stamped = match suffix {
        "sig" => STANDARD.decode(signature).unwrap(),
        _ => {
            let digest = layer["digest"].as_str().unwrap();
            registry.blob(repository, digest).unwrap().to_vec()
        }
    };
    change(&mut layer["annotations"], &stamped);
    let media_type = stored.media_type;
    let bytes = manifest.to_string().into();
    let digest = registry.store_manifest(repository, Stored { media_type, bytes });
    registry.tag(repository, &tag, &digest);
}

/// A run is stamped by an authority, its layers are changed, and the next run finds
/// nothing to do, nor anybody to ask.
fn is_kept_with(change: impl Fn(&Authority, &mut Value, &[u8])) {
    let authority = Arc::new(Authority::new());
    let pem = authority.pem();
    let answering = Arc::clone(&authority);
    let front = StandIn::start(move |asked| {
        let answer = answering.answer(&Recipe::of_query(&asked.body));
        Answer::new(200).body("application/timestamp-reply", answer)
    });
    let url = format!("{}/timestamp", front.url());
    let listed = Listed::new(Role::TimestampAuthority, url, pem);
    let files = Files::of(&[listed], Rule::All);
    let (registry, image) = seeded();
    let signer = signer(&image, &registry, KEY, "legacy", &files);
    signer.run().succeeded();
    for suffix in ["sig", "att"] {
        let change = |layer: &mut Value, stamped: &[u8]| change(&authority, layer, stamped);
        edit(&registry, &image, suffix, change);
    }
    front.forget();
    registry.forget_exchanges();
    signer.run().succeeded().says(&["Nothing to write"]);
    registry.stored_nothing();
    assert!(front.recorded().is_empty(), "{:?}", front.recorded());
}

/// EVD-20, EVD-92: others choose the hash by which they ask.
#[test]
fn a_timestamp_of_others_by_sha_512_is_kept() {
    is_kept_with(|authority, annotations, stamped| {
        let recipe = Recipe {
            hash: SHA512,
            ..Recipe::new(Sha512::digest(stamped).to_vec())
        };
        let response = STANDARD.encode(authority.answer(&recipe));
        let timestamp = json!({ "SignedRFC3161Timestamp": response }).to_string();
        annotations["dev.sigstore.cosign/rfc3161timestamp"] = timestamp.into();
    });
}

/// EVD-92: cosign writes the two annotations empty where it has no certificate.
#[test]
fn a_signature_with_an_empty_certificate_is_one_by_a_key() {
    is_kept_with(|_, annotations, _| {
        for name in ["certificate", "chain"] {
            annotations[format!("dev.sigstore.cosign/{name}")] = "".into();
        }
    });
}
