//! Containers as Kubernetes files describe them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use super::sandbox::{Sandbox, open};
use super::{KEY, list, texts, with_settings};
use crate::support::images::Image;
use crate::support::real::RealRegistry;

/// A container of a Kubernetes file, with the folders that stand for volumes.
pub struct Container<'a> {
    pub spec: &'a Value,
    pub folders: BTreeMap<&'a str, PathBuf>,
}

impl Container<'_> {
    /// The mounts of the file. Its security context must be what a sandbox is.
    pub fn mounted(&self, mut sandbox: Sandbox) -> Sandbox {
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

    pub fn command(&self) -> Vec<String> {
        [
            texts(list(self.spec, "command")),
            texts(list(self.spec, "args")),
        ]
        .concat()
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let variables = list(self.spec, "env").iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        variables
            .map(|v| (text(&v["name"]), text(&v["value"])))
            .collect()
    }
}

/// Folders that stand for the volumes of a step `sign`.
pub struct Volumes {
    _folder: TempDir,
    pub folders: BTreeMap<&'static str, PathBuf>,
}

impl Volumes {
    /// A key with its settings, no root certificates, the registry's credentials, and
    /// the report in a volume of this name.
    pub fn of_sign(image: &Image, registry: &RealRegistry, report: &'static str) -> Self {
        let inputs = tempfile::tempdir().unwrap();
        let folder = |name: &str| inputs.path().join(name);
        with_settings(&folder("cosign"), KEY);
        for name in [report, "roots"] {
            fs::create_dir(folder(name)).unwrap();
        }
        let text = image.report(registry.host());
        fs::write(folder(report).join("report.toml"), text).unwrap();
        fs::write(folder("roots").join("ca-certificates.crt"), "").unwrap();
        open(inputs.path());
        let docker = registry.docker_config();
        open(&docker);
        let mut folders: BTreeMap<_, _> = ["cosign", report, "roots"]
            .map(|name| (name, folder(name)))
            .into();
        folders.insert("registry", docker);
        Self {
            _folder: inputs,
            folders,
        }
    }
}
