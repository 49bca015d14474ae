//! `acceptance/tools/commit`, which names the commit of a plain build, in packages that
//! have nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::package;
use crate::support::signer::Signer;

/// A package whose program prints its commit.
fn plain_package(folder: &Path) {
    let script = package("acceptance/tools/commit/main.rs");
    let manifest = "[package]\nname = \"plain\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
                    build = \"build.rs\"\n\n[workspace]\n";
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::copy(script, folder.join("build.rs")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(
        folder.join("Cargo.lock"),
        "version = 4\n\n[[package]]\nname = \"plain\"\nversion = \"1.0.0\"\n",
    )
    .unwrap();
    let main = "fn main() {\n    println!(\"{:?}\", option_env!(\"SCM_COMMIT\"));\n}\n";
    fs::write(folder.join("src/main.rs"), main).unwrap();
    fs::write(folder.join(".gitignore"), "/target\n").unwrap();
}

/// A command in `folder` that knows neither our repository nor our settings.
fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("SCM_COMMIT");
    for variable in ["GIT_DIR", "CARGO_TARGET_DIR", "RUSTC_WRAPPER"] {
        command.env_remove(variable);
    }
    // Repositories above the folder are nobody's business.
    command.env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap());
    command
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = command(folder, "git");
    git.args([
        "-c",
        "user.name=Somebody",
        "-c",
        "user.email=somebody@example.org",
    ]);
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn commit(folder: &Path) -> String {
    git(folder, &["add", "--all"]);
    git(
        folder,
        &["commit", "--quiet", "--allow-empty", "-m", "Work"],
    );
    git(folder, &["rev-parse", "--short=12", "HEAD"])
}

/// The program's output, and whether Cargo built anything.
fn built(folder: &Path) -> (String, bool) {
    let mut build = command(folder, env!("CARGO"));
    let output = build.args(["build", "--locked", "--offline"]).output();
    let output = output.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    let program = command(folder, "target/debug/plain").output().unwrap();
    let text = String::from_utf8(program.stdout).unwrap();
    (text.trim().to_owned(), log.contains("Compiling"))
}

fn named(commit: &str) -> String {
    format!("Some(\"{commit}\")")
}

/// Cargo compares times of files, which some systems keep by the second.
fn touched(path: &Path) {
    let file = fs::File::options().append(true).open(path).unwrap();
    let later = SystemTime::now() + Duration::from_secs(2);
    file.set_modified(later).unwrap();
}

#[test]
fn a_plain_build_names_the_commit_and_builds_anew_for_another_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    plain_package(folder);
    git(folder, &["init", "--quiet"]);
    let first = commit(folder);
    assert_eq!(built(folder), (named(&first), true));
    assert_eq!(built(folder), (named(&first), false));
    // A file that is no source changes nothing.
    fs::write(folder.join("notes"), "more").unwrap();
    assert_eq!(built(folder), (named(&first), false));
    let second = commit(folder);
    touched(&folder.join(".git/logs/HEAD"));
    assert_eq!(built(folder), (named(&second), true));
    let main = folder.join("src/main.rs");
    let text = fs::read_to_string(&main).unwrap();
    fs::write(&main, format!("{text}// More.\n")).unwrap();
    touched(&main);
    assert_eq!(built(folder), (named(&format!("{second}.modified")), true));
}

#[test]
fn a_tarball_has_no_commit_nor_has_a_copy_in_another_repository() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("vendored");
    plain_package(&folder);
    assert_eq!(built(&folder), ("None".to_owned(), true));
    assert_eq!(built(&folder), ("None".to_owned(), false));
    git(outer.path(), &["init", "--quiet"]);
    commit(outer.path());
    touched(&folder.join("src/main.rs"));
    let mut build = command(&folder, env!("CARGO"));
    build.env_remove("GIT_CEILING_DIRECTORIES");
    let output = build.args(["build", "--locked", "--offline"]).output();
    assert!(output.unwrap().status.success());
    assert_eq!(built(&folder).0, "None");
}

/// SIG-2
#[test]
fn the_program_of_these_tests_names_the_commit_that_is_checked_out() {
    let version = Signer::with_report("").run_bare(&["-version"]).succeeded();
    let head = Command::new("git")
        .current_dir(package(""))
        .args(["rev-parse", "--short=12", "--show-prefix", "HEAD"])
        .output();
    let head = head.ok().filter(|output| output.status.success());
    let head = head.map(|output| String::from_utf8(output.stdout).unwrap());
    let (_, commit) = version.stdout.trim().split_once('+').unwrap_or_default();
    // The prefix is the first line: none in the repository's own folder.
    let expected = head.as_deref().and_then(|text| text.strip_prefix('\n'));
    let expected = expected.map_or("", str::trim);
    assert_eq!(commit.trim_end_matches(".modified"), expected);
}
