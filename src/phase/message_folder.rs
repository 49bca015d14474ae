//! A folder of messages: its files appear whole, and those of other runs are not
//! mixed with them (EVD-71). Its files go through other hands before they are signed,
//! and no run believes them: each computes its messages anew (`spec/decisions/0031`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::file;
use crate::keys::{INDEX, Purpose, SignIndex, ToSign};
use crate::oci::Content;
use crate::oci::digest::{HashAlgorithm, Hasher};

/// The endings of messages: simple signing is JSON, the other is DSSE's
/// pre-authentication encoding.
pub(super) const JSON: &str = "json";
pub(super) const PAE: &str = "pae";
/// The most bytes that are read of an index which is longer than the new one.
const LONGEST_INDEX: u64 = 8 << 20;
/// Bytes of a message that are copied at a time.
const PIECE: usize = 64 * 1024;

/// A folder that takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFolder(PathBuf);

/// A folder that does not take the messages.
#[derive(thiserror::Error)]
pub enum GenerateError {
    #[error("cannot write to `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The index of another run; `image` is the first one that it names, in text that is
    /// safe to print.
    #[error("`{}` lists other messages, of `{image}`", path.display())]
    OtherIndex { path: PathBuf, image: String },
    #[error("`{}` is there already, and is no index of messages", path.display())]
    Foreign { path: PathBuf },
    #[error("`{}` is there already, and is no message of this run", path.display())]
    OtherMessage { path: PathBuf },
}

debug_as_display!(GenerateError);

impl GenerateError {
    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

impl MessageFolder {
    /// Makes the folder unless it is there, and tries whether it can be written
    /// to: before anything is sent.
    ///
    /// # Errors
    /// On a path that is no folder, or that this process may not write to.
    pub fn find(path: &Path) -> Result<Self, GenerateError> {
        let made = fs::create_dir_all(path).and_then(|()| new_file(path));
        match made {
            Ok(_removed) => Ok(Self(path.to_owned())),
            Err(source) => Err(GenerateError::write(path, source)),
        }
    }

    /// Writes the messages, by the names of their files, and their index. Gives how
    /// many messages were not there yet. A run that ends in between leaves whole
    /// messages without an index; running again completes them.
    ///
    /// # Errors
    /// On messages of another run in the folder, on a message that cannot be read, and
    /// on a folder that does not take them.
    pub(super) fn write(
        &self,
        index: &SignIndex,
        messages: &BTreeMap<String, Content>,
    ) -> Result<usize, GenerateError> {
        let Self(folder) = self;
        let path = folder.join(INDEX);
        let text = index.to_text().ok_or(io::ErrorKind::InvalidData);
        let text = text.map_err(|kind| GenerateError::write(&path, kind.into()))?;
        refuse_others(folder, &text, messages)?;
        let mut written = 0;
        for (name, message) in messages {
            written += usize::from(write_unless_there(folder, name, message)?);
        }
        write_unless_there(folder, INDEX, &Content::from(text.into_bytes()))?;
        Ok(written)
    }
}

impl fmt::Display for MessageFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// Messages of another run beside these could be signed by mistake. Files with other
/// names, signatures among them, are left alone.
fn refuse_others(
    folder: &Path,
    text: &str,
    messages: &BTreeMap<String, Content>,
) -> Result<(), GenerateError> {
    let path = folder.join(INDEX);
    if let Some(standing) = standing_index(&path, text.len() as u64)?
        && standing != text.as_bytes()
    {
        let index = SignIndex::parse(&standing).filter(|index| !index.sign.is_empty());
        let other = index.and_then(|index| index.sign.into_iter().next());
        return Err(match other {
            Some(ToSign { image, .. }) => {
                let image = image.escape_debug().to_string();
                GenerateError::OtherIndex { path, image }
            }
            None => GenerateError::Foreign { path },
        });
    }
    let entries = fs::read_dir(folder).map_err(|error| GenerateError::write(folder, error))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    // The first by name: the error is the same each time.
    let is_other = |name: &String| is_message(name) && !messages.contains_key(name);
    match names.filter(is_other).min() {
        Some(name) => Err(GenerateError::OtherMessage {
            path: folder.join(name),
        }),
        None => Ok(()),
    }
}

/// Whether a file has the name of a message, of whatever length its digits are.
fn is_message(name: &str) -> bool {
    let is_digest = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let stem = [JSON, PAE]
        .iter()
        .find_map(|ending| name.strip_suffix(ending)?.strip_suffix('.'));
    let digest = stem.and_then(|stem| {
        let purposes = [Purpose::Signature, Purpose::Attestation];
        let mut digests = purposes
            .iter()
            .filter_map(|purpose| stem.strip_prefix(purpose.name())?.strip_prefix('-'));
        digests.next()
    });
    digest.is_some_and(is_digest)
}

/// The index that is there, as far as it is compared. A link is not followed: it is no
/// index of ours.
fn standing_index(path: &Path, length: u64) -> Result<Option<Vec<u8>>, GenerateError> {
    let failed = |error| GenerateError::write(path, error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => {
            let path = path.to_owned();
            return Err(GenerateError::Foreign { path });
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    let most = LONGEST_INDEX.max(length.saturating_add(1));
    let read = file.take(most).read_to_end(&mut bytes);
    read.map_err(failed)?;
    Ok(Some(bytes))
}

/// Whether the file there is a plain one with these bytes; a link is none.
fn stands(path: &Path, content: &Content) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() != content.length() {
        return Ok(false);
    }
    let mut file = fs::File::open(path)?;
    let (digest, _) = Hasher::new(HashAlgorithm::Sha256).drain(&mut file)?;
    Ok(digest == content.digest()?)
}

/// Whether it had to be written. The name is given to a file that is whole.
fn write_unless_there(folder: &Path, name: &str, content: &Content) -> Result<bool, GenerateError> {
    let path = folder.join(name);
    let failed = |error| GenerateError::write(&path, error);
    if stands(&path, content).unwrap_or(false) {
        return Ok(false);
    }
    let mut file = new_file(folder).map_err(failed)?;
    copy(content, &mut file).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let persisted = file.persist(&path);
    persisted.map_err(|error| failed(error.error))?;
    Ok(true)
}

/// In pieces: a document may be far larger than the memory that it is worth. The
/// bytes must still be those that were named: somebody is going to sign them.
fn copy(content: &Content, file: &mut NamedTempFile) -> io::Result<()> {
    let mut reader = content.open();
    let mut hasher = Hasher::new(HashAlgorithm::Sha256);
    let mut piece = vec![0; PIECE];
    loop {
        let count = reader.read(&mut piece)?;
        let read = piece.get(..count).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        hasher.update(read);
        file.write_all(read)?;
    }
    match hasher.finish() == content.digest()? {
        true => Ok(()),
        false => {
            let words = "the message changed while it was being written";
            Err(io::Error::new(io::ErrorKind::InvalidData, words))
        }
    }
}

/// A new file beside the messages, readable by all: another user may sign, and nothing
/// in a message is secret. Dropped without a name, it is removed.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    file::new_for_all(".generate-", folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Digest, Reread};

    struct Changing;

    impl Reread for Changing {
        fn length(&self) -> u64 {
            3
        }

        fn open(&self) -> io::Result<Box<dyn io::Read + Send>> {
            Ok(Box::new(io::Cursor::new(b"new")))
        }
    }

    fn messages(name: &str, content: Content) -> BTreeMap<String, Content> {
        BTreeMap::from([(name.to_owned(), content)])
    }

    #[test]
    fn files_are_told_from_messages_by_their_names() {
        for name in ["signature-0a.json", "attestation-ff.pae", "signature-.json"] {
            assert!(is_message(name), "{name}");
        }
        for name in [
            "index.toml",
            "signature-0a.sig",
            "signature-0a-ff.json",
            "signature-0g.json",
            "x-0a.json",
            ".json",
            "",
        ] {
            assert!(!is_message(name), "{name}");
        }
    }

    /// A message is attached with the bytes that were signed, or not at all.
    #[test]
    fn a_message_that_changes_while_it_is_written_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let into = MessageFolder::find(folder.path()).unwrap();
        let changing = Content::from_source(Changing);
        let changing = changing.with_digest(Digest::of(b"old"));
        let written = into.write(&SignIndex::default(), &messages("a.pae", changing));
        assert!(matches!(written, Err(GenerateError::Write { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// EVD-71
    #[test]
    fn what_is_no_plain_file_is_replaced_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let into = MessageFolder::find(&folder.path().join("a/b")).unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "text").unwrap();
        let message = into.0.join("signature-0a.json");
        std::os::unix::fs::symlink(&outside, &message).unwrap();
        let messages = messages("signature-0a.json", Content::from(b"text".to_vec()));
        let write = || into.write(&SignIndex::default(), &messages);
        assert_eq!(write().unwrap(), 1);
        assert_eq!(write().unwrap(), 0);
        assert!(fs::symlink_metadata(&message).unwrap().is_file());
        let index = into.0.join(INDEX);
        fs::remove_file(&index).unwrap();
        std::os::unix::fs::symlink(&outside, &index).unwrap();
        assert!(matches!(write(), Err(GenerateError::Foreign { .. })));
        assert_eq!(fs::read(&outside).unwrap(), b"text");
    }
}
