//! `make demo`: what it prints works.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::cosign::Cosign;
use crate::support::package;

/// The demo, which `make demo` builds.
fn program() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_signer")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build
        .current_dir(package(""))
        .args(["build", "--locked", "--quiet", "--example", "demo"])
        .arg("--target-dir")
        .arg(programs.parent().unwrap());
    assert!(build.status().unwrap().success());
    programs.join("examples/demo")
}

fn start(arguments: &[&str]) -> Child {
    let mut demo = Command::new(program());
    demo.current_dir(package(""))
        .arg(env!("CARGO_BIN_EXE_signer"))
        .args(arguments)
        .stdout(Stdio::piped());
    demo.spawn().unwrap()
}

/// The demo's lines, up to the one that ends in `last`.
fn said(demo: &mut Child, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(demo.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let is_last = line.ends_with(last);
        lines.push(line);
        if is_last {
            return lines;
        }
    }
    panic!("no `{last}` in:\n{}", lines.join("\n"));
}

#[test]
fn the_demo_ends_with_what_to_do_next() {
    let mut demo = start(&[]);
    let lines = said(&mut demo, "GitLab CI");
    let next = lines.iter().position(|line| line.contains("What next"));
    let next = lines[next.unwrap()..].join("\n");
    assert!(next.contains("make demo KEEP=1") && next.contains("README.md"));
    assert!(demo.wait().unwrap().success());
}

#[test]
fn the_lines_of_a_demo_that_keeps_its_registry_work() {
    let mut demo = start(&["-keep"]);
    let lines = said(&mut demo, "until Ctrl-C.");
    let commands = lines.iter().filter(|line| line.starts_with("cosign "));
    let commands: Vec<_> = commands
        .filter(|line| !line.starts_with("cosign is"))
        .collect();
    assert_eq!(commands.len(), 6, "{lines:?}");
    for command in commands {
        let arguments: Vec<_> = command.split(' ').skip(1).collect();
        Cosign::V2.run(&arguments, &[]).accepted();
    }
    let again = lines.iter().find(|line| line.contains("-cosign-config /"));
    let mut shell = Command::new("sh");
    shell.args(["-c", again.unwrap()]).current_dir(package(""));
    let again = shell.output().unwrap();
    let log = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && log.contains("Nothing to write"),
        "{log}"
    );
    let mut kill = Command::new("kill");
    kill.args(["-INT", &demo.id().to_string()]);
    assert!(kill.status().unwrap().success());
    assert!(demo.wait().unwrap().success());
}

#[test]
fn make_passes_on_what_is_to_be_kept() {
    let planned = |arguments: &[&str]| {
        let mut make = Command::new("make");
        make.current_dir(package("")).args(["-n", "demo"]);
        let output = make.args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(planned(&["KEEP=1"]).contains(" -keep"));
    assert!(!planned(&[]).contains(" -keep"));
}
