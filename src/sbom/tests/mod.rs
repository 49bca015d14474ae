//! Layers of the real lifecycle, hostile ones, and merged BOMs.

mod ambiguous;
mod bulk;
mod entries;
mod hostile;
mod images;
mod merging;

use std::io::{Read, Write};
use std::path::PathBuf;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Document, LayerLimits, SbomError, SbomLayer, read};
use crate::oci::{Descriptor, Digest, MediaType};

fn testdata(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "testdata", path]
        .iter()
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The layer that a correct manifest and config describe.
fn layer(archive: &[u8], blob: &[u8]) -> SbomLayer {
    SbomLayer {
        descriptor: Descriptor::of(MediaType::new("layer"), blob),
        diff_id: Digest::of(archive),
        layers_dir: "/layers".to_owned(),
    }
}

fn read_blob(archive: &[u8], blob: Vec<u8>) -> Result<Vec<Document>, SbomError> {
    let layer = layer(archive, &blob);
    read(&layer, Bytes::from(blob), &LayerLimits::default())
}

fn read_archive(archive: &[u8]) -> Result<Vec<Document>, SbomError> {
    read_blob(archive, gzip(archive))
}

/// An archive in the making, with entries that the `tar` crate would not write.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    /// Raw bytes as a name: nothing is cleaned.
    fn header(name: &[u8], kind: u8, size: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        let prefix_end = match name.len() > 100 {
            true => name[..name.len() - 1]
                .iter()
                .rposition(|b| *b == b'/')
                .unwrap(),
            false => 0,
        };
        let ustar = header.as_ustar_mut().unwrap();
        ustar.prefix[..prefix_end].copy_from_slice(&name[..prefix_end]);
        let name = match prefix_end {
            0 => name,
            end => &name[end + 1..],
        };
        ustar.name[..name.len()].copy_from_slice(name);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header
    }

    fn entry(mut self, kind: u8, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let header = Self::header(name.as_ref(), kind, content.len() as u64);
        self.0.append(&header, content).unwrap();
        self
    }

    fn file(self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', name, content)
    }

    /// An extended header with these records before the next entry.
    fn pax(self, kind: u8, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            content.extend(format!("{length} {key}=").bytes());
            content.extend(*value);
            content.push(b'\n');
        }
        self.entry(kind, "PaxHeaders/x", content)
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn paths(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(Document::path).collect()
}

fn bytes(document: &Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = document.content().open();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}
