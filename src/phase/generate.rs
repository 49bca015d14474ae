//! `-generate` in place of signing: every message that a key elsewhere is to
//! sign, as a file of its exact bytes, and the index of them (`spec/evidence.md`,
//! "Signatures made elsewhere").
//!
//! The names of files follow from their bytes, and nothing in them from the time:
//! the same report and `cosign.toml` are the same folder. The index is written
//! last, so that it lists no file that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tracing::info;

use super::claims::Body;
use super::error::PhaseError;
use super::open_keys::Keys;
use super::plan::Plan;
use super::processors::on_all_processors;
use super::recognise::{Recalled, Recognised};
use crate::envelope::Payload;
use crate::keys::{INDEX, KeyReference, Named, Purpose, SignIndex, ToSign};
use crate::oci::digest::{HashAlgorithm, Hasher};
use crate::oci::{Content, Digest};
use crate::words::{Bytes, Count};

/// The most that is read of an index which is longer than the new one.
const LONGEST_INDEX: u64 = 8 << 20;
/// The endings of messages: simple signing is JSON, the other is DSSE's
/// pre-authentication encoding.
const JSON: &str = "json";
const PAE: &str = "pae";
const PIECE: usize = 64 * 1024;

/// A folder that takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFolder(PathBuf);

/// A folder that does not take the messages.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("cannot write to `{}`", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` lists other messages, of `{image}`", path.display())]
    OtherIndex { path: PathBuf, image: String },
    #[error("`{}` is there already, and is no index of messages", path.display())]
    Foreign { path: PathBuf },
    #[error("`{}` is there already, and is no message of this run", path.display())]
    OtherMessage { path: PathBuf },
}

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
}

/// Everything that is to be signed elsewhere.
struct Generation {
    index: SignIndex,
    /// By the names of their files.
    messages: BTreeMap<String, Content>,
    /// How many of the index's entries hang in a registry already.
    standing: usize,
}

/// Takes the step.
///
/// # Errors
/// On a folder that holds other messages, or does not take these.
pub async fn generate(
    plan: &Plan,
    recognised: Recognised,
    keys: &Keys,
    folder: &MessageFolder,
) -> Result<(), PhaseError> {
    let generation = Generation::of(recognised, keys)?;
    say_left_out(plan);
    let MessageFolder(path) = folder.clone();
    let writing = move || write(&path, generation).map_err(PhaseError::Generate);
    on_all_processors([writing]).await?;
    Ok(())
}

/// Configs whose keys are at hand are checked like the others.
fn say_left_out(plan: &Plan) {
    let others = plan
        .signatories()
        .iter()
        .filter(|signatory| !matches!(*signatory.key, KeyReference::Signatures(_)));
    let names: Vec<_> = others.map(|other| format!("`{}`", other.name)).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        info!("Checked, and not to be signed elsewhere: {names}");
    }
}

impl Generation {
    fn of(recognised: Recognised, keys: &Keys) -> Result<Self, PhaseError> {
        let mut generation = Self {
            index: SignIndex::default(),
            messages: BTreeMap::new(),
            standing: 0,
        };
        let mut known: BTreeMap<(Digest, Digest), usize> = BTreeMap::new();
        let (_, wanted) = recognised.into_parts();
        let elsewhere = wanted.into_iter().filter(|recalled| {
            let reference = &*recalled.key.reference;
            matches!(reference, KeyReference::Signatures(_))
        });
        for recalled in elsewhere {
            let algorithm = keys.of(&recalled.wanted.signatory)?.signer.algorithm();
            if let Some((named, entry, message)) = to_sign(&recalled, &algorithm)? {
                generation.messages.insert(entry.file.clone(), message);
                let job = (named.digest, recalled.key.fingerprint.clone());
                let same = known.get(&job).copied();
                match same.and_then(|same| generation.index.sign.get_mut(same)) {
                    Some(same) => same.add(entry),
                    None => {
                        known.insert(job, generation.index.sign.len());
                        generation.standing += usize::from(recalled.signed.is_some());
                        generation.index.sign.push(entry);
                    }
                }
            }
        }
        Ok(generation)
    }
}

/// The message of a claim with its entry in the index; nothing of what nobody
/// signs.
fn to_sign(
    recalled: &Recalled,
    algorithm: &dyn ToString,
) -> Result<Option<(Named, ToSign, Content)>, PhaseError> {
    let Recalled { wanted, key, .. } = recalled;
    let Body::Claim(stated) = &wanted.body else {
        return Ok(None);
    };
    let purpose = match wanted.document {
        None => Purpose::Signature,
        Some(_) => Purpose::Attestation,
    };
    let message = stated.payload.message().clone();
    let digest = message.digest().map_err(PhaseError::Content)?;
    let named = Named::new(purpose, digest, &key.fingerprint);
    let ending = match *stated.payload {
        Payload::SimpleSigning(_) => JSON,
        Payload::Statement(_) => PAE,
    };
    let entry = ToSign {
        file: format!("{}.{ending}", named.message),
        signature: named.signature.clone(),
        image: wanted.subject.to_string(),
        further_images: Vec::new(),
        kind: purpose.name().to_owned(),
        document: wanted.document.clone(),
        sha256: named.digest.hex().to_owned(),
        algorithm: algorithm.to_string(),
        public_key: key.fingerprint.to_string(),
    };
    Ok(Some((named, entry, message)))
}

fn write(folder: &Path, generation: Generation) -> Result<(), GenerateError> {
    let text = generation.index.to_text();
    let index = folder.join(INDEX);
    let text =
        text.ok_or_else(|| GenerateError::write(&index, io::ErrorKind::InvalidData.into()))?;
    refuse_others(folder, &text, &generation)?;
    let (mut written, mut length) = (0, 0);
    for (name, message) in &generation.messages {
        let path = folder.join(name);
        length += message.length();
        if !stands(&path, message).unwrap_or(false) {
            write_new(folder, &path, message)?;
            written += 1;
        }
    }
    let text = Content::from(text.into_bytes());
    if !stands(&index, &text).unwrap_or(false) {
        write_new(folder, &index, &text)?;
    }
    say(folder, &generation, written, length);
    Ok(())
}

fn say(folder: &Path, generation: &Generation, written: usize, length: u64) {
    let (folder, length) = (folder.display(), Bytes(length));
    let messages = Count(generation.messages.len(), "message");
    match written {
        0 => info!("Nothing to write to {folder}: {messages} ({length}) are there already"),
        _ => info!("Wrote to {folder} what is to be signed: {messages} ({length}), and {INDEX}"),
    }
    let keys = generation.index.sign.iter().map(|entry| &entry.public_key);
    let keys = Count(keys.collect::<BTreeSet<_>>().len(), "key");
    let asked = Count(generation.index.sign.len(), "signature");
    match generation.standing {
        0 => info!("To be made elsewhere: {asked} by {keys}"),
        standing => {
            info!("To be made elsewhere: {asked} by {keys}; {standing} hang there already");
        }
    }
}

/// Messages of another run beside these could be signed by mistake.
fn refuse_others(folder: &Path, text: &str, generation: &Generation) -> Result<(), GenerateError> {
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
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    let is_other = |name: &String| is_message(name) && !generation.messages.contains_key(name);
    match names.into_iter().find(is_other) {
        Some(name) => Err(GenerateError::OtherMessage {
            path: folder.join(name),
        }),
        None => Ok(()),
    }
}

/// Whether a file has the name of a message.
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

/// The index that is there, as far as it is compared.
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

/// Whether the file there is a plain one with these bytes.
fn stands(path: &Path, content: &Content) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() != content.length() {
        return Ok(false);
    }
    let mut file = fs::File::open(path)?;
    let (digest, _) = Hasher::new(HashAlgorithm::Sha256).drain(&mut file)?;
    Ok(digest == content.digest()?)
}

/// The name is given to a file that is whole.
fn write_new(folder: &Path, path: &Path, content: &Content) -> Result<(), GenerateError> {
    let failed = |error| GenerateError::write(path, error);
    let mut file = new_file(folder).map_err(failed)?;
    copy(content, &mut file).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let persisted = file.persist(path);
    persisted.map_err(|error| failed(error.error))?;
    Ok(())
}

/// In pieces: a document may be far larger than the memory that it is worth. The
/// bytes must still be those that were named.
fn copy(content: &Content, file: &mut NamedTempFile) -> io::Result<()> {
    let mut reader = content.open()?;
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

/// Whoever signs may be somebody else: nothing in a message is secret.
fn new_file(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".generate-")
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
}

#[cfg(test)]
mod tests;
