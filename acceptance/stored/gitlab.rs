//! Keys in variables of GitLab's projects and groups.

use serde_json::json;

use super::{TOKEN, by, key, password, seeded, verified, without_canaries};
use crate::support::registry::Answer;
use crate::support::services::stand_in::{Recorded, StandIn};

fn variable(value: &str) -> Answer {
    Answer::json(
        200,
        &json!({ "key": "x", "value": value, "variable_type": "env_var" }),
    )
}

/// A GitLab with a project `group/app` and a group `team`.
fn gitlab() -> StandIn {
    StandIn::start(|asked: &Recorded| {
        if asked.header("private-token") != Some(TOKEN) {
            return Answer::json(401, &json!({ "message": "401 Unauthorized" }));
        }
        match asked.path() {
            "/git/api/v4/projects/group%2Fapp/variables/COSIGN_PRIVATE_KEY"
            | "/git/api/v4/groups/team/variables/COSIGN_PRIVATE_KEY" => variable(&key()),
            "/git/api/v4/projects/group%2Fapp/variables/COSIGN_PASSWORD"
            | "/git/api/v4/groups/team/variables/COSIGN_PASSWORD" => variable(&password()),
            path if path.contains("/projects/group%2Fbare/") => {
                Answer::json(404, &json!({ "message": "404 Variable Not Found" }))
            }
            path if path.contains("/projects/") => {
                Answer::json(404, &json!({ "message": "404 Project Not Found" }))
            }
            _ => Answer::json(404, &json!({ "message": "404 Group Not Found" })),
        }
    })
}

/// KEY-77, KEY-78
#[test]
fn gitlab_keeps_keys_of_projects_and_of_groups() {
    for (uri, requests) in [("gitlab://group/app", 2), ("gitlab://team", 3)] {
        let (registry, image) = seeded();
        let service = gitlab();
        let signer = by(&registry, &image, uri)
            .environment("GITLAB_HOST", &format!("{}/git", service.url()))
            .environment("GITLAB_TOKEN", TOKEN);
        without_canaries(signer).succeeded();
        verified(&registry, &image);
        assert_eq!(service.recorded().len(), requests);
    }
}

/// KEY-77, KEY-78, SIG-11
#[test]
fn what_gitlab_refuses_has_its_code_and_its_remedy() {
    let (registry, image) = seeded();
    let service = gitlab();
    let url = format!("{}/git", service.url());
    let asked = format!("GitLab at `{}`: access denied", service.host());
    for (uri, host, token, code, words) in [
        (
            "gitlab://group/bare",
            &*url,
            TOKEN,
            115,
            "Variable Not Found",
        ),
        (
            "gitlab://group/absent",
            &url,
            TOKEN,
            115,
            "Project Not Found",
        ),
        (
            "gitlab://group/app",
            &url,
            "glpat-another",
            113,
            "`env://COSIGN_PRIVATE_KEY`",
        ),
        ("gitlab://group/app", &url, "glpat-another", 113, &*asked),
        (
            "gitlab://group/app",
            &url,
            "",
            115,
            "`GITLAB_TOKEN` is not set",
        ),
        (
            "gitlab://group/app",
            "gitlab.example",
            TOKEN,
            115,
            "with its scheme",
        ),
        (
            "gitlab://",
            &url,
            TOKEN,
            3,
            "write `gitlab://GROUP/PROJECT`",
        ),
    ] {
        let signer = by(&registry, &image, uri)
            .environment("GITLAB_HOST", host)
            .environment("GITLAB_TOKEN", token);
        without_canaries(signer).ended_with(code).says(&[words]);
    }
    registry.stored_nothing();
}
