//! Content as the inside of a JSON string, streamed: Rekor v1 is sent whole envelopes as
//! one, of up to 32 MiB, which are not held in memory for it.

use std::io::{self, Read};

use crate::oci::{Content, Reread};

/// Content whose quotes, backslashes and control characters are escaped.
struct Escaped {
    content: Content,
    length: u64,
}

/// Bytes that are read at a time. Escapes are of single bytes, so that a character may be
/// cut between two pieces.
const PIECE: usize = 48 * 1024;

/// Reads `content`, which is UTF-8, once to learn how long it becomes: a request states
/// its length before its body. Whether it is UTF-8 is not looked at; an envelope is
/// base64 in ASCII.
///
/// # Errors
/// On content that cannot be read.
pub(super) fn escaped(content: &Content) -> io::Result<Content> {
    let mut reader = content.open_ahead();
    let (mut piece, mut length) = (Vec::with_capacity(PIECE), 0u64);
    while next_piece(&mut reader, &mut piece)? {
        let lengths = piece.iter().map(|byte| escape(*byte).map_or(1, str::len));
        length += lengths.sum::<usize>() as u64;
    }
    let content = content.clone();
    Ok(Content::from_source(Escaped { content, length }))
}

impl Reread for Escaped {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(EscapedReader {
            source: self.content.open(),
            piece: Vec::with_capacity(PIECE),
            escaped: Vec::with_capacity(PIECE),
            position: 0,
        }))
    }
}

struct EscapedReader<R> {
    source: R,
    piece: Vec<u8>,
    /// The last piece, escaped.
    escaped: Vec<u8>,
    /// The bytes of it that were given out.
    position: usize,
}

impl<R: Read> Read for EscapedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.escaped.len() {
            self.position = 0;
            self.escaped.clear();
            next_piece(&mut self.source, &mut self.piece)?;
            for byte in &self.piece {
                match escape(*byte) {
                    None => self.escaped.push(*byte),
                    Some(escape) => self.escaped.extend_from_slice(escape.as_bytes()),
                }
            }
        }
        let rest = self.escaped.get(self.position..).unwrap_or_default();
        let count = (&mut &*rest).read(buffer)?;
        self.position += count;
        Ok(count)
    }
}

/// Reads the next piece. `false`: the content has ended.
fn next_piece(source: &mut impl Read, piece: &mut Vec<u8>) -> io::Result<bool> {
    piece.clear();
    source.by_ref().take(PIECE as u64).read_to_end(piece)?;
    Ok(!piece.is_empty())
}

/// The escape of a byte that cannot stand in a string itself (RFC 8259, section
/// 7).
fn escape(byte: u8) -> Option<&'static str> {
    const CONTROLS: [&str; 32] = [
        "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007",
        "\\b", "\\t", "\\n", "\\u000b", "\\f", "\\r", "\\u000e", "\\u000f", "\\u0010", "\\u0011",
        "\\u0012", "\\u0013", "\\u0014", "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019",
        "\\u001a", "\\u001b", "\\u001c", "\\u001d", "\\u001e", "\\u001f",
    ];
    match byte {
        b'"' => Some("\\\""),
        b'\\' => Some("\\\\"),
        _ => CONTROLS.get(usize::from(byte)).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_reads_back_as_it_was() {
        let every: String = (0..0x300).filter_map(char::from_u32).collect();
        let long = "{\"a\\\":\"é\n\"}".repeat(PIECE / 5);
        for text in [String::new(), "{\"a\":1}".to_owned(), every, long] {
            let content = escaped(&Content::from(text.clone().into_bytes())).unwrap();
            let bytes = content.to_bytes().unwrap();
            assert_eq!(content.length(), bytes.len() as u64);
            let quoted = format!("\"{}\"", std::str::from_utf8(&bytes).unwrap());
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
