//! Every message of the program stands in `docs/troubleshooting.md`, by its
//! words, or here with the reason why it needs no entry.

use std::collections::BTreeSet;

use crate::support::{files, package};

/// Messages that nobody finds in a log, or that have no words of their own.
const WITHOUT_ENTRY: &[(&str, &str)] = &[
    ("a layer of type … is no signature and no envelope", FOREIGN),
    ("there is no bundle in it", FOREIGN),
    ("… is missing", FOREIGN),
    ("… is not what it should be", FOREIGN),
    ("… has more than … entries", FOREIGN),
    ("there are … signatures, not one", FOREIGN),
    ("the payload is no in-toto statement", FOREIGN),
    ("the payload does not say which digest it is about", FOREIGN),
    ("cannot read it", FOREIGN),
    ("…, at byte …", WITHIN),
    ("it is …", WITHIN),
    ("a string", "it is a kind of value in a pattern"),
    (
        "this process has a log already",
        "no program of ours has two",
    ),
    (
        "failed to sign",
        "it begins most messages, and what follows is looked for",
    ),
];
const FOREIGN: &str = "what others hung beside an image is passed over, and nothing is said of it";
const WITHIN: &str = "it is one phrase of a message that has an entry";
/// Shorter than this is no distinctive text.
const SHORTEST: usize = 6;

/// Entries of the page that the sources make of parts, and words that are others'.
const OF_PARTS: &[&str] = &[
    "-log-format json",
    "CNB_STRICT_FORMATS is no boolean but",
    "answered 503 to",
    "cannot read the certificate of",
    "it is neither a file nor a pipe",
    "permission denied",
    "spiffe is asked instead",
    "stopped after",
    "stopped on SIGINT",
    "stopped on SIGTERM",
    "the certificate is not for code signing",
    "the certificate is not for time stamping",
    "to the only attempt",
];

/// A source file without its tests.
fn sources() -> Vec<(String, String)> {
    let sources = files(&package("src"), "rs").into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let name = path.strip_prefix(package("")).unwrap();
        (name.display().to_string(), text.to_owned())
    });
    let is_test = |name: &str| name.ends_with("tests.rs") || name.contains("/tests/");
    sources.filter(|(name, _)| !is_test(name)).collect()
}

/// The string literal at the beginning of `text`, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix("r#\"") {
        let (value, rest) = raw.split_once("\"#")?;
        return Some((value.to_owned(), rest));
    }
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => match characters.next()?.1 {
                // A line that goes on: its break and the indent are no part.
                '\n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            _ => value.push(character),
        }
    }
    None
}

/// The first literal behind each `mark`.
fn literals_behind(mark: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (file, text) in sources() {
        for rest in text.split(mark).skip(1) {
            let start = rest.find('"').map_or("", |at| match &rest[..at] {
                before if before.ends_with("r#") => &rest[at - 2..],
                _ => &rest[at..],
            });
            let is_value = mark.ends_with("= ") && !rest.starts_with('"');
            if !is_value && !rest.starts_with("transparent") {
                let (text, _) = literal(start).unwrap();
                found.insert((file.clone(), text));
            }
        }
    }
    found
}

/// The remedies: all text of `src/cli/hint` and of a file `hint.rs`, and those of
/// warnings.
fn hints() -> BTreeSet<(String, String)> {
    let mut found = literals_behind(" hint = ");
    for (file, text) in sources() {
        if !file.starts_with("src/cli/hint") && !file.ends_with("/hint.rs") {
            continue;
        }
        let is_comment = |line: &&str| line.trim_start().starts_with("//");
        let lines: Vec<_> = text.lines().filter(|line| !is_comment(line)).collect();
        let code = lines.join("\n");
        let mut rest = code.as_str();
        while let Some(at) = rest.find('"') {
            let start = if rest[..at].ends_with("r#") {
                at - 2
            } else {
                at
            };
            let (text, after) = literal(&rest[start..]).unwrap();
            rest = after;
            // Names of keys and PEM labels stand in patterns.
            let is_label = text.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
            if text.contains(' ') && !is_label {
                found.insert((file.clone(), text));
            }
        }
    }
    found
}

/// Without backticks and line breaks, values as `…`.
fn plain(message: &str) -> String {
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        match after.split_once('}') {
            Some((name, after)) if !name.contains([' ', '"']) => {
                text.push('…');
                rest = after;
            }
            _ => {
                text.push('{');
                rest = after;
            }
        }
    }
    text += rest;
    let text = text.replace('`', "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words that a reader would search for.
fn words(message: &str) -> String {
    let is_edge = |c: char| matches!(c, '…' | ' ' | ':' | ';' | ',' | '(' | ')');
    plain(message).trim_matches(is_edge).to_owned()
}

fn page() -> String {
    let text = std::fs::read_to_string(package("docs/troubleshooting.md")).unwrap();
    let lines = text
        .lines()
        .map(|line| line.strip_prefix("> ").unwrap_or(line));
    lines
        .collect::<Vec<_>>()
        .join(" ")
        .replace('`', "")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Those that are neither in the page nor excused.
fn missing(messages: &BTreeSet<(String, String)>) -> Vec<String> {
    let page = page();
    let is_excused = |text: &str| WITHOUT_ENTRY.iter().any(|(known, _)| *known == text);
    let is_there = |message: &str| {
        let words = words(message);
        words.chars().count() < SHORTEST || page.contains(&words)
    };
    let missing = messages
        .iter()
        .filter(|(_, text)| !is_there(text) && !is_excused(&plain(text)));
    missing
        .map(|(file, text)| format!("{file}: {}", plain(text)))
        .collect()
}

#[test]
fn every_kind_of_error_has_an_entry() {
    let errors = literals_behind("#[error(");
    assert!(errors.len() > 150, "{}", errors.len());
    let missing = missing(&errors);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_hint_has_an_entry() {
    let hints = hints();
    assert!(hints.len() > 70, "{}", hints.len());
    let missing = missing(&hints);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_warning_has_an_entry() {
    let warnings = literals_behind(" warn!(");
    assert!(warnings.len() > 12, "{warnings:?}");
    let missing = missing(&warnings);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The messages that begin an item of the page, and its remedies.
fn entries() -> Vec<String> {
    let text = std::fs::read_to_string(package("docs/troubleshooting.md")).unwrap();
    let mut found = Vec::new();
    for paragraph in text.split("\n\n") {
        if let Some(hint) = paragraph.strip_prefix("> hint: ") {
            found.push(hint.replace("\n> ", " "));
        }
        for item in format!("\n{paragraph}").split("\n- ").skip(1) {
            let messages = item.split("`: ").next().unwrap();
            let is_message = item.starts_with('`');
            let quoted = messages.split('`').skip(1).step_by(2);
            found.extend(quoted.filter(|_| is_message).map(str::to_owned));
        }
    }
    found
}

/// Their parts between values, as the sources have them.
#[test]
fn every_entry_is_of_something_that_the_program_says() {
    let said: String = sources().into_iter().map(|(_, text)| text).collect();
    let joined: Vec<_> = said.split("\\\n").map(str::trim_start).collect();
    let said = joined.concat().replace("\\\\", "\\").replace("\\\"", "\"");
    let said = said.replace('`', "");
    let entries = entries();
    assert!(entries.len() > 400, "{}", entries.len());
    let parts = entries.iter().flat_map(|entry| {
        let entry = entry.replace("; ", "…").replace(": ", "…");
        entry.split('…').map(words).collect::<Vec<_>>()
    });
    let parts: BTreeSet<_> = parts
        .filter(|part| part.chars().count() >= SHORTEST && !said.contains(part))
        .collect();
    assert_eq!(
        parts,
        OF_PARTS.iter().map(|part| (*part).to_owned()).collect()
    );
}

#[test]
fn nothing_is_excused_that_the_program_does_not_say() {
    let mut said = literals_behind("#[error(");
    said.extend(hints());
    let said: BTreeSet<_> = said.iter().map(|(_, text)| plain(text)).collect();
    for &(message, _) in WITHOUT_ENTRY {
        assert!(said.contains(message), "{message}");
    }
}
