//! The files of `docs/platforms/`: what they say is taken from them and run,
//! with the program of the tests, in the place of the container or the shell
//! that the platform would run it in.

#[path = "platforms/elf.rs"]
pub mod elf;
#[path = "platforms/kpack.rs"]
mod kpack;
#[path = "platforms/sandbox.rs"]
pub mod sandbox;
#[path = "platforms/tekton.rs"]
mod tekton;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::packaging::{packed_image, packed_tarball};
use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::real::{Guard, RealRegistry};
use crate::support::registry::{Registry, Settings, Switch};
use crate::support::signer::run_within;
use crate::support::{package, testdata};
use sandbox::{Sandbox, open, succeeded, text};

const KEY: &str = "p256-n32768-cosign-header";
const OTHER_KEY: &str = "p256-cosign3";

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(package("docs/platforms").join(path)).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn names(values: &[Value]) -> BTreeSet<&str> {
    values
        .iter()
        .map(|value| value["name"].as_str().unwrap())
        .collect()
}

fn named<'a>(values: &'a [Value], name: &str) -> &'a Value {
    values.iter().find(|value| value["name"] == name).unwrap()
}

fn texts(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

/// A folder that everybody can read, with a key of `testdata/keys`.
fn with_key(folder: &Path, key: &str) {
    let keys = testdata("keys");
    fs::create_dir_all(folder).unwrap();
    fs::copy(keys.join(format!("{key}.key")), folder.join("cosign.key")).unwrap();
    fs::copy(keys.join("password"), folder.join("cosign.password")).unwrap();
}

fn password() -> String {
    fs::read_to_string(testdata("keys/password")).unwrap()
}

fn verified(image: &Image, host: &str, key: &str, annotations: &[(&str, &str)]) {
    for cosign in BOTH {
        cosign
            .verify(key, &image.reference(host), annotations)
            .accepted();
    }
}

/// What both majors of cosign print of an image in a registry that wants to know
/// who asks.
fn verified_by_robot(registry: &RealRegistry, image: &Image, key: &str) -> Vec<String> {
    let config = registry.docker_config().display().to_string();
    let reference = image.reference(registry.host());
    let verify = |cosign: &Cosign| {
        let printed = cosign.verify_with(key, &reference, &[("DOCKER_CONFIG", &config)]);
        printed.accepted().stdout
    };
    BOTH.iter().map(verify).collect()
}

/// Every `$(…)` of a Tekton file.
fn references(text: &str) -> BTreeSet<String> {
    let parts = text.split("$(").skip(1);
    let inside = parts.map(|part| part.split(')').next().unwrap().replace("[*]", ""));
    let known = |name: &String| {
        ["params.", "workspaces.", "results."]
            .iter()
            .any(|p| name.starts_with(p))
    };
    inside.filter(known).collect()
}

#[test]
fn the_tekton_task_declares_what_it_uses() {
    let task = yaml("tekton/task.yaml");
    assert_eq!(
        (&task["apiVersion"], &task["kind"]),
        (&"tekton.dev/v1".into(), &"Task".into())
    );
    declares_what_it_uses(&task);
}

fn declares_what_it_uses(task: &Value) {
    let spec = &task["spec"];
    for reference in references(&task.to_string()) {
        let mut parts = reference.split('.');
        let (kind, name) = (parts.next().unwrap(), parts.next().unwrap());
        assert!(names(list(spec, kind)).contains(name), "$({reference})");
    }
    let volumes = names(list(spec, "volumes"));
    let mut seen = BTreeSet::new();
    for step in list(spec, "steps") {
        let name = step["name"].as_str().unwrap();
        assert!(seen.insert(name), "{name} twice");
        assert!(step["image"].is_string(), "{name}");
        // Tekton takes one of the two.
        assert!(
            step["script"].is_string() != step["command"].is_array(),
            "{name}"
        );
        for mount in list(step, "volumeMounts") {
            assert!(
                volumes.contains(mount["name"].as_str().unwrap()),
                "{name}: {mount}"
            );
            assert!(
                mount["mountPath"].as_str().unwrap().starts_with('/'),
                "{name}"
            );
        }
    }
}

/// Whoever runs buildpacks must not be able to write what is signed.
#[test]
fn no_step_of_the_tekton_task_that_runs_buildpacks_can_write_the_report() {
    let task = yaml("tekton/task.yaml");
    let mut writers = BTreeSet::new();
    let mut readers = BTreeSet::new();
    for step in list(&task["spec"], "steps") {
        for mount in list(step, "volumeMounts") {
            if mount["name"] == "report" {
                let who = if mount["readOnly"] == true {
                    &mut readers
                } else {
                    &mut writers
                };
                who.insert(step["name"].as_str().unwrap());
            }
        }
    }
    assert_eq!(writers, ["export", "prepare"].into());
    assert_eq!(readers, ["results", "sign"].into());
}

/// Secrets are volumes, since workspaces are mounted into every step.
#[test]
fn no_step_of_the_tekton_task_but_sign_sees_the_key() {
    let task = yaml("tekton/task.yaml");
    let spec = &task["spec"];
    let who_mounts = |volume: &str| -> BTreeSet<_> {
        let steps = list(spec, "steps").iter();
        let steps = steps.filter(|step| names(list(step, "volumeMounts")).contains(volume));
        steps.map(|step| step["name"].as_str().unwrap()).collect()
    };
    assert_eq!(who_mounts("cosign"), ["sign"].into());
    assert_eq!(
        who_mounts("registry"),
        ["analyze", "export", "restore", "sign"].into()
    );
    assert_eq!(names(list(spec, "workspaces")), ["cache", "source"].into());
    for volume in ["cosign", "registry"] {
        assert!(named(list(spec, "volumes"), volume)["secret"].is_object());
    }
}

/// A container of a Kubernetes file, with the folders that stand for volumes.
struct Container<'a> {
    spec: &'a Value,
    folders: BTreeMap<&'a str, PathBuf>,
}

impl Container<'_> {
    /// The mounts of the file. Its security context must be what a sandbox is.
    fn mounted(&self, mut sandbox: Sandbox) -> Sandbox {
        let context = &self.spec["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"]["drop"][0], "ALL");
        for mount in list(self.spec, "volumeMounts") {
            let folder = &self.folders[mount["name"].as_str().unwrap()];
            let inside = mount["mountPath"].as_str().unwrap();
            sandbox = match mount["readOnly"] == true {
                true => sandbox.mounted(folder, inside),
                false => sandbox.mounted_writable(folder, inside),
            };
        }
        sandbox
    }

    fn command(&self) -> Vec<String> {
        [
            texts(list(self.spec, "command")),
            texts(list(self.spec, "args")),
        ]
        .concat()
    }

    fn environment(&self) -> Vec<(String, String)> {
        let variables = list(self.spec, "env").iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        variables
            .map(|v| (text(&v["name"]), text(&v["value"])))
            .collect()
    }
}

#[test]
fn the_tekton_step_signs_as_user_1000_with_a_read_only_root() {
    let registry = RealRegistry::distribution_behind(Guard::Password);
    let image = Image::recorded("platform-api-0.13");
    image.push(registry.remote());
    let inputs = tempfile::tempdir().unwrap();
    let folder = |name: &str| inputs.path().join(name);
    with_key(&folder("cosign"), KEY);
    let settings = "[[configs]]\nkey = \"cosign.key\"\npassword = \"cosign.password\"\n";
    fs::write(folder("cosign").join("cosign.toml"), settings).unwrap();
    for name in ["report", "roots"] {
        fs::create_dir(folder(name)).unwrap();
    }
    fs::write(
        folder("report").join("report.toml"),
        image.report(registry.host()),
    )
    .unwrap();
    fs::write(folder("roots").join("ca-certificates.crt"), "").unwrap();
    open(inputs.path());
    let docker = registry.docker_config();
    open(&docker);

    let task = yaml("tekton/task.yaml");
    let spec = &task["spec"];
    let step = named(list(spec, "steps"), "sign");
    let mut folders: BTreeMap<_, _> = ["cosign", "report", "roots"]
        .map(|name| (name, folder(name)))
        .into();
    folders.insert("registry", docker);
    let container = Container {
        spec: step,
        folders,
    };
    let sandbox = container.mounted(Sandbox::of(&packed_image()));
    let api = named(list(spec, "params"), "PLATFORM_API");
    let replaced = |text: &str| {
        text.replace("$(params.INSECURE_REGISTRIES)", "")
            .replace("$(params.PLATFORM_API)", api["default"].as_str().unwrap())
    };
    let template = Container {
        spec: &spec["stepTemplate"],
        folders: BTreeMap::new(),
    };
    let variables = [template.environment(), container.environment()].concat();
    let variables: Vec<_> = variables
        .into_iter()
        .map(|(n, v)| (n, replaced(&v)))
        .collect();
    let command: Vec<_> = container
        .command()
        .iter()
        .map(|text| replaced(text))
        .collect();
    assert!(
        command.iter().all(|argument| !argument.contains("$(")),
        "{command:?}"
    );
    let run = succeeded(sandbox.run(&command, &variables));
    assert!(
        !text(&run).contains("used without verifying"),
        "{}",
        text(&run)
    );
    let tag = image.attached("sig");
    assert!(
        registry
            .remote()
            .manifest(image.repository(), &tag)
            .is_some()
    );
}

/// What the sandbox of these tests is must be true, or they prove nothing.
#[test]
fn the_sandbox_is_read_only_and_unprivileged() {
    let sandbox = Sandbox::build_image();
    let shell = |script: &str| {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        sandbox.run(&command, &[])
    };
    if nix::unistd::Uid::effective().is_root() {
        assert_eq!(
            text(&succeeded(shell("echo $(id -u) $(id -g) $(id -G)"))),
            "1000 1000 1000\n"
        );
        let capabilities = text(&succeeded(shell("true")));
        assert_eq!(capabilities, "");
    }
    assert!(text(&shell("touch /x")).contains("Read-only file system"));
    assert!(text(&shell("touch /usr/x")).contains("Read-only file system"));
    assert!(!shell("test -e /home").status.success());
}

#[test]
fn without_root_certificates_the_image_says_what_to_mount_and_works_with_it() {
    let settings = Settings {
        tls: Switch::On,
        ..Settings::default()
    };
    let registry = Registry::with(settings);
    let image = Image::recorded("no-sbom-layer");
    image.seed(&registry);
    let inputs = tempfile::tempdir().unwrap();
    with_key(inputs.path(), KEY);
    let settings = "[[configs]]\nkey = \"cosign.key\"\npassword = \"cosign.password\"\n";
    fs::write(inputs.path().join("cosign.toml"), settings).unwrap();
    fs::write(
        inputs.path().join("report.toml"),
        image.report(registry.host()),
    )
    .unwrap();
    let roots = inputs.path().join("certs");
    fs::create_dir(&roots).unwrap();
    fs::write(roots.join("ca-certificates.crt"), registry.authority()).unwrap();
    open(inputs.path());
    let command = [
        "/cnb/signer",
        "-report=/in/report.toml",
        "-cosign-config=/in/cosign.toml",
    ];
    let command = command.map(str::to_owned);
    let sandbox = || Sandbox::of(&packed_image()).mounted(inputs.path(), "/in");
    let run = sandbox().run(&command, &[]);
    assert_eq!(run.status.code(), Some(113), "{}", text(&run));
    assert!(
        text(&run).contains("mount a bundle at `/etc/ssl/certs/ca-certificates.crt`"),
        "{}",
        text(&run)
    );
    succeeded(
        sandbox()
            .mounted(&roots, "/etc/ssl/certs")
            .run(&command, &[]),
    );
    let named = (
        "SSL_CERT_FILE".to_owned(),
        "/in/certs/ca-certificates.crt".to_owned(),
    );
    succeeded(sandbox().run(&command, &[named]));
    assert!(attachment(&registry, image.repository(), &image.attached("sig")).is_some());
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

/// A folder with a `pack` that pushes nothing, but leaves the exporter's report
/// where the real one would, as moby's `CopyTo` copies it out of the container
/// (pack v0.40.6, go-archive v0.2.0): pack says that the report is a folder, so it
/// becomes what does not exist, in a folder that has to.
struct Pack {
    folder: tempfile::TempDir,
}

impl Pack {
    fn reporting(report: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("exported.toml"), report).unwrap();
        let script = r#"#!/bin/sh
set -eu
echo "$@" > "$(dirname "$0")/arguments"
[ "$1" = build ]
while [ "$1" != --report-output-dir ]; do shift; done
to=${2%/}
if [ -d "$to" ]; then
    to=$to/report.toml
elif [ -e "$to" ]; then
    echo "cannot copy directory" >&2
    exit 1
fi
cp "$(dirname "$0")/exported.toml" "$to"
"#;
        let path = folder.path().join("pack");
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn arguments(&self) -> String {
        fs::read_to_string(self.folder.path().join("arguments")).unwrap()
    }

    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.folder.path().display())
    }
}

#[test]
fn pack_s_script_signs_what_pack_pushed() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.12");
    image.seed(&registry);
    let pack = Pack::reporting(&image.report(registry.host()));
    let inputs = tempfile::tempdir().unwrap();
    with_key(inputs.path(), KEY);
    let settings = "[[configs]]\nkey = \"cosign.key\"\npassword = \"cosign.password\"\n";
    fs::write(inputs.path().join("cosign.toml"), settings).unwrap();
    let mut script = Command::new("/bin/sh");
    script
        .arg(package("docs/platforms/pack/build-and-sign.sh"))
        .args(["registry.example/app:1", "--builder", "some/builder"])
        .env_clear()
        .env("PATH", pack.path())
        .env("HOME", inputs.path())
        .env("SIGNER", env!("CARGO_BIN_EXE_signer"))
        .env("CNB_COSIGN_CONFIG_PATH", inputs.path().join("cosign.toml"));
    succeeded(run_within(script, Duration::from_secs(60)));
    let arguments = pack.arguments();
    assert!(
        arguments.starts_with("build registry.example/app:1 --publish --report-output-dir /"),
        "{arguments}"
    );
    assert!(
        arguments.ends_with(" --builder some/builder\n"),
        "{arguments}"
    );
    verified(&image, registry.host(), KEY, &[]);
}

/// A tarball with a descriptor and empty phases.
fn lifecycle(folder: &Path, apis: &str) -> PathBuf {
    let source = folder.join("source");
    fs::create_dir_all(source.join("lifecycle")).unwrap();
    let descriptor = format!(
        "[apis]\n[apis.buildpack]\n  deprecated = []\n  supported = [\"0.1\"]\n[apis.platform]\n  deprecated = []\n  \
         supported = [{apis}]\n[api]\n  platform = \"0.7\"\n[lifecycle]\n  version = \"0.21.17\"\n"
    );
    fs::write(source.join("lifecycle.toml"), descriptor).unwrap();
    for phase in ["analyzer", "exporter", "lifecycle"] {
        fs::write(source.join("lifecycle").join(phase), phase).unwrap();
    }
    let tarball = folder.join("lifecycle.tgz");
    let mut tar = Command::new("tar");
    tar.arg("-czf")
        .arg(&tarball)
        .arg("-C")
        .arg(&source)
        .args(["lifecycle.toml", "lifecycle"]);
    assert!(tar.status().unwrap().success());
    tarball
}

#[test]
fn the_signer_is_merged_into_a_lifecycle_s_tarball() {
    let folder = tempfile::tempdir().unwrap();
    let merged = folder.path().join("merged.tgz");
    let merge = |lifecycle: &Path| {
        let mut script = Command::new("/bin/sh");
        script.arg(package("docs/platforms/pack/merge-lifecycle.sh"));
        script.arg(lifecycle).arg(packed_tarball()).arg(&merged);
        run_within(script, Duration::from_secs(60))
    };
    let run = merge(&lifecycle(folder.path(), "\"0.7\", \"0.15\", \"0.16\""));
    assert!(
        !run.status.success() && text(&run).contains("speaks Platform API 0.16"),
        "{}",
        text(&run)
    );
    assert!(!merged.exists());
    succeeded(merge(&lifecycle(
        folder.path(),
        "\"0.7\", \"0.14\", \"0.15\"",
    )));
    let mut list = Command::new("tar");
    list.arg("-tzf").arg(&merged);
    let list = text(&succeeded(list.output().unwrap()));
    // What `pack builder create` takes: `^[^/]+/([^/]+)$`.
    for name in [
        "lifecycle.toml",
        "lifecycle/exporter",
        "lifecycle/signer",
        "lifecycle/signer.sbom.cdx.json",
    ] {
        assert!(list.lines().any(|line| line == name), "{name} in {list}");
    }
    let unpacked = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&merged).arg("-C").arg(unpacked.path());
    succeeded(tar.output().unwrap());
    let descriptor = fs::read_to_string(unpacked.path().join("lifecycle.toml")).unwrap();
    assert!(descriptor.contains("0.21.17"), "{descriptor}");
    let program = unpacked.path().join("lifecycle/signer");
    succeeded(Command::new(program).arg("-version").output().unwrap());
}

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

#[test]
fn the_github_workflow_builds_and_signs() {
    let registry = Registry::start();
    let image = Image::recorded("platform-api-0.14");
    image.seed(&registry);
    let pack = Pack::reporting(&image.report(registry.host()));
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
    // What the first job hands to the second is what it declares.
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
