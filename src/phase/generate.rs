//! `-generate` in place of signing: every message that a key elsewhere is to
//! sign, as a file of its exact bytes, and the index of them (`spec/evidence.md`,
//! "Signatures made elsewhere").
//!
//! The names of files follow from their bytes, and nothing in them from the time:
//! the same report and `cosign.toml` are the same folder (EVD-74). A later run computes
//! the same names and finds the signatures by them (`spec/decisions/0031`). The index is
//! written last, so that it lists no file that is not there.

use std::collections::{BTreeMap, HashSet};

use tracing::info;

use super::error::PhaseError;
use super::message_folder::{JSON, MessageFolder, PAE};
use super::open_keys::Keys;
use super::plan::Plan;
use super::processors::on_all_processors;
use super::recognise::{Recalled, Recognised};
use super::wants::Draft;
use crate::envelope::Payload;
use crate::keys::{INDEX, KeyReference, MessageNames, Purpose, SignIndex, ToSign};
use crate::oci::{Content, Digest};
use crate::words::{ByteCount, Count};

/// Everything that is to be signed elsewhere.
struct Generation {
    index: SignIndex,
    /// By the names of their files.
    messages: BTreeMap<String, Content>,
    /// How many of the index's entries hang in a registry already.
    standing: usize,
}

/// Takes the step. Writes to the folder alone; doing it again writes nothing.
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
    let folder = folder.clone();
    let writing = move || {
        let written = folder.write(&generation.index, &generation.messages);
        say(&folder, &generation, written.map_err(PhaseError::Generate)?);
        Ok(())
    };
    on_all_processors("writing messages", [writing]).await?;
    Ok(())
}

/// Configs whose keys are at hand are checked like the others. They are named, since a
/// config that should have had `signatures` would otherwise be missed in silence.
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
        // One entry for each message and key: both forms of an attestation are one
        // message, and some messages name no repository, so that several images share
        // them (EVD-72).
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

/// The message of a claim with its entry in the index; none of an attachment. Whether
/// the signature hangs there already does not matter: the files are the same (EVD-74).
fn to_sign(
    recalled: &Recalled,
    algorithm: &dyn ToString,
) -> Result<Option<(MessageNames, ToSign, Content)>, PhaseError> {
    let Recalled { wanted, key, .. } = recalled;
    let Draft::Claim(stated) = &wanted.draft else {
        return Ok(None);
    };
    let purpose = match wanted.document {
        None => Purpose::Signature,
        Some(_) => Purpose::Attestation,
    };
    let message = stated.payload.message().clone();
    let digest = message.digest().map_err(PhaseError::Content)?;
    let named = MessageNames::new(purpose, digest, &key.fingerprint);
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

fn say(folder: &MessageFolder, generation: &Generation, written: usize) {
    let messages = generation.messages.values();
    let length = ByteCount(messages.map(Content::length).sum());
    let messages = Count(generation.messages.len(), "message");
    match written {
        0 => info!("Nothing to write to {folder}: {messages} ({length}) are there already"),
        _ => info!("Wrote to {folder} what is to be signed: {messages} ({length}), and {INDEX}"),
    }
    let keys = generation.index.sign.iter().map(|entry| &entry.public_key);
    let keys = Count(keys.collect::<HashSet<_>>().len(), "key");
    let asked = Count(generation.index.sign.len(), "signature");
    match generation.standing {
        0 => info!("To be made elsewhere: {asked} by {keys}"),
        standing => {
            info!("To be made elsewhere: {asked} by {keys}; {standing} hang there already");
        }
    }
}
