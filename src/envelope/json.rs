//! JSON strings as Go's `encoding/json` writes them (Go 1.22 and later), so
//! that payloads equal those of cosign byte for byte.

/// `text` as a JSON string: `<`, `>`, `&`, U+2028 and U+2029 escaped, other
/// characters above ASCII raw.
pub(super) fn string(text: &str) -> String {
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
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
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
}
