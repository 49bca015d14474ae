//! Extended headers of a tar archive: the fields that PAX and GNU set for the
//! next entry.
//!
//! Implements POSIX.1-2017, pax, "pax Extended Header", and GNU tar's `L` and
//! `K` entries. Only names and sizes matter here. A header is refused if Go's
//! `archive/tar`, GNU tar and the `tar` crate could read it differently, or if
//! one of them refuses it.

use std::io::{self, Read};

use tar::Entry;

use super::error::{Exceeded, SbomError, shown};

/// Go's `archive/tar` reads no larger extended header either (`maxSpecialFileSize`).
const MAX_EXTENDED_HEADER: u64 = 1 << 20;

/// The fields that extended headers set for the entry after them. A PAX header and a long
/// name may both stand before one entry; they have to agree.
#[derive(Default)]
pub(super) struct ExtendedFields {
    pub(super) path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// The kinds of extended header seen, each allowed once.
    kinds: Vec<u8>,
}

impl ExtendedFields {
    /// Whether no extended header was seen.
    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// A PAX header (`x`) for the next entry. A path or size that stands twice has
    /// to be the same both times: readers take different ones.
    ///
    /// # Errors
    /// On records that are malformed or doubtful.
    pub(super) fn read_pax<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), SbomError> {
        self.note(b'x', entry)?;
        let records = extended_header(entry)?;
        for (key, value) in pax_records(&records)? {
            if let Some(reason) = doubt(key, value) {
                return Err(refused(entry, reason));
            }
            match key {
                b"path" => self.name(value.to_vec())?,
                b"size" => self.size(decimal(value).ok_or_else(malformed_pax)?)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A long name of GNU's (`L`) for the next entry, with a NUL behind it or without.
    ///
    /// # Errors
    /// On an empty name, and on one that differs from a PAX header's.
    pub(super) fn read_long_name<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), SbomError> {
        self.note(b'L', entry)?;
        let mut name = extended_header(entry)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        if name.is_empty() {
            // Go keeps the name of the entry.
            return Err(refused(entry, "a long name is empty"));
        }
        self.name(name)
    }

    /// A long name of a link's target (`K`): no link is a document. It is read all the
    /// same, so that it counts and is bounded.
    ///
    /// # Errors
    /// On a second one for the same entry.
    pub(super) fn pass_over_link_name<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
    ) -> Result<(), SbomError> {
        self.note(b'K', entry)?;
        extended_header(entry).map(drop)
    }

    /// A global header stands before the entry's own: Go forgets the extended
    /// headers that it read before a global one.
    pub(super) fn read_global<R: Read>(&self, entry: &mut Entry<'_, R>) -> Result<(), SbomError> {
        if !self.is_empty() {
            let reason = "a global header stands between an entry and its extended header";
            return Err(refused(entry, reason));
        }
        global_header(entry)
    }

    /// Remembers that an extended header of a kind was seen.
    fn note<R: Read>(&mut self, kind: u8, entry: &Entry<'_, R>) -> Result<(), SbomError> {
        if self.kinds.contains(&kind) {
            let reason = "an entry has two extended headers of one kind";
            return Err(refused(entry, reason));
        }
        self.kinds.push(kind);
        Ok(())
    }

    /// Notes the name of the next entry.
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

    /// Notes the size of the next entry; it is compared with that of the entry's own
    /// header, which nothing here overrides.
    fn size(&mut self, size: u64) -> Result<(), SbomError> {
        if self.size.is_some_and(|known| known != size) {
            return Err(malformed_pax());
        }
        self.size = Some(size);
        Ok(())
    }
}

/// Why readers could understand a record of an extended header differently.
/// `None`: they do not. Go refuses an archive for a malformed number or time,
/// and for a NUL in a key or a name; it passes over an empty value.
fn doubt(key: &[u8], value: &[u8]) -> Option<&'static str> {
    if key.is_empty() || key.contains(&0) {
        return Some("a PAX key is empty or holds a NUL byte");
    }
    if key.starts_with(b"GNU.sparse.") {
        return Some("it is sparse, which readers understand differently");
    }
    let is_good = match key {
        b"path" | b"size" | b"linkpath" if value.is_empty() => {
            return Some("a PAX header leaves its name or size empty");
        }
        // A document's name is checked as a path later.
        b"linkpath" | b"uname" | b"gname" => !value.contains(&0),
        b"uid" | b"gid" => value.is_empty() || is_integer(value),
        b"atime" | b"mtime" | b"ctime" => value.is_empty() || is_time(value),
        _ => true,
    };
    (!is_good).then_some("a PAX header holds a value that some readers refuse")
}

/// Go's `strconv.ParseInt` in base 10 and 64 bits takes the text.
fn is_integer(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok())
}

/// Seconds, and after a point any digits.
fn is_time(text: &[u8]) -> bool {
    let point = text.iter().position(|byte| *byte == b'.');
    let (seconds, rest) = text.split_at(point.unwrap_or(text.len()));
    is_integer(seconds) && rest.iter().skip(1).all(u8::is_ascii_digit)
}

/// A refusal that names the entry by its own header: the extended one may be what is
/// wrong.
fn refused<R: Read>(entry: &Entry<'_, R>, reason: &'static str) -> SbomError {
    SbomError::Entry {
        path: shown(&entry.path_bytes()),
        reason,
    }
}

/// A global header changes all entries after it, for some readers. It is passed
/// over only if it changes neither a name nor a size.
fn global_header<R: Read>(entry: &mut Entry<'_, R>) -> Result<(), SbomError> {
    let records = extended_header(entry)?;
    let matters = |key: &[u8]| {
        matches!(key, b"path" | b"size" | b"linkpath") || key.starts_with(b"GNU.sparse.")
    };
    let records = pax_records(&records)?;
    let is_doubtful = |key: &[u8]| key.is_empty() || key.contains(&0);
    if records.iter().any(|(key, _)| is_doubtful(key)) {
        return Err(refused(entry, "a PAX key is empty or holds a NUL byte"));
    }
    if records.iter().any(|(key, _)| matters(key)) {
        let reason = "a global header names or sizes the entries after it";
        return Err(refused(entry, reason));
    }
    Ok(())
}

/// The content of an extended header, of a size that is checked before it is read.
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
    // The length counts itself, the space and the newline; none has 20 digits.
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..space)?)?).ok()?;
    let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
    Some(((key, value), bytes.get(length..)?))
}

/// The words for a header that no reader could take apart.
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
