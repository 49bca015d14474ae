//! Folders of signatures that were made elsewhere, of messages that an earlier
//! run wrote (`spec/evidence.md`, "Signatures made elsewhere").
//!
//! A signature is known by its file's name, which follows from the message and
//! the key (`spec/decisions/0031`). The index that names it to those who sign is
//! read only to say why a signature is lacking: nothing in it decides what is
//! attached. The folder went through other hands, and everything in it is
//! hostile.
//!
//! `phase` writes the messages and the index; this only reads.

mod encoding;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod index;
mod otherwise;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use index::{INDEX, MessageNames, SignIndex, ToSign};

use super::found::FoundKey;
use super::known::KnownKey;
use super::message::{Message, Prepared, Unsigned};
use crate::beside;
use crate::file::Files;
use crate::keys::error::{FolderError, MAX_LENGTH, OpenError, SignError};
use crate::keys::public::PublicFile;
use crate::keys::reference::SignatureFolder;
use crate::oci::Digest;
use crate::service::Variables;
use crate::signature::Signature;

/// The longest index: some thousands of messages. Of a longer one nothing is
/// believed, as of one that is no TOML.
const LONGEST_INDEX: usize = 8 << 20;

/// In words, for a receipt that may not replace one.
const ROLE: &str = "a file of `signatures`";

/// A folder whose key's public half was read.
pub(super) struct ClosedFolder {
    key: FolderSigner,
    public: PublicFile,
}

/// A folder that holds the signatures, or will.
#[derive(Clone)]
pub(super) struct FolderSigner {
    folder: PathBuf,
    files: Files,
}

impl ClosedFolder {
    /// Reads the public half. The folder may not be there yet, and is not needed
    /// where everything was published before.
    pub(super) fn find(folder: &SignatureFolder, variables: &Variables) -> Result<Self, OpenError> {
        let pem = variables.read(folder.public.path())?;
        note_answers(&folder.folder, variables.files());
        Ok(Self {
            public: PublicFile::parse(&folder.public, &pem)?,
            key: FolderSigner {
                folder: folder.folder.clone(),
                files: variables.files().clone(),
            },
        })
    }

    pub(super) fn open(self) -> (FolderSigner, FoundKey) {
        let found = FoundKey {
            public: self.public.key,
            hash: None,
            version: None,
        };
        (self.key, found)
    }
}

impl FolderSigner {
    /// The signature of each message, as `signer` accepts it: in the one encoding
    /// that is stored, whatever the file has. Only messages without a signature
    /// at their place come here, so that the folder may be gone after a run that
    /// published all (EVD-75).
    pub(super) async fn sign(
        &self,
        signer: &Arc<KnownKey>,
        messages: &Arc<[Prepared]>,
    ) -> Result<Vec<Signature>, Unsigned> {
        let (folder, signer) = (self.clone(), Arc::clone(signer));
        let messages = Arc::clone(messages);
        let looking = move || folder.look_up(&signer, &messages);
        let crashed = Unsigned {
            index: 0,
            error: SignError::Crashed,
        };
        beside::run(looking).await.unwrap_or(Err(crashed))
    }

    /// Every file is looked for before the first is refused, so that the error
    /// can say how many are lacking.
    fn look_up(
        &self,
        signer: &KnownKey,
        messages: &[Prepared],
    ) -> Result<Vec<Signature>, Unsigned> {
        let named = names(signer, messages)?;
        let is_lacking = |(_, name): &(usize, &MessageNames)| {
            let there = std::fs::metadata(self.folder.join(&name.signature));
            there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let mut lacking = named.iter().enumerate().filter(is_lacking);
        if let Some((index, name)) = lacking.next()
            && let Some(Prepared { message, .. }) = messages.get(index)
        {
            let error = self.lacking(message, name, lacking.count()).into();
            return Err(Unsigned { index, error });
        }
        // One file at a time is in memory: there may be thousands, of 64 KiB each.
        let signatures = messages.iter().zip(&named).enumerate();
        let signatures = signatures.map(|(index, (prepared, name))| {
            let signature = self.signature(signer, (prepared, name), (messages, &named));
            signature.map_err(|error| Unsigned { index, error })
        });
        signatures.collect()
    }

    /// The signature of one of the messages, with their names.
    fn signature(
        &self,
        signer: &KnownKey,
        (prepared, name): (&Prepared, &MessageNames),
        (messages, named): (&[Prepared], &[MessageNames]),
    ) -> Result<Signature, SignError> {
        let path = self.folder.join(&name.signature);
        let file = self.read(&path)?;
        // It was there a moment ago.
        let file = file.ok_or_else(|| self.lacking(&prepared.message, name, 0))?;
        if let Some(signature) = encoding::signature(&file, signer, prepared)? {
            return Ok(signature);
        }
        let tried = encoding::tried(&file, signer.algorithm);
        let is = otherwise::meant(&file, signer, prepared, messages, named);
        Err(FolderError::NotTheirs { path, tried, is }.into())
    }

    /// Why there is no signature of a message, and of so many others. An index that
    /// cannot be read, or is none, has no say (EVD-77).
    fn lacking(&self, message: &Message, name: &MessageNames, others: usize) -> FolderError {
        let missing = index::missing(&self.folder, name, others);
        let index = self.bytes(&self.folder.join(INDEX), LONGEST_INDEX);
        let index = index.ok().flatten();
        match index.and_then(|index| SignIndex::parse(&index)) {
            Some(index) => index.why(&self.folder, message, name, missing),
            None => missing,
        }
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
        let bytes = self.bytes(path, MAX_LENGTH);
        let bytes = bytes.map_err(|source| FolderError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        match bytes {
            Some(bytes) if bytes.len() > MAX_LENGTH => Err(FolderError::TooLong(path.to_owned())),
            bytes => Ok(bytes),
        }
    }

    /// The file's bytes, one more than `most` at most; none if it is not there.
    fn bytes(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
        match self.files.read(path, ROLE, most) {
            Ok(mut bytes) => Ok(Some(std::mem::take(&mut *bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Notes the files that are read once something is to be signed: by then it is too
/// late to refuse a receipt in the place of one. Other files are not the run's.
fn note_answers(folder: &Path, files: &Files) {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let is_index = path.file_name().is_some_and(|name| name == INDEX);
        if is_index || path.extension().is_some_and(|ending| ending == "sig") {
            files.note(&path, ROLE);
        }
    }
}

/// The names of messages and of their signatures by this key, in the order of the
/// messages. A digest that is not known yet takes a read.
fn names(signer: &KnownKey, messages: &[Prepared]) -> Result<Vec<MessageNames>, Unsigned> {
    let fingerprint = Digest::of(signer.public.as_der());
    let named = messages.iter().enumerate().map(|(index, prepared)| {
        let digest = prepared.message.content.digest();
        let digest = digest.map_err(|error| Unsigned {
            index,
            error: SignError::Read(error),
        })?;
        Ok(MessageNames::new(
            prepared.message.purpose,
            digest,
            &fingerprint,
        ))
    });
    named.collect()
}

#[cfg(test)]
mod tests;
