//! Certificates for identities, by the real Fulcio.

use serde_json::json;

use super::{BOTH_KINDS, FULCIO, TIME, V2, image, library_verifies};
use crate::support::cosign::{Cosign, Printed};
use crate::support::needs::{Need, all_three, is_here};
use crate::support::readers::Reader;
use crate::support::services::Caller;
use crate::support::witnesses::issuer::Identity;
use crate::support::witnesses::{Files, Role, Rule, Witness, Witnesses, issuer};

/// Real cosign 3.1.2 signs without a key, with the token that an environment gives.
fn sign_keyless(witnesses: &Witnesses, environment: &[(&str, &str)], reference: &str) -> Printed {
    let files = [
        "--trusted-root",
        witnesses.trusted_root(),
        "--signing-config",
        witnesses.signing_config(),
    ];
    let arguments = ["sign", "--yes", "--allow-insecure-registry"];
    let arguments = [&arguments[..], &files, &[reference]].concat();
    Cosign::V3.run(&arguments, environment)
}

fn verify_identity(
    cosign: Cosign,
    (name, issuer): (&str, &str),
    flags: &[String],
    reference: &str,
) -> Printed {
    let arguments = ["verify", "--allow-insecure-registry"];
    let who = [
        "--certificate-identity",
        name,
        "--certificate-oidc-issuer",
        issuer,
    ];
    let mut arguments: Vec<_> = arguments
        .iter()
        .chain(&who)
        .map(|&a| a.to_owned())
        .collect();
    arguments.extend_from_slice(flags);
    arguments.push(reference.to_owned());
    cosign.run(&arguments, &[])
}

#[test]
fn fulcio_certifies_every_kind_of_identity_and_every_cosign_verifies_it() {
    if [FULCIO, V2, TIME]
        .into_iter()
        .all(|one| is_here(Need::Witness(one)))
    {
        let witnesses = Witnesses::of(&[FULCIO, V2, TIME]);
        let issuer = issuer::Issuer::shared();
        let flags = witnesses.demanding(&[FULCIO, V2, TIME]);
        let mut believed = witnesses.listed(&[FULCIO, V2, TIME]);
        believed.retain(|listed| listed.role != Role::CertificateLog);
        let believed = Files::of(&believed, Rule::Any);
        let mut unlogged = flags.clone();
        unlogged.extend(["--trusted-root", believed.trusted_root()].map(str::to_owned));
        for identity in Identity::ALL {
            let (_registry, reference) = image();
            let token = issuer.token(identity);
            let environment = [("SIGSTORE_ID_TOKEN", &*token)];
            sign_keyless(&witnesses, &environment, &reference).accepted();
            let url = issuer.url(identity);
            let who = ["--identity", identity.name(), "--issuer", &url];
            let who = [&who[..], &BOTH_KINDS].concat();
            library_verifies(Reader::RUST, &who, &witnesses, &reference);
            for cosign in all_three() {
                let verify = |name| verify_identity(cosign, (name, &url), &flags, &reference);
                verify(identity.name()).accepted();
                verify("somebody-else@acceptance.example").refused();
                let who = (identity.name(), &*url);
                verify_identity(cosign, who, &unlogged, &reference).refused();
            }
        }
        let asked = witnesses.front(FULCIO).asked("POST", "").len();
        assert_eq!(asked, Identity::ALL.len());
    }
}

#[test]
fn a_runner_s_token_signs_too_and_a_wrong_one_does_not() {
    if [FULCIO, V2, TIME]
        .into_iter()
        .all(|one| is_here(Need::Witness(one)))
    {
        let witnesses = Witnesses::of(&[FULCIO, V2, TIME]);
        let issuer = issuer::Issuer::shared();
        let runner = issuer.runner();
        let runner = runner.each_ref().map(|(name, value)| (*name, &**value));
        let (_registry, reference) = image();
        sign_keyless(&witnesses, &runner, &reference).accepted();
        let who = (Identity::GitHub.name(), &*issuer.url(Identity::GitHub));
        let flags = witnesses.demanding(&[FULCIO, V2, TIME]);
        verify_identity(Cosign::V3, who, &flags, &reference).accepted();
        let now = jiff::Timestamp::now().as_second();
        for wrong in [
            json!({ "aud": "others" }),
            json!({ "exp": now - 60 }),
            json!({ "email": null }),
            json!({ "email_verified": false }),
        ] {
            let token = issuer.token_with(Identity::Email, &wrong);
            let environment = [("SIGSTORE_ID_TOKEN", &*token)];
            sign_keyless(&witnesses, &environment, &reference).refused();
        }
    }
}

#[test]
fn an_authority_that_logs_nowhere_issues_certificates_without_a_promise() {
    const UNLOGGED: Witness = Witness::UnloggedAuthority;
    if [UNLOGGED, TIME]
        .into_iter()
        .all(|one| is_here(Need::Witness(one)))
    {
        let witnesses = Witnesses::of(&[UNLOGGED, TIME]);
        let issuer = issuer::Issuer::shared();
        let token = issuer.token(Identity::Kubernetes);
        let front = witnesses.front(UNLOGGED);
        let (_registry, reference) = image();
        sign_keyless(&witnesses, &[("SIGSTORE_ID_TOKEN", &token)], &reference);
        let [asked] = &front.asked("POST", "/api/v2/signingCert")[..] else {
            panic!("{:?}", front.recorded());
        };
        assert_eq!(asked.status, Some(200));
        let answer = Caller::of(&front.url())
            .showing(
                "Authorization",
                asked.header("authorization").unwrap_or_default(),
            )
            .must("POST", "/api/v2/signingCert", &asked.json());
        assert!(
            answer.get("signedCertificateDetachedSct").is_some(),
            "{answer}"
        );
    }
}
