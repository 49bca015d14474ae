//! kpack's Builds and secrets, through the scripts and the Job of
//! `docs/platforms/kpack/`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::container::Container;
use super::sandbox::{Sandbox, open, succeeded, text};
use super::{KEY, OTHER_KEY, list, names, verified_by_robot, with_key};
use crate::packaging::packed_image;
use crate::support::images::Image;
use crate::support::package;
use crate::support::real::{Guard, RealRegistry};
use crate::support::signer::run_within;

const UID: &str = "11111111-2222-3333-4444-555555555555";

/// A line as kubectl v1.32.4 made it from the template of `sign-builds.sh`, of a
/// Build that it had been given by a stand-in for the API server.
fn build_of(image: &Image, host: &str) -> String {
    let tags = image.tags();
    let tags: Vec<_> = tags
        .map(|(path, tag)| format!("{host}/{path}:{tag}"))
        .collect();
    let (latest, tags) = (image.reference(host), tags.join(" "));
    format!("app-build-7 {UID} 7 2026-11-21T11:08:53Z {latest} {tags}\n")
}

/// A `kubectl` that knows these Builds and Jobs, and keeps the documents that it
/// is given.
struct Kubectl(tempfile::TempDir);

impl Kubectl {
    fn knowing(builds: &str, jobs: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"#!/bin/sh
set -eu
here=$(dirname "$0")
case "$1 $2" in
"get builds.kpack.io") echo "$@" > "$here/arguments"; cat "$here/builds" ;;
"get jobs") cat "$here/jobs" ;;
"apply --filename") cat >> "$here/applied"; echo --- >> "$here/applied" ;;
*) exit 1 ;;
esac
"#;
        let path = folder.path().join("kubectl");
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("builds"), builds).unwrap();
        fs::write(folder.path().join("jobs"), jobs).unwrap();
        Self(folder)
    }

    fn sign_builds(&self, arguments: &[&str]) -> Output {
        let folder = package("docs/platforms/kpack");
        let mut script = Command::new("/bin/sh");
        script
            .arg(folder.join("sign-builds.sh"))
            .arg(folder.join("job.yaml"))
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display()));
        run_within(script, Duration::from_secs(20))
    }

    fn applied(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.0.path().join("applied")).unwrap_or_default();
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        let documents = documents.map(|document| Value::deserialize(document).unwrap());
        documents.filter(|document| !document.is_null()).collect()
    }
}

/// The report and the Job that a Build is signed with.
fn started(build: &str) -> (String, Value) {
    let kubectl = Kubectl::knowing(build, "");
    succeeded(kubectl.sign_builds(&[]));
    let [report, job] = &kubectl.applied()[..] else {
        panic!("{:?}", kubectl.applied());
    };
    for document in [report, job] {
        let owner = &document["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["name"], &owner["uid"]),
            (&"app-build-7".into(), &UID.into())
        );
    }
    let volumes = list(&job["spec"]["template"]["spec"], "volumes");
    let mounted = &super::named(volumes, "report")["configMap"]["name"];
    assert_eq!(mounted, &report["metadata"]["name"]);
    let report = report["data"]["report.toml"].as_str().unwrap();
    (report.to_owned(), job.clone())
}

#[test]
fn the_kpack_job_signs_with_every_secret() {
    let registry = RealRegistry::distribution_behind(Guard::Password);
    let image = Image::recorded("platform-api-0.9");
    image.push(registry.remote());
    let (report, job) = started(&build_of(&image, registry.host()));
    assert_eq!(
        (&job["apiVersion"], &job["kind"]),
        (&"batch/v1".into(), &"Job".into())
    );
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["securityContext"]["runAsUser"], 1000);
    let rule = &job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"];
    assert_eq!(rule["values"], serde_json::json!([0, 111, 117]));
    let volumes = names(list(pod, "volumes"));

    let inputs = tempfile::tempdir().unwrap();
    let folder = |name: &str| inputs.path().join(name);
    with_key(&folder("team-key"), KEY);
    with_key(&folder("release-key"), OTHER_KEY);
    for name in ["scripts", "settings", "report", "registry", "quay"] {
        fs::create_dir(folder(name)).unwrap();
    }
    for script in ["cosign-toml.sh", "docker-config.sh"] {
        let path = package("docs/platforms/kpack").join(script);
        fs::copy(path, folder("scripts").join(script)).unwrap();
    }
    fs::write(folder("report").join("report.toml"), report).unwrap();
    fs::write(folder("quay").join("username"), "robot").unwrap();
    fs::write(folder("quay").join("password"), "other").unwrap();
    let docker = registry.docker_config().join("config.json");
    fs::copy(docker, folder("registry").join(".dockerconfigjson")).unwrap();
    open(inputs.path());
    let folders: BTreeMap<_, _> = volumes
        .into_iter()
        .map(|name| (name, folder(name)))
        .collect();

    let settings = Container {
        spec: &pod["initContainers"][0],
        folders: folders.clone(),
    };
    // The registry of the test instead of the example's.
    let replaced = |text: &String| text.replace("registry.example", registry.host());
    let command: Vec<_> = settings.command().iter().map(replaced).collect();
    let sandbox = settings.mounted(Sandbox::build_image());
    let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    succeeded(sandbox.run(&command, &[path]));
    let config = fs::read_to_string(folder("settings").join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    let known = config["auths"].as_object().unwrap().keys();
    assert_eq!(known.collect::<Vec<_>>(), [registry.host(), "quay.example"]);

    let sign = Container {
        spec: &pod["containers"][0],
        folders,
    };
    assert_eq!(
        sign.spec["name"],
        job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"]
    );
    let sandbox = sign.mounted(Sandbox::of(&packed_image()));
    succeeded(sandbox.run(&sign.command(), &sign.environment()));
    let tag = image.attached("sig");
    let beside = registry
        .remote()
        .manifest(image.repository(), &tag)
        .unwrap();
    assert!(beside.media_type.contains("oci"));
    let elsewhere = registry.remote().manifest("signatures", &tag).unwrap();
    assert!(elsewhere.media_type.contains("docker"));
    for said in [
        r#""buildTimestamp":"20261121.110853""#,
        r#""buildNumber":"7""#,
        r#""team":"payments""#,
    ] {
        for printed in verified_by_robot(&registry, &image, KEY) {
            assert!(printed.contains(said), "{printed}");
        }
    }
}

#[test]
fn a_kpack_build_is_signed_once_and_by_its_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let line = |name: &str| {
        format!(
            "{name} {UID} 0 2026-11-21T11:08:53Z r.example:5000/team/app@{digest} r.example:5000/team/app \
             r.example:5000/team/app:b7.20261121.110853 other.example/app:1\n"
        )
    };
    let builds = [line("old"), "\n".to_owned(), line("new")].concat();
    let kubectl = Kubectl::knowing(&builds, "job.batch/sign-old\njob.batch/else\n");
    succeeded(kubectl.sign_builds(&["-l", "image.kpack.io/image=app"]));
    let applied = kubectl.applied();
    let applied: Vec<_> = applied
        .iter()
        .map(|d| d["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(applied, ["report-new", "sign-new"]);
    let report: toml::Table = kubectl.applied()[0]["data"]["report.toml"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let expected: toml::Table = format!(
        "[image]\ntags = [\"r.example:5000/team/app@{digest}\", \"other.example/app@{digest}\"]\ndigest = \"{digest}\"\n"
    )
    .parse()
    .unwrap();
    assert_eq!(report, expected);
    let arguments = fs::read_to_string(kubectl.0.path().join("arguments")).unwrap();
    assert!(
        arguments.ends_with(" -l image.kpack.io/image=app\n"),
        "{arguments}"
    );
}

#[test]
fn a_kpack_build_that_says_something_odd_is_passed_over_and_told() {
    let odd = "app;id u 1 2026-11-21T11:08:53Z r.example/a@sha256:aa r.example/a\n";
    let kubectl = Kubectl::knowing(odd, "");
    let run = kubectl.sign_builds(&[]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    assert!(kubectl.applied().is_empty());
}

/// The account may do all that its scripts ask of the API server.
#[test]
fn the_kpack_cron_job_may_do_what_its_script_does() {
    let file = fs::read_to_string(package("docs/platforms/kpack/cronjob.yaml")).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&file);
    let documents: Vec<_> = documents.map(|d| Value::deserialize(d).unwrap()).collect();
    let of = |kind: &str| documents.iter().find(|d| d["kind"] == kind).unwrap();
    let rules = list(of("Role"), "rules");
    // `kubectl apply` gets, then creates or patches.
    for (resource, verbs) in [
        ("builds", &["list"][..]),
        ("jobs", &["list", "get", "create", "patch"]),
        ("configmaps", &["get", "create", "patch"]),
    ] {
        let rule = rules
            .iter()
            .find(|rule| rule["resources"][0] == resource)
            .unwrap();
        for verb in verbs {
            assert!(
                list(rule, "verbs").contains(&(*verb).into()),
                "{resource} {verb}"
            );
        }
    }
    let pod = &of("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(
        pod["serviceAccountName"],
        of("ServiceAccount")["metadata"]["name"]
    );
    let container = &pod["containers"][0];
    let volumes = names(list(pod, "volumes"));
    for mount in list(container, "volumeMounts") {
        assert!(volumes.contains(mount["name"].as_str().unwrap()), "{mount}");
    }
    assert_eq!(container["command"][1], "/scripts/sign-builds.sh");
}

fn docker_config(secrets: &Path, arguments: &[&str]) -> Output {
    let mut script = Command::new("/bin/sh");
    script
        .arg(package("docs/platforms/kpack/docker-config.sh"))
        .arg(format!("-secrets={}", secrets.display()))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    run_within(script, Duration::from_secs(20))
}

/// As kpack v0.17.2 appends them: the first of a registry counts.
#[test]
fn kpack_s_secrets_of_registries_are_merged() {
    let secrets = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = secrets.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("basic/username", "robot");
    write("basic/password", "pa\"ss\\w\u{f6}rd\n");
    write(
        "old/.dockercfg",
        r#"{"r.example":{"auth":"b2xk"},"e\"scaped,{":{"auth":"eg=="}}"#,
    );
    write(
        "new/.dockerconfigjson",
        "{ \"auths\" : {\n \"https://index.docker.io/v1/\": {\"auth\":\"eA==\",\"x\":[1,{\"a\":\"}\"}]},\n \
         \"https://r.example/v2/\": { \"auth\": \"bmV3\" } }, \"credHelpers\": {\"z\":\"y\"} }\n",
    );
    write("helper/.dockerconfigjson", r#"{"credsStore":"x"}"#);
    let run = succeeded(docker_config(
        secrets.path(),
        &[
            "-dockerconfig=new",
            "-dockerconfig=helper",
            "-dockercfg=old",
            "-basic-docker=basic=https://q.example",
        ],
    ));
    let config: Value = serde_json::from_str(&text(&run)).unwrap();
    let auth = |registry: &str| config["auths"][registry]["auth"].as_str();
    assert_eq!(config["auths"].as_object().unwrap().len(), 4, "{config}");
    assert_eq!(auth("https://q.example"), Some("cm9ib3Q6cGEic3Ncd8O2cmQK"));
    assert_eq!(auth("r.example"), Some("b2xk"));
    assert_eq!(auth("e\"scaped,{"), Some("eg=="));
    assert_eq!(auth("https://index.docker.io/v1/"), Some("eA=="));

    let output = secrets.path().join("config.json");
    let flag = format!("-output={}", output.display());
    write("bad/.dockerconfigjson", r#"{"auths":{"a":"#);
    for arguments in [
        ["-dockerconfig=bad"],
        ["-dockerconfig=basic"],
        ["-basic-docker=basic"],
        ["-x=y"],
    ] {
        let run = docker_config(secrets.path(), &[&[flag.as_str()], &arguments[..]].concat());
        assert_eq!(run.status.code(), Some(3), "{arguments:?} {}", text(&run));
        assert!(!output.exists() && !text(&run).contains("b2xk"));
    }
    succeeded(docker_config(
        secrets.path(),
        &[flag.as_str(), "-dockercfg=old"],
    ));
    let mode = fs::metadata(output).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// kpack keeps annotations in a map.
#[test]
fn the_last_annotation_of_a_name_counts_with_kpack() {
    let secrets = tempfile::tempdir().unwrap();
    with_key(&secrets.path().join("team"), KEY);
    let run = succeeded(cosign_toml(&[
        &format!("-secrets={}", secrets.path().display()),
        "-cosign-annotations=buildNumber=12",
        "-cosign-annotations=a=1",
        "-cosign-annotations=buildNumber=mine",
        "-cosign-annotations=a=2=3",
    ]));
    let table: toml::Table = text(&run).parse().unwrap();
    let annotations = table["annotations"].as_array().unwrap();
    let annotations: Vec<_> = annotations
        .iter()
        .map(|a| (a["name"].as_str().unwrap(), a["value"].as_str().unwrap()))
        .collect();
    assert_eq!(annotations, [("buildNumber", "mine"), ("a", "2=3")]);
}

/// kpack's script with these arguments.
fn cosign_toml(arguments: &[&str]) -> Output {
    let mut script = Command::new("/bin/sh");
    script
        .arg(package("docs/platforms/kpack/cosign-toml.sh"))
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    run_within(script, Duration::from_secs(20))
}

#[test]
fn kpack_s_secrets_and_arguments_become_a_cosign_toml() {
    let secrets = tempfile::tempdir().unwrap();
    with_key(&secrets.path().join("a-key"), KEY);
    with_key(&secrets.path().join("b.key"), OTHER_KEY);
    fs::remove_file(secrets.path().join("b.key/cosign.password")).unwrap();
    fs::create_dir(secrets.path().join("no-key")).unwrap();
    let folder = secrets.path().display();
    let run = succeeded(cosign_toml(&[
        &format!("-secrets={folder}"),
        "-cosign-annotations=buildTimestamp=20261121.110853",
        "-cosign-annotations=buildNumber=12",
        r#"-cosign-annotations=note=a "quoted" \ value = äöü $HOME `id` %s"#,
        "-cosign-repositories=b.key=registry.example/signatures",
        "-cosign-docker-media-types=b.key=1",
        "-export-sbom=none",
    ]));
    let table: toml::Table = text(&run).parse().unwrap();
    let annotations = table["annotations"].as_array().unwrap();
    let pair = |value: &toml::Value| {
        (
            value["name"].to_string(),
            value["value"].as_str().unwrap().to_owned(),
        )
    };
    let annotations: Vec<_> = annotations.iter().map(pair).collect();
    assert_eq!(annotations[0].1, "20261121.110853");
    assert_eq!(annotations[1].1, "12");
    assert_eq!(
        annotations[2].1,
        r#"a "quoted" \ value = äöü $HOME `id` %s"#
    );
    let configs = table["configs"].as_array().unwrap();
    let expected: toml::Table = format!(
        "[[configs]]\nkey = \"{folder}/a-key/cosign.key\"\npassword = \"{folder}/a-key/cosign.password\"\nexport-sbom = \"none\"\n\
         [[configs]]\nkey = \"{folder}/b.key/cosign.key\"\nrepository = \"registry.example/signatures\"\ndocker-media-types = true\nexport-sbom = \"none\"\n"
    ).parse().unwrap();
    assert_eq!(configs, expected["configs"].as_array().unwrap());
    assert!(!text(&run).contains("PRIVATE KEY"));
}

#[test]
fn kpack_s_script_refuses_what_it_would_lose() {
    let secrets = tempfile::tempdir().unwrap();
    let output = secrets.path().join("cosign.toml");
    let flag = format!("-secrets={}", secrets.path().display());
    let out = format!("-output={}", output.display());
    let refused = |arguments: &[&str], reason: &str| {
        let run = cosign_toml(&[&[flag.as_str(), out.as_str()], arguments].concat());
        assert_eq!(run.status.code(), Some(3), "{}", text(&run));
        assert!(text(&run).contains(reason), "{}", text(&run));
        assert!(!output.exists());
    };
    refused(&[], "there is no secret with a cosign.key");
    with_key(&secrets.path().join("team"), KEY);
    refused(
        &["-cosign-repositories=taem=r.example/x"],
        "about a secret without",
    );
    refused(
        &["-cosign-docker-media-types=team=maybe"],
        "neither 1 nor 0",
    );
    refused(&["-cosign-annotations=novalue"], "NAME=VALUE");
    refused(&["-cosign-annotations==x"], "NAME=VALUE");
    refused(&["-cosign-annotations=a=x\ny"], "control characters");
    refused(&["-export-sbom=sometimes"], "is not known");
    refused(&["-notary-v1-url=x"], "is not known");
    succeeded(cosign_toml(&[&flag, &out]));
    assert!(output.exists());
}
