//! `sign` behind the tasks of Tekton's catalog, and the values that the Task of
//! `docs/platforms/tekton/` takes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::declares_what_it_uses;
use crate::packaging::packed_image;
use crate::platforms::container::{Container, Volumes};
use crate::platforms::sandbox::{Sandbox, succeeded, text};
use crate::platforms::{KEY, list, named, names, verified_by_robot, yaml};
use crate::support::images::Image;
use crate::support::real::{Guard, RealRegistry};
use crate::support::signer::run_within;

/// The parts of the catalog's two tasks that the patch adds to or names, as they
/// were read (tektoncd/catalog 55dd80e: buildpacks-phases 0.3, buildpacks 0.6).
/// kubectl v1.32.4 applied the patch to the files themselves.
fn catalog() -> [Value; 2] {
    let task = |last: &str, volumes: &[&str]| {
        let volumes: Vec<_> = volumes
            .iter()
            .map(|name| json!({ "name": name, "emptyDir": {} }))
            .collect();
        let layers = json!({ "name": "layers-dir", "mountPath": "/layers" });
        let step = |name: &str| json!({ "name": name, "image": "x", "script": "x", "volumeMounts": [layers] });
        json!({ "spec": {
            "params": [{ "name": "APP_IMAGE" }],
            "workspaces": [],
            "results": [],
            "steps": [step("prepare"), step(last), step("results")],
            "volumes": volumes,
        } })
    };
    [
        task(
            "export",
            &[
                "tekton-home-dir",
                "layers-dir",
                "kaniko-dir",
                "platform-dir",
            ],
        ),
        task("create", &["empty-dir", "layers-dir"]),
    ]
}

/// JSON Patch (RFC 6902), as far as it is used: `add` at the end of a list.
fn patched(mut task: Value) -> Value {
    for change in yaml("tekton/sign-behind-catalog.yaml").as_array().unwrap() {
        assert_eq!(change["op"], "add");
        let list = change["path"].as_str().unwrap().strip_suffix("/-").unwrap();
        let list = task.pointer_mut(list).unwrap().as_array_mut().unwrap();
        list.push(change["value"].clone());
    }
    task
}

#[test]
fn sign_fits_behind_the_steps_of_the_catalog_s_tasks() {
    for task in catalog() {
        let task = patched(task);
        declares_what_it_uses(&task);
        let steps = list(&task["spec"], "steps");
        assert_eq!(steps.last().unwrap()["name"], "sign");
        for step in steps {
            let sees = |volume: &str| names(list(step, "volumeMounts")).contains(volume);
            let is_sign = step["name"] == "sign";
            assert_eq!((sees("cosign"), sees("registry")), (is_sign, is_sign));
        }
    }
}

#[test]
fn the_step_behind_the_catalog_signs_what_layers_holds() {
    let registry = RealRegistry::distribution_behind(Guard::Password);
    let image = Image::recorded("platform-api-0.13");
    image.push(registry.remote());
    let volumes = Volumes::of_sign(&image, &registry, "layers-dir");
    let [task, _] = catalog().map(patched);
    let container = Container {
        spec: named(list(&task["spec"], "steps"), "sign"),
        folders: volumes.folders,
    };
    let sandbox = container.mounted(Sandbox::of(&packed_image()));
    succeeded(sandbox.run(&container.command(), &container.environment()));
    verified_by_robot(&registry, &image, KEY);
}

/// The values that the catalog's tasks pass to each phase, ours passes too.
#[test]
fn the_tekton_task_passes_on_what_the_catalog_s_tasks_do() {
    let task = yaml("tekton/task.yaml");
    let steps = list(&task["spec"], "steps");
    for (step, wanted) in [
        (
            "analyze",
            &[
                "-run-image=$(params.RUN_IMAGE)",
                "-cache-image=$(params.CACHE_IMAGE)",
            ][..],
        ),
        (
            "detect",
            &[
                "-app=$(workspaces.source.path)/$(params.SOURCE_SUBPATH)",
                "-platform=/platform",
            ],
        ),
        (
            "restore",
            &[
                "-cache-dir=$(workspaces.cache.path)",
                "-cache-image=$(params.CACHE_IMAGE)",
            ],
        ),
        (
            "build",
            &[
                "-app=$(workspaces.source.path)/$(params.SOURCE_SUBPATH)",
                "-platform=/platform",
            ],
        ),
        (
            "export",
            &[
                "-app=$(workspaces.source.path)/$(params.SOURCE_SUBPATH)",
                "-cache-dir=$(workspaces.cache.path)",
                "-cache-image=$(params.CACHE_IMAGE)",
                "-process-type=$(params.PROCESS_TYPE)",
            ],
        ),
    ] {
        let arguments = list(named(steps, step), "args");
        for argument in wanted {
            assert!(arguments.contains(&(*argument).into()), "{step} {argument}");
        }
    }
}

#[test]
fn the_tekton_task_hands_variables_to_the_buildpacks() {
    let task = yaml("tekton/task.yaml");
    let prepare = named(list(&task["spec"], "steps"), "prepare");
    let script = prepare["script"].as_str().unwrap();
    let root = tempfile::tempdir().unwrap();
    let inside = |path: &str| root.path().join(path).display().to_string();
    for folder in [
        "layers", "report", "platform", "roots", "source", "etc", "cache",
    ] {
        fs::create_dir(inside(folder)).unwrap();
    }
    fs::write(inside("etc/ca-certificates.crt"), "roots").unwrap();
    let script = script
        .replace("$(workspaces.source.path)", &inside("source"))
        .replace("/etc/ssl/certs/", &format!("{}/", inside("etc")))
        .replace(
            " /layers /report ",
            &format!(" {} {} ", inside("layers"), inside("report")),
        )
        .replace("/platform/env", &inside("platform/env"))
        .replace("/roots/", &format!("{}/", inside("roots")));
    let prepare = |arguments: &[&str]| {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script, "prepare"])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("CACHE", inside("cache"))
            .env("CNB_USER_ID", nix::unistd::Uid::effective().to_string())
            .env("CNB_GROUP_ID", nix::unistd::Gid::effective().to_string());
        run_within(command, Duration::from_secs(20))
    };
    succeeded(prepare(&["BP_A=a b=c\n", "BP_EMPTY=", "BP_QUOTE=\"$HOME"]));
    let variable =
        |name: &str| fs::read_to_string(inside(&format!("platform/env/{name}"))).unwrap();
    assert_eq!(variable("BP_A"), "a b=c\n");
    assert_eq!(variable("BP_EMPTY"), "");
    assert_eq!(variable("BP_QUOTE"), "\"$HOME");
    succeeded(prepare(&[]));
    let run = prepare(&["secret"]);
    assert!(!run.status.success(), "{}", text(&run));
}
