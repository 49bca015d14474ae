//! Messages as the digests that most algorithms sign.

use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256};

use super::SignError;
use crate::oci::Content;

/// SHA-256 of a message.
pub(super) type Prehash = [u8; 32];

/// SHA-256 of a message in the type of aws-lc. (The function's name says
/// "less safe" because aws-lc cannot check that the bytes are a digest.)
pub(super) fn imported(prehash: &Prehash) -> Option<aws_lc_rs::digest::Digest> {
    aws_lc_rs::digest::Digest::import_less_safe(prehash, &aws_lc_rs::digest::SHA256).ok()
}

pub(super) fn sha256(message: &Content) -> Result<Prehash, SignError> {
    let digest = message.digest().map_err(SignError::Read)?;
    let mut prehash = Prehash::default();
    hex::decode_to_slice(digest.hex(), &mut prehash).map_err(|_| SignError::Refused)?;
    Ok(prehash)
}

/// Reads `message` once; each chunk goes to `also` too.
pub(super) fn sha256_and(message: &Content, mut also: impl FnMut(&[u8])) -> io::Result<Prehash> {
    let mut reader = message.open()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let chunk = buffer.get(..count).unwrap_or_default();
        hasher.update(chunk);
        also(chunk);
    }
}
