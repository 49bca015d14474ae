//! The files of `docs/platforms/`: what they say is taken from them and run,
//! with the program of the tests, in the place of the container or the shell
//! that the platform would run it in.

mod ci;
mod container;
pub mod elf;
mod image;
mod kpack;
mod pack;
pub mod sandbox;
mod tekton;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::cosign::{BOTH, Cosign};
use crate::support::images::Image;
use crate::support::real::RealRegistry;
use crate::support::{package, testdata};

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

/// The same, and settings that sign with it.
fn with_settings(folder: &Path, key: &str) {
    with_key(folder, key);
    let settings = "[[configs]]\nkey = \"cosign.key\"\npassword = \"cosign.password\"\n";
    fs::write(folder.join("cosign.toml"), settings).unwrap();
}

fn verified(image: &Image, host: &str, key: &str, annotations: &[(&str, &str)]) {
    for cosign in BOTH {
        cosign
            .verify(key, &image.reference(host), annotations)
            .accepted();
    }
}

/// The output of both majors of cosign for an image in a registry that wants to know
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
