//! Messages as the digests that most algorithms sign. They are streamed in pieces of
//! 64 KiB (KEY-34): an SBOM document of any length takes no more memory.

use std::io::{self, Read as _};
use std::ops::Deref;

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::error::SignError;
use crate::oci::Content;
use crate::signature::Hash;

/// The digest of a message, with its hash: a digest alone does not tell SHA-256 from
/// the first half of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prehash {
    pub(super) hash: Hash,
    digest: Vec<u8>,
}

impl Deref for Prehash {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.digest
    }
}

impl Prehash {
    /// The digest of `message`, which is read unless that is known. SHA-256 of what
    /// is to be signed is known since its payload was built, for all keys; SHA-384
    /// and SHA-512 take another read.
    pub(super) fn of(message: &Content, hash: Hash) -> Result<Self, SignError> {
        hashed(message, hash).map_err(SignError::Read)
    }

    /// The digest in the type of aws-lc. (The function's name says "less safe"
    /// because aws-lc cannot check that the bytes are a digest.)
    pub(super) fn imported(&self) -> Option<aws_lc_rs::digest::Digest> {
        let algorithm = match self.hash {
            Hash::Sha256 => &aws_lc_rs::digest::SHA256,
            Hash::Sha384 => &aws_lc_rs::digest::SHA384,
            Hash::Sha512 => &aws_lc_rs::digest::SHA512,
        };
        aws_lc_rs::digest::Digest::import_less_safe(self, algorithm).ok()
    }
}

/// The digest of `message` that a key signs in its place, in raw bytes. The message
/// is streamed, unless its SHA-256 is asked for and known.
///
/// # Errors
/// On a message that cannot be read.
pub fn digest_of(message: &Content, hash: Hash) -> io::Result<Vec<u8>> {
    hashed(message, hash).map(|prehash| prehash.digest)
}

fn hashed(message: &Content, hash: Hash) -> io::Result<Prehash> {
    match hash {
        Hash::Sha256 => sha256(message),
        Hash::Sha384 => digest::<Sha384>(message, hash, |_| {}),
        Hash::Sha512 => digest::<Sha512>(message, hash, |_| {}),
    }
}

/// SHA-256 of `message`, which may be known.
pub(super) fn sha256(message: &Content) -> io::Result<Prehash> {
    let digest = message.digest()?;
    let bytes = hex::decode(digest.hex()).map_err(io::Error::other)?;
    Ok(Prehash {
        hash: Hash::Sha256,
        digest: bytes,
    })
}

/// Reads `message` once, also where its digest is known: the callers have to see
/// what is there now. Each chunk goes to `also` too.
pub(super) fn sha256_and(message: &Content, also: impl FnMut(&[u8])) -> io::Result<Prehash> {
    digest::<Sha256>(message, Hash::Sha256, also)
}

fn digest<D: Digest>(
    message: &Content,
    hash: Hash,
    mut also: impl FnMut(&[u8]),
) -> io::Result<Prehash> {
    let mut reader = message.open();
    let mut hasher = D::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        hasher.update(chunk);
        also(chunk);
    }
    let digest = hasher.finalize().to_vec();
    Ok(Prehash { hash, digest })
}
