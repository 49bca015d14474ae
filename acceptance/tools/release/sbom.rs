//! The bill of materials of a program (CycloneDX 1.5), from what
//! cargo-cyclonedx writes.
//!
//! cargo-cyclonedx 0.5.9 lists every crate that Cargo's resolver names for any
//! kind of dependency, so that crates stand there that are in no program; it
//! names the package by its folder; and it leaves out the serial number where
//! `SOURCE_DATE_EPOCH` is set. `cargo tree` knows what is linked.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use signer::oci::Digest;

/// Name and version, as in `serde@1.0.228`.
type Crates = BTreeSet<String>;

/// The crates of a program, from
/// `cargo tree --edges normal --prefix none --no-dedupe`.
pub fn linked(tree: &str) -> Crates {
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let version = |word: &str| word.strip_prefix('v').map(str::to_owned);
        Some(format!("{}@{}", words.next()?, version(words.next()?)?))
    });
    crates.collect()
}

/// The bill with the linked crates only, and without a trace of the machine
/// that wrote it.
///
/// # Errors
/// On a bill of another form, and on one that lacks a linked crate.
pub fn bill(cyclonedx: &[u8], linked: &Crates) -> Result<Vec<u8>> {
    let mut bill: Value = serde_json::from_slice(cyclonedx).context("the bill is no JSON")?;
    let program = bill.pointer("/metadata/component/bom-ref");
    let program = program
        .and_then(Value::as_str)
        .context("a program")?
        .to_owned();
    let (_, name) = program.split_once('#').context("a package with a name")?;
    let purl = format!("pkg:cargo/{name}");
    let mut kept: BTreeSet<String> = [program.clone()].into();
    let mut seen: Crates = [name.to_owned()].into();
    let components = list(&mut bill, "components")?;
    components.retain(|component| {
        let is_linked = linked.contains(&crate_of(component));
        if is_linked {
            kept.insert(text(component, "bom-ref"));
            seen.insert(crate_of(component));
        }
        is_linked
    });
    // Packages of this repository are named by their folder.
    let mut renamed = vec![(program, purl.clone())];
    for component in components {
        let reference = text(component, "bom-ref");
        if reference.starts_with("path+file:") {
            let purl = format!("pkg:cargo/{}", crate_of(component));
            set(component, "purl", &purl);
            renamed.push((reference, purl));
        }
    }
    let missing: Vec<_> = linked.difference(&seen).collect();
    ensure!(missing.is_empty(), "the bill lacks {missing:?}");
    let dependencies = list(&mut bill, "dependencies")?;
    dependencies.retain(|dependency| kept.contains(&text(dependency, "ref")));
    for dependency in dependencies {
        if let Ok(on) = list(dependency, "dependsOn") {
            on.retain(|reference| reference.as_str().is_some_and(|on| kept.contains(on)));
        }
    }
    let component = bill
        .pointer_mut("/metadata/component")
        .context("a program")?;
    set(component, "purl", &purl);
    let bill = renamed
        .iter()
        .fold(bill.to_string(), |bill, (folder, purl)| {
            bill.replace(folder.as_str(), purl)
        });
    ensure!(
        !bill.contains("file:/"),
        "the bill names a folder of this machine"
    );
    let mut bill: Value = serde_json::from_str(&bill)?;
    let serial_number = serial_number(&bill);
    set(&mut bill, "serialNumber", &serial_number);
    let mut bytes = serde_json::to_vec_pretty(&bill)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A UUID of version 8 (RFC 9562): its bits are those of a digest.
fn serial_number(bill: &Value) -> String {
    let digest = Digest::of(bill.to_string().as_bytes());
    let hex = digest.hex();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

fn crate_of(component: &Value) -> String {
    format!("{}@{}", text(component, "name"), text(component, "version"))
}

fn text(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn set(value: &mut Value, name: &str, text: &str) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), text.into());
    }
}

fn list<'a>(value: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    let list = value.get_mut(name).and_then(Value::as_array_mut);
    list.with_context(|| format!("`{name}` is no list"))
}
