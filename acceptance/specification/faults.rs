//! `spec/faults.md`: every case has a row and a test, and they name each other.

use std::collections::BTreeSet;

use super::named::{Named, Test, cells, lost, named, tests};
use crate::support::package;

/// A row of `spec/faults.md`.
struct Fault {
    cases: Vec<u32>,
    text: String,
    tests: Vec<Named>,
}

/// The rows of its tables: case, what happens, the run, proved by.
fn rows() -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(package("spec/faults.md")).unwrap();
    let rows = text.lines().map(cells);
    rows.filter_map(|row| row.try_into().ok()).collect()
}

fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for [cases, what, run, proof] in rows() {
        if let Some(cases) = numbers(&cases) {
            let text = format!("{what} {run} {proof}");
            let tests = named(&proof);
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

/// The acceptance tests that are named after cases.
fn tests_of_cases() -> Vec<(Vec<u32>, Test)> {
    let mut of_cases = Vec::new();
    for test in tests() {
        let is_case = test.name.starts_with("case_") && test.file.starts_with("acceptance/");
        let words = test.name.split('_').skip(1);
        let cases: Vec<_> = words.map_while(|word| word.parse().ok()).collect();
        if is_case && !cases.is_empty() {
            of_cases.push((cases, test));
        }
    }
    of_cases
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
    for (cases, test) in tests_of_cases() {
        for case in cases {
            let mut rows = faults.iter().filter(|fault| fault.cases.contains(&case));
            let stands = rows.any(|row| row.tests.iter().any(|named| named.covers(&test)));
            assert!(stands, "{case}: {} {}", test.file, test.name);
        }
    }
}

#[test]
fn every_fault_names_tests_that_exist_or_says_why_there_is_none() {
    for fault in faults() {
        let lost = lost(&fault.tests);
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
    let mut seen = BTreeSet::new();
    for [case, _, _, proof] in rows() {
        if is_of_the_field(&case) {
            assert!(seen.insert(case.clone()), "{case} twice");
            let tests = named(&proof);
            assert!(!tests.is_empty(), "{case}");
            let lost = lost(&tests);
            assert!(lost.is_empty(), "{case}: {lost:?}");
        }
    }
    assert!(!seen.is_empty());
}
