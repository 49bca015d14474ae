//! Text of others made fit to print: no secrets of URLs, no control characters.

use std::fmt;

use url::{Origin, Url};

use crate::secret::Secret;

/// Query parameters that say nothing secret. All others are hidden: nobody
/// knows the names by which stores sign their URLs.
const PLAIN: [&str; 8] = [
    "digest",
    "mount",
    "from",
    "n",
    "last",
    "scope",
    "service",
    "artifactType",
];
/// The most characters of a host's own words that are shown.
const SHOWN: usize = 300;

/// A URL without user, password and the values of unknown query parameters
/// (upload sessions and pre-signed URLs carry secrets there).
pub struct Redacted<'a>(pub &'a Url);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL of another scheme has no origin worth a name.
        let origin = match self.0.origin() {
            Origin::Tuple(..) => self.0.origin().ascii_serialization(),
            Origin::Opaque(_) => format!("{}://", self.0.scheme()),
        };
        write!(f, "{origin}{}", self.0.path())?;
        for (index, (name, value)) in self.0.query_pairs().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            let value = if PLAIN.contains(&&*name) {
                printable(&value)
            } else {
                "…".to_owned()
            };
            write!(f, "{separator}{}={value}", printable(&name))?;
        }
        Ok(())
    }
}

/// A URL as [`Redacted`] prints it, for an error that outlives its request.
/// Made at once, so that no error holds the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedUrl(Box<str>);

impl From<&Url> for RedactedUrl {
    fn from(url: &Url) -> Self {
        Self(Redacted(url).to_string().into())
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The values that [`Redacted`] leaves out of a URL's query. An answer to that
/// URL may repeat them.
pub(super) fn secrets_of(url: &Url) -> Vec<Secret> {
    let values = url.query_pairs();
    let secret = values.filter(|(name, _)| !PLAIN.contains(&&**name));
    secret
        .map(|(_, value)| Secret::from(value.into_owned()))
        .collect()
}

/// `text` in one line without control characters, cut to a readable length: a
/// host can write neither lines of the log nor escape sequences.
pub fn printable(text: &str) -> String {
    let cleaned = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let shown: String = cleaned.take(SHOWN).collect();
    if text.chars().count() > SHOWN {
        format!("{shown}…")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_printed_without_their_secrets() {
        let url = "https://user:secret@r.io:5/v2/a/blobs/uploads/1?_state=secret&digest=sha256:0&X-Amz-Signature=secret"
            .parse()
            .unwrap();
        assert_eq!(
            Redacted(&url).to_string(),
            "https://r.io:5/v2/a/blobs/uploads/1?_state=…&digest=sha256:0&X-Amz-Signature=…"
        );
    }

    #[test]
    fn urls_that_are_not_http_keep_their_scheme() {
        let url = "file:///etc/passwd".parse().unwrap();
        assert_eq!(Redacted(&url).to_string(), "file:///etc/passwd");
    }

    #[test]
    fn foreign_text_is_one_printable_line_of_bounded_length() {
        assert_eq!(printable("a\x1b[31m\nb"), "a [31m b");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), SHOWN + 1);
    }
}
