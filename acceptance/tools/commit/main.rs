//! Names the commit of a plain build (`cargo build`, `make build`) for
//! `signer -version`. A release says in `SCM_COMMIT` which commit it is of, and
//! nothing is looked up then. Without git, or outside the repository, there is
//! no commit to name: a tarball builds without.

#![allow(
    clippy::print_stdout,
    reason = "Cargo reads what a build script prints"
)]

use std::path::Path;
use std::process::Command;

/// The files that the program is made of.
const SOURCES: [&str; 3] = ["src", "Cargo.toml", "Cargo.lock"];
/// As long as a release writes it.
const LENGTH: &str = "--short=12";

fn main() {
    println!("cargo::rerun-if-env-changed=SCM_COMMIT");
    // Without a line of this kind Cargo would build anew whatever file changes.
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    if std::env::var_os("SCM_COMMIT").is_none_or(|commit| commit.is_empty())
        && let Some(commit) = commit()
    {
        println!("cargo::rustc-env=SCM_COMMIT={commit}");
    }
}

/// The commit that is checked out, marked if the sources differ from it.
fn commit() -> Option<String> {
    // A copy inside the repository of something else has no commit of its own.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let commit = git(&["rev-parse", LENGTH, "HEAD"])?;
    watch_head()?;
    let mut status = vec!["--no-optional-locks", "status", "--porcelain", "--"];
    status.extend(SOURCES);
    match git(&status)?.is_empty() {
        true => Some(commit),
        false => Some(format!("{commit}.modified")),
    }
}

/// Has the build look again when another commit is checked out or made: the log
/// of `HEAD` grows then. A file that is not there would count as changed in
/// every build.
fn watch_head() -> Option<()> {
    let names = ["logs/HEAD", "HEAD", "packed-refs"].map(str::to_owned);
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in names.into_iter().chain(branch) {
        let path = git(&["rev-parse", "--git-path", &name])?;
        if Path::new(&path).is_file() {
            println!("cargo::rerun-if-changed={path}");
            if name == "logs/HEAD" {
                break;
            }
        }
    }
    Some(())
}

/// The line that git answers; `None` if there is no git, or it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // A hook of another repository must not say where to look.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    let output = git.args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
