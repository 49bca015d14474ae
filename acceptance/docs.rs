//! What the documents say is run, or compared with the program.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use crate::support::cosign::{BOTH, Cosign, public_key};
use crate::support::images::Image;
use crate::support::real::RealRegistry;
use crate::support::signer::{Config, Signer, run_within};
use crate::support::{files, package, tool};

const KEY: &str = "p256-n32768-cosign-header";

fn read(path: &str) -> String {
    fs::read_to_string(package(path)).unwrap()
}

/// The flags of the manual: `.It Fl name …`.
fn manual_flags(manual: &str) -> BTreeSet<String> {
    let lines = manual
        .lines()
        .filter_map(|line| line.strip_prefix(".It Fl "));
    lines
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_manual_lists_the_flags_of_the_help() {
    let help = Signer::with_report("")
        .run_bare(&["-help"])
        .succeeded()
        .stderr;
    let lines = help.lines().filter_map(|line| line.strip_prefix("  -"));
    let flags: BTreeSet<_> = lines
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert!(
        flags.contains("cosign-config") && flags.contains("version"),
        "{help}"
    );
    assert_eq!(manual_flags(&read("docs/signer.1")), flags);
}

#[test]
fn the_manual_lists_the_exit_codes_of_the_readme() {
    let readme = read("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| "));
    let codes: BTreeSet<u8> = rows
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect();
    assert!(codes.contains(&0) && codes.contains(&118), "{codes:?}");
    let manual = read("docs/signer.1");
    let items = manual.lines().filter_map(|line| line.strip_prefix(".It "));
    let listed: BTreeSet<u8> = items.filter_map(|item| item.parse().ok()).collect();
    assert_eq!(listed, codes);
}

#[test]
fn the_manual_lists_the_variables_that_are_read() {
    let manual = read("docs/signer.1");
    let inputs = read("src/cli/inputs.rs");
    let (_, collect) = inputs.split_once("pub fn collect").unwrap();
    let (collect, _) = collect.split_once("fn into_secret").unwrap();
    let names = collect.split('"').skip(1).step_by(2);
    let names = names.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    let mut count = 0;
    for name in names {
        assert!(manual.contains(&format!("Ev {name}")), "{name}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

/// The parts of a document in code fences: what follows the backticks, and the
/// text.
fn fenced(document: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((kind, text.join("\n")));
        }
    }
    blocks
}

/// A folder in which the commands of `docs/verify.md` can be run: the key, and
/// one cosign under its plain name.
fn verifier(cosign: Cosign) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(public_key(KEY), folder.path().join("cosign.pub")).unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    symlink(tool(cosign.path()), folder.path().join("bin/cosign")).unwrap();
    folder
}

fn run(script: &str, folder: &Path, image: &str, signatures: &str) -> (bool, String) {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-euc", script])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", folder.join("bin").display()),
        )
        // Whatever leaves this machine would fail at once.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("IMAGE", image)
        .env("SIGNATURES", signatures);
    let output = run_within(shell, Duration::from_secs(60));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// Every fence of the kind `sh` is run with both cosigns; `refused` must fail,
/// `cosign-3` is for that one only.
#[test]
fn every_cosign_command_of_the_document_does_what_it_says() {
    let registry = RealRegistry::distribution();
    let image = Image::recorded("platform-api-0.15");
    image.push(registry.remote());
    let signatures = format!("{}/signatures", registry.host());
    let elsewhere = Config::key(KEY)
        .set("repository", &signatures)
        .set("export-sbom", "none");
    Signer::of(&image, registry.host())
        .annotation("environment", "production")
        .key(KEY)
        .config(Config::key("p256-cosign3").set("export-sbom", "attachment"))
        .config(elsewhere)
        .run()
        .succeeded();
    let document = read("docs/verify.md");
    let blocks: Vec<_> = fenced(&document);
    let commands = blocks.iter().filter(|(kind, _)| kind.starts_with("sh"));
    assert!(commands.count() >= 10);
    for cosign in BOTH {
        let folder = verifier(cosign);
        for (kind, script) in &blocks {
            let expected = match *kind {
                "sh" => true,
                "sh refused" => false,
                "sh cosign-3" if cosign == Cosign::V3 => true,
                "sh cosign-3" | "text" => continue,
                other => panic!("a fence of the kind `{other}`"),
            };
            let reference = image.reference(registry.host());
            let (success, text) = run(script, folder.path(), &reference, &signatures);
            assert_eq!(success, expected, "{cosign:?}: {script}\n{text}");
        }
        for file in ["cyclonedx.jsonl", "spdx.jsonl", "syft.jsonl", "sbom.json"] {
            let text = fs::read_to_string(folder.path().join(file)).unwrap();
            let first = serde_json::Deserializer::from_str(&text)
                .into_iter::<Value>()
                .next();
            assert!(first.unwrap().unwrap().is_object(), "{file}");
        }
    }
}

fn documents(path: &str) -> Vec<Value> {
    let text = read(path);
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    documents
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

#[test]
fn kyverno_s_policy_has_the_fields_that_ignore_the_log() {
    let policy = documents("docs/verify/kyverno-cluster-policy.yaml").remove(0);
    assert_eq!(policy["apiVersion"], "kyverno.io/v1");
    assert_eq!(policy["kind"], "ClusterPolicy");
    let rule = &policy["spec"]["rules"][0]["verifyImages"][0];
    let signature = &rule["attestors"][0]["entries"][0];
    let attestation = &rule["attestations"][0];
    assert_eq!(attestation["type"], "https://cyclonedx.org/bom");
    for entry in [signature, &attestation["attestors"][0]["entries"][0]] {
        assert_eq!(entry["keys"]["rekor"]["ignoreTlog"], true);
        assert_eq!(entry["keys"]["ctlog"]["ignoreSCT"], true);
        assert!(
            entry["keys"]["publicKeys"]
                .as_str()
                .unwrap()
                .starts_with("-----BEGIN PUBLIC KEY-----\n")
        );
    }
    assert_eq!(
        (&rule["required"], &rule["failureAction"]),
        (&true.into(), &"Enforce".into())
    );

    let policy = documents("docs/verify/kyverno-image-validating-policy.yaml").remove(0);
    assert_eq!(policy["apiVersion"], "policies.kyverno.io/v1");
    assert_eq!(policy["kind"], "ImageValidatingPolicy");
    let attestor = &policy["spec"]["attestors"][0];
    assert_eq!(attestor["cosign"]["ctlog"]["insecureIgnoreTlog"], true);
    let name = attestor["name"].as_str().unwrap();
    let expression = policy["spec"]["validations"][0]["expression"]
        .as_str()
        .unwrap();
    assert!(
        expression.contains(&format!("attestors.{name}]")),
        "{expression}"
    );
    assert!(!name.contains('-'));
}

#[test]
fn policy_controller_s_policies_ask_no_log() {
    let policies = documents("docs/verify/policy-controller.yaml");
    assert_eq!(policies.len(), 2);
    for policy in &policies {
        assert_eq!(policy["apiVersion"], "policy.sigstore.dev/v1beta1");
        assert_eq!(policy["kind"], "ClusterImagePolicy");
        assert!(policy["spec"]["images"][0]["glob"].is_string());
        for authority in policy["spec"]["authorities"].as_array().unwrap() {
            assert!(
                authority["key"]["data"]
                    .as_str()
                    .unwrap()
                    .contains("BEGIN PUBLIC KEY")
            );
            assert!(authority.get("ctlog").is_none());
        }
    }
    let attestations = &policies[1]["spec"]["authorities"][0]["attestations"][0];
    assert_eq!(attestations["predicateType"], "https://cyclonedx.org/bom");
}

/// Relative links of Markdown: `](path)` and `](path#heading)`.
fn links(text: &str) -> Vec<&str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let paths = targets.map(|target| target.split('#').next().unwrap());
    paths
        .filter(|path| !path.is_empty() && !path.contains("://"))
        .collect()
}

#[test]
fn what_the_documents_link_to_is_there() {
    let mut documents: Vec<PathBuf> = files(&package("docs"), "md");
    documents.extend(["README.md", "CONTRIBUTING.md", "tools/README.md"].map(package));
    let mut count = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let path = document.parent().unwrap().join(link);
            assert!(path.exists(), "{}: {link}", document.display());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn every_program_beside_the_signer_has_a_line() {
    let text = read("tools/README.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<_> = rows
        .map(|row| row.split('`').next().unwrap().to_owned())
        .collect();
    let entries = fs::read_dir(package("tools")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let folders = paths.filter(|path| path.is_dir());
    let folders = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(rows, folders.collect());
}
