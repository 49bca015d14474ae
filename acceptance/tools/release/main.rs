//! The parts of `make release` and `make publish` that are not compiling and
//! not signing.
//!
//! ```text
//! release version
//! release notes
//! release pack -time <seconds> -revision <commit> [-roots <file>] \
//!     -programs <folder> -sboms <folder> -output <folder>
//! release push -dist <folder> -repository <host/path> -reports <folder>
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that is run by hand"
)]

#[path = "mod.rs"]
mod release;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use release::image::{ARCHITECTURES, Architecture, Program, Release};
use release::{changelog, layout, pack, push, sbom};
use signer::cli::Environment;
use signer::oci::Repository;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ERROR: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let options = Options::read(arguments)?;
    match command.as_str() {
        "version" => println!("{VERSION}"),
        "notes" => print!("{}", notes()?),
        "pack" => pack(&options)?,
        "push" => push(&options)?,
        _ => bail!("`{command}` is none of `version`, `notes`, `pack` and `push`"),
    }
    Ok(())
}

/// `-name value`, each once.
struct Options(BTreeMap<String, String>);

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = BTreeMap::new();
        while let Some(name) = arguments.next() {
            let bare = name
                .strip_prefix('-')
                .context("an option begins with `-`")?;
            let value = arguments.next();
            let value = value.with_context(|| format!("`{name}` needs a value"))?;
            options.insert(bare.to_owned(), value);
        }
        Ok(Self(options))
    }

    fn text(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.with_context(|| format!("`-{name}` is missing"))
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        self.text(name).map(PathBuf::from)
    }
}

fn notes() -> Result<String> {
    changelog::notes(include_str!("../../../CHANGELOG.md"), VERSION)
}

fn pack(options: &Options) -> Result<()> {
    let roots = match options.path("roots") {
        Ok(path) => Some(read(&path)?),
        Err(_) => None,
    };
    let release = Release {
        version: VERSION.to_owned(),
        revision: options.text("revision")?.to_owned(),
        time: options.text("time")?.parse()?,
        roots,
    };
    let programs = ARCHITECTURES
        .into_iter()
        .map(|architecture| program(options, architecture));
    let programs = programs.collect::<Result<Vec<_>>>()?;
    pack::pack(&release, &programs, &notes()?, &options.path("output")?)
}

/// Where Cargo and the Makefile leave it.
fn program(options: &Options, architecture: Architecture) -> Result<Program> {
    let target = match architecture {
        Architecture::Amd64 => "x86_64-unknown-linux-musl",
        Architecture::Arm64 => "aarch64-unknown-linux-musl",
    };
    let program = options
        .path("programs")?
        .join(target)
        .join("release/signer");
    let bills = options.path("sboms")?;
    let tree = read(&bills.join(format!("{target}.tree")))?;
    let linked = sbom::linked(&String::from_utf8_lossy(&tree));
    let bill = read(&bills.join(format!("{target}.cdx.json")))?;
    Ok(Program {
        architecture,
        bytes: read(&program)?,
        sbom: sbom::bill(&bill, &linked)?,
    })
}

fn read(path: &std::path::Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading `{}`", path.display()))
}

fn push(options: &Options) -> Result<()> {
    let repository: Repository = options.text("repository")?.parse()?;
    let reports = options.path("reports")?;
    let folder = options.path("dist")?.join(pack::IMAGE);
    let (layout, version) = layout::Layout::read(&folder)?;
    let registries = push::registries(&Environment::of_process(), &repository)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let pushed = runtime.block_on(push::push(&registries, &layout, &repository, &version))?;
    fs::create_dir_all(&reports)?;
    for pushed in pushed {
        let report = reports.join(format!("{}.toml", pushed.tag));
        fs::write(&report, pushed.report(&repository))?;
        println!("{repository}:{}@{}", pushed.tag, pushed.digest);
    }
    Ok(())
}
