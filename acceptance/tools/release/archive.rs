//! Archives that depend on nothing but their contents: entries in the order of
//! their names, owned by root, with one time for all.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// An entry of an archive.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Relative, without a slash at the end.
    pub path: String,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Folder,
    File(Vec<u8>),
    Program(Vec<u8>),
    /// A symbolic link with this target.
    Link(String),
}

impl Entry {
    pub fn folder(path: &str) -> Self {
        Self::new(path, Kind::Folder)
    }

    pub fn file(path: &str, bytes: &[u8]) -> Self {
        Self::new(path, Kind::File(bytes.to_owned()))
    }

    pub fn program(path: &str, bytes: &[u8]) -> Self {
        Self::new(path, Kind::Program(bytes.to_owned()))
    }

    pub fn link(path: &str, target: &str) -> Self {
        Self::new(path, Kind::Link(target.to_owned()))
    }

    fn new(path: &str, kind: Kind) -> Self {
        let path = path.to_owned();
        Self { path, kind }
    }
}

/// A tar (ustar) of the entries, each of this Unix time. A folder comes before
/// what it holds.
///
/// # Errors
/// On a path of more than a hundred bytes.
pub fn tar(entries: &[Entry], time: u64) -> io::Result<Vec<u8>> {
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut archive = Builder::new(Vec::new());
    for entry in entries {
        append(&mut archive, entry, time)?;
    }
    archive.into_inner()
}

fn append(archive: &mut Builder<Vec<u8>>, entry: &Entry, time: u64) -> io::Result<()> {
    let (kind, mode, bytes) = match &entry.kind {
        Kind::Folder => (EntryType::Directory, 0o755, &[][..]),
        Kind::File(bytes) => (EntryType::Regular, 0o644, bytes.as_slice()),
        Kind::Program(bytes) => (EntryType::Regular, 0o755, bytes.as_slice()),
        Kind::Link(_) => (EntryType::Symlink, 0o777, &[][..]),
    };
    let mut header = Header::new_ustar();
    match &entry.kind {
        Kind::Folder => header.set_path(format!("{}/", entry.path))?,
        _ => header.set_path(&entry.path)?,
    }
    if let Kind::Link(target) = &entry.kind {
        header.set_link_name(target)?;
    }
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    archive.append(&header, bytes)
}

/// gzip without a name or a time.
///
/// # Errors
/// None that memory does not give.
pub fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
