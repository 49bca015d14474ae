//! Checkpoints: the signed state of a transparency log (C2SP signed-note v1.0.0
//! and tlog-checkpoint v1.0.0).
//!
//! A note is text, an empty line, and lines of signatures. Besides a log of Rekor v2, its
//! witnesses may sign, and the log with a second key: one line that the log's key
//! made is enough, and lines of unknown signers say nothing. Nothing is laxer here than
//! with sigstore-go, by which cosign reads the notes again, but for the id of a key that a
//! trusted root v0.2 names: sigstore-go v1.2.1 derives it all the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::key::{KeyKind, VerifyingKey};
use super::merkle::Node;
use crate::signature::Hash;

/// The most bytes of a note. Rekor's have a few hundred, and each witness adds a line.
const LONGEST: usize = 64 * 1024;
/// The most lines of signatures, as in Go's `x/mod/sumdb/note`, by which sigstore's
/// clients read.
const MOST_SIGNATURES: usize = 100;
/// The beginning of a line with a signature: an em dash and a space.
const SIGNATURE: &str = "\u{2014} ";

/// The beginning of the line by which an operator of Rekor v2 says that a log takes
/// nothing more (rekor-tiles v2.3.0 `cmd/freeze-checkpoint`); a date follows.
const FROZEN: &str = "Log frozen \u{2014} ";

/// The first bytes of a hash, by which a note names a key: a hint, which proves
/// nothing.
pub type KeyId = [u8; 4];

/// Text that is no checkpoint of the log.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("its checkpoint is no signed note")]
    NoNote,
    #[error("its checkpoint has no {0}")]
    Lacks(&'static str),
    #[error("its checkpoint has lines that a log of this version does not write")]
    Surplus,
    #[error("its checkpoint is of another log")]
    Origin,
    #[error("its checkpoint is not signed by the log")]
    Signature,
}

debug_as_display!(CheckpointError);

/// Text with signatures.
#[derive(Debug)]
pub struct Note<'a> {
    /// Up to its last newline, as it was signed.
    text: &'a str,
    signatures: Vec<NoteSignature<'a>>,
}

#[derive(Debug)]
struct NoteSignature<'a> {
    name: &'a str,
    id: KeyId,
    signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note; no signature is verified.
    ///
    /// # Errors
    /// On text of another form, and on text that is too long.
    pub fn parse(note: &'a str) -> Result<Self, CheckpointError> {
        // No control characters but newlines, as signed-note demands: two readers could
        // otherwise see lines end in different places.
        let is_control = |character: char| character < ' ' && character != '\n';
        if note.len() > LONGEST || note.contains(is_control) {
            return Err(CheckpointError::NoNote);
        }
        // The last empty line divides the note: its text may have empty lines too.
        let end = note.rfind("\n\n").ok_or(CheckpointError::NoNote)?;
        let (text, lines) = note
            .split_at_checked(end + 1)
            .ok_or(CheckpointError::NoNote)?;
        let lines = lines.strip_prefix('\n').ok_or(CheckpointError::NoNote)?;
        let lines = lines.strip_suffix('\n').ok_or(CheckpointError::NoNote)?;
        // One malformed line makes the note malformed, as in Go; an unknown signer
        // does not.
        let signatures: Option<Vec<_>> = lines
            .split('\n')
            .take(MOST_SIGNATURES + 1)
            .map(NoteSignature::parse)
            .collect();
        let signatures = signatures.ok_or(CheckpointError::NoNote)?;
        match signatures.len() <= MOST_SIGNATURES {
            true => Ok(Self { text, signatures }),
            false => Err(CheckpointError::NoNote),
        }
    }

    /// Whether the key of `verifier` signed the note under the name `name` (Rekor v2).
    /// Name and id only select lines. As with Go's `note.Open` the first line that has
    /// both decides: if its signature is wrong, a right one after it does not help.
    pub fn is_signed(&self, name: &str, verifier: &NoteVerifier<'_>) -> bool {
        let id = verifier.id_of_name(name);
        let mut lines = self.signatures.iter();
        let line = lines.find(|line| line.name == name && line.id == id);
        line.is_some_and(|line| verifier.accepts(self.text, &line.signature))
    }

    /// Whether the key of `verifier` made every signature, and under the name `name` (Rekor
    /// v1).
    pub fn is_signed_by_no_other(&self, name: &str, verifier: &NoteVerifier<'_>) -> bool {
        let id = verifier.id_of_key();
        self.signatures.iter().all(|line| {
            line.name == name && line.id == id && verifier.accepts(self.text, &line.signature)
        })
    }
}

impl<'a> NoteSignature<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // `— <name> <base64 of the key's id and the signature>`; a name has no space
        // and, because keys are written `<name>+<id>+<key>`, no plus.
        let (name, signature) = line.strip_prefix(SIGNATURE)?.split_once(' ')?;
        let is_name = !name.is_empty() && !name.contains(|c: char| c == '+' || c.is_whitespace());
        let decoded = STANDARD.decode(signature).ok()?;
        let (id, signature) = decoded.split_first_chunk()?;
        (is_name && !signature.is_empty()).then(|| Self {
            name,
            id: *id,
            signature: signature.to_vec(),
        })
    }
}

/// The key of a log by which its notes are verified.
#[derive(Clone, Copy, Debug)]
pub struct NoteVerifier<'a> {
    pub key: &'a VerifyingKey,
    /// The hash that the log signs with; pure Ed25519 has no use for it.
    pub hash: Hash,
    /// The id of the key, where it is not the one that follows from the key
    /// (`checkpointKeyId` of a trusted root v0.2).
    pub id: Option<KeyId>,
}

impl NoteVerifier<'_> {
    /// The id by which a log of Rekor v2 names the key (rekor-tiles v2.3.0 `pkg/note`): of
    /// ECDSA the hash of the key alone, of the others that of C2SP. The bytes 1 and 0xff
    /// stand for Ed25519 and for an algorithm that is named in words.
    fn id_of_name(&self, name: &str) -> KeyId {
        let named = |kind: &[u8], key: &[u8]| {
            let hash = Sha256::new().chain_update(name).chain_update(b"\n");
            first_four(&hash.chain_update(kind).chain_update(key).finalize().into())
        };
        match (self.id, self.key.kind()) {
            (None, KeyKind::Ed25519) => named(&[1], self.key.bits()),
            (None, KeyKind::Rsa) => {
                let kind = b"\xffPKIX-RSA-PKCS#1v1.5";
                named(kind, self.key.public_key().as_der())
            }
            _ => self.id_of_key(),
        }
    }

    /// The id by which a log of Rekor v1 names the key, of whatever kind (v1.5.3 `pkg/util`,
    /// `getPublicKeyHash`): the hash of the key alone.
    fn id_of_key(&self) -> KeyId {
        self.id
            .unwrap_or_else(|| first_four(&self.key.public_key().sha256()))
    }

    fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        self.key.accepts(self.hash, text.as_bytes(), signature)
    }
}

fn first_four(hash: &[u8; 32]) -> KeyId {
    let [a, b, c, d, ..] = *hash;
    [a, b, c, d]
}

/// How a log names itself in its checkpoints. The name keeps a checkpoint of one log
/// from proving something about another with the same key (EVD-30).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Rekor v2: origin and signature have this name, and nothing follows the
    /// root, unless the log is frozen.
    Is(&'a str),
    /// Rekor v1: the name of the signature, ` - `, and the number of the tree.
    /// Its name need not be its address (`--rekor_server.hostname`), so that the log
    /// is told by its key alone.
    OfTree,
}

/// The state of a log, by its own signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of entries in the tree.
    pub size: u64,
    pub root: Node,
}

impl Checkpoint {
    /// Reads a checkpoint that the key of `verifier` signed.
    ///
    /// # Errors
    /// On text of another form, of another log, and without its signature.
    pub fn verify(
        note: &str,
        origin: Origin<'_>,
        verifier: &NoteVerifier<'_>,
    ) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        // The first three lines of tlog-checkpoint. Nothing of them is believed before
        // the signature over the text is verified below.
        let mut lines = note.text.lines();
        let found = lines.next().filter(|line| !line.is_empty());
        let found = found.ok_or(CheckpointError::Lacks("origin"))?;
        let size = lines.next().and_then(number);
        let size = size.ok_or(CheckpointError::Lacks("size"))?;
        let root = lines.next().and_then(|line| STANDARD.decode(line).ok());
        let root = root.and_then(|root| root.try_into().ok());
        let root = root.ok_or(CheckpointError::Lacks("root"))?;
        let is_signed = match origin {
            Origin::Is(name) if name != found => return Err(CheckpointError::Origin),
            Origin::Is(_) if !is_end(lines) => return Err(CheckpointError::Surplus),
            Origin::Is(name) => note.is_signed(name, verifier),
            Origin::OfTree => {
                let name = of_tree(found).ok_or(CheckpointError::Origin)?;
                // Rekor v1 writes no line of others, and its own client refuses a note with
                // one (v1.5.3 `pkg/util/signed_note.go`, `Verify`).
                note.is_signed_by_no_other(name, verifier)
            }
        };
        match is_signed {
            true => Ok(Self { size, root }),
            false => Err(CheckpointError::Signature),
        }
    }
}

/// Whether a checkpoint of Rekor v2 ends with these lines behind its root: none, or the
/// one of a log that was frozen, whose tree is as good as before.
fn is_end(mut rest: std::str::Lines<'_>) -> bool {
    let is_known = rest.next().is_none_or(|line| line.starts_with(FROZEN));
    is_known && rest.next().is_none()
}

/// The name of a log of Rekor v1, of which one process may have several trees. Which of
/// them it is does not matter: all are signed by the same key.
fn of_tree(origin: &str) -> Option<&str> {
    let (name, tree) = origin.split_once(" - ")?;
    number(tree).map(|_| name)
}

/// A number in decimal digits, without a leading zero: there is one way to write it
/// (tlog-checkpoint).
fn number(text: &str) -> Option<u64> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests;
