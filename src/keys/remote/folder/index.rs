//! `index.toml`: the messages that are to be signed elsewhere, for those who
//! sign them, and the names of all files beside it (EVD-71, EVD-72).
//!
//! The same inputs give the same bytes (EVD-74): no time and no version is in it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::keys::error::FolderError;
use crate::keys::remote::message::{Message, Purpose};
use crate::oci::Digest;

/// The index's own name.
pub const INDEX: &str = "index.toml";

/// So many digits tell messages apart, and keys. Where they collide, a signature
/// does not verify: an error, and never a wrong signature
/// (`spec/decisions/0031`).
const OF_MESSAGE: usize = 16;
const OF_KEY: usize = 8;

/// For the people who sign: the file may be all that they have been given.
const HEAD: &str = "\
# Sign the exact bytes of each `file` by the `algorithm`, and save the signature\n\
# under the name `signature`, raw or in base64. The same config takes them then.\n\n";

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIndex {
    #[serde(default)]
    pub sign: Vec<ToSign>,
}

/// A message that a key is to sign. A member that is absent is empty: an index of
/// another version still says what it can.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ToSign {
    /// The name of the message's file.
    pub file: String,
    /// The name of its signature's file.
    pub signature: String,
    /// `repository@digest`
    pub image: String,
    /// More images of which it says the same: the statement of a bundle names a
    /// digest and no repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_images: Vec<String>,
    /// `signature` or `attestation`
    pub kind: String,
    /// The path of the document that is attested, in its SBOM layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Of the message, in hexadecimal digits.
    pub sha256: String,
    pub algorithm: String,
    /// The digest of the public key's DER.
    pub public_key: String,
}

/// The names of a message and of its signature by one key. They follow from
/// both, so that nobody has to be told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageNames {
    pub digest: Digest,
    /// The name of the message's file, but for its ending, which is the form's.
    pub message: String,
    /// All of it, with `.sig`.
    pub signature: String,
    key: Digest,
}

impl MessageNames {
    /// `key` is the digest of the public key's DER.
    pub fn new(purpose: Purpose, digest: Digest, key: &Digest) -> Self {
        let message = format!("{}-{}", purpose.name(), first(&digest, OF_MESSAGE));
        Self {
            signature: format!("{message}-{}.sig", first(key, OF_KEY)),
            message,
            digest,
            key: key.clone(),
        }
    }
}

fn first(digest: &Digest, digits: usize) -> &str {
    digest.hex().get(..digits).unwrap_or_default()
}

impl SignIndex {
    /// The index's text; the same index is the same text.
    pub fn to_text(&self) -> Option<String> {
        Some(format!("{HEAD}{}", toml::to_string(self).ok()?))
    }

    /// An index that is there and is one. It is believed nothing: its names open no
    /// file, and its words are cut and escaped before they are printed.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        toml::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }

    /// Why `message` has no signature, as far as the index tells; `missing` if
    /// the index asks for it. The likelier reasons come first: the same bytes by
    /// another key, other bytes for the same image, another image of the
    /// repository.
    pub(super) fn why(
        &self,
        folder: &Path,
        message: &Message,
        named: &MessageNames,
        missing: FolderError,
    ) -> FolderError {
        let index = folder.join(INDEX);
        let (image, kind) = (message.image.clone(), message.purpose.name());
        let (ours, key) = (named.digest.hex(), named.key.to_string());
        let mut same = self.sign.iter().filter(|entry| entry.sha256 == ours);
        if let Some(entry) = same.clone().find(|entry| entry.public_key == key) {
            return with_message(missing, entry);
        }
        if let Some(entry) = same.next() {
            let theirs = shown(&entry.public_key);
            let ours = key;
            return FolderError::OtherKey {
                index,
                theirs,
                ours,
            };
        }
        let mut of_image = self.sign.iter().filter(|entry| entry.names(&image));
        if let Some(entry) = of_image.find(|entry| entry.kind == kind) {
            return FolderError::OtherBytes {
                index,
                image,
                kind,
                theirs: shown(&entry.sha256),
                ours: ours.to_owned(),
            };
        }
        let repository = repository(&image);
        let mut images = self.sign.iter().flat_map(ToSign::images);
        match images.find(|other| self::repository(other) == repository && **other != image) {
            Some(other) => FolderError::OtherImage {
                index,
                theirs: shown(other),
                ours: image,
            },
            None => FolderError::NotListed { index, image },
        }
    }
}

impl ToSign {
    /// Every image that it is about.
    pub fn images(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.image).chain(&self.further_images)
    }

    /// Takes on the image of an entry for the same message by the same key, which
    /// the caller has seen to.
    pub fn add(&mut self, other: Self) {
        if !self.names(&other.image) {
            self.further_images.push(other.image);
        }
    }

    fn names(&self, image: &str) -> bool {
        self.images().any(|other| other == image)
    }
}

fn repository(image: &str) -> &str {
    image.split_once('@').map_or(image, |(before, _)| before)
}

/// The error for a message whose signature is not there, as others are not.
pub(super) fn missing(folder: &Path, named: &MessageNames, others: usize) -> FolderError {
    FolderError::Missing {
        path: folder.join(&named.signature),
        message: format!("the message with the sha256 {}", named.digest.hex()),
        others,
    }
}

fn with_message(missing: FolderError, entry: &ToSign) -> FolderError {
    match missing {
        FolderError::Missing { path, others, .. } => FolderError::Missing {
            path,
            message: format!("`{}`", shown(&entry.file)),
            others,
        },
        other => other,
    }
}

/// The index's own words, fit to print.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let text: String = text.chars().take(MOST).collect();
    text.escape_debug().to_string()
}
