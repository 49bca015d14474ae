//! The Task of `docs/platforms/tekton/`: who sees what, and that its step signs.

mod catalog;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::container::{Container, Volumes};
use super::sandbox::{Sandbox, succeeded, text};
use super::{list, named, names, yaml};
use crate::packaging::packed_image;
use crate::support::images::Image;
use crate::support::real::{Guard, RealRegistry};

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

/// The step that runs buildpacks must not be able to write what is signed.
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

#[test]
fn the_tekton_step_signs_as_user_1000_with_a_read_only_root() {
    let registry = RealRegistry::distribution_behind(Guard::Password);
    let image = Image::recorded("platform-api-0.13");
    image.push(registry.remote());
    let volumes = Volumes::of_sign(&image, &registry, "report");
    let task = yaml("tekton/task.yaml");
    let spec = &task["spec"];
    let step = named(list(spec, "steps"), "sign");
    let container = Container {
        spec: step,
        folders: volumes.folders,
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
