//! `report.toml` and `cosign.toml` exactly as written.
//!
//! Both files are read whole, at most [`MAX_BYTES`], and parsed with the
//! positions of all keys and values. No error quotes a line of a file: it may
//! hold a password or a key that was pasted by mistake. The meaning of the
//! values together (which image, which place, do two configs contradict each
//! other) is left to `phase::plan`. No file that they name is opened here.
//!
//! A report is read leniently, because the lifecycle writes it and adds to it; a
//! `cosign.toml` strictly, because people and templates write it, and a typo must not
//! cost a signature.

pub mod cosign;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod report;

pub use cosign::{
    Annotation, BundledChain, CertificateFiles, Config, ConfigError, CosignConfig, ExportSbom,
    Format, IdentityToken, Meant, MediaTypes, PublicKeyFile, TokenProvider, WitnessFiles,
    WrittenKey,
};
pub use report::{Report, ReportError};

use std::fmt;
use std::io;
use std::iter;
use std::ops::Range;
use std::path::{Path, PathBuf};

use strsim::osa_distance;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::file::Files;

/// The most bytes of a file (SIG-11, CFG-1). A report of a thousand tags has a tenth of
/// it.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A place in a file, counted from 1; the column counts characters, as editors do. It
/// prints as `path:line:column`. A byte order mark is no character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub path: PathBuf,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// A file that is not a TOML document within the limit. No message has a line of the file
/// in it (CFG-11).
#[derive(thiserror::Error)]
pub enum DocumentError {
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` has more than {MAX_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("`{}` is not UTF-8 from line {line} on", path.display())]
    NotUtf8 { path: PathBuf, line: usize },
    /// The message is the parser's, without the line that its `Display` quotes.
    #[error("invalid TOML at `{position}`: {message}")]
    Syntax { position: Position, message: String },
}

debug_as_display!(DocumentError);

impl DocumentError {
    /// Whether the file does not exist: the remedy is another one then.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a file up to one byte beyond the limit; parsing refuses that byte. The bytes
/// are wiped, since a password may have been pasted into them.
fn read(path: &Path, role: &str, files: &Files) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    files
        .read(path, role, MAX_BYTES)
        .map_err(|source| DocumentError::Unreadable {
            path: path.to_owned(),
            source,
        })
}

/// The text of a TOML file and where it came from.
struct TomlText<'a> {
    /// For messages alone.
    path: &'a Path,
    /// Without a byte order mark.
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
    /// How many characters start before each [`BLOCK`] of bytes: a whole file
    /// may be one line, with the position of each of its values asked for.
    characters: Vec<usize>,
}

/// Bytes whose characters are counted once: a position costs counting one block.
const BLOCK: usize = 256;

impl<'a> TomlText<'a> {
    fn new(path: &'a Path, bytes: &'a [u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_BYTES {
            return Err(DocumentError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = utf8(path, bytes)?;
        // Editors on Windows write a byte order mark; Go's TOML readers skip it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line_ends = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let blocks = text.as_bytes().chunks(BLOCK);
        let after = blocks.scan(0, |count, block| {
            *count += characters(block);
            Some(*count)
        });
        Ok(Self {
            path,
            text,
            lines: iter::once(0).chain(line_ends).collect(),
            characters: iter::once(0).chain(after).collect(),
        })
    }

    fn parse(&self) -> Result<DeTable<'a>, DocumentError> {
        DeTable::parse(self.text)
            .map(Spanned::into_inner)
            // Not the error's Display: that quotes the line. The parser limits nesting.
            .map_err(|error| DocumentError::Syntax {
                position: self.position(error.span().unwrap_or_default()),
                message: error.message().to_owned(),
            })
    }

    /// The position of a span's first byte; one beyond the text is at its end.
    fn position(&self, span: Range<usize>) -> Position {
        let line = self.lines.partition_point(|start| *start <= span.start);
        let line_start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.characters_before(line_start);
        Position {
            path: self.path.to_owned(),
            line,
            column: self.characters_before(span.start) - before + 1,
        }
    }

    fn characters_before(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        let block = offset / BLOCK;
        let before = self.characters.get(block).copied().unwrap_or(0);
        let rest = self.text.as_bytes().get(block * BLOCK..offset);
        before + characters(rest.unwrap_or_default())
    }
}

fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, DocumentError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.iter().take(error.valid_up_to());
        DocumentError::NotUtf8 {
            path: path.to_owned(),
            line: good.filter(|byte| **byte == b'\n').count() + 1,
        }
    })
}

/// How many characters start in a part of a text: all bytes of UTF-8 but continuations.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

/// The type of a value as a sentence names it.
fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// The one of `known` that was probably meant by `written` (CFG-2): with one error in
/// three characters, swapped neighbours counting as one, or as a part of it. Only a word
/// of the schema is ever suggested.
pub fn closest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    // The time of comparing grows with the product of both lengths.
    const LONGEST: usize = 64;
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_lowercase().replace(['_', ' '], "-");
    let (distance, candidate) = known
        .iter()
        .map(|candidate| (osa_distance(&written, candidate), *candidate))
        .min_by_key(|(distance, _)| *distance)?;
    if distance <= (written.chars().count() / 3).max(1) {
        return Some(candidate);
    }
    // An abbreviation: `repo`, `docker`, `sbom`.
    let is_part = |candidate: &&&str| written.len() >= 3 && candidate.contains(&written);
    known.iter().find(is_part).copied()
}

/// The written text, short enough for a message. Messages repeat keys, and values where a
/// word of a list is due; no others.
fn shortened(written: &str) -> String {
    const LONGEST: usize = 64;
    if written.chars().count() <= LONGEST {
        return written.to_owned();
    }
    written.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let text = "a = \"ä\"\nbä = 1\n";
        let document = TomlText::new(Path::new("f"), text.as_bytes()).unwrap();
        let at = |needle: &str| {
            let start = text.find(needle).unwrap();
            document.position(start..start + 1).to_string()
        };
        assert_eq!(at("a"), "f:1:1");
        assert_eq!(at("b"), "f:2:1");
        assert_eq!(at("= 1"), "f:2:4");
        assert_eq!(document.position(0..0).to_string(), "f:1:1");
        assert_eq!(document.position(999..1000).line, 3);
        let text = format!("a = \"{}\"", "ä".repeat(10 * BLOCK));
        let document = TomlText::new(Path::new("f"), text.as_bytes()).unwrap();
        for (start, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let column = text[..start].chars().count() + 1;
            assert_eq!(document.position(start..start).column, column);
        }
    }

    /// CFG-1
    #[test]
    fn a_byte_order_mark_is_skipped_and_not_counted() {
        let document = TomlText::new(Path::new("f"), b"\xef\xbb\xbfa = 1\nb = \n").unwrap();
        let error = document.parse().unwrap_err().to_string();
        assert!(error.starts_with("invalid TOML at `f:2:"), "{error}");
        assert!(
            TomlText::new(Path::new("f"), b"\xef\xbb\xbfa = 1")
                .unwrap()
                .parse()
                .is_ok()
        );
    }

    /// CFG-1, SIG-11
    #[test]
    fn what_is_not_utf8_is_refused_with_its_line() {
        for (bytes, line) in [
            (&b"\xff\xfea\0"[..], 1),
            (b"a = 1\nb = \"\xc3\"\n", 2),
            (b"a\nb\n\xed\xa0\x80", 3),
        ] {
            let error = TomlText::new(Path::new("f"), bytes).err().unwrap();
            assert_eq!(
                error.to_string(),
                format!("`f` is not UTF-8 from line {line} on")
            );
        }
    }

    /// CFG-1, SIG-11
    #[test]
    fn a_file_over_the_limit_is_refused() {
        let path = Path::new("f");
        assert!(TomlText::new(path, &vec![b'#'; MAX_BYTES]).is_ok());
        let error = TomlText::new(path, &vec![b'#'; MAX_BYTES + 1])
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "`f` has more than 1048576 bytes");
    }

    #[test]
    fn reading_stops_beyond_the_limit() {
        let files = Files::until(std::time::Instant::now());
        let bytes = read(Path::new("/dev/zero"), "zeros", &files).unwrap();
        assert_eq!(bytes.len(), MAX_BYTES + 1);
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        for text in [
            format!("a = {}", "[".repeat(100_000)),
            format!("a = {}", "{a=".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
        ] {
            let document = TomlText::new(Path::new("f"), text.as_bytes()).unwrap();
            assert!(document.parse().is_err());
        }
    }

    #[test]
    fn the_closest_known_word_is_suggested() {
        let known = ["key", "password", "repository", "docker-media-types"];
        for (written, meant) in [
            ("keys", Some("key")),
            ("KEY", Some("key")),
            ("pasword", Some("password")),
            ("kye", Some("key")),
            ("repo", Some("repository")),
            ("docker_media_types", Some("docker-media-types")),
            ("media-types", Some("docker-media-types")),
            ("x", None),
            ("certificate", None),
            (&"k".repeat(1000), None),
        ] {
            assert_eq!(closest(written, &known), meant, "{written}");
        }
        let formats = ["legacy", "bundle", "both"];
        assert_eq!(closest("boht", &formats), Some("both"));
        assert_eq!(closest("hbot", &formats), None);
    }
}
