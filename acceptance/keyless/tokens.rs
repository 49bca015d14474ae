//! Workloads whose platform gives them a token, each in its way.

use serde_json::json;

use super::{CA, TIME, config, signer, verify};
use crate::support::cosign::Cosign;
use crate::support::elsewhere::seeded;
use crate::support::needs::{Need, is_here};
use crate::support::registry::Answer;
use crate::support::services::stand_in::StandIn;
use crate::support::signer::Config;
use crate::support::witnesses::agent::Agent;
use crate::support::witnesses::issuer::{Identity, Issuer};
use crate::support::witnesses::{Rule, Witnesses};

/// EVD-62: a token that GitHub's runner is asked for.
#[test]
fn a_workflow_of_github_asks_its_runner_for_a_token() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let (registry, image) = seeded();
        let config = config(&files, "bundle").set("oidc-provider", "github-actions");
        let mut signer = signer(&registry, &image, config);
        for (name, value) in Issuer::shared().runner() {
            signer = signer.environment(name, &value);
        }
        signer.run().succeeded();
        let reference = image.reference(registry.host());
        verify(
            Cosign::V3,
            &witnesses,
            &[TIME],
            Identity::GitHub,
            &["verify"],
            &reference,
        )
        .accepted();
    }
}

/// EVD-62: a token by the Workload API of SPIFFE, on a socket that is named as SPIFFE
/// and as cosign name it.
#[test]
fn a_workload_of_spiffe_asks_its_agent_for_a_token() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let agent = Agent::start();
        let path = agent.socket().display().to_string();
        for socket in [format!("unix://{path}"), path] {
            let (registry, image) = seeded();
            let config = config(&files, "bundle").set("oidc-provider", "spiffe");
            signer(&registry, &image, config)
                .environment("SPIFFE_ENDPOINT_SOCKET", &socket)
                .run()
                .succeeded();
            let reference = image.reference(registry.host());
            verify(
                Cosign::V3,
                &witnesses,
                &[TIME],
                Identity::Spiffe,
                &["verify"],
                &reference,
            )
            .accepted();
        }
    }
}

#[test]
fn an_agent_that_knows_no_identity_for_us_says_so() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let agent = Agent::of_others();
        let (registry, image) = seeded();
        let config = config(&files, "bundle").set("oidc-provider", "spiffe");
        signer(&registry, &image, config)
            .environment(
                "SPIFFE_ENDPOINT_SOCKET",
                &agent.socket().display().to_string(),
            )
            .run()
            .ended_with(119)
            .says(&["access denied: FetchJWTSVID at `", "no identity issued"]);
        assert!(registry.exchanges().puts().is_empty());
        assert!(witnesses.front(CA).recorded().is_empty());
    }
}

/// A job of Buildkite's, and a machine of Google's.
fn provider(name: &'static str) -> (StandIn, Vec<(&'static str, String)>) {
    let service = StandIn::start(move |asked| match (name, asked.path()) {
        ("buildkite-agent", "/v3/jobs/job-1/oidc/tokens") => {
            let is_ours = asked.method == "POST"
                && asked.header("authorization") == Some("Token token-of-the-job")
                && asked.json()["audience"] == "sigstore";
            assert!(is_ours, "{asked:?}");
            let token = Issuer::shared().token(Identity::Buildkite);
            Answer::json(200, &json!({ "token": token }))
        }
        (_, "/computeMetadata/v1/instance/service-accounts/default/identity") => {
            let query = asked.query();
            let is_ours = asked.header("metadata-flavor") == Some("Google")
                && query["audience"] == "sigstore"
                && query["format"] == "full";
            assert!(is_ours, "{asked:?}");
            let token = Issuer::shared().token(Identity::Email);
            Answer::new(200)
                .with("Metadata-Flavor", "Google")
                .body("text/html", token)
        }
        _ => Answer::new(404),
    });
    let variables = match name {
        "buildkite-agent" => vec![
            ("BUILDKITE_JOB_ID", "job-1".to_owned()),
            (
                "BUILDKITE_AGENT_ACCESS_TOKEN",
                "token-of-the-job".to_owned(),
            ),
            ("BUILDKITE_AGENT_ENDPOINT", format!("{}/v3", service.url())),
        ],
        _ => vec![("GCE_METADATA_HOST", service.host().to_owned())],
    };
    (service, variables)
}

/// EVD-62
#[test]
fn jobs_of_buildkite_and_machines_of_google_ask_for_their_tokens() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        for (name, identity) in [
            ("buildkite-agent", Identity::Buildkite),
            ("google-workload-identity", Identity::Email),
        ] {
            let (service, variables) = provider(name);
            let (registry, image) = seeded();
            let config = config(&files, "bundle").set("oidc-provider", name);
            let mut signer = signer(&registry, &image, config);
            for (name, value) in variables {
                signer = signer.environment(name, &value);
            }
            signer
                .run()
                .succeeded()
                .says(&[identity.name()])
                .does_not_say(&["token-of-the-job"]);
            assert_eq!(service.recorded().len(), 1, "{name}");
        }
    }
}

/// EVD-60: a file, as Kubernetes mounts it.
#[test]
fn a_token_comes_from_a_file() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let (registry, image) = seeded();
        let config = Config::none()
            .set("identity-token", "token")
            .set("trusted-root", files.trusted_root())
            .set("signing-config", files.signing_config());
        let signer = signer(&registry, &image, config);
        let token = Issuer::shared().token(Identity::Kubernetes);
        std::fs::write(signer.folder().join("token"), format!("{token}\n")).unwrap();
        signer
            .run()
            .succeeded()
            .says(&[Identity::Kubernetes.name()])
            .does_not_say(&[&token]);
        std::fs::remove_file(signer.folder().join("token")).unwrap();
        signer
            .run()
            .ended_with(115)
            .says(&["cannot read `", "/token`: No such file", "hint: "]);
    }
}
