//! A layer's blob: decompressed as it is read, counted and hashed on the way.
//!
//! The first bytes tell the compression (gzip, zstd, none): the media types of
//! CNB layers don't (`application/vnd.docker.image.rootfs.diff.tar.gzip` stands
//! on layers that a third party recompressed).

use std::io::{self, BufRead, Cursor, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::error::{Exceeded, SbomError};
use super::label::SbomLayer;
use crate::oci::ahead::read_ahead;
use crate::oci::digest::{Digest, Hasher};

/// The limits of an SBOM layer (SBOM-5). All but that of paths can be set by flags; each
/// is judged while bytes come, so that a bomb costs no more than its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerLimits {
    /// Bytes of the compressed blob.
    pub compressed: u64,
    /// Bytes of the archive inside.
    pub expanded: u64,
    /// How many times the blob's size the archive may have, once it is larger
    /// than [`RATIO_FLOOR`].
    pub ratio: u64,
    /// Entries of the archive, extended headers included.
    pub entries: u64,
    /// Bytes of an entry's path.
    pub path: usize,
}

/// The defaults. A layer is held in memory as it came, and cosign reads no attestation
/// over 128 MiB: honest layers stay far below (`spec/limits.md`).
pub const MAX_COMPRESSED: u64 = 512 << 20;
pub const MAX_EXPANDED: u64 = 2 << 30;
pub const MAX_RATIO: u64 = 200;
pub const MAX_ENTRIES: u64 = 10_000;
/// Linux opens no longer path.
pub const MAX_PATH: usize = 4 << 10;

/// The size from which on the ratio counts: a small archive of repetitive
/// documents may shrink to anything without being a bomb.
pub const RATIO_FLOOR: u64 = 64 << 20;

/// Of a tar archive.
const BLOCK: u64 = 512;

/// From this size on, a blob is decompressed by a thread of its own: hashing and walking
/// take another processor meanwhile.
const LARGE: u64 = 256 << 10;

/// The largest window of a zstd frame. `zstd` needs 8 MiB up to level 19, the
/// encoders of registries' clients as much by default, and RFC 8878, section
/// 3.1.1.1.2, asks for no more. The decoder takes up to three times as much
/// while its buffer grows.
const MAX_ZSTD_WINDOW: u64 = 8 << 20;

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            compressed: MAX_COMPRESSED,
            expanded: MAX_EXPANDED,
            ratio: MAX_RATIO,
            entries: MAX_ENTRIES,
            path: MAX_PATH,
        }
    }
}

impl LayerLimits {
    /// How far a blob of `size` bytes may expand: the limit that comes first, as the
    /// error that will name it.
    fn expanded_of(&self, size: u64) -> Exceeded {
        let bytes = size.saturating_mul(self.ratio).max(RATIO_FLOOR);
        if bytes < self.expanded {
            return Exceeded::Ratio {
                ratio: self.ratio,
                bytes,
            };
        }
        Exceeded::Expanded(self.expanded)
    }
}

/// Checks a blob against its descriptor in the manifest: limits first, then the size,
/// then the digest, so that no more is hashed than may be there.
pub(super) fn verify_blob(
    layer: &SbomLayer,
    blob: &Bytes,
    limits: &LayerLimits,
) -> Result<(), SbomError> {
    let (descriptor, actual) = (&layer.descriptor, blob.len() as u64);
    if descriptor.size > limits.compressed || actual > limits.compressed {
        return Err(SbomError::Limit(Exceeded::Compressed(limits.compressed)));
    }
    if descriptor.size != actual {
        return Err(SbomError::BlobSize {
            digest: descriptor.digest.clone(),
            expected: descriptor.size,
            actual,
        });
    }
    let mut hasher = descriptor.digest.hasher();
    hasher.update(blob);
    let actual = hasher.finish();
    if actual != descriptor.digest {
        return Err(SbomError::BlobDigest {
            expected: descriptor.digest.clone(),
            actual,
        });
    }
    Ok(())
}

/// The archive in a blob, read once, with all its bytes counted and hashed, those behind
/// its end included.
pub(super) struct Metered {
    reader: Box<dyn Read + Send>,
    hasher: Hasher,
    count: u64,
    limit: (u64, Exceeded),
    /// The cause of an error that was given out as an [`io::Error`], which is all that a
    /// reader can say to the `tar` crate.
    failure: Option<SbomError>,
}

impl Metered {
    pub(super) fn new(layer: &SbomLayer, blob: Bytes, limits: &LayerLimits) -> Self {
        let exceeded = limits.expanded_of(blob.len() as u64);
        let limit = match exceeded {
            Exceeded::Ratio { bytes, .. } => bytes,
            _ => limits.expanded,
        };
        Self {
            reader: archive(blob),
            hasher: layer.diff_id.hasher(),
            count: 0,
            limit: (limit, exceeded),
            failure: None,
        }
    }

    /// The cause of a failed read, if it was not the archive's fault.
    pub(super) fn failure(&mut self) -> Option<SbomError> {
        self.failure.take()
    }

    /// Reads one block more after the first block of zeros, which ends an
    /// archive. Go refuses an archive whose next block is incomplete, or not
    /// all zeros; an archive may also end with its last entry.
    ///
    /// # Errors
    /// On another end, and on a blob that cannot be decompressed so far.
    pub(super) fn check_end(&mut self) -> Result<(), SbomError> {
        let mut block = Vec::new();
        if let Err(error) = self.by_ref().take(BLOCK).read_to_end(&mut block) {
            return Err(self.failure().unwrap_or(SbomError::Inflate(error)));
        }
        let is_whole = block.is_empty() || block.len() as u64 == BLOCK;
        if !is_whole || block.iter().any(|byte| *byte != 0) {
            return Err(SbomError::Tar(broken("its end is not two blocks of zeros")));
        }
        Ok(())
    }

    /// Reads the rest and checks that the whole is the archive with `diff_id`. Bombs lie
    /// behind an archive as well: the limits hold to the end.
    ///
    /// # Errors
    /// On another archive, and on a rest that cannot be decompressed or is too long.
    pub(super) fn verify(mut self, diff_id: &Digest) -> Result<(), SbomError> {
        if let Err(error) = io::copy(&mut self, &mut io::sink()) {
            return Err(self.failure().unwrap_or(SbomError::Inflate(error)));
        }
        let actual = self.hasher.finish();
        if actual != *diff_id {
            return Err(SbomError::DiffId {
                expected: diff_id.clone(),
                actual,
            });
        }
        Ok(())
    }

    fn fail(&mut self, failure: SbomError) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("the layer cannot be read on")
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.reader.read(buffer) {
            Ok(count) => count,
            Err(error) => return Err(self.fail(SbomError::Inflate(error))),
        };
        self.count += count as u64;
        let (limit, exceeded) = self.limit;
        if self.count > limit {
            return Err(self.fail(SbomError::Limit(exceeded)));
        }
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// How a layer's blob is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compressed {
    Not,
    Gzip,
    Zstd,
}

impl Compressed {
    /// The compression that the first bytes of a blob tell.
    pub(super) fn of(blob: &[u8]) -> Self {
        match blob {
            [0x1F, 0x8B, ..] => Self::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            _ => Self::Not,
        }
    }
}

/// The archive in a blob; another thread decompresses a large one.
fn archive(blob: Bytes) -> Box<dyn Read + Send> {
    if (blob.len() as u64) < LARGE {
        return inflate(blob);
    }
    read_ahead(|| inflate(blob.clone()))
}

/// The archive in a blob, from its first byte. Anything after the last member or frame is
/// an error (SBOM-4): some readers stop before it.
pub(super) fn inflate(blob: Bytes) -> Box<dyn Read + Send> {
    match Compressed::of(&blob) {
        // Of several members in a row all count, as for Go and gzip itself.
        Compressed::Gzip => Box::new(MultiGzDecoder::new(Cursor::new(blob))),
        Compressed::Zstd => Box::new(ZstdFrames::new(blob)),
        Compressed::Not => Box::new(Cursor::new(blob)),
    }
}

/// Frames of zstd (RFC 8878) in a row; skippable ones are skipped.
struct ZstdFrames {
    source: Cursor<Bytes>,
    decoder: FrameDecoder,
    /// Whether the decoder is inside a frame.
    inside: bool,
}

impl ZstdFrames {
    fn new(blob: Bytes) -> Self {
        Self {
            source: Cursor::new(blob),
            decoder: FrameDecoder::new(),
            inside: false,
        }
    }

    /// Goes to the next frame, past skippable ones. `false`: there is none.
    ///
    /// # Errors
    /// On bytes that are no frame, and on one that wants too much memory.
    fn advance(&mut self) -> io::Result<bool> {
        loop {
            let rest = self.source.fill_buf()?;
            if rest.is_empty() {
                return Ok(false);
            }
            let Some(length) = skippable(rest) else {
                let window =
                    zstd_window(rest).ok_or_else(|| broken("a frame header is cut off"))?;
                self.begin_frame(window)?;
                return Ok(true);
            };
            if length > rest.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.source.consume(length);
        }
    }

    /// Begins the frame that comes next, whose header asks for this window.
    fn begin_frame(&mut self, window: u64) -> io::Result<()> {
        // The decoder takes this memory before a byte of the frame is read.
        if window > MAX_ZSTD_WINDOW {
            return Err(broken("a zstd frame asks for a window of more than 8 MiB"));
        }
        self.decoder
            .reset(&mut self.source)
            .map_err(|_| broken("a zstd frame has a broken header"))?;
        self.inside = true;
        Ok(())
    }

    /// Compares the checksum of a frame that has one: the decoder computes it, and leaves
    /// comparing to its caller.
    fn finish_frame(&mut self) -> io::Result<()> {
        self.inside = false;
        match self.decoder.get_checksum_from_data() {
            Some(said) if self.decoder.get_calculated_checksum() != Some(said) => {
                Err(broken("a zstd frame has a wrong checksum"))
            }
            _ => Ok(()),
        }
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() && (self.inside || self.advance()?) {
            // The decoder holds back a window's worth until the frame ends, so that some
            // blocks give nothing out yet.
            while self.decoder.can_collect() < buffer.len() && !self.decoder.is_finished() {
                let missing = buffer.len() - self.decoder.can_collect();
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBytes(missing))
                    .map_err(|_| broken("a zstd frame is damaged"))?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.finish_frame()?;
        }
        Ok(0)
    }
}

fn broken(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The length of a skippable frame, header included (RFC 8878, section 3.1.2).
fn skippable(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, a, b, c, d, ..] => {
            usize::try_from(u32::from_le_bytes([a, b, c, d]))
                .ok()?
                .checked_add(8)
        }
        _ => None,
    }
}

/// The window that a frame asks for (RFC 8878, section 3.1.1.1), read before
/// anything is allocated for it. With a single segment it is the size of the content,
/// whose field has 1, 2, 4 or 8 bytes, the second of which counts from 256.
fn zstd_window(bytes: &[u8]) -> Option<u64> {
    let (descriptor, rest) = bytes.get(4..)?.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = rest.first()?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    let dictionary_id = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let width = 1usize << (descriptor >> 6);
    let content_size = rest.get(*dictionary_id..)?.get(..width)?;
    let value = content_size
        .iter()
        .rev()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    Some(if width == 2 { value + 256 } else { value })
}
