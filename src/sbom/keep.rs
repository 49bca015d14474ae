//! The ways to keep a document until all uses of it are sent: as it is, packed,
//! or in its layer. Implements `spec/sbom.md`, SBOM-11.
//!
//! Neither memory nor time may grow beyond the cost of the layer itself.
//! Reading a document from the layer means decompressing all bytes before it,
//! every time; so a document far from the beginning is packed. A layer whose
//! packed documents take many times its own size is refused (`spec/decisions/0021`).

use std::io::{self, Cursor, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::error::{Exceeded, SbomError};
use super::layer::{Compressed, inflate};
use crate::oci::{Content, Reread};

/// Documents up to this size are kept as they are, within `PLAIN_IN_TOTAL`.
const PLAIN_DOCUMENT: u64 = 1 << 20;
/// The most bytes of all documents together that are kept as they are.
const PLAIN_IN_TOTAL: u64 = 4 << 20;
/// A document stays in the layer if the bytes before it are at most this many
/// times its own size: all readings of all documents together then take at most four
/// times what the documents have.
const NEAR: u64 = 3;
/// The bytes that all packed documents together may take beyond twice the
/// blob's size. More is needed only if the blob was packed with a larger window
/// than ours, and repeats itself many times over.
const PACKED_BESIDE: u64 = 24 << 20;

/// Decides for each document of a blob, and counts the bytes in memory.
pub(super) struct DocumentKeeper<'a> {
    blob: &'a Bytes,
    compressed: Compressed,
    /// The bytes that are kept as they are, and the packed ones.
    plain: u64,
    packed: u64,
    /// One for all documents: a new one for each would leave holes in the heap,
    /// many times the size of the packed documents.
    encoder: ZlibEncoder<Vec<u8>>,
}

/// A document that is being read.
pub(super) enum Keeping {
    Plain(Vec<u8>),
    /// Into the keeper's encoder.
    Packed,
    InTheLayer,
}

impl<'a> DocumentKeeper<'a> {
    pub(super) fn new(blob: &'a Bytes) -> Self {
        Self {
            blob,
            compressed: Compressed::of(blob),
            plain: 0,
            packed: 0,
            encoder: ZlibEncoder::new(Vec::new(), Compression::fast()),
        }
    }

    /// How to keep a document that lies at `offset` of the archive, decided before it is
    /// read, by the size that its header states.
    pub(super) fn begin(&self, offset: u64, size: u64) -> Keeping {
        // Each reader of zstd holds a window, which may be large.
        let is_near = offset <= size.saturating_mul(NEAR) && self.compressed == Compressed::Gzip;
        if self.compressed == Compressed::Not {
            Keeping::InTheLayer
        } else if size <= PLAIN_DOCUMENT && self.plain + size <= PLAIN_IN_TOTAL {
            Keeping::Plain(Vec::new())
        } else if is_near {
            Keeping::InTheLayer
        } else {
            Keeping::Packed
        }
    }

    /// The next bytes of the document. The limit is looked at with each piece, so that
    /// memory never exceeds it by more than one.
    ///
    /// # Errors
    /// If all packed documents take too much.
    pub(super) fn add(&mut self, keeping: &mut Keeping, piece: &[u8]) -> Result<(), SbomError> {
        match keeping {
            Keeping::Plain(bytes) => bytes.extend_from_slice(piece),
            Keeping::Packed => {
                self.encoder.write_all(piece).map_err(SbomError::Tar)?;
                self.check_packed(self.encoder.get_ref().len())?;
            }
            Keeping::InTheLayer => {}
        }
        Ok(())
    }

    /// Whether the packed documents and `more` bytes keep to the limit.
    fn check_packed(&self, more: usize) -> Result<(), SbomError> {
        let most = 2 * self.blob.len() as u64 + PACKED_BESIDE;
        match self.packed + more as u64 > most {
            true => Err(SbomError::Limit(Exceeded::Kept(most))),
            false => Ok(()),
        }
    }

    /// The content of a document that was read to its end.
    ///
    /// # Errors
    /// If all packed documents take too much.
    pub(super) fn finish(
        &mut self,
        keeping: Keeping,
        offset: u64,
        length: u64,
    ) -> Result<Content, SbomError> {
        match keeping {
            Keeping::Plain(bytes) => {
                self.plain += length;
                Ok(bytes.into())
            }
            Keeping::Packed => {
                let packed = self.encoder.reset(Vec::new()).map_err(SbomError::Tar)?;
                self.check_packed(packed.len())?;
                let bytes = Bytes::from(packed.into_boxed_slice());
                self.packed += bytes.len() as u64;
                Ok(Content::from_source(Packed { bytes, length }))
            }
            Keeping::InTheLayer => Ok(self.in_the_layer(offset, length)),
        }
    }

    /// A part of the archive. In a blob that is not compressed it is the blob's own
    /// memory.
    fn in_the_layer(&self, offset: u64, length: u64) -> Content {
        let archive = match self.compressed {
            Compressed::Not => self.blob.as_ref(),
            Compressed::Gzip | Compressed::Zstd => &[],
        };
        let slice = || {
            let start = usize::try_from(offset).ok()?;
            archive
                .get(start..)?
                .get(..usize::try_from(length).ok()?)
                .map(|bytes| self.blob.slice_ref(bytes))
        };
        match slice() {
            Some(bytes) => bytes.into(),
            None => Content::from_source(Span {
                blob: self.blob.clone(),
                offset,
                length,
            }),
        }
    }
}

/// Bytes of an archive, decompressed anew each time they are read, with all that lies
/// before them. The archive was verified when the documents were handed out, and its
/// blob in memory does not change.
struct Span {
    blob: Bytes,
    offset: u64,
    length: u64,
}

impl Reread for Span {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut archive = inflate(self.blob.clone());
        io::copy(&mut archive.by_ref().take(self.offset), &mut io::sink())?;
        Ok(Box::new(archive.take(self.length)))
    }
}

/// Bytes that were compressed anew, by themselves (zlib, RFC 1950).
struct Packed {
    bytes: Bytes,
    length: u64,
}

impl Reread for Packed {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(ZlibDecoder::new(Cursor::new(self.bytes.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;

    const ARCHIVE: usize = 3 << 20;

    fn archive() -> Vec<u8> {
        (0..ARCHIVE as u32)
            .map(|index| (index / 7 % 251) as u8)
            .collect()
    }

    fn gzip() -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&archive()).unwrap();
        encoder.finish().unwrap().into()
    }

    fn keep(
        keeper: &mut DocumentKeeper<'_>,
        mut keeping: Keeping,
        offset: usize,
        size: usize,
    ) -> Content {
        for piece in archive()[offset..offset + size].chunks(4096) {
            keeper.add(&mut keeping, piece).unwrap();
        }
        let content = keeper.finish(keeping, offset as u64, size as u64);
        content.unwrap()
    }

    /// SBOM-11
    #[test]
    fn what_lies_behind_much_else_is_not_left_in_the_layer() {
        const LARGE: u64 = PLAIN_DOCUMENT + 1;
        let blob = gzip();
        let keeper = DocumentKeeper::new(&blob);
        for (offset, size) in [(0, LARGE), (NEAR * LARGE, LARGE), (LARGE, 1 << 30)] {
            assert!(matches!(keeper.begin(offset, size), Keeping::InTheLayer));
        }
        for (offset, size) in [(NEAR * LARGE + 1, LARGE), (1 << 30, LARGE)] {
            assert!(matches!(keeper.begin(offset, size), Keeping::Packed));
        }
        assert!(matches!(keeper.begin(1 << 30, 1000), Keeping::Plain(_)));
    }

    #[test]
    fn small_documents_are_kept_up_to_a_limit() {
        let blob = gzip();
        let mut keeper = DocumentKeeper::new(&blob);
        for _ in 0..PLAIN_IN_TOTAL / PLAIN_DOCUMENT {
            let keeping = keeper.begin(0, PLAIN_DOCUMENT);
            assert!(matches!(keeping, Keeping::Plain(_)));
            keep(&mut keeper, keeping, 0, PLAIN_DOCUMENT as usize);
        }
        assert!(matches!(keeper.begin(9, 1), Keeping::Packed));
    }

    #[test]
    fn a_document_is_the_same_however_it_is_kept() {
        let (offset, size) = (1 << 20, (1 << 20) + 17);
        let expected = &archive()[offset..offset + size];
        let gzip = gzip();
        let identity = Bytes::from(archive());
        for (blob, keeping) in [
            (&gzip, Keeping::Plain(Vec::new())),
            (&gzip, Keeping::InTheLayer),
            (&gzip, Keeping::Packed),
            (&identity, Keeping::InTheLayer),
        ] {
            let mut keeper = DocumentKeeper::new(blob);
            let content = keep(&mut keeper, keeping, offset, size);
            // Nothing of it is in the next one.
            let next = keep(&mut keeper, Keeping::Packed, 5, 10);
            for _ in 0..2 {
                assert_eq!(content.to_bytes().unwrap(), expected);
                assert_eq!(next.to_bytes().unwrap(), archive()[5..15]);
            }
        }
    }

    #[test]
    fn a_layer_that_is_not_compressed_is_not_copied() {
        let blob = Bytes::from(archive());
        let mut keeper = DocumentKeeper::new(&blob);
        let keeping = keeper.begin(10, 100);
        let content = keep(&mut keeper, keeping, 10, 100);
        assert_eq!(
            content.to_bytes().unwrap().as_ptr(),
            blob.slice(10..).as_ptr()
        );
    }

    #[test]
    fn zstd_is_packed_until_that_takes_too_much() {
        let blob = Bytes::from_static(b"\x28\xb5\x2f\xfd");
        let most = 2 * blob.len() as u64 + PACKED_BESIDE;
        let refused = |result| {
            let limit = Exceeded::Kept(most);
            matches!(result, Err(SbomError::Limit(exceeded)) if exceeded == limit)
        };
        let mut keeper = DocumentKeeper::new(&blob);
        let mut keeping = keeper.begin(0, 1 << 30);
        assert!(matches!(keeping, Keeping::Packed));
        keeper.packed = most;
        // The encoder holds the byte back.
        assert!(keeper.add(&mut keeping, b"x").is_ok());
        assert!(refused(keeper.finish(keeping, 0, 1).map(drop)));
        let mut keeping = Keeping::Packed;
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
        assert!(refused(keeper.add(&mut keeping, &noise)));
    }
}
