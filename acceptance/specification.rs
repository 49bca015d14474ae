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
    fn covers(&self, file: &str, name: &str) -> bool {
        let is_it = match self.name.strip_suffix('…') {
            None => self.name == name,
            Some(start) => name.starts_with(start),
        };
        self.file == file && is_it
    }

    /// Whether there are as many as there should be.
    fn exists(&self) -> bool {
        let text = std::fs::read_to_string(package(&self.file)).unwrap_or_default();
        let wanted = match self.name.strip_suffix('…') {
            None => format!("fn {}(", self.name),
            Some(start) => format!("fn {start}"),
        };
        let found = text.lines().map(str::trim_start);
        let found = found.map(|line| line.strip_prefix("async ").unwrap_or(line));
        let found = found.filter(|line| line.starts_with(&wanted)).count();
        self.count.map_or(found > 0, |count| found == count)
    }
}

fn faults() -> Vec<Fault> {
    let text = std::fs::read_to_string(package("spec/faults.md")).unwrap();
    let mut faults = Vec::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, cases, what, run, proof, _] = cells[..] else {
            continue;
        };
        if let Some(cases) = numbers(cases) {
            let text = format!("{what} {run} {proof}");
            let tests = named(proof);
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

fn named(proof: &str) -> Vec<Named> {
    let mut file = String::new();
    let parts: Vec<_> = proof.split('`').collect();
    let mut tests = Vec::new();
    for pair in parts[1..].chunks(2) {
        let name = pair[0].to_owned();
        if name.ends_with(".rs") {
            let folder = if name.starts_with("src/") {
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

/// The acceptance tests that are named after cases, with their files.
fn tests_of_cases() -> Vec<(Vec<u32>, String, String)> {
    let mut tests = Vec::new();
    for file in files(&package("acceptance"), "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        let file = file.strip_prefix(package("")).unwrap();
        for line in text.lines() {
            let name = line
                .strip_prefix("fn ")
                .and_then(|line| line.split('(').next());
            let name = name
                .filter(|name| name.starts_with("case_"))
                .unwrap_or_default();
            let words = name.split('_').skip(1);
            let cases: Vec<_> = words.map_while(|word| word.parse().ok()).collect();
            if !cases.is_empty() {
                tests.push((cases, file.display().to_string(), name.to_owned()));
            }
        }
    }
    tests
}

#[test]
fn every_case_of_the_faults_has_a_row() {
    let cases: BTreeSet<u32> = faults().iter().flat_map(|f| f.cases.clone()).collect();
    assert_eq!(cases, (1..=75).collect());
}

#[test]
fn every_case_of_the_faults_has_a_test_with_its_number() {
    let tested: BTreeSet<u32> = tests_of_cases().into_iter().flat_map(|t| t.0).collect();
    assert_eq!(tested, (1..=75).collect());
}

#[test]
fn every_test_of_a_case_stands_in_its_row() {
    let faults = faults();
    for (cases, file, name) in tests_of_cases() {
        for case in cases {
            let mut rows = faults.iter().filter(|fault| fault.cases.contains(&case));
            let stands = rows.any(|row| row.tests.iter().any(|test| test.covers(&file, &name)));
            assert!(stands, "{case}: {file} {name}");
        }
    }
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

/// `A5`, `D17b`: a row of "Field and attack".
fn is_of_the_field(case: &str) -> bool {
    let mut letters = case.chars();
    let number: String = letters.by_ref().skip(1).collect();
    let number = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    case.starts_with(['A', 'B', 'C', 'D']) && number.parse::<u32>().is_ok()
}

#[test]
fn every_row_of_field_and_attack_names_tests_that_exist() {
    let text = std::fs::read_to_string(package("spec/faults.md")).unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, case, _, _, proof, _] = cells[..] else {
            continue;
        };
        if is_of_the_field(case) {
            assert!(seen.insert(case.to_owned()), "{case} twice");
            let tests = named(proof);
            assert!(!tests.is_empty(), "{case}");
            let lost: Vec<_> = tests.iter().filter(|test| !test.exists()).collect();
            let lost: Vec<_> = lost.iter().map(|t| (&t.file, &t.name, t.count)).collect();
            assert!(lost.is_empty(), "{case}: {lost:?}");
        }
    }
    assert!(!seen.is_empty());
}
