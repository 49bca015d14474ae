//! Every MUST of the specification is cited by a test, and every fault that it
//! lists names tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{files, package};

/// The ids that stand in bold in `spec/*.md`: `**SIG-1**`.
fn ids() -> Vec<String> {
    let is_id = |text: &str| {
        let (name, number) = text.split_once('-').unwrap_or_default();
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_uppercase())
            && number.parse::<u32>().is_ok()
    };
    let mut ids = Vec::new();
    for file in files(&package("spec"), "md") {
        let text = std::fs::read_to_string(file).unwrap();
        ids.extend(
            text.split("**")
                .filter(|part| is_id(part))
                .map(str::to_owned),
        );
    }
    ids
}

/// The ids that comments of the code name.
fn cited(folder: &Path) -> BTreeSet<String> {
    let mut cited = BTreeSet::new();
    for file in files(folder, "rs") {
        let text = std::fs::read_to_string(file).unwrap();
        let comments = text.lines().filter_map(|line| line.split_once("//"));
        for (_, comment) in comments {
            let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '-';
            cited.extend(comment.split(is_other).map(str::to_owned));
        }
    }
    cited
}

#[test]
fn every_must_of_the_specification_is_cited_by_a_test() {
    let ids: BTreeSet<String> = ids().into_iter().collect();
    assert!(ids.len() > 100, "{ids:?}");
    let mut cited_ids = cited(&package("src"));
    cited_ids.extend(cited(&package("acceptance")));
    let missing: Vec<_> = ids.difference(&cited_ids).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_id_means_two_things() {
    let mut seen = BTreeSet::new();
    let twice: Vec<_> = ids()
        .into_iter()
        .filter(|id| !seen.insert(id.clone()))
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// A row of `spec/faults.md`.
struct Fault {
    cases: Vec<u32>,
    text: String,
    tests: Vec<Named>,
}

/// Tests as they are named there: whole, or by the beginning.
struct Named {
    file: String,
    name: String,
    count: Option<usize>,
}

impl Named {
    /// Whether there are as many as there should be.
    fn exists(&self) -> bool {
        let text = std::fs::read_to_string(package(&self.file)).unwrap_or_default();
        let wanted = match self.name.strip_suffix('…') {
            None => format!("fn {}(", self.name),
            Some(start) => format!("fn {start}"),
        };
        let found = text.lines().map(str::trim_start);
        let found = found.filter(|line| line.starts_with(&wanted)).count();
        self.count.map_or(found > 0, |count| found == count)
    }
}

fn faults() -> Vec<Fault> {
    let text = std::fs::read_to_string(package("spec/faults.md")).unwrap();
    let mut usual = String::new();
    let mut faults = Vec::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, cases, what, run, proof, _] = cells[..] else {
            continue;
        };
        if cases == "case" {
            usual = proof.split('`').nth(1).unwrap_or_default().to_owned();
        } else if let Some(cases) = numbers(cases) {
            let text = format!("{what} {run} {proof}");
            let tests = named(proof, &usual);
            faults.push(Fault { cases, text, tests });
        }
    }
    faults
}

/// `1`, `8, 9`, `38 to 40`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    if let Some((first, last)) = text.split_once(" to ") {
        return Some((first.parse().ok()?..=last.parse().ok()?).collect());
    }
    text.split(", ").map(|number| number.parse().ok()).collect()
}

fn named(proof: &str, usual: &str) -> Vec<Named> {
    let mut file = usual.to_owned();
    let parts: Vec<_> = proof.split('`').collect();
    let mut tests = Vec::new();
    for pair in parts[1..].chunks(2) {
        let name = pair[0].to_owned();
        if name.ends_with(".rs") {
            let folder = if name.contains("src/") || name.starts_with("acceptance/") {
                ""
            } else {
                "acceptance/"
            };
            file = format!("{folder}{name}");
            assert!(package(&file).is_file(), "{file}");
            continue;
        }
        let count = pair.get(1).and_then(|after| {
            let count = after.strip_prefix(" (")?.split(')').next()?;
            count.parse().ok()
        });
        let file = file.clone();
        tests.push(Named { file, name, count });
    }
    tests
}

#[test]
fn every_case_of_the_faults_has_a_row() {
    let cases: BTreeSet<u32> = faults().iter().flat_map(|f| f.cases.clone()).collect();
    assert_eq!(cases, (1..=75).collect());
}

#[test]
fn every_fault_names_tests_that_exist_or_says_why_there_is_none() {
    for fault in faults() {
        let lost: Vec<_> = fault.tests.iter().filter(|test| !test.exists()).collect();
        let lost: Vec<_> = lost.iter().map(|t| (&t.file, &t.name, t.count)).collect();
        assert!(lost.is_empty(), "{:?}: {lost:?}", fault.cases);
        if fault.tests.is_empty() {
            let reason = fault.text.to_lowercase();
            let reason = reason.split_once("not tested: ").map(|(_, reason)| reason);
            assert!(reason.is_some_and(|r| r.len() > 40), "{:?}", fault.cases);
        }
    }
}
