//! Bytes of a known length that can be read any number of times.
//!
//! An SBOM document may be far larger than the signer wants to hold: its
//! statement, its DSSE envelope and the signed message are compositions that
//! are streamed from the document's place.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::ahead::read_ahead;
use super::digest::{Digest, HashAlgorithm, Hasher};

/// Content from here on is worth a thread that reads ahead.
const LARGE: u64 = 1 << 20;

/// A source that can be opened again and gives the same bytes each time.
/// Several readers may be open at the same time: the envelopes of all keys
/// embed one document.
pub trait Reread: Send + Sync {
    /// Length in bytes.
    fn length(&self) -> u64;

    /// A reader at the first byte.
    ///
    /// # Errors
    /// On a source that cannot be opened (again).
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

/// Bytes in memory, a source, or several of them in a row. Cheap to clone.
#[derive(Clone)]
pub struct Content {
    /// In a row, also where contents were composed of compositions.
    parts: Arc<[Piece]>,
    length: u64,
    /// Of the whole alone: a composition does not know it.
    known: Option<Digest>,
}

#[derive(Clone)]
enum Piece {
    Bytes(Bytes),
    Source(Arc<dyn Reread>),
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Source(source) => source.length(),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Bytes(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            Self::Source(source) => source.open(),
        }
    }
}

impl Content {
    /// Content of a source outside of memory.
    pub fn from_source(source: impl Reread + 'static) -> Self {
        Self::from_parts(vec![Piece::Source(Arc::new(source))])
    }

    /// All of `contents`, one after the other.
    pub fn concat(contents: impl IntoIterator<Item = Content>) -> Self {
        let parts = contents
            .into_iter()
            .flat_map(|content| content.parts.iter().cloned().collect::<Vec<_>>())
            .collect();
        Self::from_parts(parts)
    }

    fn from_parts(parts: Vec<Piece>) -> Self {
        let length = parts.iter().map(Piece::length).sum();
        Self {
            parts: parts.into(),
            length,
            known: None,
        }
    }

    /// This content with its SHA-256, so that [`digest`](Self::digest) does not
    /// read it. The caller vouches for it.
    pub fn with_digest(self, digest: Digest) -> Self {
        Self {
            known: Some(digest),
            ..self
        }
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A reader at the first byte. A source is opened when the reader comes to
    /// it, one at a time; the reader fails on one that cannot be opened, and on
    /// one that is shorter or longer than its length.
    pub fn open(&self) -> impl Read + Send + use<> {
        PartsReader {
            parts: self.parts.clone(),
            next: 0,
            current: None,
        }
    }

    /// As [`open`](Self::open), for computations over all bytes: another thread
    /// reads large content ahead.
    pub fn open_ahead(&self) -> Box<dyn Read + Send> {
        match self.length >= LARGE {
            true => read_ahead(|| self.open()),
            false => Box::new(self.open()),
        }
    }

    /// All bytes in memory. For content that is small, or that a caller has to
    /// hold anyway.
    ///
    /// # Errors
    /// On a source that cannot be read.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        if let [Piece::Bytes(bytes)] = &*self.parts {
            return Ok(bytes.clone());
        }
        let mut bytes = Vec::new();
        self.open().read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    /// The SHA-256 digest of all bytes, which are read unless it is known.
    ///
    /// # Errors
    /// On a source that cannot be read.
    pub fn digest(&self) -> io::Result<Digest> {
        if let Some(digest) = &self.known {
            return Ok(digest.clone());
        }
        let (digest, _) = Hasher::new(HashAlgorithm::Sha256).drain(&mut self.open_ahead())?;
        Ok(digest)
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::from_parts(vec![Piece::Bytes(bytes)])
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.length)
    }
}

struct PartsReader {
    parts: Arc<[Piece]>,
    next: usize,
    current: Option<Current>,
}

struct Current {
    reader: Box<dyn Read + Send>,
    left: u64,
}

impl PartsReader {
    /// The part that is read, or else the next one, opened; none at the end.
    fn current(&mut self) -> io::Result<Option<&mut Current>> {
        if self.current.is_none()
            && let Some(part) = self.parts.get(self.next)
        {
            self.next += 1;
            self.current = Some(Current {
                reader: part.open()?,
                left: part.length(),
            });
        }
        Ok(self.current.as_mut())
    }
}

impl Read for PartsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(current) = self.current()? else {
                return Ok(0);
            };
            let count = current.reader.read(buffer)?;
            // Other bytes were signed: a source that changes ends the run.
            if count as u64 > current.left || (count == 0 && current.left > 0) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the content changed its length",
                ));
            }
            if count > 0 {
                current.left -= count as u64;
                return Ok(count);
            }
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Repeated(u8, u64, u64);

    impl Reread for Repeated {
        fn length(&self) -> u64 {
            self.1
        }
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(io::repeat(self.0).take(self.2)))
        }
    }

    #[test]
    fn content_is_read_in_order_and_again() {
        let content = Content::concat([
            Content::from(b"ab".to_vec()),
            Content::from_source(Repeated(b'x', 3, 3)),
            Content::from(Bytes::new()),
            Content::from(b"c".to_vec()),
        ]);
        assert_eq!(content.length(), 6);
        assert_eq!(content.to_bytes().unwrap(), "abxxxc");
        assert_eq!(content.to_bytes().unwrap(), "abxxxc");
        assert_eq!(content.digest().unwrap(), Digest::of(b"abxxxc"));
    }

    #[test]
    fn a_known_digest_is_not_read_for_and_does_not_spread() {
        let unreadable = Content::from_source(Repeated(b'x', 2, 3));
        assert!(unreadable.digest().is_err());
        let known = unreadable.with_digest(Digest::of(b"xx"));
        assert_eq!(known.clone().digest().unwrap(), Digest::of(b"xx"));
        assert!(Content::concat([known]).digest().is_err());
    }

    #[test]
    fn a_source_that_lies_about_its_length_is_an_error() {
        for said in [2, 4] {
            let content = Content::from_source(Repeated(b'x', said, 3));
            assert!(content.to_bytes().is_err(), "{said}");
        }
    }
}
