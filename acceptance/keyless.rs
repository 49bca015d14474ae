//! Keyless: an identity token in place of a key, certificates by the real Fulcio,
//! and what every cosign verifies of it.

use serde_json::json;

use crate::support::elsewhere::seeded;
use crate::support::images::Image;
use crate::support::needs::{Need, is_here};
use crate::support::registry::{Action, Answer, Registry, When};
use crate::support::signer::{Config, Signer};
use crate::support::witnesses::issuer::{Identity, Issuer};
use crate::support::witnesses::{Files, Rule, Witness, Witnesses};

const CA: Witness = Witness::Authority;
const TIME: Witness = Witness::TimestampAuthority;
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

/// EVD-61, EVD-63, EVD-64: whoever the token names, by one certificate per run.
/// EVD-63: in both forms, with an entry of a log beside the timestamp in bundles.
/// EVD-65: nobody is asked again, nothing is written.
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

/// EVD-62: a token that GitHub's runner is asked for.
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
