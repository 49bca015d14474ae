//! The ground of the acceptance tests: a fault-injecting registry, real
//! registries, real cosign, recorded images, and the program under test.

pub mod cosign;
pub mod document;
pub mod elsewhere;
pub mod front;
pub mod images;
pub mod needs;
pub mod objects;
pub mod pki;
pub mod programs;
pub mod proxy;
pub mod readers;
pub mod real;
pub mod registry;
pub mod remote;
pub mod served;
pub mod services;
pub mod signer;
#[allow(dead_code, reason = "the unit tests of timestamps use all of it")]
pub mod timestamp_authority;
pub mod token_service;
pub mod witnesses;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// The runtime that all registries of this process run on.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        runtime.expect("a runtime")
    });
    &RUNTIME
}

/// A path of this package.
pub fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn testdata(path: &str) -> PathBuf {
    package("testdata").join(path)
}

/// Every file below `folder` whose name ends in `.<end>`.
pub fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of this package");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path, end),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|known| known == end))
        .collect()
}

/// A program that `make tools` installs. Without it a test fails: skipping
/// would look like passing.
pub fn tool(path: &str) -> PathBuf {
    let program = package(".tools").join(path);
    assert!(
        program.is_file(),
        "{} is missing: run `make tools`",
        program.display()
    );
    program
}

/// Whether a program is on the search path and can be run.
pub fn runs(program: &str, argument: &str) -> bool {
    succeeds(Command::new(program).arg(argument))
}

/// Whether a program ends well; its output is nobody's concern.
fn succeeds(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
