//! A module imports lower floors only, never its own floor or above. The floors
//! are those of the table in `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::{files, package};

/// The module that unit tests alone can see.
const TESTS: &str = "support";
/// Files above all floors; the programs beside the signer are in `bin`.
const ABOVE: [&str; 3] = ["bin", "lib", "main"];

/// Module and floor, from the table's rows: `//! | 3 | [`attach`], [`sbom`] | … |`.
fn floors() -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(package("src/lib.rs")).unwrap();
    let mut floors = BTreeMap::new();
    for line in text.lines() {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let (Some(Ok(floor)), Some(modules)) = (cells.next().map(str::parse), cells.next()) else {
            continue;
        };
        for module in modules.split(',') {
            let name = module
                .trim()
                .trim_start_matches("[`")
                .trim_end_matches("`]");
            floors.insert(name.to_owned(), floor);
        }
    }
    floors
}

/// The modules that a file names as `crate::<module>`, grouped or not; comments
/// are left out.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(group) => {
                // Only the names at the group's own level.
                let mut depth = 0;
                let mut item = String::new();
                for character in group.chars() {
                    match character {
                        '}' if depth == 0 => break,
                        ',' if depth == 0 => names.push(word(&std::mem::take(&mut item))),
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => item.push(character),
                    }
                }
                names.push(word(&item));
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn every_module_has_a_floor() {
    let floors = floors();
    let text = std::fs::read_to_string(package("src/lib.rs")).unwrap();
    let declared = text
        .lines()
        .filter_map(|line| {
            line.split_once("pub(crate) mod ")
                .or(line.split_once("pub mod "))
        })
        .filter_map(|(before, name)| before.is_empty().then_some(name));
    let declared: Vec<_> = declared.map(|name| name.trim_end_matches(';')).collect();
    assert!(!declared.is_empty());
    for module in &declared {
        assert!(floors.contains_key(*module), "{module} is not in the table");
    }
    let listed = floors.keys().filter(|name| !ABOVE.contains(&name.as_str()));
    assert_eq!(declared.len(), listed.count());
}

#[test]
fn imports_point_down_the_floors() {
    let floors = floors();
    let source = package("src");
    let mut wrong = Vec::new();
    for file in files(&source, "rs") {
        let path = file.strip_prefix(&source).unwrap();
        let module = path
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .into_owned();
        let module = module.trim_end_matches(".rs");
        let Some(floor) = floors.get(module) else {
            let is_outside = ABOVE.contains(&module);
            assert!(is_outside, "{} has no floor", path.display());
            continue;
        };
        let text = std::fs::read_to_string(&file).unwrap();
        for import in imports(&text).into_iter().filter(|import| import != TESTS) {
            let known = floors.get(&import);
            let known = known.unwrap_or_else(|| panic!("{}: crate::{import}", path.display()));
            if import != module && known >= floor {
                wrong.push(format!(
                    "{} (floor {floor}) imports {import} (floor {known})",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The code of a file, without its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
}

/// The files whose code, without tests, has one of these texts.
fn with_any(texts: &[&str]) -> Vec<String> {
    let source = package("src");
    let mut found = Vec::new();
    for file in files(&source, "rs") {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&source).unwrap();
        let code = without_tests(&text);
        let mut parts = path.components();
        let is_test = path.ends_with("tests.rs") || parts.any(|part| part.as_os_str() == "tests");
        if !is_test && texts.iter().any(|text| code.contains(text)) {
            found.push(path.display().to_string());
        }
    }
    found.sort();
    found
}

/// A file of a user that is opened elsewhere is one that a receipt could replace.
/// SIG-39
#[test]
fn files_are_opened_where_a_run_learns_of_them() {
    let opening = [
        "File::open(",
        "fs::read(",
        "read_to_string(",
        "OpenOptions::new()",
    ];
    assert_eq!(
        with_any(&opening),
        [
            "bin/sigstore-kms-pkcs11/main.rs",
            // The root folder, to learn how many files may be open.
            "cli/runtime.rs",
            "file.rs",
            "http/error/library.rs",
            // `cli` asks for the files beforehand.
            "http/roots.rs",
            // The folder of a new pair.
            "keys/generate.rs",
            // The receipt itself.
            "phase/destination.rs",
            // A run that writes messages writes no receipt.
            "phase/message_folder.rs",
            // `cli` knows the candidates.
            "store/registry/credentials/docker.rs",
        ]
    );
}

#[test]
fn the_environment_is_read_in_one_file() {
    assert_eq!(
        with_any(&["env::var"]),
        ["bin/sigstore-kms-pkcs11/main.rs", "cli/inputs.rs"]
    );
}

/// The literals of a text, joined where a line ends in a backslash; comments and
/// the unit tests at its end are left out.
fn literals(text: &str) -> Vec<String> {
    let code: Vec<_> = without_tests(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n").replace("'\"'", "").replace("\\\"", "'");
    let parts = code.split('"').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// Remedies are written in `cli/hint`: an error below says what failed, and
/// nothing of the flag or the variable by which it was asked for.
#[test]
fn nothing_below_cli_knows_a_flag_or_gives_a_hint() {
    let source = package("src");
    let mut wrong = Vec::new();
    for file in files(&source, "rs") {
        let path = file.strip_prefix(&source).unwrap();
        let is_test = path.ends_with("tests.rs")
            || path.ends_with("fuzzing.rs")
            || path.components().any(|part| part.as_os_str() == "tests");
        if path.starts_with("cli") || path.starts_with("bin") || is_test {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = without_tests(&text);
        let is_remedy = |line: &str| {
            line.contains("fn hint") || line.contains("fn remedy") || line.contains("hint = ")
        };
        let remedies = code.lines().filter(|line| is_remedy(line));
        // `let hint = …` is a member of a bundle.
        let remedies = remedies.filter(|line| !line.contains("let hint = "));
        wrong.extend(remedies.map(|line| format!("{}: {line}", path.display())));
        let literals = literals(&text).into_iter();
        let named = literals.filter(|literal| names_an_input(literal, path));
        wrong.extend(named.map(|literal| format!("{}: {literal}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a literal names a flag, or a variable that its file is not about.
fn names_an_input(literal: &str, path: &Path) -> bool {
    const VARIABLES: [&str; 7] = [
        "CNB_",
        "COSIGN_PASSWORD",
        "DOCKER_",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_",
    ];
    // Where they say which source something comes from, read an image's, or keep
    // one from a child.
    const SOURCES: [&str; 7] = [
        "child.rs",
        "keys/origin.rs",
        "keys/remote/vault",
        "keys/stored",
        "sbom/label.rs",
        "store/registry/credentials.rs",
        "store/registry/credentials",
    ];
    let is_flag = |part: &str| {
        let mut letters = part.strip_prefix('-').unwrap_or_default().chars();
        letters.next().is_some_and(|c| c.is_ascii_lowercase())
    };
    let is_source = SOURCES.iter().any(|source| path.starts_with(source));
    let names_variable = VARIABLES.iter().any(|name| literal.contains(name));
    literal.split('`').skip(1).step_by(2).any(is_flag)
        || literal.starts_with('-') && is_flag(literal) && literal.ends_with("-limit")
        || names_variable && !is_source
}

#[test]
fn a_flag_is_found_in_a_literal_however_it_is_written() {
    let path = Path::new("http/error.rs");
    let text = "/// `-x` \"-no\"\nf(\"set `-timeout` \\\n  higher\", '\"', \"a \\\" `-b`\", \"c\")";
    let found = literals(text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(names_an_input(&found[0], path));
    assert!(names_an_input(&found[1], path));
    assert!(!names_an_input(&found[2], path));
    assert!(names_an_input("check `HTTPS_PROXY`", path));
    assert!(!names_an_input(
        "CNB_REGISTRY_AUTH",
        Path::new("store/registry/credentials.rs")
    ));
}

#[test]
fn imports_are_found_however_they_are_written() {
    let text = "use crate::{a::{x, y}, b, c::d};\n// use crate::no;\nfn f() { crate::e::g() }\nuse crate::h::{i};";
    assert_eq!(imports(text), ["a", "b", "c", "e", "h"]);
}

/// The value of `name = "…"` in each line of a TOML file that begins so.
fn values<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let lines = text.lines().map(str::trim);
    let rests = lines.filter_map(|line| line.strip_prefix(start));
    rests.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn no_crate_that_is_banned_is_locked() {
    let read = |path| std::fs::read_to_string(package(path)).unwrap();
    let (rules, lock) = (read("deny.toml"), read("Cargo.lock"));
    let banned = values(&rules, "{ crate = \"");
    let locked = values(&lock, "name = \"");
    assert!(banned.contains("rsa") && locked.contains("aws-lc-rs"));
    let both: Vec<_> = banned.intersection(&locked).collect();
    assert!(both.is_empty(), "{both:?}");
}
