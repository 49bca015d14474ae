//! The first PEM block of a file, found by the rules of Go's `encoding/pem`
//! `Decode`, by which cosign reads keys.
//!
//! Text around the block, further blocks and headers inside the block are
//! ignored; a block that is not well formed is passed over (KEY-2). (RFC 7468's
//! strict grammar, which `pem-rfc7468` implements, allows none of this.)
//!
//! Knows no label: the callers say which of them they take. The bytes of every block
//! are wiped, since a private key may stand where another block was meant.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// A block's label and its decoded bytes, wiped when dropped.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Why a text has no block. cosign says `invalid pem block` to all three; they have
/// remedies of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoBlock {
    /// No line begins a block.
    Absent,
    /// A block begins, and no line ends it.
    Unfinished,
    /// A block is there, and its text is not base64.
    NotBase64,
}

/// The first well-formed block of `text`.
///
/// # Errors
/// On a text without one, with the reason of the last block that was passed over.
pub(super) fn first_block(text: &[u8]) -> Result<Block, NoBlock> {
    let mut reason = NoBlock::Absent;
    let mut open: Option<OpenBlock> = None;
    for line in text.split(|&byte| byte == b'\n') {
        // CRLF, and blanks that an editor left.
        let line = line.trim_ascii_end();
        if let Some(label) = label_of(line, BEGIN) {
            // Of several BEGIN lines, the last before an END line counts.
            open = Some(OpenBlock::new(label, text.len()));
            reason = NoBlock::Unfinished;
        } else if line.starts_with(END) {
            // An END of another label closes the block too, without making it one.
            match open.take() {
                Some(block) if label_of(line, END) == Some(block.label) => match block.close() {
                    Some(block) => return Ok(block),
                    None => reason = NoBlock::NotBase64,
                },
                _ => {}
            }
        } else if let Some(block) = &mut open {
            block.push(line);
        }
    }
    Err(reason)
}

fn label_of<'a>(line: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(boundary)?.strip_suffix(DASHES)
}

/// A block whose END line has not been seen yet.
struct OpenBlock<'a> {
    label: &'a [u8],
    /// Until the first line without a colon, which base64 never has: the lines
    /// before it are headers (RFC 1421), and the blank line behind them is skipped
    /// as white space.
    in_headers: bool,
    base64: Zeroizing<Vec<u8>>,
}

impl<'a> OpenBlock<'a> {
    /// `most` is the most bytes that the text can decode to: a buffer of this
    /// size never grows, and so leaves no copy behind.
    fn new(label: &'a [u8], most: usize) -> Self {
        Self {
            label,
            in_headers: true,
            base64: Zeroizing::new(Vec::with_capacity(most)),
        }
    }

    fn push(&mut self, line: &[u8]) {
        self.in_headers = self.in_headers && line.contains(&b':');
        if !self.in_headers {
            let is_text = |byte: &&u8| !byte.is_ascii_whitespace();
            self.base64.extend(line.iter().filter(is_text));
        }
    }

    fn close(self) -> Option<Block> {
        // More room than base64 needs, so that this does not grow either.
        let mut bytes = Zeroizing::new(vec![0; self.base64.len()]);
        let length = STANDARD.decode_slice(&*self.base64, &mut bytes).ok()?;
        bytes.truncate(length);
        Some(Block {
            label: String::from_utf8_lossy(self.label).into_owned(),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<(String, String), NoBlock> {
        let block = first_block(text.as_bytes())?;
        let bytes = String::from_utf8(block.bytes.to_vec()).unwrap();
        Ok((block.label, bytes))
    }

    fn found_ok(text: &str) -> (String, String) {
        found(text).unwrap_or_else(|reason| panic!("{reason:?}: {text}"))
    }

    #[test]
    fn the_first_block_is_found_anywhere() {
        let meant = ("A B".to_owned(), "hello world".to_owned());
        for text in [
            "-----BEGIN A B-----\naGVsbG8g\nd29ybGQ=\n-----END A B-----\n",
            "-----BEGIN A B-----\naGVsbG8gd29ybGQ=\n-----END A B-----",
            "-----BEGIN A B-----\r\naGVsbG8g\r\nd29ybGQ=\r\n-----END A B-----\r\n",
            "# text\n\n-----BEGIN A B-----\n aGVs bG8g\td29ybGQ= \n-----END A B-----  \nmore",
            "-----BEGIN A B-----\nProc-Type: 4\nX: y\n\naGVsbG8gd29ybGQ=\n-----END A B-----\n",
            // Passed over: no END line, another END label, not base64.
            "-----BEGIN Z-----\nAAAA\n-----BEGIN A B-----\naGVsbG8gd29ybGQ=\n-----END A B-----\n",
            "-----BEGIN Z-----\nAAAA\n-----END Y-----\n-----BEGIN A B-----\naGVsbG8gd29ybGQ=\n-----END A B-----\n",
            "-----BEGIN Z-----\n?\n-----END Z-----\n-----BEGIN A B-----\naGVsbG8gd29ybGQ=\n-----END A B-----\n",
            // The second one does not count.
            "-----BEGIN A B-----\naGVsbG8gd29ybGQ=\n-----END A B-----\n-----BEGIN Z-----\nAAAA\n-----END Z-----\n",
        ] {
            assert_eq!(found_ok(text), meant, "{text}");
        }
    }

    #[test]
    fn an_empty_block_is_a_block() {
        assert_eq!(
            found_ok("-----BEGIN A-----\n-----END A-----\n"),
            ("A".to_owned(), String::new())
        );
    }

    #[test]
    fn why_there_is_no_block_is_told() {
        for (text, reason) in [
            ("", NoBlock::Absent),
            ("hello\n", NoBlock::Absent),
            ("-----END A-----\n", NoBlock::Absent),
            (" -----BEGIN A-----\nAAAA\n-----END A-----", NoBlock::Absent),
            ("-----BEGIN A\nAAAA\n-----END A-----\n", NoBlock::Absent),
            ("-----BEGIN A-----\nAAAA\n", NoBlock::Unfinished),
            ("-----BEGIN A-----\nAAAA\n-----END", NoBlock::Unfinished),
            (
                "-----BEGIN A-----\nAAAA\n-----END B-----",
                NoBlock::Unfinished,
            ),
            (
                "-----BEGIN A-----\nAAA\n-----END A-----\n",
                NoBlock::NotBase64,
            ),
            (
                "-----BEGIN A-----\n\u{e9}\n-----END A-----\n",
                NoBlock::NotBase64,
            ),
        ] {
            assert_eq!(found(text), Err(reason), "{text}");
        }
    }
}
