//! The files of a release.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use signer::oci::Digest;

use super::archive::{self, Entry};
use super::image::{Architecture, Program, Release};
use super::layout::Layout;

/// The sums of all files of a release, in the form of `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";
pub const NOTES: &str = "RELEASE-NOTES.md";
/// The folder of the image's layout.
pub const IMAGE: &str = "image";

/// Writes a release into `folder`, beside what is there already, and the sums
/// of all of it.
///
/// # Errors
/// On a folder that cannot be written.
pub fn pack(release: &Release, programs: &[Program], notes: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for program in programs {
        let name = name(&release.version, program.architecture);
        write(folder, &format!("{name}.tgz"), &tarball(release, program)?)?;
        write(folder, &format!("{name}.sbom.cdx.json"), &program.sbom)?;
    }
    let images = programs.iter().map(|program| release.image(program));
    let images = images.collect::<Result<Vec<_>, _>>()?;
    let index = release.index(&images);
    let layout = Layout { index, images };
    layout.write(&folder.join(IMAGE), &release.version)?;
    write(folder, NOTES, notes.as_bytes())?;
    write(folder, SUMS, sums(folder)?.as_bytes())
}

/// As the lifecycle's files are named, without an ending.
pub fn name(version: &str, architecture: Architecture) -> String {
    format!("signer-v{version}+linux.{}", architecture.lifecycle())
}

/// Laid out like the lifecycle's: `lifecycle.toml` beside a folder `lifecycle`,
/// of which pack takes every file.
fn tarball(release: &Release, program: &Program) -> Result<Vec<u8>> {
    let descriptor = super::descriptor::lifecycle_toml(&release.version);
    let tar = archive::tar(
        &[
            Entry::folder("lifecycle"),
            Entry::program("lifecycle/signer", &program.bytes),
            Entry::file("lifecycle/signer.sbom.cdx.json", &program.sbom),
            Entry::file("lifecycle.toml", descriptor.as_bytes()),
        ],
        release.time,
    )?;
    Ok(archive::gzip(&tar)?)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("writing `{}`", path.display()))
}

fn sums(folder: &Path) -> Result<String> {
    let mut names = Vec::new();
    for path in files(folder)? {
        let name = path.strip_prefix(folder)?.to_str().context("UTF-8")?;
        if name != SUMS {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let mut text = String::new();
    for name in names {
        let digest = Digest::of(&fs::read(folder.join(&name))?);
        writeln!(text, "{}  {name}", digest.hex())?;
    }
    Ok(text)
}

/// Every file below `folder`.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}
