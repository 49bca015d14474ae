//! JSON strings as Go writes them, so that payloads equal those of cosign byte
//! for byte.

use crate::oci::Repository;

/// The name by which payloads call a repository, normalised
/// (`index.docker.io/library/x`); a claim that names none has the empty one.
pub(super) fn name(repository: Option<&Repository>) -> String {
    repository.map(ToString::to_string).unwrap_or_default()
}

/// `text` as `encoding/json` writes it (Go 1.22 and later): `<`, `>`, `&`,
/// U+2028 and U+2029 escaped, other characters above ASCII raw. Verifiers do not mind;
/// equal bytes let cosign and the signer find each other's signatures.
pub(super) fn string(text: &str) -> String {
    let escapes = |character| matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    quoted(text, escapes)
}

/// `text` as `protojson` writes it, in which cosign v3 writes the statements of
/// signatures: nothing is escaped but what JSON demands.
pub(super) fn proto_string(text: &str) -> String {
    quoted(text, |_| false)
}

fn quoted(text: &str, escapes: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if other < ' ' || escapes(other) => {
                out.push_str(&format!("\\u{:04x}", u32::from(other)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        for (text, expected) in [
            ("a/b\u{7f}é", "\"a/b\u{7f}é\""),
            ("<>&", r#""\u003c\u003e\u0026""#),
            ("a\u{2028}\u{2029}", r#""a\u2028\u2029""#),
            ("\"\\\u{8}\u{c}\n\r\t\u{1}", r#""\"\\\b\f\n\r\t\u0001""#),
        ] {
            assert_eq!(super::string(text), expected);
        }
    }

    /// As cosign v3.1.2 signed these annotations.
    #[test]
    fn strings_of_protojson_are_escaped_where_json_demands_it() {
        for (text, expected) in [
            ("b<>&\u{2028}é\u{7f}", "\"b<>&\u{2028}é\u{7f}\""),
            ("\"\\\u{8}\u{c}\n\r\t\u{1}", r#""\"\\\b\f\n\r\t\u0001""#),
        ] {
            assert_eq!(super::proto_string(text), expected);
        }
    }
}
