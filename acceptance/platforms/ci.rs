//! The jobs of GitHub Actions and GitLab CI.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::pack::{Pack, built};
use super::sandbox::{succeeded, text};
use super::{KEY, list, texts, verified, yaml};
use crate::packaging::packed_tarball;
use crate::support::images::Image;
use crate::support::real::{Guard, RealRegistry};
use crate::support::signer::run_within;
use crate::support::testdata;

/// A job of a CI system: a shell that keeps its variables and its folder.
fn shell(script: &str, folder: &Path, variables: &[(&str, String)]) -> Output {
    let mut shell = Command::new("/bin/bash");
    shell
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    run_within(shell, Duration::from_secs(60))
}

fn tarball_variables() -> [(&'static str, String); 2] {
    let tarball = packed_tarball();
    let sum = signer::oci::Digest::of(&fs::read(&tarball).unwrap());
    let url = format!(
        "file://{}",
        tarball.display().to_string().replace('+', "%2B")
    );
    [("SIGNER_URL", url), ("SIGNER_SHA256", sum.hex().to_owned())]
}

fn password() -> String {
    fs::read_to_string(testdata("keys/password")).unwrap()
}

#[test]
fn the_github_workflow_builds_and_signs() {
    let (registry, image, pack) = built("platform-api-0.14");
    let folder = tempfile::tempdir().unwrap();
    let key = fs::read_to_string(testdata(&format!("keys/{KEY}.key"))).unwrap();
    let workflow = yaml("github-actions/build-and-sign.yaml");
    assert_eq!(
        workflow["permissions"],
        serde_json::json!({ "contents": "read", "packages": "write" })
    );
    let job = &workflow["jobs"]["image"];
    assert!(job["runs-on"].is_string());
    let [url, sum] = tarball_variables();
    let expressions = [
        ("${{ github.repository }}", "team/app"),
        ("${{ github.sha }}", "0123abcd"),
        ("${{ vars.SIGNER_URL }}", &url.1),
        ("${{ vars.SIGNER_SHA256 }}", &sum.1),
        ("${{ secrets.COSIGN_KEY }}", key.trim_end()),
        ("${{ secrets.COSIGN_PASSWORD }}", &password()),
    ];
    let evaluated = |environment: &Value| -> Vec<(String, String)> {
        let pairs = environment.as_object().into_iter().flatten();
        let value = |text: &Value| {
            expressions
                .iter()
                .fold(text.as_str().unwrap().to_owned(), |text, (from, to)| {
                    text.replace(from, to)
                })
        };
        pairs
            .map(|(name, text)| (name.clone(), value(text)))
            .collect()
    };
    let mut ran = 0;
    for step in list(job, "steps") {
        let Some(script) = step["run"].as_str() else {
            let (action, version) = step["uses"].as_str().unwrap().split_once('@').unwrap();
            // Its refs are whole versions: `v5` is none.
            let is_whole = version.split('.').count() == 3;
            assert!(is_whole || action != "buildpacks/github-actions/setup-pack");
            continue;
        };
        // Expressions in a script are how workflows get injected.
        assert!(!script.contains("${{"), "{script}");
        let variables = [evaluated(&job["env"]), evaluated(&step["env"])].concat();
        let mut variables: Vec<_> = variables
            .iter()
            .map(|(n, v)| (n.as_str(), v.clone()))
            .collect();
        assert!(
            variables.iter().all(|(_, value)| !value.contains("${{")),
            "{variables:?}"
        );
        variables.push(("RUNNER_TEMP", folder.path().display().to_string()));
        variables.push(("PATH", pack.path()));
        succeeded(shell(script, folder.path(), &variables));
        ran += 1;
    }
    assert_eq!(ran, 3);
    let arguments = pack.arguments();
    assert!(
        arguments.starts_with("build ghcr.io/team/app:0123abcd "),
        "{arguments}"
    );
    verified(&image, registry.host(), KEY, &[("commit", "0123abcd")]);
}

#[test]
fn the_github_workflow_refuses_another_tarball() {
    let folder = tempfile::tempdir().unwrap();
    let workflow = yaml("github-actions/build-and-sign.yaml");
    let step = named_step(&workflow, "Get the signer");
    let [url, _] = tarball_variables();
    let variables = [
        url,
        ("SIGNER_SHA256", "0".repeat(64)),
        ("RUNNER_TEMP", folder.path().display().to_string()),
        ("PATH", "/usr/bin:/bin".to_owned()),
    ];
    let run = shell(step["run"].as_str().unwrap(), folder.path(), &variables);
    assert!(!run.status.success(), "{}", text(&run));
    assert!(!folder.path().join("lifecycle").exists());
}

fn named_step<'a>(workflow: &'a Value, name: &str) -> &'a Value {
    let steps = list(&workflow["jobs"]["image"], "steps");
    steps.iter().find(|step| step["name"] == name).unwrap()
}

#[test]
fn the_gitlab_jobs_build_and_sign() {
    let registry = RealRegistry::distribution_behind(Guard::Password);
    let image = Image::recorded("platform-api-0.15");
    image.push(registry.remote());
    let pack = Pack::reporting(&image.report(registry.host()));
    let file = yaml("gitlab-ci/gitlab-ci.yml");
    let stages = texts(list(&file, "stages"));
    let folder = tempfile::tempdir().unwrap();
    let key = testdata(&format!("keys/{KEY}.key")).display().to_string();
    for name in ["build", "sign"] {
        let job = &file[name];
        assert!(stages.contains(&job["stage"].as_str().unwrap().to_owned()));
        let used = job["image"]["name"].as_str().unwrap();
        // pack's other images are distroless: nothing runs a script there.
        assert!(
            used.ends_with("-base") || !used.contains("/pack:"),
            "{used}"
        );
        let mut variables: Vec<(&str, String)> = vec![
            ("CI_REGISTRY", registry.host().to_owned()),
            ("CI_REGISTRY_IMAGE", format!("{}/team/app", registry.host())),
            ("CI_REGISTRY_USER", "robot".to_owned()),
            ("CI_REGISTRY_PASSWORD", "pass".to_owned()),
            ("CI_COMMIT_SHA", "0123abcd".to_owned()),
            ("PATH", pack.path()),
        ];
        // Only the job that signs sees the key.
        if name == "sign" {
            variables.extend(tarball_variables());
            variables.extend([("COSIGN_KEY", key.clone()), ("COSIGN_PASSWORD", password())]);
        }
        // GitLab expands variables in variables; long names come before their
        // beginnings.
        variables.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let expand = |text: &str| {
            variables
                .iter()
                .fold(text.to_owned(), |text, (name, value)| {
                    text.replace(&format!("${name}"), value)
                })
        };
        let own = [&file["variables"], &job["variables"]]
            .into_iter()
            .filter_map(Value::as_object)
            .flatten();
        let own: Vec<_> = own
            .map(|(name, value)| (name.as_str(), expand(value.as_str().unwrap())))
            .collect();
        let all = [variables.clone(), own].concat();
        let script = [
            texts(list(job, "before_script")),
            texts(list(job, "script")),
        ]
        .concat();
        succeeded(shell(&script.join("\n"), folder.path(), &all));
    }
    // The first job hands the files that it declares to the second.
    assert_eq!(file["build"]["artifacts"]["paths"][0], "report/report.toml");
    assert!(folder.path().join("report/report.toml").is_file());
    assert!(
        pack.arguments().contains("/team/app:0123abcd "),
        "{}",
        pack.arguments()
    );
    let tag = image.attached("sig");
    assert!(
        registry
            .remote()
            .manifest(image.repository(), &tag)
            .is_some()
    );
}
