//! URLs as Go writes them. Fulcio makes a name of the claims, reads it by `url.Parse` and
//! certifies what `URL.String` makes of that (Go 1.26 `net/url`): some bytes are
//! percent-encoded then (EVD-61).
//!
//! A host stands as it was: Go refuses the bytes in one that it would have to encode, but
//! for those beyond ASCII, which no issuer writes.

/// A part of a URL: each has bytes of its own that stand for themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlPart {
    Path,
    Fragment,
}

/// `url.Parse(url).String()` of a URL with scheme and host; none where Go refuses it.
pub(super) fn written(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end)?;
    Some(format!("{scheme}://{host}{}", behind_host(rest)?))
}

/// The part of a URL behind its host: a path, a query and a fragment. A query is written
/// as it was, an empty one too; an empty fragment is left out.
pub(super) fn behind_host(rest: &str) -> Option<String> {
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    if rest.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let query = rest.find('?').unwrap_or(rest.len());
    let (path, query) = rest.split_at_checked(query)?;
    let written = [encoded(path, UrlPart::Path)?, query.to_owned()].concat();
    match fragment {
        "" => Some(written),
        fragment => Some(format!(
            "{written}#{}",
            encoded(fragment, UrlPart::Fragment)?
        )),
    }
}

/// A text that is a path as a whole, as `JoinPath` takes it: `?` and `#` are encoded.
pub(super) fn path(text: &str) -> Option<String> {
    encoded(text, UrlPart::Path)
}

/// `setPath` and `EscapedPath`, and the same of fragments: a text in which nothing has to
/// be encoded is kept, whatever is encoded in it; any other is decoded and encoded anew.
fn encoded(text: &str, part: UrlPart) -> Option<String> {
    let decoded = decoded(text.as_bytes())?;
    if text.bytes().all(|byte| byte == b'%' || part.may_hold(byte)) {
        return Some(text.to_owned());
    }
    let write = |byte: u8| match part.holds(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    Some(decoded.into_iter().map(write).collect())
}

/// None where two hexadecimal digits are lacking behind a `%`.
fn decoded(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    while let Some((&first, rest)) = text.split_first() {
        let (byte, rest) = match first {
            b'%' => {
                let (digits, rest) = rest.split_first_chunk::<2>()?;
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).ok()?;
                (byte[0], rest)
            }
            byte => (byte, rest),
        };
        decoded.push(byte);
        text = rest;
    }
    Some(decoded)
}

impl UrlPart {
    /// Whether `escape` leaves the byte alone (`shouldEscape`).
    fn holds(self, byte: u8) -> bool {
        let of_part: &[u8] = match self {
            Self::Path => b"",
            Self::Fragment => b"!()*?",
        };
        byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) || of_part.contains(&byte)
    }

    /// Whether the byte may stand in a text that is kept (`validEncoded`).
    fn may_hold(self, byte: u8) -> bool {
        self.holds(byte) || b"!'()*[]".contains(&byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EVD-61. Go's own results: `acceptance/tools/go-rules`.
    #[test]
    fn urls_are_written_as_go_writes_them() {
        let table = include_str!("../../../testdata/go-rules/urls.json");
        let table: Vec<[Option<String>; 3]> = serde_json::from_str(table).unwrap();
        assert!(table.len() > 300, "{}", table.len());
        for [text, parsed, joined] in table {
            let text = text.unwrap();
            assert_eq!(written(&format!("https://h/{text}")), parsed, "{text}");
            let joined_here = path(&text).map(|path| format!("https://h/{path}"));
            assert_eq!(joined_here, joined, "{text}");
        }
    }

    #[test]
    fn a_url_may_end_with_its_host() {
        for url in ["https://h", "https://h:1?q", "spiffe://h#f", "https://"] {
            assert_eq!(written(url).as_deref(), Some(url));
        }
        assert_eq!(written("h/p"), None);
    }
}
