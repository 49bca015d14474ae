//! Public keys as users hand them over: PEM of a key or of a certificate.

use pkcs8::der::Decode as _;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use super::error::KeyError;
use super::pem;
use super::reference::PublicFileName;
use crate::secret::Secret;
use crate::signature::PublicKey;

const KEY: &str = "PUBLIC KEY";
const CERTIFICATE: &str = "CERTIFICATE";

/// The file that holds the public half of a key that is not here, read.
#[derive(Debug)]
pub struct PublicFile {
    pub key: PublicKey,
}

impl PublicFile {
    /// Reads the first PEM block: a SubjectPublicKeyInfo, or a certificate.
    ///
    /// # Errors
    /// On bytes without such a block.
    pub fn parse(name: &PublicFileName, pem: &Secret) -> Result<Self, KeyError> {
        let key = match name {
            PublicFileName::Key(_) => public_key(pem.expose())?,
            PublicFileName::Certificate(_) => key_of_certificate(pem.expose())?,
        };
        Ok(Self { key })
    }
}

/// The key of the first PEM block, which must be a `PUBLIC KEY`.
pub(super) fn public_key(pem: &[u8]) -> Result<PublicKey, KeyError> {
    let der = block(pem, KEY)?;
    SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| KeyError::NotPublic(KEY))?;
    Ok(PublicKey::from_der(der))
}

/// The key of the first PEM block, which must be a `CERTIFICATE`.
fn key_of_certificate(pem: &[u8]) -> Result<PublicKey, KeyError> {
    let der = block(pem, CERTIFICATE)?.into();
    let certificate = webpki::EndEntityCert::try_from(&der);
    let certificate = certificate.map_err(|_| KeyError::NotPublic(CERTIFICATE))?;
    let info = certificate.subject_public_key_info();
    Ok(PublicKey::from_der(info.as_ref().to_vec()))
}

fn block(pem: &[u8], label: &'static str) -> Result<Vec<u8>, KeyError> {
    let block = pem::first_block(pem).map_err(|_| KeyError::NotPublic(label))?;
    match block.label == label {
        true => Ok(block.bytes.to_vec()),
        false => Err(KeyError::NotPublic(label)),
    }
}
