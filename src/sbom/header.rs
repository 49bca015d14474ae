//! The header of an entry of a tar archive, as far as readers disagree on it.
//!
//! The lifecycle and pack read with Go's `archive/tar`, the signer with the
//! `tar` crate, others with GNU tar or libarchive. Each is lenient in another
//! place, so that a header could hide a document from one of them, or move it.
//! Only a header that all of them read alike is accepted. Go's reader is
//! described after Go 1.26, `src/archive/tar/reader.go` and `strconv.go`;
//! `acceptance/archives.rs` compares.

use std::ops::Range;

use tar::Header;

/// The fields of a header of 512 bytes (POSIX.1-2017, pax, "ustar Interchange Format").
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const MAGIC: Range<usize> = 257..263;
const DEVICE: [Range<usize>; 2] = [329..337, 337..345];
/// In GNU's layout, where POSIX has the prefix.
const GNU_TIMES: [Range<usize>; 2] = [345..357, 357..369];
/// In the layout of `star`, whose prefix ends before them.
const STAR_TIMES: [Range<usize>; 2] = [476..488, 488..500];
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_TRAILER: Range<usize> = 508..512;

/// The kinds of entry that all readers know: files, links, devices and folders
/// (POSIX), extended headers, GNU's long names. For other kinds some readers
/// skip more than their size, or take them for extended headers.
const KINDS: &[u8] = b"\x0001234567xgLK";

/// Why readers could understand a header differently. `None`: they do not. Names and
/// paths are not looked at, they are those of `documents`.
pub(super) fn doubt(header: &Header) -> Option<&'static str> {
    if !header
        .as_old()
        .linkflag
        .iter()
        .all(|kind| KINDS.contains(kind))
    {
        return Some("it is of a kind that readers understand differently");
    }
    if has_doubtful_layout(header) {
        return Some("its header has a layout that readers understand differently");
    }
    if has_doubtful_number(header) {
        return Some("its header holds a number that readers understand differently");
    }
    None
}

/// With the magic of POSIX and another version than `00`, Go and GNU tar read a
/// prefix, the `tar` crate none; it also takes extended headers of an unknown
/// layout for ordinary entries. With the trailer of `star`, Go's prefix ends
/// after 131 bytes and not after 155. With GNU's magic, Go and Python read a
/// prefix where they find no times.
fn has_doubtful_layout(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    if header.as_gnu().is_some() {
        let is_time = |time: &[u8]| time.first() == Some(&0) || number(time).is_some();
        return !GNU_TIMES.into_iter().map(part).all(is_time);
    }
    if header.as_ustar().is_none() {
        let is_posix = part(MAGIC) == b"ustar\0";
        return is_posix || matches!(header.as_old().linkflag, [b'x' | b'g' | b'L' | b'K']);
    }
    let is_star = part(STAR_TRAILER) == b"tar\0";
    let is_time = |time: &[u8]| number(time).is_some();
    is_star && !(part(STAR_PREFIX).contains(&0) && STAR_TIMES.into_iter().map(part).all(is_time))
}

/// Go refuses an archive for any malformed number; the `tar` crate reads only
/// the size and the checksum, and takes signs and tabs there.
fn has_doubtful_number(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let of = |range: Range<usize>| number(bytes.get(range).unwrap_or_default());
    let has_devices = header.as_ustar().is_some() || header.as_gnu().is_some();
    let devices = DEVICE.into_iter().filter(|_| has_devices);
    let mut others = [MODE, UID, GID, MTIME].into_iter().chain(devices);
    // The `tar` crate goes by its own reading of these two: it has to be Go's.
    let size = header.entry_size().ok().map(i128::from);
    let checksum = header.cksum().ok().map(i128::from);
    others.any(|range| of(range).is_none()) || of(SIZE) != size || of(CHECKSUM) != checksum
}

/// A number as Go reads it: octal between blanks and NULs, or GNU's base 256.
fn number(field: &[u8]) -> Option<i128> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => base_256(field),
        _ => octal(field),
    }
}

/// Go trims blanks and NULs on both sides, and takes a field of nothing else for 0.
fn octal(field: &[u8]) -> Option<i128> {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_padding(byte));
    let Some(start) = start else {
        return Some(0);
    };
    let end = field.iter().rposition(|byte| !is_padding(byte))?;
    field.get(start..=end)?.iter().try_fold(0, |value, byte| {
        matches!(byte, b'0'..=b'7').then(|| value << 3 | i128::from(byte - b'0'))
    })
}

/// Two's complement, the first bit aside; 64 bits, as Go has.
fn base_256(field: &[u8]) -> Option<i128> {
    let is_negative = field.first()? & 0x40 != 0;
    let inverted = if is_negative { 0xFF } else { 0 };
    let mut value: i128 = 0;
    for (index, byte) in field.iter().enumerate() {
        let byte = byte ^ inverted;
        let byte = if index == 0 { byte & 0x7F } else { byte };
        value = value << 8 | i128::from(byte);
        if value > i128::from(i64::MAX) {
            return None;
        }
    }
    Some(if is_negative { -1 - value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_one_that_go_reads_or_none() {
        for (field, expected) in [
            (b"0000644\0".as_slice(), Some(0o644)),
            (b"000644 \0", Some(0o644)),
            (b" \0 644  ", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"+000644\0", None),
            (b"\t000644\0", None),
            (b"00\x00644\0\0", None),
            (b"0000648\0", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x81\0\0\0\0\0\0\0\0\0\0\0", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }
}
