//! The documents' commands are run, their statements compared with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize as _;
use serde_json::Value;
use signer::config::CosignConfig;
use signer::file::Files;

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

/// The part of `-h` below `title`, by the first word of each entry.
fn helped(title: &str) -> BTreeMap<String, String> {
    let help = Signer::with_report("").run_bare(&["-help"]).succeeded();
    let (_, part) = help.stderr.split_once(title).unwrap();
    let (_, part) = part.split_once('\n').unwrap();
    let part = part.split("\n\n").next().unwrap();
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in part.lines() {
        match line.strip_prefix("    ") {
            Some(more) => *entries.get_mut(&last).unwrap() += more.trim(),
            None => {
                let (name, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
                last = name.to_owned();
                entries.insert(last.clone(), rest.trim().to_owned());
            }
        }
    }
    entries
}

/// The items of a list of the manual, each with its text: without macros, with
/// the marks of a sentence where they belong.
fn manual_items(manual: &str) -> BTreeMap<String, String> {
    let mut items: BTreeMap<String, String> = BTreeMap::new();
    let mut last = None;
    for line in manual.lines() {
        if let Some(item) = line.strip_prefix(".It ") {
            last = Some(item.to_owned());
            items.insert(item.to_owned(), String::new());
        } else if line.starts_with(".El") {
            last = None;
        } else if let Some(item) = &last {
            let text = match line.strip_prefix('.') {
                Some(call) => call.split_once(' ').map_or("", |(_, text)| text),
                None => line,
            };
            let all = items.get_mut(item).unwrap();
            *all = format!("{all} {text}").trim().replace(" .", ".");
        }
    }
    items
}

#[test]
fn the_manual_lists_the_flags_of_the_help_with_their_defaults() {
    let manual = read("docs/signer.1");
    let flags = helped("Usage of signer:");
    let names: BTreeSet<_> = flags.keys().map(|flag| flag[1..].to_owned()).collect();
    assert!(names.contains("cosign-config") && names.contains("version"));
    assert_eq!(manual_flags(&manual), names);
    let items = manual_items(&manual);
    let mut count = 0;
    for (flag, text) in &flags {
        let Some((_, default)) = text.split_once("(default ") else {
            continue;
        };
        let default = default.trim_end_matches(')').trim_matches('"');
        // Go says `2m0s`, and the manual `2m`.
        let short = default.strip_suffix("0s").unwrap_or(default);
        // `<layers>/report.toml`: the manual says it in words.
        let name = short.rsplit("/report").next().unwrap();
        let start = format!("Fl {}", &flag[1..]);
        let text = items.iter().find_map(|(item, text)| {
            let rest = item.strip_prefix(&start)?;
            (rest.is_empty() || rest.starts_with(' ')).then_some(text)
        });
        let text = text.unwrap();
        assert!(text.contains(name), "{flag}: `{name}` is not in `{text}`");
        count += 1;
    }
    assert!(count >= 9, "{count}");
}

/// The codes of a table: `| 111 | meaning | yes |`.
fn rows(document: &str) -> BTreeMap<u8, String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    cells
        .filter_map(|cells| {
            let code = cells[0].trim_matches('`').parse().ok()?;
            Some((code, cells[1].replace('`', "")))
        })
        .collect()
}

#[test]
fn help_manual_and_readme_explain_the_exit_codes_alike() {
    let help = helped("Exit codes:");
    let help: BTreeMap<u8, String> = help
        .into_iter()
        .map(|(code, meaning)| (code.parse().unwrap(), meaning))
        .collect();
    assert_eq!(help.len(), 14, "{help:?}");
    assert_eq!(rows(&read("README.md")), help);
    let specified = rows(&read("spec/signer.md"));
    assert!(specified.keys().eq(help.keys()), "{specified:?}");
    let items = manual_items(&read("docs/signer.1"));
    let of_manual: BTreeMap<u8, String> = items
        .into_iter()
        .filter_map(|(item, text)| Some((item.parse().ok()?, text)))
        .collect();
    assert!(of_manual.keys().eq(help.keys()), "{of_manual:?}");
    for (code, meaning) in &help {
        let sentence = &of_manual[code];
        // A sentence there: a capital, and a full stop.
        assert!(sentence.ends_with('.'), "{sentence}");
        let (first, rest) = meaning.split_at(1);
        assert_eq!(sentence.trim_end_matches('.')[1..], *rest, "{code}");
        assert!(sentence.to_lowercase().starts_with(&first.to_lowercase()));
    }
}

#[test]
fn the_manual_lists_the_variables_of_the_help() {
    let is_name = |word: &&str| word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let of_lines = |lines: &str| -> BTreeSet<String> {
        let words = lines.split([' ', ',', '\n']).filter(is_name);
        words
            .filter(|word| word.len() > 3)
            .map(str::to_owned)
            .collect()
    };
    let help = Signer::with_report("").run_bare(&["-help"]).succeeded();
    let (_, help) = help.stderr.split_once("Environment").unwrap();
    let (help, _) = help.split_once("\n\n").unwrap();
    let names: Vec<_> = help.lines().filter(|line| line.starts_with("  ")).collect();
    let names: Vec<_> = names
        .into_iter()
        .filter(|line| !line.starts_with("   "))
        .collect();
    let help = of_lines(&names.join("\n"));
    assert!(help.len() > 20, "{help:?}");
    let manual = read("docs/signer.1");
    let items: Vec<_> = manual
        .lines()
        .filter(|line| line.starts_with(".It Ev "))
        .collect();
    assert_eq!(of_lines(&items.join("\n")), help);
}

#[test]
fn every_cosign_toml_that_the_documents_show_can_be_read() {
    let mut count = 0;
    for document in ["README.md", "spec/cosign-toml.md"] {
        for (kind, text) in fenced(&read(document)) {
            if kind == "toml" && !text.contains('<') {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("cosign.toml");
                fs::write(&path, &text).unwrap();
                let read = CosignConfig::read(&path, &Files::until(Instant::now()));
                assert!(read.is_ok(), "{document}: {read:?}\n{text}");
                count += 1;
            }
        }
    }
    assert!(count >= 5, "{count}");
}

/// The parts of a document in code fences: what follows the backticks, and the
/// text.
pub fn fenced(document: &str) -> Vec<(&str, String)> {
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

/// The output of a script in `folder`, and whether it succeeded.
pub fn run(script: &str, folder: &Path, variables: &[(&str, &str)]) -> (bool, String) {
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
        // A request that leaves this machine would fail at once.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("NO_PROXY", "127.0.0.1")
        .envs(variables.iter().copied());
    let output = run_within(shell, Duration::from_secs(60));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}

/// The command and the expectation of a fence of `docs/verify.md`.
struct Block {
    script: String,
    /// Of an image that was signed with `format = "both"`.
    is_of_both: bool,
    is_refused: bool,
    /// For this cosign alone.
    only: Option<Cosign>,
}

impl Block {
    /// `None` is text.
    fn read(kind: &str, script: String) -> Option<Self> {
        let mut block = Self {
            script,
            is_of_both: false,
            is_refused: false,
            only: None,
        };
        let (first, rest) = kind.split_once(' ').unwrap_or((kind, ""));
        for word in rest.split_whitespace() {
            match word {
                "both" => block.is_of_both = true,
                "refused" => block.is_refused = true,
                "cosign-2" => block.only = Some(Cosign::V2),
                "cosign-3" => block.only = Some(Cosign::V3),
                _ => panic!("a fence of the kind `{kind}`"),
            }
        }
        match first {
            "sh" => Some(block),
            "text" => None,
            _ => panic!("a fence of the kind `{kind}`"),
        }
    }
}

/// An image that two keys have signed as the document says; and the host that
/// serves another one, signed with `format = "both"`.
fn signed(registry: &RealRegistry) -> (Image, Image) {
    let image = Image::recorded("platform-api-0.15");
    image.push(registry.remote());
    let elsewhere = Config::key(KEY)
        .set("repository", &format!("{}/signatures", registry.host()))
        .set("export-sbom", "none");
    Signer::of(&image, registry.host())
        .annotation("environment", "production")
        .key(KEY)
        .config(Config::key("p256-cosign3").set("export-sbom", "attachment"))
        .config(elsewhere)
        .run()
        .succeeded();
    let both = Image::recorded("only-cyclonedx").named(&["apps/both:v1"]);
    both.push(registry.remote());
    Signer::of(&both, registry.host())
        .config(Config::key(KEY).set("format", "both"))
        .run()
        .succeeded();
    (image, both)
}

/// Every fence of the kind `sh` is run with both cosigns, but those of which it
/// says otherwise.
#[test]
fn every_cosign_command_of_the_document_does_what_it_says() {
    let registry = RealRegistry::distribution();
    let (image, both) = signed(&registry);
    let signatures = format!("{}/signatures", registry.host());
    let document = read("docs/verify.md");
    let blocks = fenced(&document).into_iter();
    let blocks = blocks.filter_map(|(kind, script)| Block::read(kind, script));
    let blocks: Vec<_> = blocks.collect();
    assert!(blocks.len() >= 13);
    for cosign in BOTH {
        let folder = verifier(cosign);
        let asked = |block: &&Block| block.only.is_none_or(|only| only == cosign);
        for block in blocks.iter().filter(asked) {
            let image = if block.is_of_both { &both } else { &image };
            let reference = image.reference(registry.host());
            let variables = [("IMAGE", reference.as_str()), ("SIGNATURES", &signatures)];
            let (success, text) = run(&block.script, folder.path(), &variables);
            let script = &block.script;
            assert_eq!(success, !block.is_refused, "{cosign:?}: {script}\n{text}");
            if block.is_of_both && block.is_refused {
                let words = "trusted root is required when using new bundle format";
                assert!(text.contains(words) && document.contains(words), "{text}");
            }
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

/// Relative links of Markdown, each with its heading: `](path#heading)`.
fn links(text: &str) -> Vec<(&str, &str)> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let relative = targets.filter(|target| !target.contains("://"));
    relative
        .map(|target| target.split_once('#').unwrap_or((target, "")))
        .collect()
}

/// The anchors of a document: its headings as GitHub writes them, and its ids.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let ids = text.split("<a id=\"").skip(1);
    let ids = ids.filter_map(|rest| rest.split('"').next());
    headings.map(slug).chain(ids.map(str::to_owned)).collect()
}

#[test]
fn what_the_documents_link_to_is_there() {
    let mut documents: Vec<PathBuf> = files(&package("docs"), "md");
    documents.extend(["README.md", "CONTRIBUTING.md"].map(package));
    let mut count = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for (link, heading) in links(&text) {
            let path = match link {
                "" => document.clone(),
                _ => document.parent().unwrap().join(link),
            };
            let name = document.display();
            assert!(path.exists(), "{name}: {link}");
            if !heading.is_empty() {
                let target = fs::read_to_string(&path).unwrap();
                assert!(
                    anchors(&target).contains(heading),
                    "{name}: {link}#{heading}"
                );
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_program_beside_the_signer_has_a_line() {
    let text = read("acceptance/tools/README.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<_> = rows
        .map(|row| row.split('`').next().unwrap().to_owned())
        .collect();
    let entries = fs::read_dir(package("acceptance/tools")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let folders = paths.filter(|path| path.is_dir());
    let folders = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    assert_eq!(rows, folders.collect());
}
