//! The witnesses of the tests: real cosign signs with real authorities and logs,
//! and every cosign verifies what came of it, before anything of ours does.

mod identities;

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::cosign::{Cosign, Printed, public_key};
use crate::support::images::Image;
use crate::support::needs::{Need, all_three, is_here};
use crate::support::readers::Reader;
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::services::Caller;
use crate::support::services::stand_in::StandIn;
use crate::support::testdata;
use crate::support::witnesses::{Files, Listed, Role, Rule, Witness, Witnesses};

const FULCIO: Witness = Witness::Authority;
const V1: Witness = Witness::LogV1;
const V2: Witness = Witness::LogV2;
const TIME: Witness = Witness::TimestampAuthority;

/// An image on a registry of its own, and its reference.
fn image() -> (Registry, String) {
    let (registry, image) = (Registry::start(), Image::recorded("oci-media-types"));
    image.seed(&registry);
    let reference = image.reference(registry.host());
    (registry, reference)
}

/// Real cosign 3.1.2 signs with a key of `testdata/keys`.
fn sign(key: &str, root: &str, config: &str, reference: &str) -> Printed {
    let key = testdata("keys").join(format!("{key}.key"));
    let key = key.display().to_string();
    let password = std::fs::read_to_string(testdata("keys/password")).unwrap();
    let files = ["--trusted-root", root, "--signing-config", config];
    let arguments = ["sign", "--yes", "--allow-insecure-registry", "--key", &key];
    let arguments = [&arguments[..], &files, &[reference]].concat();
    Cosign::V3.run(&arguments, &[("COSIGN_PASSWORD", &password)])
}

fn verify(cosign: Cosign, key: &str, flags: &[String], reference: &str) -> Printed {
    let key = public_key(key).display().to_string();
    let arguments = ["verify", "--allow-insecure-registry", "--key", &key];
    let mut arguments: Vec<_> = arguments.map(str::to_owned).into();
    arguments.extend_from_slice(flags);
    arguments.push(reference.to_owned());
    cosign.run(&arguments, &[])
}

#[test]
fn every_cosign_verifies_what_cosign_3_had_logged_by_rekor_v2_and_timestamped() {
    if is_here(Need::Witness(V2)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[V2, TIME]);
        for key in ["p256-cosign3", "rsa2048-imported-cosign3"] {
            let (_registry, reference) = image();
            let (root, config) = (witnesses.trusted_root(), witnesses.signing_config());
            sign(key, root, config, &reference).accepted();
            for cosign in all_three() {
                for demanded in [&[V2, TIME][..], &[V2], &[TIME], &[]] {
                    let flags = witnesses.demanding(demanded);
                    verify(cosign, key, &flags, &reference).accepted();
                    verify(cosign, "p256-cosign2", &flags, &reference).refused();
                }
            }
            // Of version 2 it knows entries by P-256.
            if key.starts_with("p256") {
                let path = public_key(key).display().to_string();
                let flags = [&["--key", &path][..], &BOTH_KINDS].concat();
                library_verifies(Reader::RUST, &flags, &witnesses, &reference);
            }
            let ignoring = ["--insecure-ignore-tlog".to_owned()];
            verify(Cosign::V3, key, &ignoring, &reference).accepted();
            // It would ask the public instance whom to believe.
            verify(Cosign::V3, key, &[], &reference).refused();
        }
        assert_eq!(witnesses.front(V2).asked("POST", "").len(), 2);
        assert_eq!(witnesses.front(TIME).asked("POST", "").len(), 2);
    }
}

/// Where it is installed, a library that is not Go's accepts what it is to demand, and
/// not by the word of nobody.
fn library_verifies(library: Reader, flags: &[&str], witnesses: &Witnesses, reference: &str) {
    let nobody = Files::of(&[], Rule::Any);
    if is_here(Need::Reader(library)) {
        let verify = |root: &str| {
            let flags = [flags, &["--trusted-root", root]].concat();
            library.verify_by(&flags, None, reference)
        };
        verify(witnesses.trusted_root()).accepted();
        verify(nobody.trusted_root()).refused();
    }
}

/// To the readers: an entry and a timestamp.
const BOTH_KINDS: [&str; 4] = ["--demand", "log", "--demand", "timestamp"];

#[test]
fn no_cosign_verifies_evidence_that_is_not_there_or_of_strangers() {
    if is_here(Need::Witness(V2)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[V2, TIME]);
        let key = "p256-cosign3";
        let (_registry, reference) = image();
        let only = witnesses.files(&[TIME], Rule::All);
        let root = only.trusted_root();
        sign(key, root, only.signing_config(), &reference).accepted();
        assert!(witnesses.front(V2).recorded().is_empty());
        for cosign in all_three() {
            let ask = |demanded: &[Witness]| {
                let flags = witnesses.demanding(demanded);
                verify(cosign, key, &flags, &reference)
            };
            ask(&[TIME]).accepted();
            ask(&[V2, TIME]).refused();
            ask(&[V2]).refused();
            let strangers = witnesses.files(&[V2], Rule::Any);
            let flags = ["--insecure-ignore-tlog", "--use-signed-timestamps"];
            let flags = flags.map(str::to_owned).into_iter();
            let root = ["--trusted-root".to_owned(), strangers.trusted_root().into()];
            let flags: Vec<_> = flags.chain(root).collect();
            verify(cosign, key, &flags, &reference).refused();
        }
    }
}

#[test]
fn every_operator_is_asked_where_the_rule_says_so() {
    if is_here(Need::Witness(V2)) && is_here(Need::Witness(TIME)) {
        let [mine, other] = [(); 2].map(|()| Witnesses::of(&[V2, TIME]));
        let others = other.listed(&[V2, TIME]).into_iter();
        let others = others.map(|one| one.operated_by("other.example"));
        let listed: Vec<_> = mine.listed(&[V2, TIME]).into_iter().chain(others).collect();
        let asked = || {
            let one = |witnesses: &Witnesses| {
                let fronts = [V2, TIME].map(|witness| witnesses.front(witness));
                let asked = fronts.map(|front| front.asked("POST", "/").len());
                fronts.into_iter().for_each(StandIn::forget);
                asked
            };
            [one(&mine), one(&other)]
        };
        for (rule, count) in [(Rule::All, 2), (Rule::Exact(1), 1)] {
            let files = Files::of(&listed, rule);
            let (_registry, reference) = image();
            let root = files.trusted_root();
            let printed = sign("p256-cosign3", root, files.signing_config(), &reference);
            let [[logs, times], [others, other_times]] = asked();
            assert_eq!(logs + others, count, "{printed:?}");
            assert_eq!(times + other_times, count, "{printed:?}");
        }
        let [log, time] = &other.listed(&[V2, TIME])[..] else {
            panic!("two witnesses");
        };
        assert_eq!(
            (log.role, time.role),
            (Role::Log(2), Role::TimestampAuthority)
        );
    }
}

#[test]
fn a_front_of_rekor_v2_serves_the_tree_beside_the_writes() {
    if is_here(Need::Witness(V2)) {
        let witnesses = Witnesses::of(&[V2]);
        let files = witnesses.files(&[V2], Rule::Exact(1));
        let (_registry, reference) = image();
        let root = files.trusted_root();
        sign("p256-cosign3", root, files.signing_config(), &reference).accepted();
        let front = witnesses.front(V2);
        let caller = Caller::of(&front.url());
        let [posted] = &front.asked("POST", "/api/v2/log/entries")[..] else {
            panic!("{:?}", front.recorded());
        };
        assert_eq!(posted.status, Some(201));
        let ask = |method, path: &str| caller.call(method, path, posted.body.clone()).unwrap();
        let (status, checkpoint) = ask("GET", "/api/v2/checkpoint");
        assert_eq!(status, 200);
        assert!(checkpoint.starts_with(b"localhost\n"), "{checkpoint:?}");
        // The same entry again: its index, and no entry.
        let (status, answer) = caller
            .ask("POST", "/api/v2/log/entries", &posted.json())
            .unwrap();
        assert_eq!((status, &answer["code"]), (409, &Value::from(6)));
        for path in ["/api/v2/tile/9/000", "/api/v2/../key.pem"] {
            assert_eq!(ask("GET", path).0, 404, "{path}");
        }
    }
}

#[test]
fn faults_of_a_front_are_those_of_one_test() {
    if is_here(Need::Witness(TIME)) {
        let [mine, other] = [(); 2].map(|()| Witnesses::of(&[TIME]));
        let down = Answer::new(503).body("text/plain", "down");
        let front = mine.front(TIME);
        front.inject(When::every("POST", "/"), Action::Answer(down));
        front.inject(
            When::every("GET", "/"),
            Action::Delay(Duration::from_millis(100)),
        );
        let status = |witnesses: &Witnesses, method| {
            let caller = Caller::of(&witnesses.front(TIME).url());
            let path = "/api/v1/timestamp";
            caller.call(method, path, "").unwrap().0
        };
        assert_eq!(status(&mine, "POST"), 503);
        assert_ne!(status(&other, "POST"), 503);
        front.heal();
        assert_ne!(status(&mine, "POST"), 503);
        assert_eq!(mine.front(TIME).recorded().len(), 2);
        assert_eq!(other.front(TIME).recorded().len(), 1);
    }
}

/// Real cosign 2.6.4 signs in its tag, and has it witnessed as the flags say.
fn sign_tag(key: &str, flags: &[&str], reference: &str) -> Printed {
    let key = testdata("keys").join(format!("{key}.key"));
    let key = key.display().to_string();
    let password = std::fs::read_to_string(testdata("keys/password")).unwrap();
    let arguments = ["sign", "--yes", "--allow-insecure-registry", "--key", &key];
    let arguments = [&arguments[..], flags, &[reference]].concat();
    Cosign::V2.run(&arguments, &[("COSIGN_PASSWORD", &password)])
}

/// Where it is installed, it accepts a key's signature by what is witnessed, and not
/// by the word of strangers: a log's key, or an authority's certificates.
fn kyverno_verifies(flag: &str, [witness, stranger]: [&str; 2], reference: &str) {
    let kyverno = Reader::KYVERNO_TAGS;
    if is_here(Need::Reader(kyverno)) {
        let key = public_key("p256-cosign3").display().to_string();
        let verify = |pem: &str| {
            let pem = file(pem);
            let path = pem.path().display().to_string();
            kyverno.verify_by(&["--key", &key, flag, &path], None, reference)
        };
        verify(witness).accepted();
        verify(stranger).refused();
    }
}

/// The certificates of a timestamp authority that nobody has heard of, from the leaf
/// to the root.
fn strange_authority() -> String {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(params, root_key);
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
    let leaf = params.signed_by(&key, &issuer).unwrap();
    leaf.pem() + &root.pem()
}

/// A file that holds this.
fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn every_cosign_verifies_what_rekor_v1_logged_of_a_tag_and_of_a_bundle() {
    if is_here(Need::Witness(V1)) {
        let witnesses = Witnesses::of(&[V1]);
        let (flags, key) = (witnesses.demanding(&[V1]), "p256-cosign3");
        let (_registry, tag) = image();
        let url = witnesses.listed(&[V1])[0].url.clone();
        sign_tag(key, &["--rekor-url", &url], &tag).accepted();
        let (_registry, bundle) = image();
        let (root, config) = (witnesses.trusted_root(), witnesses.signing_config());
        sign(key, root, config, &bundle).accepted();
        for cosign in all_three() {
            for reference in [&tag, &bundle] {
                verify(cosign, key, &flags, reference).accepted();
                verify(cosign, "p256-cosign2", &flags, reference).refused();
            }
        }
        let public = file(&witnesses.listed(&[V1])[0].pem);
        let public = public.path().display().to_string();
        let stranger = std::fs::read_to_string(public_key("p256-cosign2")).unwrap();
        let known = &witnesses.listed(&[V1])[0].pem;
        kyverno_verifies("--rekor-key", [known, &stranger], &tag);
        let key = public_key(key).display().to_string();
        // Entries of version 2 it compares with the payload's hash, not the envelope's.
        let flags = ["--key", &key, "--demand", "log"];
        for library in [Reader::JAVASCRIPT, Reader::RUST] {
            library_verifies(library, &flags, &witnesses, &bundle);
        }
        let arguments = [
            "verify",
            "--allow-insecure-registry",
            "--offline",
            "--key",
            &key,
            &tag,
        ];
        let environment = [("SIGSTORE_REKOR_PUBLIC_KEY", &*public)];
        Cosign::V2.run(&arguments, &environment).accepted();
        assert_eq!(
            witnesses
                .front(V1)
                .asked("POST", "/api/v1/log/entries")
                .len(),
            2
        );
    }
}

#[test]
fn rekor_v1_answers_the_same_entry_with_its_place() {
    if is_here(Need::Witness(V1)) {
        let witnesses = Witnesses::of(&[V1]);
        let (root, config) = (witnesses.trusted_root(), witnesses.signing_config());
        let (_registry, reference) = image();
        sign("p256-cosign3", root, config, &reference).accepted();
        let front = witnesses.front(V1);
        let [posted] = &front.asked("POST", "/api/v1/log/entries")[..] else {
            panic!("{:?}", front.recorded());
        };
        assert_eq!(posted.status, Some(201));
        let caller = Caller::of(&front.url()).showing("content-type", "application/json");
        let again = caller.ask("POST", "/api/v1/log/entries", &posted.json());
        let (status, answer) = again.unwrap();
        assert_eq!(status, 409, "{answer}");
        let text = answer["message"].as_str().unwrap();
        let uuid = text.rsplit(' ').next().unwrap();
        let entry = caller.must("GET", &format!("/api/v1/log/entries/{uuid}"), &Value::Null);
        assert_eq!(entry.as_object().unwrap().len(), 1, "{entry}");
    }
}

#[test]
fn a_timestamp_in_a_tag_is_verified_by_its_authority_s_chain() {
    if is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[TIME]);
        let listed = witnesses.listed(&[TIME]).remove(0);
        let chain = file(&listed.pem);
        let chain = chain.path().display().to_string();
        let (_registry, reference) = image();
        let flags = ["--tlog-upload=false", "--timestamp-server-url", &listed.url];
        sign_tag("p256-cosign3", &flags, &reference).accepted();
        let flags = [
            "--insecure-ignore-tlog",
            "--timestamp-certificate-chain",
            &chain,
        ];
        let flags = flags.map(str::to_owned);
        verify(Cosign::V2, "p256-cosign3", &flags, &reference).accepted();
        let stranger = strange_authority();
        let strange = Files::of(
            &[Listed::new(
                Role::TimestampAuthority,
                &listed.url,
                &stranger,
            )],
            Rule::Any,
        );
        for cosign in all_three() {
            let mut flags = witnesses.demanding(&[TIME]);
            verify(cosign, "p256-cosign3", &flags, &reference).accepted();
            flags.extend(["--trusted-root", strange.trusted_root()].map(str::to_owned));
            verify(cosign, "p256-cosign3", &flags, &reference).refused();
        }
        kyverno_verifies("--tsa-chain", [&listed.pem, &stranger], &reference);
    }
}

#[test]
fn a_bundle_with_an_entry_counts_beside_one_without_and_no_tag_is_signed_by_a_config() {
    if is_here(Need::Witness(V2)) {
        let witnesses = Witnesses::of(&[V2]);
        let nobody = Files::of(&[], Rule::Any);
        let (root, config) = (witnesses.trusted_root(), witnesses.signing_config());
        let (_registry, reference) = image();
        let key = "p256-cosign3";
        sign(key, root, nobody.signing_config(), &reference).accepted();
        let flags = witnesses.demanding(&[V2]);
        for cosign in all_three() {
            verify(cosign, key, &flags, &reference).refused();
        }
        sign(key, root, config, &reference).accepted();
        for cosign in all_three() {
            verify(cosign, key, &flags, &reference).accepted();
        }
        let path = testdata("keys/p256-cosign3.key").display().to_string();
        let password = std::fs::read_to_string(testdata("keys/password")).unwrap();
        let arguments = ["sign", "--yes", "--allow-insecure-registry", "--key", &path];
        let files = ["--new-bundle-format=false", "--signing-config", config];
        let arguments = [&arguments[..], &files, &[&reference]].concat();
        Cosign::V3
            .run(&arguments, &[("COSIGN_PASSWORD", &password)])
            .refused();
    }
}
