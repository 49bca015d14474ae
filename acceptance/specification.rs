//! Every MUST of the specification is cited by a test.

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
