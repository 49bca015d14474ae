//! Signed certificate timestamps (RFC 6962, section 3): promises of certificate
//! transparency logs, embedded in certificates.
//!
//! A log signs the certificate as it was before its promise was put in. That is
//! put together here from the certificate's own bytes, without the extension: a field
//! that was decoded and encoded again might not be the bytes that the log saw (EVD-4).
//!
//! Promises that come beside a certificate ("detached") are not read: no form of a
//! signature has a place for them.

use bytes::Bytes;
use jiff::Timestamp;
use pkcs8::ObjectIdentifier;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{AnyRef, Decode as _, Error, Reader as _, SliceReader};

use super::certificate::{Certificate, EXTENSIONS};
use super::der::{SEQUENCE, has_number, next, parts, tagged, whole};
use super::key::{KeyKind, VerifyingKey};
use super::trust::root::LogKey;
use crate::signature::Hash;

const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// The tag of the extensions: `[3]`, constructed.
const EXTENSIONS_TAG: u8 = 0xa3;
/// The only version that there is (RFC 6962, section 3.2).
const V1: u8 = 0;
/// `HashAlgorithm` and `SignatureAlgorithm` of TLS 1.2 (RFC 5246, section 7.4.1.4.1).
const SHA256: u8 = 4;
const RSA: u8 = 1;
const ECDSA: u8 = 3;
/// The most promises of one certificate. Browsers ask for two or three.
const MOST: usize = 32;

/// A promise of a log that it will show a certificate, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sct {
    /// SHA-256 of the log's key.
    log: [u8; 32],
    /// Since 1970.
    milliseconds: u64,
    /// Of the promise, not of the certificate. None are defined, but they are signed.
    extensions: Vec<u8>,
    /// The hash, then the signature.
    algorithm: (u8, u8),
    signature: Vec<u8>,
}

/// A certificate without a promise that can be read.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SctError {
    #[error("the certificate has no signed certificate timestamp")]
    Absent,
    #[error("the certificate's signed certificate timestamps cannot be read")]
    Malformed,
    #[error("the certificate has more than {MOST} signed certificate timestamps")]
    TooMany,
    #[error("no log of the trusted root promised to show the certificate")]
    Untrusted,
}

debug_as_display!(SctError);

/// Looks for a promise that one of `logs` made about `certificate`, which one of `issuers`
/// issued, at a time when the log's key was valid. One promise is enough, as for cosign.
///
/// A promise covers the issuer's key. Several certificates of a chain may have the
/// issuer's name, with another key in each; those of another name are passed over.
///
/// # Errors
/// If there is none.
pub fn check(
    certificate: &Certificate,
    issuers: &[Certificate],
    logs: &[LogKey],
) -> Result<(), SctError> {
    let issuers = issuers.iter();
    let issuers = issuers.filter(|one| one.subject() == certificate.issuer());
    let issuers: Vec<_> = issuers.collect();
    let holds = |promise: &Sct| {
        let has_made_it = |log: &&LogKey| {
            let time = promise.time();
            log.id == promise.log && time.is_some_and(|time| log.valid.contains(time))
        };
        let mut logs = logs.iter().filter(has_made_it);
        logs.any(|log| {
            let mut issuers = issuers.iter();
            issuers.any(|issuer| promise.holds(&log.key, certificate, issuer))
        })
    };
    match Sct::embedded(certificate)?.iter().any(holds) {
        true => Ok(()),
        false => Err(SctError::Untrusted),
    }
}

impl Sct {
    /// The promises that are embedded in `certificate`; those of another version
    /// than 1 are left out: nobody knows what they would sign.
    ///
    /// # Errors
    /// If there is none, and on a malformed list.
    pub fn embedded(certificate: &Certificate) -> Result<Vec<Self>, SctError> {
        let value = certificate.extension(SCT_LIST).ok_or(SctError::Absent)?;
        // An OCTET STRING in the extension's own, and in it a vector of vectors.
        let list = <&OctetStringRef>::from_der(value).map_err(|_| SctError::Malformed)?;
        let mut list = Bytes::copy_from_slice(list.as_bytes());
        let mut entries = short_vector(&mut list).ok_or(SctError::Malformed)?;
        if !list.is_empty() {
            return Err(SctError::Malformed);
        }
        let (mut found, mut count) = (Vec::new(), 0);
        while !entries.is_empty() {
            count += 1;
            if count > MOST {
                return Err(SctError::TooMany);
            }
            let entry = short_vector(&mut entries).ok_or(SctError::Malformed)?;
            if entry.first() == Some(&V1) {
                found.push(Self::read(entry).ok_or(SctError::Malformed)?);
            }
        }
        match found.is_empty() {
            true => Err(SctError::Absent),
            false => Ok(found),
        }
    }

    /// When the log made the promise; none if no calendar has that day.
    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(i64::try_from(self.milliseconds).ok()?).ok()
    }

    /// Whether `key` made this promise about `certificate`, which `issuer` issued. When
    /// it was made, and whether the key was valid then, is for the caller to compare.
    pub fn holds(
        &self,
        key: &VerifyingKey,
        certificate: &Certificate,
        issuer: &Certificate,
    ) -> bool {
        // The promise names its algorithm; the key's own kind decides. Logs sign with
        // ECDSA or RSA and SHA-256 (section 2.1.4).
        let is_of_key = match self.algorithm {
            (SHA256, RSA) => key.kind() == KeyKind::Rsa,
            (SHA256, ECDSA) => {
                matches!(key.kind(), KeyKind::P256 | KeyKind::P384 | KeyKind::P521)
            }
            _ => false,
        };
        is_of_key
            && self.log == key.public_key().sha256()
            && self
                .message(certificate, issuer)
                .is_some_and(|message| key.accepts(Hash::Sha256, &message, &self.signature))
    }

    /// `digitally-signed struct` of section 3.2, for a precertificate. The hash of the
    /// issuer's key is in it, so that the promise is about this issuer alone. None where
    /// the certificate cannot be taken apart.
    fn message(&self, certificate: &Certificate, issuer: &Certificate) -> Option<Vec<u8>> {
        const CERTIFICATE_TIMESTAMP: u8 = 0;
        const PRECERTIFICATE: [u8; 2] = [0, 1];
        let promised = without_promises(certificate.signed_part()).ok()?;
        let length = u32::try_from(promised.len()).ok()?.to_be_bytes();
        let (0, length) = length.split_first()? else {
            return None;
        };
        let extensions = u16::try_from(self.extensions.len()).ok()?;
        // version, signature_type, timestamp, entry_type, issuer_key_hash,
        // tbs_certificate with a length of 24 bits, extensions with one of 16.
        let mut message = vec![V1, CERTIFICATE_TIMESTAMP];
        message.extend(self.milliseconds.to_be_bytes());
        message.extend(PRECERTIFICATE);
        message.extend(issuer.public_key().sha256());
        message.extend(length);
        message.extend(promised);
        message.extend(extensions.to_be_bytes());
        message.extend(&self.extensions);
        Some(message)
    }

    /// `SignedCertificateTimestamp` of section 3.2, of which nothing may be left.
    fn read(mut entry: Bytes) -> Option<Self> {
        let _version = take(&mut entry, 1)?;
        let log = take(&mut entry, 32)?;
        let milliseconds = take(&mut entry, 8)?;
        let extensions = short_vector(&mut entry)?;
        let algorithm = take(&mut entry, 2)?;
        let signature = short_vector(&mut entry)?;
        entry.is_empty().then(|| {
            Some(Self {
                log: log.as_ref().try_into().ok()?,
                milliseconds: u64::from_be_bytes(milliseconds.as_ref().try_into().ok()?),
                extensions: extensions.to_vec(),
                algorithm: (*algorithm.first()?, *algorithm.get(1)?),
                signature: signature.to_vec(),
            })
        })?
    }
}

/// The certificate that the log saw: the signed part without the list of promises,
/// and without extensions if there is no other. The poison of a precertificate, and its
/// issuer if that is one of its own, are not part of the promise (section 3.2).
fn without_promises(signed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut fields = parts(AnyRef::from_der(signed)?)?;
    let mut kept: Vec<Vec<u8>> = Vec::new();
    while !fields.is_finished() {
        let field = whole(&mut fields)?;
        let value = AnyRef::from_der(field)?;
        if !has_number(&value, EXTENSIONS) {
            kept.push(field.to_vec());
            continue;
        }
        let mut list = parts(AnyRef::from_der(value.value())?)?;
        let others = other_extensions(&mut list)?;
        if !others.is_empty() {
            let list = tagged(SEQUENCE, &others);
            kept.push(tagged(EXTENSIONS_TAG, &[&list]));
        }
    }
    let kept: Vec<&[u8]> = kept.iter().map(Vec::as_slice).collect();
    Ok(tagged(SEQUENCE, &kept))
}

fn other_extensions<'a>(list: &mut SliceReader<'a>) -> Result<Vec<&'a [u8]>, Error> {
    let mut others = Vec::new();
    while !list.is_finished() {
        let extension = whole(list)?;
        let mut inner = parts(AnyRef::from_der(extension)?)?;
        if ObjectIdentifier::try_from(next(&mut inner)?)? != SCT_LIST {
            others.push(extension);
        }
    }
    Ok(others)
}

/// The next `count` bytes.
fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (count <= bytes.len()).then(|| bytes.split_to(count))
}

/// The next vector with a length of two bytes (RFC 5246, section 4.3).
fn short_vector(bytes: &mut Bytes) -> Option<Bytes> {
    let length = take(bytes, 2)?;
    let length = u16::from_be_bytes(length.as_ref().try_into().ok()?);
    take(bytes, length.into())
}

#[cfg(test)]
mod tests;
