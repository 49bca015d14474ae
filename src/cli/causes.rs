//! The words of an error's cause without the input that a parser quotes: that
//! input may hold a secret (SIG-62).
//!
//! An error of ours holds only what may be shown. One of a library's parser may quote,
//! and says where and why in words alone: these are taken apart here.

use std::error::Error;
use std::io;

/// The beginnings of messages that do not quote the input: the names of fields are ours,
/// and so is the last sentence.
const WITHOUT_INPUT: [&str; 3] = [
    "missing field `",
    "duplicate field `",
    "it has too many fields",
];

/// The words of `cause`, or a part of them that does not quote its input.
pub(super) fn words(cause: &(dyn Error + 'static)) -> String {
    if let Some(error) = cause.downcast_ref::<serde_json::Error>() {
        return json(error);
    }
    match cause.downcast_ref::<io::Error>() {
        // Libraries wrap their own words as `Other`, and these may quote; our
        // errors have another kind.
        Some(error) if error.get_ref().is_some() && error.kind() == io::ErrorKind::Other => {
            "it is damaged".to_owned()
        }
        _ => cause.to_string(),
    }
}

/// The place and the expected type, of an error that may quote the value found:
/// `invalid type: string "…", expected u8 at line 1 column 19`.
fn json(error: &serde_json::Error) -> String {
    let place = place(error);
    let text = error.to_string();
    if WITHOUT_INPUT.iter().any(|words| text.starts_with(words)) {
        return text;
    }
    let wants = ["invalid type: ", "invalid value: ", "invalid length "];
    let is_wanted = wants.iter().any(|words| text.starts_with(words));
    // The last one: the quoted value may hold another.
    let expected = text.rsplit_once(", expected ").filter(|_| is_wanted);
    let expected = expected.map(|(_, rest)| rest.split(" at line ").next().unwrap_or(rest));
    match (expected, error.classify()) {
        (Some(expected), _) => format!("expected {expected}{place}"),
        (None, serde_json::error::Category::Eof) => format!("the JSON ends too early{place}"),
        (None, serde_json::error::Category::Data) => format!("another value is needed{place}"),
        (None, _) => format!("invalid JSON{place}"),
    }
}

fn place(error: &serde_json::Error) -> String {
    // Line 0 is no place: the error was made outside of a text.
    match (error.line(), error.column()) {
        (0, _) => String::new(),
        (line, column) => format!(" at line {line}, column {column}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Document {
        #[expect(dead_code, reason = "it is only read")]
        number: u8,
    }

    #[test]
    fn json_is_not_quoted() {
        for (text, expected) in [
            (
                r#"{"number": "canary"}"#,
                "expected u8 at line 1, column 19",
            ),
            (
                r#"{"number": "canary, expected canary"}"#,
                "expected u8 at line 1, column 36",
            ),
            (r#"{"number": 4711}"#, "expected u8 at line 1, column 15"),
            (
                r#""canary""#,
                "expected struct Document at line 1, column 8",
            ),
            (
                r#"{"canary": 1}"#,
                "missing field `number` at line 1 column 13",
            ),
            (r#"{"number": canary"#, "invalid JSON at line 1, column 12"),
            (
                r#"{"number": 1, "canary"#,
                "the JSON ends too early at line 1, column 21",
            ),
        ] {
            let error = serde_json::from_str::<Document>(text).unwrap_err();
            assert_eq!(words(&error), expected, "{text}");
        }
        let own = <serde_json::Error as serde::de::Error>::custom("`canary` is no digest");
        assert_eq!(words(&own), "another value is needed");
        let own = <serde_json::Error as serde::de::Error>::custom("it has too many fields");
        assert_eq!(words(&own), "it has too many fields");
    }

    #[test]
    fn the_words_of_a_library_are_not_shown() {
        let error = io::Error::other("numeric field was not a number: canary");
        assert_eq!(words(&error), "it is damaged");
        let error = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(words(&error), "entity not found");
        let own = io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 3 bytes");
        assert_eq!(words(&own), "it has more than 3 bytes");
    }
}
