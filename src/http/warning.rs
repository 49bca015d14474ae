//! A registry's words for its users: `Warning: 299 - "<text>"`
//! (distribution-spec v1.1, "Warnings"; RFC 7234 section 5.5).
//! They fail nothing (`spec/faults.md`, case 75).

use reqwest::header::WARNING;

use super::Response;

/// The most bytes of one header that are read (the specification's limit for
/// all of an answer's warnings).
const LONGEST: usize = 4096;

/// The texts of an answer's warnings, printable. Other codes than 299 and
/// other agents than `-` are not for users.
pub(super) fn texts(response: &Response) -> impl Iterator<Item = String> {
    response
        .headers
        .get_all(WARNING)
        .iter()
        .filter_map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            Some(response.printable(&text(&value)?))
        })
}

fn text(value: &str) -> Option<String> {
    if value.len() > LONGEST {
        return None;
    }
    let quoted = value.trim().strip_prefix("299 - \"")?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        // Quotes that are not closed hold no text that is meant.
        match characters.next()? {
            '"' => break,
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_for_users_is_unquoted_and_anything_else_is_none() {
        assert_eq!(text(r#"299 - "the end""#).unwrap(), "the end");
        assert_eq!(text(r#"299 - "a \"b\" \\" "Sat""#).unwrap(), r#"a "b" \"#);
        let long = format!("299 - \"{}\"", "x".repeat(LONGEST));
        for other in [
            "",
            "299",
            "299 - ",
            "299 - \"",
            r#"299 - "\"#,
            r#"299 - "" "#,
            r#"110 - "stale""#,
            r#"299 agent "text""#,
            &long,
        ] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}
