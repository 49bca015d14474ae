//! The tests that are there, and tests as the tables of the specification name
//! them.

use std::sync::LazyLock;

use crate::support::{files, package};

/// A function with `#[test]` or `#[tokio::test]`.
#[derive(Clone)]
pub struct Test {
    /// From the package's folder.
    pub file: String,
    pub name: String,
    /// The lines of comment between the attributes above it and the next line
    /// that is none.
    pub comment: String,
    /// From `fn` to the brace that ends it.
    pub body: String,
}

/// Every unit test and every acceptance test.
pub fn tests() -> Vec<Test> {
    static TESTS: LazyLock<Vec<Test>> = LazyLock::new(|| {
        let folders = ["src", "acceptance"].map(package);
        let paths = folders.iter().flat_map(|folder| files(folder, "rs"));
        paths
            .flat_map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                let file = path.strip_prefix(package("")).unwrap();
                tests_of(&file.display().to_string(), &text)
            })
            .collect()
    });
    TESTS.clone()
}

/// The tests of a file.
pub fn tests_of(file: &str, text: &str) -> Vec<Test> {
    let indented: Vec<&str> = text.lines().collect();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut tests = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if !line.starts_with("#[test]") && !line.starts_with("#[tokio::test") {
            continue;
        }
        let (above, below) = lines.split_at(number);
        let above = above.iter().rev();
        let mut comment: Vec<&str> = above
            .take_while(|line| line.starts_with("//") || line.starts_with("#["))
            .filter(|line| line.starts_with("//"))
            .copied()
            .collect();
        comment.reverse();
        let name = |line: &str| {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let name = line.strip_prefix("fn ")?.split('(').next();
            name.map(str::to_owned)
        };
        let begin = below.iter().position(|line| name(line).is_some());
        let begin = number + begin.expect("a function");
        let indent = indented[begin].len() - lines[begin].len();
        let rest = &indented[begin..];
        let is_end = |line: &&str| line.starts_with('}') || line.get(indent..) == Some("}");
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        tests.push(Test {
            file: file.to_owned(),
            name: name(lines[begin]).expect("a function"),
            comment: comment.join("\n"),
            body: rest[..end].join("\n"),
        });
    }
    tests
}

/// Tests as a row names them: whole, or by the beginning.
#[derive(Debug)]
pub struct Named {
    pub file: String,
    pub name: String,
    pub count: Option<usize>,
}

impl Named {
    pub fn covers(&self, test: &Test) -> bool {
        let is_it = match self.name.strip_suffix('…') {
            None => self.name == test.name,
            Some(start) => test.name.starts_with(start),
        };
        self.file == test.file && is_it
    }

    /// Whether there are as many as there should be.
    fn exists(&self, tests: &[Test]) -> bool {
        let found = tests.iter().filter(|test| self.covers(test)).count();
        self.count.map_or(found > 0, |count| found == count)
    }
}

/// The cells of a table's row, from left to right.
pub fn cells(line: &str) -> Vec<String> {
    // A pipe in a cell is escaped.
    let line = line.replace("\\|", "\u{1}");
    let Some(row) = line
        .trim()
        .strip_prefix('|')
        .and_then(|row| row.strip_suffix('|'))
    else {
        return Vec::new();
    };
    let cells = row
        .split('|')
        .map(|cell| cell.trim().replace('\u{1}', "\\|"));
    cells.collect()
}

/// The tests that a cell names:
/// `` `file.rs`: `test`, `beginning_…` (count); `other.rs`: … ``.
pub fn named(cell: &str) -> Vec<Named> {
    let mut file = String::new();
    let mut has_tests = true;
    let parts: Vec<_> = cell.split('`').collect();
    let mut tests = Vec::new();
    for pair in parts[1..].chunks(2) {
        let name = pair[0].to_owned();
        if name.ends_with(".rs") {
            assert!(has_tests, "no test of `{file}` is named");
            let is_unit = name.starts_with("src/");
            file = format!("{}{name}", if is_unit { "" } else { "acceptance/" });
            assert!(package(&file).is_file(), "`{file}`");
            has_tests = false;
            continue;
        }
        let count = pair.get(1).and_then(|after| {
            let count = after.strip_prefix(" (")?.split(')').next()?;
            count.parse().ok()
        });
        has_tests = true;
        let file = file.clone();
        tests.push(Named { file, name, count });
    }
    assert!(has_tests, "no test of `{file}` is named");
    tests
}

/// Those that are not there, or not as many times as they should be.
pub fn lost(named: &[Named]) -> Vec<&Named> {
    let tests = tests();
    named.iter().filter(|named| !named.exists(&tests)).collect()
}

#[test]
fn a_cell_names_files_and_their_tests() {
    let named = named("`specification/named.rs`: `a_cell_…` (2); `main.rs`: `no_such_test`");
    let lost = lost(&named);
    assert_eq!(named.len(), 2);
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0].file, "acceptance/main.rs");
    assert_eq!(cells("| a `b \\| c` | d |"), ["a `b \\| c`", "d"]);
}

#[test]
#[should_panic(expected = "no test of `acceptance/main.rs` is named")]
fn a_cell_that_names_a_file_alone_is_refused() {
    named("`main.rs`; `specification.rs`: `no_id_means_two_things`");
}
