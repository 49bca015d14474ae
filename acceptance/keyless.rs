//! Keyless: an identity token in place of a key, certificates by the real Fulcio,
//! and what every cosign verifies of it.

mod providers;
mod tokens;

use serde_json::{Value, json};

use crate::support::cosign::{Cosign, Printed};
use crate::support::elsewhere::seeded;
use crate::support::images::Image;
use crate::support::needs::{Need, all_three, is_here};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Config, Outcome, Signer};
use crate::support::testdata;
use crate::support::witnesses::issuer::{Identity, Issuer};
use crate::support::witnesses::{Files, Rule, Witness, Witnesses};

const CA: Witness = Witness::Authority;
const TIME: Witness = Witness::TimestampAuthority;
const LOG: Witness = Witness::LogV2;
const CERTIFICATES: &str = "/api/v2/signingCert";
const VARIABLE: &str = "SIGSTORE_ID_TOKEN";

fn config(files: &Files, format: &str) -> Config {
    Config::none()
        .set("oidc-provider", "ambient")
        .set("trusted-root", files.trusted_root())
        .set("signing-config", files.signing_config())
        .set("format", format)
}

fn signer(registry: &Registry, image: &Image, config: Config) -> Signer {
    Signer::of(image, registry.host()).config(config)
}

/// Verified as somebody by certificates of the tests' authority.
fn verify(
    cosign: Cosign,
    witnesses: &Witnesses,
    demanded: &[Witness],
    identity: Identity,
    command: &[&str],
    reference: &str,
) -> Printed {
    let who = (identity, identity.name());
    verify_name(cosign, witnesses, demanded, who, command, reference)
}

fn verify_name(
    cosign: Cosign,
    witnesses: &Witnesses,
    demanded: &[Witness],
    (identity, name): (Identity, &str),
    command: &[&str],
    reference: &str,
) -> Printed {
    let issuer = Issuer::shared().url(identity);
    let flags = witnesses.demanding(demanded);
    let who = [
        "--allow-insecure-registry",
        "--certificate-identity",
        name,
        "--certificate-oidc-issuer",
        &issuer,
    ];
    let mut arguments: Vec<&str> = command.to_vec();
    arguments.extend(who);
    arguments.extend(flags.iter().map(String::as_str));
    arguments.push(reference);
    cosign.run(&arguments, &[])
}

const ATTESTED: [&str; 3] = ["verify-attestation", "--type", "cyclonedx"];

/// EVD-61, EVD-63, EVD-64: whoever the token names, by one certificate per run.
#[test]
fn every_cosign_verifies_every_kind_of_identity() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        for identity in Identity::ALL {
            let (registry, image) = seeded();
            witnesses.front(CA).forget();
            signer(&registry, &image, config(&files, "bundle"))
                .environment(VARIABLE, &Issuer::shared().token(identity))
                .run()
                .succeeded()
                .says(&[identity.name()]);
            let asked = witnesses.front(CA).asked("POST", CERTIFICATES);
            assert_eq!(asked.len(), 1, "{identity:?}");
            let reference = image.reference(registry.host());
            for cosign in all_three() {
                let ask = |command: &[&str]| {
                    verify(cosign, &witnesses, &[TIME], identity, command, &reference)
                };
                ask(&["verify"]).accepted();
                ask(&ATTESTED).accepted();
            }
            let other = match identity {
                Identity::Email => Identity::Spiffe,
                _ => Identity::Email,
            };
            verify(
                Cosign::V3,
                &witnesses,
                &[TIME],
                other,
                &["verify"],
                &reference,
            )
            .refused();
        }
    }
}

/// EVD-63: in both forms, with an entry of a log beside the timestamp in bundles.
#[test]
fn every_form_is_verified_with_time_and_log() {
    if [CA, TIME, LOG]
        .into_iter()
        .all(|one| is_here(Need::Witness(one)))
    {
        let witnesses = Witnesses::of(&[CA, TIME, LOG]);
        let identity = Identity::GitHub;
        for (format, asked, demanded) in [
            ("legacy", &[CA, TIME][..], &[TIME][..]),
            ("bundle", &[CA, TIME, LOG], &[TIME, LOG]),
            ("both", &[CA, TIME], &[TIME]),
        ] {
            let files = witnesses.files(asked, Rule::Any);
            let (registry, image) = seeded();
            signer(&registry, &image, config(&files, format))
                .environment(VARIABLE, &Issuer::shared().token(identity))
                .run()
                .succeeded();
            let reference = image.reference(registry.host());
            for cosign in all_three() {
                let printed = verify(
                    cosign,
                    &witnesses,
                    demanded,
                    identity,
                    &["verify"],
                    &reference,
                );
                printed.accepted();
            }
        }
    }
}

/// EVD-65: nobody is asked again, nothing is written.
#[test]
fn a_second_run_of_the_same_identity_asks_for_nothing() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        for format in ["legacy", "bundle", "both"] {
            let (registry, image) = seeded();
            let run = |claims: Value| {
                let token = Issuer::shared().token_with(Identity::GitHub, &claims);
                signer(&registry, &image, config(&files, format))
                    .environment(VARIABLE, &token)
                    .run()
                    .succeeded();
            };
            run(json!({}));
            let forget = || {
                registry.forget_exchanges();
                witnesses.front(CA).forget();
                witnesses.front(TIME).forget();
            };
            forget();
            run(json!({ "run_id": "4" }));
            assert!(registry.exchanges().puts().is_empty(), "{format}");
            assert!(witnesses.front(CA).recorded().is_empty(), "{format}");
            assert!(witnesses.front(TIME).recorded().is_empty(), "{format}");
            // Another workflow of the same repository has the same subject.
            let other = "acme/app/.github/workflows/other.yml@refs/heads/main";
            forget();
            run(json!({ "job_workflow_ref": other, "workflow_ref": other }));
            let asked = witnesses.front(CA).asked("POST", CERTIFICATES);
            assert_eq!(asked.len(), 1, "{format}");
            assert!(!registry.exchanges().puts().is_empty(), "{format}");
        }
    }
}

/// EVD-61, EVD-65: Fulcio's types differ in what they take a `#` for.
#[test]
fn a_name_with_bytes_that_no_url_has_is_that_of_its_certificate() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let workflow = "acme/app/my build.yml@refs/heads/fix/\u{fc}<x>#12";
        let encoded = "/acme/app/my%20build.yml@refs/heads/fix/%C3%BC%3Cx%3E";
        for (identity, claims, host, end) in [
            (
                Identity::GitHub,
                json!({ "job_workflow_ref": workflow }),
                "github.com",
                "%2312",
            ),
            (
                Identity::GitHubServer,
                json!({ "job_workflow_ref": workflow }),
                "github.acceptance.example",
                "#12",
            ),
            (
                Identity::GitLab,
                json!({ "ci_config_ref_uri": format!("gitlab.com/{workflow}") }),
                "gitlab.com",
                "#12",
            ),
        ] {
            let name = format!("https://{host}{encoded}{end}");
            let (registry, image) = seeded();
            let run = || {
                let token = Issuer::shared().token_with(identity, &claims);
                signer(&registry, &image, config(&files, "bundle"))
                    .environment(VARIABLE, &token)
                    .run()
                    .succeeded()
            };
            run().says(&[&format!("Got a certificate for {name} ")]);
            let reference = image.reference(registry.host());
            let who = (identity, &*name);
            verify_name(
                Cosign::V3,
                &witnesses,
                &[TIME],
                who,
                &["verify"],
                &reference,
            )
            .accepted();
            asks_for_nothing(&registry, &witnesses, run);
        }
    }
}

/// EVD-65: what hangs there in one form has a key of its own, and what is added
/// another.
#[test]
fn a_form_that_is_added_later_has_a_certificate_of_its_own() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let (registry, image) = seeded();
        let run = |format: &str| {
            witnesses.front(CA).forget();
            signer(&registry, &image, config(&files, format))
                .environment(VARIABLE, &Issuer::shared().token(Identity::GitHub))
                .run()
                .succeeded();
            witnesses.front(CA).asked("POST", CERTIFICATES).len()
        };
        assert_eq!([run("legacy"), run("both"), run("both")], [1, 1, 0]);
        let reference = image.reference(registry.host());
        for cosign in all_three() {
            for command in [&["verify"][..], &ATTESTED] {
                let identity = Identity::GitHub;
                verify(cosign, &witnesses, &[TIME], identity, command, &reference).accepted();
            }
        }
    }
}

/// A run that finds everything there.
fn asks_for_nothing(registry: &Registry, witnesses: &Witnesses, run: impl FnOnce() -> Outcome) {
    registry.forget_exchanges();
    witnesses.front(CA).forget();
    let said = run().stdout;
    assert!(registry.exchanges().puts().is_empty(), "{said}");
    assert!(witnesses.front(CA).recorded().is_empty(), "{said}");
}

/// EVD-59, EVD-65: a log of version 1 says the time as well.
#[test]
fn a_log_of_version_1_alone_proves_when_a_certificate_was_used() {
    const LOG_V1: Witness = Witness::LogV1;
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(LOG_V1)) {
        let witnesses = Witnesses::of(&[CA, LOG_V1]);
        let files = witnesses.files(&[CA, LOG_V1], Rule::Any);
        for format in ["legacy", "bundle"] {
            let (registry, image) = seeded();
            let run = || {
                signer(&registry, &image, config(&files, format))
                    .environment(VARIABLE, &Issuer::shared().token(Identity::Email))
                    .run()
                    .succeeded()
            };
            run();
            let reference = image.reference(registry.host());
            for cosign in all_three() {
                let identity = Identity::Email;
                let demanded = [LOG_V1];
                verify(
                    cosign,
                    &witnesses,
                    &demanded,
                    identity,
                    &["verify"],
                    &reference,
                )
                .accepted();
            }
            asks_for_nothing(&registry, &witnesses, run);
        }
    }
}

#[test]
fn several_configs_of_one_identity_share_a_certificate() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let (registry, image) = seeded();
        let elsewhere = format!("{}/elsewhere", registry.host());
        signer(&registry, &image, config(&files, "both"))
            .config(config(&files, "both").set("repository", &elsewhere))
            .environment(VARIABLE, &Issuer::shared().token(Identity::Email))
            .run()
            .succeeded();
        let asked = witnesses.front(CA).asked("POST", CERTIFICATES);
        assert_eq!(asked.len(), 1);
    }
}

/// EVD-60: nothing is sent to anybody.
#[test]
fn a_token_that_cannot_be_used_ends_the_run_before_anything_is_sent() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        for (claims, words) in [
            (json!({ "exp": 1_700_000_000 }), "it has expired"),
            (json!({ "aud": "canary-audience" }), "another audience"),
            (json!({ "iss": null }), "it names no issuer"),
        ] {
            let token = Issuer::shared().token_with(Identity::GitHub, &claims);
            let (registry, image) = seeded();
            registry.forget_exchanges();
            signer(&registry, &image, config(&files, "bundle"))
                .environment(VARIABLE, &token)
                .run()
                .ended_with(115)
                .says(&[words, "hint: "])
                .does_not_say(&[&token, token.split('.').nth(1).unwrap()]);
            assert!(registry.exchanges().is_empty(), "{words}");
            assert!(witnesses.front(CA).recorded().is_empty(), "{words}");
        }
    }
}

/// EVD-29: nothing is in the registry, and the token in no message.
#[test]
fn an_authority_that_refuses_or_certifies_badly_ends_the_run() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let token = Issuer::shared().token(Identity::GitHub);
        let echo = format!("{{\"message\":\"bad token {token}\"}}");
        let cases = [
            (Answer::new(400).body("application/json", echo), "400"),
            (
                Answer::new(200).body("text/html", "<html>"),
                "it is not the JSON of a certificate",
            ),
            (
                Answer::json(
                    200,
                    &json!({ "signedCertificateEmbeddedSct": { "chain": {
                    "certificates": [] } } }),
                ),
                "it holds no certificate",
            ),
        ];
        for (answer, words) in cases {
            let (registry, image) = seeded();
            registry.forget_exchanges();
            let front = witnesses.front(CA);
            front.inject(When::every("POST", CERTIFICATES), Action::Answer(answer));
            signer(&registry, &image, config(&files, "bundle"))
                .environment(VARIABLE, &token)
                .run()
                .ended_with(119)
                .says(&[words])
                .does_not_say(&[&token]);
            front.heal();
            assert!(registry.exchanges().puts().is_empty(), "{words}");
        }
    }
}

/// EVD-64
#[test]
fn a_certificate_that_no_log_of_the_trusted_root_promised_is_refused() {
    const UNLOGGED: Witness = Witness::UnloggedAuthority;
    let all = [CA, UNLOGGED, TIME];
    if all.into_iter().all(|one| is_here(Need::Witness(one))) {
        let witnesses = Witnesses::of(&[CA, UNLOGGED, TIME]);
        let token = Issuer::shared().token(Identity::Email);
        let run = |files: &Files| {
            let (registry, image) = seeded();
            let config = config(files, "bundle");
            signer(&registry, &image, config)
                .environment(VARIABLE, &token)
                .run()
        };
        // A root with another log than the one that promised.
        let other = witnesses.files(&[CA, TIME], Rule::Any);
        let root = std::fs::read(other.trusted_root()).unwrap();
        let mut root: Value = serde_json::from_slice(&root).unwrap();
        let theirs = testdata("proof/trust/cosign3/trusted-root.json");
        let theirs: Value = serde_json::from_slice(&std::fs::read(theirs).unwrap()).unwrap();
        root["ctlogs"] = theirs["ctlogs"].clone();
        std::fs::write(other.trusted_root(), root.to_string()).unwrap();
        run(&other)
            .ended_with(119)
            .says(&["no log of the trusted root promised to show the certificate"]);
        // A root with a log, and an authority that tells it nothing.
        let both = witnesses.files(&[CA, UNLOGGED, TIME], Rule::Any);
        let alone = witnesses.files(&[UNLOGGED, TIME], Rule::Any);
        let config = std::fs::read(alone.signing_config()).unwrap();
        std::fs::write(both.signing_config(), config).unwrap();
        run(&both)
            .ended_with(119)
            .says(&["the certificate has no signed certificate timestamp"]);
        run(&alone)
            .succeeded()
            .says(&["Nobody watches the certificate authority"]);
    }
}
