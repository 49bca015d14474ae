//! The hashes of timestamps: of the imprint, of the content, and of the certificate's
//! name.

use pkcs8::ObjectIdentifier;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::error::TimestampError;
use crate::signature::Hash;

const SHA2: [(ObjectIdentifier, Hash); 3] = [
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        Hash::Sha256,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
        Hash::Sha384,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        Hash::Sha512,
    ),
];

/// The hash of an `AlgorithmIdentifier`'s object identifier. SHA-1 is none: it does
/// not tell what was stamped from something else.
pub(super) fn hash_of(algorithm: ObjectIdentifier) -> Result<Hash, TimestampError> {
    let mut known = SHA2.iter().filter(|(id, _)| *id == algorithm);
    let (_, hash) = known.next().ok_or(TimestampError::Algorithm(algorithm))?;
    Ok(*hash)
}

pub(in crate::proof) fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha256 => Sha256::digest(bytes).to_vec(),
        Hash::Sha384 => Sha384::digest(bytes).to_vec(),
        Hash::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}
