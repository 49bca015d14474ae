//! A registry's demand for authorization (`WWW-Authenticate`, RFC 9110 section
//! 11.6.1), as far as the distribution specification's token flow uses it.

use url::Url;

use crate::http::header::{HeaderMap, WWW_AUTHENTICATE};

/// The longest header that is looked at, in bytes (`spec/faults.md`, case 29).
const LONGEST: usize = 16 * 1024;

/// The strongest of the challenges that the signer can answer. `scope` is not
/// among its parameters: the signer knows what it needs, and a registry could
/// ask for more (WIRE-11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// Picks a challenge: Bearer before Basic. None if the signer can answer no
/// challenge of the headers.
pub(super) fn choose(headers: &HeaderMap) -> Option<Challenge> {
    let mut chosen = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        // A header that is too long or no text counts as none; another one may
        // do.
        let Some(text) = value.to_str().ok().filter(|text| text.len() <= LONGEST) else {
            continue;
        };
        let text = squeezed(text);
        for challenge in http_auth::parse_challenges(&text).unwrap_or_default() {
            match read(&challenge) {
                Some(bearer @ Challenge::Bearer { .. }) => return Some(bearer),
                Some(Challenge::Basic) => chosen = Some(Challenge::Basic),
                // Negotiate, Digest and whatever else nobody can answer here.
                None => {}
            }
        }
    }
    chosen
}

/// The text with one space where several stand outside of quotes: RFC 9110
/// allows them after a scheme, `http-auth` does not.
fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        if is_quoted || c != ' ' || !squeezed.ends_with(' ') {
            squeezed.push(c);
        }
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    squeezed
}

fn read(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    if challenge.scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !challenge.scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let parameter = |name: &str| {
        let (_, value) = challenge
            .params
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    Some(Challenge::Bearer {
        realm: parameter("realm")?.parse().ok()?,
        service: parameter("service"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::header::HeaderValue;

    fn chosen(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        choose(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.parse().unwrap(),
            service: service.map(str::to_owned),
        })
    }

    #[test]
    fn the_usable_challenge_is_found_among_others() {
        let token = r#"Bearer realm="https://a.io/token",service="reg \"x\"",scope="repository:a:pull,push""#;
        assert_eq!(
            chosen(&[token]),
            bearer("https://a.io/token", Some("reg \"x\""))
        );
        assert_eq!(
            chosen(&["Negotiate", "basic realm=x"]),
            Some(Challenge::Basic)
        );
        assert_eq!(
            chosen(&[r#"Negotiate, Basic realm="r", bearer REALM="https://a.io/t""#]),
            bearer("https://a.io/t", None)
        );
    }

    #[test]
    fn spaces_in_a_row_count_inside_quotes_only() {
        let odd = r#"Bearer   realm="https://a.io/t",  service="a  \"  b""#;
        assert_eq!(chosen(&[odd]), bearer("https://a.io/t", Some(r#"a  "  b"#)));
    }

    #[test]
    fn challenges_that_cannot_be_answered_are_none() {
        let odd = "bEaReR service=\"a \\\"b\\\"\" , realm=\"https://a.io/t\",error=\"x\"";
        assert_eq!(chosen(&[odd]), bearer("https://a.io/t", Some("a \"b\"")));
        let odd = format!(
            "Bearer realm=\"https://a.io/t\",x=\"{}\"",
            "y".repeat(12_000)
        );
        assert_eq!(chosen(&[&odd]), bearer("https://a.io/t", None));
        let long = format!("Bearer realm=\"https://a.io/{}\"", "x".repeat(100 * 1024));
        for value in [
            "",
            "Bearer",
            "Bearer realm=\"\"",
            "Bearer realm=\"not a url\"",
            "Digest realm=x",
            "\"\"\"",
            "Basic realm=\"open",
            &long,
        ] {
            assert_eq!(
                chosen(&[value]),
                None,
                "{}",
                value.chars().take(40).collect::<String>()
            );
        }
    }
}
