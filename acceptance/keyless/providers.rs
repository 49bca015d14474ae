//! Providers of tokens that give none, or one that cannot be used.

use serde_json::json;

use super::{CA, TIME, config, signer};
use crate::support::elsewhere::{seeded, without_canaries};
use crate::support::needs::{Need, is_here};
use crate::support::registry::Answer;
use crate::support::services::stand_in::StandIn;
use crate::support::witnesses::agent::Agent;
use crate::support::witnesses::issuer::{Identity, Issuer};
use crate::support::witnesses::{Rule, Witnesses};

const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const SECRET: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
const CANARY: &str = "canary-of-the-runner";

/// EVD-29, EVD-60: nobody else is asked, and nothing secret is repeated.
#[test]
fn a_runner_that_gives_no_token_ends_the_run_with_its_own_remedy() {
    const NONE: &str = "hint: the provider gives this job no token";
    const UNFIT: &str = "hint: a JSON Web Token for the audience `sigstore` is wanted";
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let elsewhere = StandIn::start(|_| Answer::new(200));
        let token = |claims| Issuer::shared().token_with(Identity::GitHub, &claims);
        let old = token(json!({ "exp": 1_700_000_000 }));
        let other = token(json!({ "aud": "another" }));
        let echo = format!("{{\"message\":\"no {CANARY}, nor {old}\"}}");
        let away = format!("{}/away", elsewhere.url());
        for (answer, words) in [
            (
                Answer::new(401).body("application/json", echo),
                ["access denied", NONE],
            ),
            (
                Answer::new(307).with("Location", away),
                ["unexpected status 307", NONE],
            ),
            (
                Answer::json(200, &json!({ "value": old })),
                ["it has expired", UNFIT],
            ),
            (
                Answer::json(200, &json!({ "value": other })),
                ["it is for another audience", UNFIT],
            ),
        ] {
            let runner = StandIn::start(move |_| answer.clone());
            let (registry, image) = seeded();
            let signer = signer(&registry, &image, config(&files, "bundle"))
                .environment(URL, &format!("{}/token?api-version=2.0", runner.url()))
                .environment(SECRET, CANARY);
            let (run, _) = without_canaries(signer, &[CANARY, &old, &other]);
            run.ended_with(119).says(&words);
            assert!(registry.exchanges().puts().is_empty(), "{words:?}");
            assert!(witnesses.front(CA).recorded().is_empty(), "{words:?}");
        }
        assert!(elsewhere.recorded().is_empty());
    }
}

/// EVD-62: as on GKE without workload identity, where SPIRE runs.
#[test]
fn an_agent_is_asked_where_google_knows_no_identity() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let metadata = StandIn::start(|_| Answer::new(404));
        let agent = Agent::start();
        let (registry, image) = seeded();
        let config = |provider| config(&files, "bundle").set("oidc-provider", provider);
        let run = |provider| {
            signer(&registry, &image, config(provider))
                .environment("GCE_METADATA_HOST", metadata.host())
                .environment("SPIFFE_ENDPOINT_SOCKET", agent.socket().to_str().unwrap())
                .run()
        };
        run("google-workload-identity")
            .ended_with(119)
            .says(&["404"]);
        let signed = run("ambient").succeeded();
        signed.says(&["`spiffe` is asked instead", Identity::Spiffe.name()]);
        assert_eq!(metadata.recorded().len(), 2);
    }
}

/// EVD-62: whoever names the metadata server has it asked, though nothing shows that
/// this is a machine of Google's.
#[test]
fn a_metadata_server_that_is_named_is_asked() {
    if is_here(Need::Witness(CA)) && is_here(Need::Witness(TIME)) {
        let witnesses = Witnesses::of(&[CA, TIME]);
        let files = witnesses.files(&[CA, TIME], Rule::Any);
        let (registry, image) = seeded();
        let config = |provider| config(&files, "bundle").set("oidc-provider", provider);
        signer(&registry, &image, config("google-workload-identity"))
            .without_environment("GCE_METADATA_HOST")
            .run()
            .ended_with(119)
            .says(&["169.254.169.254"]);
        signer(&registry, &image, config("ambient"))
            .without_environment("GCE_METADATA_HOST")
            .run()
            .ended_with(115)
            .says(&["google-workload-identity (this is no machine of Google's)"]);
        assert!(registry.exchanges().puts().is_empty());
    }
}
