//! Extended headers of a tar archive: what PAX and GNU say of the next entry.
//!
//! Implements POSIX.1-2017, pax, "pax Extended Header", and GNU tar's `L` and
//! `K` entries. Only names, sizes and sparseness matter here. What Go's
//! `archive/tar`, GNU tar and the `tar` crate could read differently is refused.

use std::io::{self, Read};

use tar::{Entry, Header};

use super::error::{Exceeded, SbomError, shown};

/// Go's `archive/tar` reads no larger extended header either.
const MAX_EXTENDED_HEADER: u64 = 1 << 20;

/// What extended headers say of the entry after them.
#[derive(Default)]
pub(super) struct Extension {
    pub(super) path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) is_sparse: bool,
    /// The kinds of extended header seen, each allowed once.
    kinds: Vec<u8>,
}

impl Extension {
    /// Whether no extended header was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn read_pax<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), SbomError> {
        self.note(b'x', entry)?;
        self.pax(&extended_header(entry)?)
    }

    pub(super) fn read_long_name<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), SbomError> {
        self.note(b'L', entry)?;
        let mut name = extended_header(entry)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        self.name(name)
    }

    pub(super) fn pass_over_link_name<R: Read>(
        &mut self,
        entry: &Entry<'_, R>,
    ) -> Result<(), SbomError> {
        self.note(b'K', entry)
    }

    /// Remembers that an extended header of a kind was seen.
    fn note<R: Read>(&mut self, kind: u8, entry: &Entry<'_, R>) -> Result<(), SbomError> {
        if self.kinds.contains(&kind) {
            return Err(SbomError::Entry {
                path: shown(&entry.path_bytes()),
                reason: "an entry has two extended headers of one kind",
            });
        }
        self.kinds.push(kind);
        Ok(())
    }

    fn name(&mut self, name: Vec<u8>) -> Result<(), SbomError> {
        if self.path.as_ref().is_some_and(|path| *path != name) {
            return Err(SbomError::Entry {
                path: shown(&name),
                reason: "its headers disagree on its path",
            });
        }
        self.path = Some(name);
        Ok(())
    }

    fn pax(&mut self, records: &[u8]) -> Result<(), SbomError> {
        for (key, value) in pax_records(records)? {
            match key {
                b"path" | b"GNU.sparse.name" => self.name(value.to_vec())?,
                b"size" => self.size = Some(decimal(value).ok_or_else(malformed_pax)?),
                _ => {}
            }
            self.is_sparse |= key.starts_with(b"GNU.sparse.");
        }
        Ok(())
    }
}

/// Whether readers disagree on what the fields of a header are. With the magic
/// of POSIX and another version than `00`, Go and GNU tar read a prefix, the
/// `tar` crate none; extended headers of no known layout are none to it. With
/// the trailer of `star`, Go's prefix ends after 131 bytes and not after 155.
pub(super) fn is_ambiguous(header: &Header) -> bool {
    let bytes = header.as_bytes();
    if header.as_ustar().is_none() && header.as_gnu().is_none() {
        let is_posix = bytes.get(257..263) == Some(b"ustar\0".as_slice());
        return is_posix || matches!(header.as_old().linkflag, [b'x' | b'g' | b'L' | b'K']);
    }
    let is_star = bytes.get(508..) == Some(b"tar\0".as_slice());
    let prefix = bytes.get(345..476).unwrap_or_default();
    is_star && header.as_ustar().is_some() && !prefix.contains(&0)
}

/// A global header changes all entries after it, for some readers. Only one
/// that changes nothing of theirs that matters here is passed over.
pub(super) fn global_header<R: Read>(entry: &mut Entry<'_, R>) -> Result<(), SbomError> {
    let records = extended_header(entry)?;
    let matters = |key: &[u8]| {
        matches!(key, b"path" | b"size" | b"linkpath") || key.starts_with(b"GNU.sparse.")
    };
    if pax_records(&records)?.iter().any(|(key, _)| matters(key)) {
        return Err(SbomError::Entry {
            path: shown(&entry.path_bytes()),
            reason: "a global header names or sizes the entries after it",
        });
    }
    Ok(())
}

fn extended_header<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, SbomError> {
    if entry.size() > MAX_EXTENDED_HEADER {
        let exceeded = Exceeded::ExtendedHeader(MAX_EXTENDED_HEADER);
        return Err(SbomError::Limit(exceeded));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(SbomError::Tar)?;
    if bytes.len() as u64 != entry.size() {
        return Err(SbomError::Tar(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// The records `<length> <key>=<value>\n` of a PAX header (POSIX.1-2017, pax,
/// "pax Extended Header"), split by their lengths: a value may hold newlines.
fn pax_records(mut bytes: &[u8]) -> Result<Vec<PaxRecord<'_>>, SbomError> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = pax_record(bytes).ok_or_else(malformed_pax)?;
        records.push(record);
        bytes = rest;
    }
    Ok(records)
}

type PaxRecord<'a> = (&'a [u8], &'a [u8]);

fn pax_record(bytes: &[u8]) -> Option<(PaxRecord<'_>, &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..space)?)?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
    Some(((key, value), bytes.get(length..)?))
}

fn malformed_pax() -> SbomError {
    SbomError::Tar(io::Error::new(
        io::ErrorKind::InvalidData,
        "a PAX header is malformed",
    ))
}

/// Digits alone: no sign, no space.
fn decimal(bytes: &[u8]) -> Option<u64> {
    match bytes.iter().all(u8::is_ascii_digit) {
        true => std::str::from_utf8(bytes).ok()?.parse().ok(),
        false => None,
    }
}
