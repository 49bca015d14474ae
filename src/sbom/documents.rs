//! The documents in the archive of an SBOM layer.
//!
//! The archive is walked as a stream, in memory and never to disk. A document
//! is a regular file below `<layers>/sbom/launch/` named `sbom.<ext>` or
//! `<name>.sbom.<ext>` (buildpack spec, "Software-Bill-of-Materials", and the
//! exporter's `-launcher-sbom`). Every other entry is passed over; an entry
//! that two readers could understand differently is refused (SBOM-6): somebody could
//! otherwise have the signer attest one document, and show readers another.
//!
//! The `tar` crate finds the entries and nothing more (`raw`): which extended headers
//! count, and what is doubtful, is decided in `extended` and `header`.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use tar::{Archive, Entry, EntryType};

use super::error::{Exceeded, SbomError, shown};
use super::extended::ExtendedFields;
use super::header::doubt;
use super::json::{Remarks, Validator};
use super::keep::DocumentKeeper;
use super::label::SbomLayer;
use super::layer::{LayerLimits, Metered, verify_blob};
use crate::envelope::media_type;
use crate::oci::{Content, MediaType};

/// The formats of the buildpack spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SbomFormat {
    CycloneDx,
    Spdx,
    Syft,
}

impl SbomFormat {
    const ALL: [Self; 3] = [Self::CycloneDx, Self::Spdx, Self::Syft];

    /// How a document's file name ends, with `sbom.` before it.
    fn extension(self) -> &'static str {
        match self {
            Self::CycloneDx => "cdx.json",
            Self::Spdx => "spdx.json",
            Self::Syft => "syft.json",
        }
    }

    /// The predicate type of an attestation that embeds such a document: cosign's for
    /// `cyclonedx` and `spdxjson`; it knows none for Syft, and takes any URI.
    pub fn predicate_type(self) -> &'static str {
        match self {
            Self::CycloneDx => "https://cyclonedx.org/bom",
            Self::Spdx => "https://spdx.dev/Document",
            Self::Syft => "https://syft.dev/bom",
        }
    }

    /// The media type that `cosign attach sbom` gives such a document. The
    /// buildpack spec calls SPDX `application/spdx+json`.
    pub fn media_type(self) -> MediaType {
        match self {
            Self::CycloneDx => media_type::CYCLONEDX_JSON,
            Self::Spdx => media_type::SPDX_JSON,
            Self::Syft => media_type::SYFT_JSON,
        }
    }
}

impl fmt::Display for SbomFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CycloneDx => "CycloneDX",
            Self::Spdx => "SPDX",
            Self::Syft => "Syft",
        })
    }
}

/// An SBOM document of a verified layer: a JSON object, byte for byte as it
/// lies there. Whether it is valid in its format is not asked: neither does the
/// lifecycle, and cosign takes any object.
#[derive(Clone, Debug)]
pub struct Document {
    path: String,
    format: SbomFormat,
    content: Content,
    remarks: Remarks,
}

impl Document {
    /// The path in the image, absolute.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn format(&self) -> SbomFormat {
        self.format
    }

    /// The bytes, which are read again each time they are used: of a large document that
    /// means decompressing it.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Whether some number is infinite as a float64 (`1e400`). No cosign
    /// verifies an attestation of such a document.
    pub fn exceeds_float64(&self) -> bool {
        self.remarks.exceeds_float64
    }

    /// Whether some string holds half a surrogate pair (`"\ud800"`). Cosign 3
    /// verifies no attestation of such a document, cosign 2 does.
    pub fn has_lone_surrogate(&self) -> bool {
        self.remarks.lone_surrogate
    }
}

/// Reads the documents of a layer's blob, sorted by path. None are handed out
/// unless the blob has the manifest's digest and the archive the config's
/// diffID (SBOM-3). Large documents are decompressed again whenever they are read.
///
/// The archive is decompressed once, to its end, a large one by another thread. Callers
/// that serve requests read beside them.
///
/// # Errors
/// On a blob or archive that is damaged or over a limit, on an entry that could
/// be understood in two ways, and on a document that is not a JSON object.
pub fn read(
    layer: &SbomLayer,
    blob: Bytes,
    limits: &LayerLimits,
) -> Result<Vec<Document>, SbomError> {
    // The digest of the blob first: nothing is decompressed that the manifest does not
    // name. The diffID is known at the end of the archive alone, so that documents are
    // collected on trust and given out after.
    verify_blob(layer, &blob, limits)?;
    let mut walk = LayerWalk::new(layer, &blob, limits);
    let mut archive = Archive::new(Metered::new(layer, blob.clone(), limits));
    let walked = walk.archive(&mut archive);
    let mut metered = archive.into_inner();
    // The walk takes an early end of the stream for a broken archive: the
    // stream knows the cause.
    if let (Err(_), Some(failure)) = (&walked, metered.failure()) {
        return Err(failure);
    }
    walked?;
    // The blocks of zeros, then whatever follows them, which the diffID covers too.
    metered.check_end()?;
    metered.verify(&layer.diff_id)?;
    Ok(walk.documents())
}

/// The folder of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folder {
    /// Below `<layers>/sbom/launch/`.
    Layers,
    /// Below another `…/sbom/launch/`.
    Elsewhere,
}

struct LayerWalk<'a> {
    keeper: DocumentKeeper<'a>,
    limits: &'a LayerLimits,
    /// `<layers>/sbom/launch`, in segments.
    launch: Vec<Vec<u8>>,
    /// Extended headers count as well: each takes memory and time.
    entries: u64,
    /// Of documents. A path that stands twice is a matter of which one a reader keeps.
    paths: BTreeSet<String>,
    found: Vec<(Folder, Document)>,
    /// Extended headers that wait for their entry.
    extension: ExtendedFields,
}

impl<'a> LayerWalk<'a> {
    fn new(layer: &SbomLayer, blob: &'a Bytes, limits: &'a LayerLimits) -> Self {
        Self {
            keeper: DocumentKeeper::new(blob),
            limits,
            launch: launch_folder(&layer.layers_dir),
            entries: 0,
            paths: BTreeSet::new(),
            found: Vec::new(),
            extension: ExtendedFields::default(),
        }
    }

    fn archive(&mut self, archive: &mut Archive<Metered>) -> Result<(), SbomError> {
        for entry in archive.entries().map_err(SbomError::Tar)?.raw(true) {
            let mut entry = entry.map_err(SbomError::Tar)?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                let exceeded = Exceeded::Entries(self.limits.entries);
                return Err(SbomError::Limit(exceeded));
            }
            self.entry(&mut entry)?;
        }
        // Extended headers without an entry after them: the archive is cut off.
        if !self.extension.is_empty() {
            return Err(SbomError::Tar(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// An entry of any kind. One that is doubtful is refused whether it is a document or
    /// not: it could move what follows.
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<(), SbomError> {
        if let Some(reason) = doubt(entry.header()) {
            let path = shown(&entry.path_bytes());
            return Err(SbomError::Entry { path, reason });
        }
        match entry.header().entry_type() {
            EntryType::XGlobalHeader => self.extension.read_global(entry),
            EntryType::XHeader => self.extension.read_pax(entry),
            EntryType::GNULongName => self.extension.read_long_name(entry),
            EntryType::GNULongLink => self.extension.pass_over_link_name(entry),
            _ => {
                let extension = std::mem::take(&mut self.extension);
                self.file(entry, extension)
            }
        }
    }

    /// An entry that is no extended header: a document, something to pass over, or an
    /// error. The checks that come before the path's meaning is known hold for all.
    fn file<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        extension: ExtendedFields,
    ) -> Result<(), SbomError> {
        let header = entry.header();
        let own_path = || header.path_bytes().into_owned();
        let path = extension.path.unwrap_or_else(own_path);
        if path.len() > self.limits.path {
            return Err(SbomError::Limit(Exceeded::Path(self.limits.path)));
        }
        let refuse = |reason| SbomError::Entry {
            path: shown(&path),
            reason,
        };
        let size = header.entry_size().map_err(SbomError::Tar)?;
        if extension.size.is_some_and(|said| said != size) {
            return Err(refuse("its headers disagree on its size"));
        }
        // Go takes these as empty whatever their size; others skip so much
        // content.
        if matches!(header.as_old().linkflag, [b'1'..=b'6']) && size != 0 {
            return Err(refuse("it is no file, but has content"));
        }
        let Some((place, format, path)) = self.document_path(&path).map_err(refuse)? else {
            return Ok(());
        };
        // A folder `sbom.cdx.json` is no document; a link would lead to one elsewhere.
        if header.entry_type().is_dir() {
            return Ok(());
        }
        if !header.entry_type().is_file() {
            return Err(refuse("an SBOM document must be a regular file"));
        }
        if !self.paths.insert(path.clone()) {
            return Err(refuse("the path stands twice in the layer"));
        }
        let document = self.document(entry, path, format, size)?;
        self.found.push((place, document));
        Ok(())
    }

    /// Reads a path. `None`: it does not name a document.
    fn document_path(
        &self,
        path: &[u8],
    ) -> Result<Option<(Folder, SbomFormat, String)>, &'static str> {
        if path.contains(&0) {
            return Err("its path holds a NUL byte");
        }
        let segments = segments(path);
        // Readers differ on where it leads; no exporter writes it.
        if segments.contains(&b"..".as_slice()) {
            return Err("its path holds `..`");
        }
        let (Some((name, folders)), false) = (segments.split_last(), path.ends_with(b"/")) else {
            return Ok(None);
        };
        let Some(format) = format_of(name) else {
            return Ok(None);
        };
        let Some(place) = self.folder(folders) else {
            return Ok(None);
        };
        let path = String::from_utf8(segments.join(&b'/')).map_err(|_| "its path is not UTF-8")?;
        Ok(Some((place, format, format!("/{path}"))))
    }

    /// The folder that a path leads to, by whole segments: `/layers/sbom/launcher` does not
    /// count. The elsewhere is for images whose `CNB_LAYERS_DIR` is missing or was changed.
    fn folder(&self, folders: &[&[u8]]) -> Option<Folder> {
        let below_launch = |pair: &[&[u8]]| pair == [b"sbom".as_slice(), b"launch".as_slice()];
        if folders.len() >= self.launch.len()
            && self.launch.iter().zip(folders).all(|(a, b)| a == b)
        {
            Some(Folder::Layers)
        } else if folders.windows(2).any(below_launch) {
            Some(Folder::Elsewhere)
        } else {
            None
        }
    }

    /// Reads a document to its end: it is checked and kept in one pass.
    fn document<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        path: String,
        format: SbomFormat,
        size: u64,
    ) -> Result<Document, SbomError> {
        let offset = entry.raw_file_position();
        let mut keeping = self.keeper.begin(offset, size);
        let (remarks, length) = check(entry, &path, |bytes| self.keeper.add(&mut keeping, bytes))?;
        // The archive ends within the document.
        if length != size {
            return Err(SbomError::Tar(io::ErrorKind::UnexpectedEof.into()));
        }
        let content = self.keeper.finish(keeping, offset, size)?;
        Ok(Document {
            path,
            format,
            content,
            remarks,
        })
    }

    /// The documents below `<layers>`; only if there are none, those below
    /// another `…/sbom/launch/` (a config without, or with a changed,
    /// `CNB_LAYERS_DIR`).
    fn documents(self) -> Vec<Document> {
        let is_in_layers = |(place, _): &(Folder, Document)| *place == Folder::Layers;
        let any_in_layers = self.found.iter().any(is_in_layers);
        let mut documents: Vec<_> = self
            .found
            .into_iter()
            .filter(|found| !any_in_layers || is_in_layers(found))
            .map(|(_, document)| document)
            .collect();
        documents.sort_by_cached_key(|document| document.path.clone());
        documents
    }
}

/// The segments of a path as file systems read it. The exporter writes absolute names,
/// other tools relative ones or `./`.
fn segments(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|segment| !segment.is_empty() && *segment != b".")
        .collect()
}

fn launch_folder(layers_dir: &str) -> Vec<Vec<u8>> {
    let folder = format!("{layers_dir}/sbom/launch");
    segments(folder.as_bytes())
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect()
}

/// The format by a file's name: `sbom.<ext>`, or `<name>.sbom.<ext>` with any name. A
/// whiteout (`.wh.…`, image-spec "Whiteouts") is no file.
fn format_of(name: &[u8]) -> Option<SbomFormat> {
    if name.starts_with(b".wh.") {
        return None;
    }
    SbomFormat::ALL.into_iter().find(|format| {
        name.strip_suffix(format.extension().as_bytes())
            .and_then(|name| name.strip_suffix(b"sbom."))
            .is_some_and(|name| name.is_empty() || name.ends_with(b"."))
    })
}

/// Checks that a document is a JSON object while it is read; gives its length
/// too. The bytes go to the validator before they are kept: a bad document costs no
/// memory.
fn check(
    document: &mut impl Read,
    path: &str,
    mut keep: impl FnMut(&[u8]) -> Result<(), SbomError>,
) -> Result<(Remarks, u64), SbomError> {
    let refuse = |source| SbomError::Json {
        path: shown(path.as_bytes()),
        source,
    };
    let mut validator = Validator::default();
    let mut buffer = vec![0u8; 32 << 10];
    let mut length = 0u64;
    loop {
        let count = document.read(&mut buffer).map_err(SbomError::Tar)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok((validator.finish().map_err(refuse)?, length));
        }
        validator.feed(bytes).map_err(refuse)?;
        keep(bytes)?;
        length += count as u64;
    }
}
