//! X.509 certificates (RFC 5280), as far as signers, timestamp authorities and
//! certificate authorities use them.
//!
//! Reading a certificate proves nothing: [`chain`](super::chain) does. Extensions
//! that nobody here asks for are kept unread, critical ones too: that the certificate
//! is refused for one is for the chain to say. Names and serial numbers are
//! compared as the bytes that they are, as Go compares them.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use pkcs8::ObjectIdentifier;
use pkcs8::der::asn1::{BitStringRef, GeneralizedTime, UtcTime};
use pkcs8::der::{AnyRef, Decode as _, Error, Reader as _, SliceReader, Tag, Tagged as _};
use pkcs8::spki::SubjectPublicKeyInfoRef;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::der::{has_number, next, parts, whole};
use super::key::{KeyProblem, VerifyingKey};
use crate::signature::oid::{ALTERNATIVE_NAME, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE};
use crate::signature::{Hash, PublicKey};

mod critical;
mod extension;
mod name;

pub(super) use extension::EXTENSIONS;
pub use extension::Usages;
use extension::{Authority, Extension, extensions};
pub use name::Name;

/// The bit `keyCertSign`, in the first octet of the bits.
const SIGNS_CERTIFICATES: u8 = 0x04;

/// A tag in a `TBSCertificate` (section 4.1), EXPLICIT.
const VERSION: u8 = 0;

/// The longest certificate, in bytes, and the longest file of them (EVD-5). The
/// public instance's have under 1 KB.
pub const MAX_LENGTH: usize = 64 * 1024;
/// The most certificates of one file (EVD-5), as of one bundle.
pub const MAX_COUNT: usize = 32;

/// A certificate, read once. Copies share its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Bytes,
    /// `TBSCertificate` with its tag: what the issuer signed.
    signed: Bytes,
    signature: IssuerSignature,
    fields: Fields,
    extensions: Vec<Extension>,
    authority: Authority,
    /// The first octet of `keyUsage`, where all bits but `decipherOnly` lie.
    key_usage: Option<u8>,
    usages: Option<Usages>,
    names: Vec<Name>,
}

#[derive(Clone, PartialEq, Eq)]
struct IssuerSignature {
    algorithm: ObjectIdentifier,
    bits: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
struct Fields {
    /// 1 to 3.
    version: u8,
    /// The content of the INTEGER, its sign octet included.
    serial: Bytes,
    /// DER of the name, as is `subject`.
    issuer: Bytes,
    valid_from: Timestamp,
    valid_until: Timestamp,
    subject: Bytes,
    public_key: PublicKey,
}

/// Bytes that are no certificate, or too much of one.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("it is no X.509 certificate")]
    Malformed,
    #[error("it has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("there is no certificate in it, neither in PEM nor in DER")]
    Absent,
    #[error("it holds more than {MAX_COUNT} certificates")]
    TooMany,
    #[error("certificate {position} in it is no X.509 certificate")]
    MalformedAt {
        /// Counted from 1.
        position: usize,
    },
}

debug_as_display!(CertificateError);

impl Certificate {
    /// Reads DER, of which nothing may be left, and copies it: certificates come out
    /// of answers and layers that need not stay in memory for them.
    ///
    /// # Errors
    /// On bytes that are no certificate, on an extension that is there twice, and
    /// on more than [`MAX_LENGTH`] bytes.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_LENGTH {
            return Err(CertificateError::TooLong);
        }
        let der = Bytes::copy_from_slice(der);
        Self::read(&der).map_err(|_| CertificateError::Malformed)
    }

    /// Reads a file: PEM with one certificate or more, in which other blocks and
    /// text do not count, or the DER of one. They come in the order of the file.
    ///
    /// PEM is looked for anywhere in the file: `openssl x509 -text` writes text before
    /// it.
    ///
    /// # Errors
    /// On files without a certificate, with a malformed one, and with more than
    /// [`MAX_COUNT`].
    pub fn from_file(file: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if !has_pem(file) {
            return match file.first() {
                Some(&super::der::SEQUENCE) => Ok(vec![Self::from_der(file)?]),
                _ => Err(CertificateError::Absent),
            };
        }
        let mut certificates = Vec::new();
        for block in CertificateDer::pem_slice_iter(file) {
            let position = certificates.len().saturating_add(1);
            if position > MAX_COUNT {
                return Err(CertificateError::TooMany);
            }
            // One that cannot be read is never passed over: a chain would be shorter than
            // its owner thinks.
            let malformed = CertificateError::MalformedAt { position };
            let der = block.map_err(|_| malformed.clone())?;
            certificates.push(Self::from_der(&der).map_err(|_| malformed)?);
        }
        match certificates.is_empty() {
            true => Err(CertificateError::Absent),
            false => Ok(certificates),
        }
    }

    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The bytes that the issuer signed (`TBSCertificate`).
    pub fn signed_part(&self) -> &[u8] {
        &self.signed
    }

    /// 1 to 3.
    pub fn version(&self) -> u8 {
        self.fields.version
    }

    /// The octets of the number, the highest first, with the zero that keeps a number
    /// positive. Equal numbers have equal octets, because DER allows one encoding.
    pub fn serial(&self) -> &[u8] {
        &self.fields.serial
    }

    /// The DER of the issuer's name. It is compared byte by byte with a subject, as
    /// Go and `rustls-webpki` do it; RFC 5280, section 7.1, would allow other case.
    pub fn issuer(&self) -> &[u8] {
        &self.fields.issuer
    }

    /// The DER of the subject's name.
    pub fn subject(&self) -> &[u8] {
        &self.fields.subject
    }

    /// The key as it stands there, of whatever kind.
    pub fn public_key(&self) -> &PublicKey {
        &self.fields.public_key
    }

    /// The public key as one that verifies.
    ///
    /// # Errors
    /// On keys of another kind.
    pub fn key(&self) -> Result<VerifyingKey, KeyProblem> {
        VerifyingKey::from_der(self.public_key().as_der())
    }

    pub fn valid_from(&self) -> Timestamp {
        self.fields.valid_from
    }

    /// The last moment of its time; the year 9999 stands for no end.
    pub fn valid_until(&self) -> Timestamp {
        self.fields.valid_until
    }

    /// Whether `at` lies in the period, both ends included (RFC 5280, section 4.1.2.5).
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        (self.valid_from()..=self.valid_until()).contains(&at)
    }

    /// The value of an extension: the content of its OCTET STRING, not read further.
    pub fn extension(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        let extension = self.extensions.iter().find(|one| one.id == id)?;
        Some(&extension.value)
    }

    /// The subject's alternative names, in their order.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// The uses that it states; none if it states no use, which allows all.
    pub fn usages(&self) -> Option<&Usages> {
        self.usages.as_ref()
    }

    /// Whether it says that its key verifies certificates.
    pub fn is_authority(&self) -> bool {
        matches!(self.authority, Authority::Yes { .. })
    }

    /// Whether its key may verify certificates, with so many others between it and
    /// the leaf's. Certificates before version 3 cannot say.
    ///
    /// These are Go's rules (`crypto/x509` 1.26, `CheckSignatureFrom` and `isValid`;
    /// EVD-3), for a root too, which RFC 5280 exempts and `rustls-webpki` does not
    /// ask.
    pub fn may_issue(&self, between: usize) -> bool {
        let may = match self.authority {
            Authority::Unstated => self.version() < 3,
            Authority::No => false,
            Authority::Yes { path_length } => {
                path_length.is_none_or(|longest| between as u64 <= longest)
            }
        };
        // Go takes a key usage without any bit for none.
        let bits = self.key_usage.unwrap_or_default();
        may && (bits == 0 || bits & SIGNS_CERTIFICATES != 0)
    }

    /// Whether its own key signed it, as that of a root. It decides which certificates
    /// are stored with a signature (EVD-7, EVD-8), and never whom to trust: a
    /// signature of a kind that is not verified here is taken for good.
    pub fn is_self_signed(&self) -> bool {
        if self.issuer() != self.subject() {
            return false;
        }
        match (self.key(), hash(self.signature.algorithm)) {
            // An authority may issue a certificate in its own name for a new key (RFC
            // 5280, section 3.2, "self-issued"): that is no root, and stays in a chain.
            (Ok(key), Some(hash)) => key.accepts(hash, &self.signed, &self.signature.bits),
            _ => true,
        }
    }

    fn read(der: &Bytes) -> Result<Self, Error> {
        // `Certificate`: what is signed, the algorithm, the signature (RFC 5280,
        // section 4.1). The algorithm stands in the signed part once more; that both
        // are the same, `rustls-webpki` asks in a chain.
        let mut outer = parts(AnyRef::from_der(der)?)?;
        let signed = der.slice_ref(whole(&mut outer)?);
        let signature = IssuerSignature::read(&mut outer)?;
        if !outer.is_finished() {
            return Err(Tag::Sequence.value_error().into());
        }
        let mut inner = parts(AnyRef::from_der(&signed)?)?;
        let mut certificate = Self {
            der: der.clone(),
            fields: Fields::read(der, &mut inner)?,
            signed: signed.clone(),
            signature,
            extensions: extensions(der, &mut inner)?,
            authority: Authority::Unstated,
            key_usage: None,
            usages: None,
            names: Vec::new(),
        };
        // A known extension that is malformed makes the certificate so: a name or a
        // use that cannot be read must not count as absent.
        for extension in certificate.extensions.clone() {
            certificate.note(&extension)?;
        }
        Ok(certificate)
    }

    /// Reads an extension that this module knows.
    fn note(&mut self, extension: &Extension) -> Result<(), Error> {
        let value = || AnyRef::from_der(&extension.value);
        match extension.id {
            BASIC_CONSTRAINTS => self.authority = Authority::read(&mut parts(value()?)?)?,
            KEY_USAGE => {
                let bits = value()?.decode_as::<BitStringRef<'_>>()?;
                self.key_usage = bits.raw_bytes().first().copied();
            }
            EXTENDED_KEY_USAGE => self.usages = Some(Usages::read(extension)?),
            ALTERNATIVE_NAME => self.names = name::names(value()?)?,
            _ => {}
        }
        Ok(())
    }
}

/// The serial number alone: names of others do not belong in messages.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", hex::encode(self.serial()))
    }
}

impl IssuerSignature {
    fn read(outer: &mut SliceReader<'_>) -> Result<Self, Error> {
        let algorithm = ObjectIdentifier::decode(&mut parts(next(outer)?)?)?;
        let bits = next(outer)?.decode_as::<BitStringRef<'_>>()?;
        let bits = bits
            .as_bytes()
            .ok_or_else(|| Tag::BitString.value_error())?;
        Ok(Self {
            algorithm,
            bits: bits.to_vec(),
        })
    }
}

impl Fields {
    fn read(der: &Bytes, inner: &mut SliceReader<'_>) -> Result<Self, Error> {
        let mut first = next(inner)?;
        let mut version = 1;
        if has_number(&first, VERSION) {
            version = counted_from_1(&first)?;
            first = next(inner)?;
        }
        // In the order of section 4.1: serial number, algorithm, issuer, validity,
        // subject, key.
        first.tag().assert_eq(Tag::Integer)?;
        let _algorithm = parts(next(inner)?)?;
        let issuer = name_of(der, inner)?;
        let mut validity = parts(next(inner)?)?;
        let (valid_from, valid_until) = (time(&mut validity)?, time(&mut validity)?);
        let subject = name_of(der, inner)?;
        let public_key = whole(inner)?;
        SubjectPublicKeyInfoRef::from_der(public_key)?;
        Ok(Self {
            version,
            serial: der.slice_ref(first.value()),
            issuer,
            valid_from,
            valid_until,
            subject,
            public_key: PublicKey::from_der(public_key.to_vec()),
        })
    }
}

/// A version that is written: RFC 5280 counts them from 0, and leaves the first one out.
fn counted_from_1(version: &AnyRef<'_>) -> Result<u8, Error> {
    match u8::from_der(version.value())? {
        found @ 0..=2 => Ok(found.saturating_add(1)),
        _ => Err(Tag::Integer.value_error().into()),
    }
}

fn name_of(der: &Bytes, inner: &mut SliceReader<'_>) -> Result<Bytes, Error> {
    let name = whole(inner)?;
    parts(AnyRef::from_der(name)?)?;
    Ok(der.slice_ref(name))
}

/// A time since 1970; `der` reads no earlier one. `99991231235959Z`, which says that
/// there is no end (RFC 5280, section 4.1.2.5), lies behind the last day that can be
/// counted.
fn time(validity: &mut SliceReader<'_>) -> Result<Timestamp, Error> {
    let time = next(validity)?;
    let since_1970 = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

/// Whether a file holds PEM of any kind, so that a key in place of a certificate is
/// named as the absence of one, and not as malformed DER.
fn has_pem(file: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    file.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// The hash of a signature algorithm; of Ed25519, which has none of its own, any.
/// None of RSA-PSS, whose hash stands in its parameters, and of SHA-1.
fn hash(algorithm: ObjectIdentifier) -> Option<Hash> {
    // ECDSA and RSA (PKCS#1 v1.5) with the hash; the third is Ed25519.
    const SHA256: [ObjectIdentifier; 3] = [
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
        ObjectIdentifier::new_unwrap("1.3.101.112"),
    ];
    const SHA384: [ObjectIdentifier; 2] = [
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"),
    ];
    const SHA512: [ObjectIdentifier; 2] = [
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"),
    ];
    match algorithm {
        found if SHA256.contains(&found) => Some(Hash::Sha256),
        found if SHA384.contains(&found) => Some(Hash::Sha384),
        found if SHA512.contains(&found) => Some(Hash::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
