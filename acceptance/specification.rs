//! Every MUST of the specification is cited by a test, and every fault and every
//! past mistake names the tests that prove it.

mod faults;
mod named;
mod past_mistakes;

use std::collections::BTreeSet;

use crate::support::{files, package};
use named::{Test, tests, tests_of};

/// The ids that stand in bold in `spec/*.md`: `**SIG-1**`.
fn ids() -> Vec<String> {
    let mut ids = Vec::new();
    for file in files(&package("spec"), "md") {
        let text = std::fs::read_to_string(file).unwrap();
        let bold = text.split("**").filter(|part| is_id(part));
        ids.extend(bold.map(str::to_owned));
    }
    ids
}

fn is_id(text: &str) -> bool {
    let (name, number) = text.split_once('-').unwrap_or_default();
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_uppercase())
        && number.parse::<u32>().is_ok()
}

/// The words of the comment directly above a test that look like ids.
fn citations(test: &Test) -> impl Iterator<Item = &str> {
    let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    test.comment.split(is_other).filter(|word| is_id(word))
}

#[test]
fn every_must_of_the_specification_is_cited_directly_above_a_test() {
    let ids: BTreeSet<String> = ids().into_iter().collect();
    assert!(ids.len() > 100, "{ids:?}");
    let tests = tests();
    let cited: BTreeSet<String> = tests
        .iter()
        .flat_map(citations)
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = ids.difference(&cited).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// `P-256` and `SHA-256` have the form of an id and are none: their prefix is not
/// one of the specification's.
#[test]
fn no_test_cites_a_must_that_is_not_there() {
    let ids: BTreeSet<String> = ids().into_iter().collect();
    let prefix = |id: &str| id.split('-').next().unwrap().to_owned();
    let prefixes: BTreeSet<String> = ids.iter().map(|id| prefix(id)).collect();
    for test in tests() {
        let unknown: Vec<_> = citations(&test)
            .filter(|word| prefixes.contains(&prefix(word)) && !ids.contains(*word))
            .collect();
        assert!(
            unknown.is_empty(),
            "{} {}: {unknown:?}",
            test.file,
            test.name
        );
    }
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

/// The ways out of a test before its end that are not for want of something that a
/// machine may lack, which [`is_here`](crate::support::needs::is_here) says aloud.
fn early_ways_out(body: &str) -> usize {
    let lines: Vec<&str> = body.lines().map(str::trim).collect();
    let out = |line: &&str| line.contains("return;") || line.contains("return }");
    let outs = lines.iter().filter(|line| out(line)).count();
    let lacking = lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("if !is_here(Need::") && pair[1] == "return;");
    outs - lacking.count()
}

#[test]
fn no_test_passes_by_ending_early_in_silence() {
    let tests = tests();
    let early = tests.iter().filter(|test| early_ways_out(&test.body) > 0);
    let early: Vec<_> = early.map(|test| (&test.file, &test.name)).collect();
    assert!(early.is_empty(), "{early:?}");
    for (body, ways) in BODIES {
        assert_eq!(early_ways_out(body), ways, "{body}");
    }
}

/// Bodies of tests, and their early ways out.
const BODIES: [(&str, usize); 3] = [
    ("if !is_here(Need::Root) {\n    return;\n}\na();", 0),
    ("if !is_root() {\n    return;\n}\na();", 1),
    ("let Ok(a) = b() else { return };", 1),
];

#[test]
fn only_a_comment_directly_above_a_test_cites() {
    let text = "//! SIG-1\n\n// SIG-2\n\n/// SIG-3\nfn helper() { // SIG-4\n}\n\n\
                    /// SIG-5\n    // SIG-6\n    #[ignore = \"long\"]\n    #[test]\n    fn one() {\n\
                        // SIG-7\n    }\n/// SIG-8\n#[tokio::test]\nasync fn two() {}\n\
                /// SIG-9\nfn three() {}\n";
    let tests = tests_of("a.rs", text);
    let found: Vec<_> = tests
        .iter()
        .map(|test| (test.name.as_str(), citations(test).collect::<Vec<_>>()))
        .collect();
    let expected = [("one", vec!["SIG-5", "SIG-6"]), ("two", vec!["SIG-8"])];
    assert_eq!(found, expected);
}
