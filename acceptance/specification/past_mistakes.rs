//! `spec/past-mistakes.md`: every row names the tests that guard it.

use super::named::{cells, lost, named};
use crate::support::package;

#[test]
fn every_past_mistake_names_tests_that_exist() {
    let text = std::fs::read_to_string(package("spec/past-mistakes.md")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let row = cells(line);
        let [what, _, guard] = &row[..] else {
            panic!("{line}");
        };
        if what == "what happened" || what.starts_with("---") {
            continue;
        }
        count += 1;
        let tests = named(guard);
        if tests.is_empty() {
            wrong.push(format!("{what}: no test"));
        }
        let lost = lost(&tests);
        wrong.extend(lost.iter().map(|named| format!("{what}: {named:?}")));
    }
    assert!(count > 50, "{count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
