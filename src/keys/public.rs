//! Public keys as users hand them over: PEM of a key, or a certificate.
//! Of a certificate the key alone is read here; `phase` checks its uses, its
//! times and its chain.

use pkcs8::der::Decode as _;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use super::error::{KeyError, MAX_LENGTH};
use super::pem;
use super::reference::PublicFileName;
use crate::proof::certificate::Certificate;
use crate::secret::Secret;
use crate::signature::PublicKey;

const KEY: &str = "PUBLIC KEY";
const CERTIFICATE: &str = "CERTIFICATE";

/// The file that holds the public half of a key that is not here, read. It alone
/// decides which signatures are taken from a program or a folder (KEY-119).
#[derive(Debug)]
pub struct PublicFile {
    pub key: PublicKey,
}

impl PublicFile {
    /// Reads the first PEM block, a SubjectPublicKeyInfo, or the first certificate.
    ///
    /// # Errors
    /// On more than [`MAX_LENGTH`] bytes, and on bytes without one.
    pub fn parse(name: &PublicFileName, pem: &Secret) -> Result<Self, KeyError> {
        if pem.expose().len() > MAX_LENGTH {
            return Err(KeyError::PublicTooLong(match name {
                PublicFileName::Key(_) => KEY,
                PublicFileName::Certificate(_) => CERTIFICATE,
            }));
        }
        let key = match name {
            PublicFileName::Key(_) => public_key(pem.expose())?,
            PublicFileName::Certificate(_) => key_of_certificate(pem.expose())?,
        };
        Ok(Self { key })
    }
}

/// The key of the first PEM block, which must be a `PUBLIC KEY`. Its kind, curve
/// and size are checked by [`Algorithm::of`](super::Algorithm::of), its point or
/// modulus where signatures are verified with it.
pub(super) fn public_key(pem: &[u8]) -> Result<PublicKey, KeyError> {
    let der = block(pem, KEY)?;
    SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| KeyError::NotPublic(KEY))?;
    Ok(PublicKey::from_der(der))
}

/// The key of the first certificate.
fn key_of_certificate(file: &[u8]) -> Result<PublicKey, KeyError> {
    let certificates = Certificate::from_file(file);
    let certificates = certificates.map_err(|_| KeyError::NotPublic(CERTIFICATE))?;
    let first = certificates.first();
    let first = first.ok_or(KeyError::NotPublic(CERTIFICATE))?;
    Ok(first.public_key().clone())
}

fn block(pem: &[u8], label: &'static str) -> Result<Vec<u8>, KeyError> {
    let block = pem::first_block(pem).map_err(|_| KeyError::NotPublic(label))?;
    match block.label == label {
        true => Ok(block.bytes.to_vec()),
        false => Err(KeyError::NotPublic(label)),
    }
}
