//! RFC 3161 timestamps: what an authority is asked, and whether its answer proves
//! that something was there at a time.
//!
//! Implements RFC 3161 with RFC 5816, and of RFC 5652 (CMS) what a timestamp is
//! made of. The rules are those of sigstore's verifiers (timestamp-authority
//! v2.1.3, `pkg/verification`), and the certificate has to be named as RFC 5816
//! says, which they do not look at.

mod cms;
mod info;
mod response;
mod signer;

use bytes::Bytes;
use pkcs8::ObjectIdentifier;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::certificate::Certificate;
use super::chain::ChainError;
use super::der::{INTEGER, SEQUENCE, tagged};
use super::trust::root::TimestampAuthority;
use crate::signature::Hash;
use cms::SignedData;
use info::Info;

/// `AlgorithmIdentifier` of SHA-256, with the parameters that sigstore's clients
/// write.
const SHA256: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const TRUE: u8 = 0xff;

/// The longest answer of an authority, in bytes: that of sigstore's clients.
pub const MAX_LENGTH: usize = 1 << 20;

/// A number that an answer has to repeat, so that an old answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(u64);

impl Nonce {
    /// A nonce of random bits. It is always written as eight bytes, as a positive
    /// number: its highest bit is clear, its second one set.
    pub fn of_random(bits: u64) -> Self {
        Self((bits & (u64::MAX >> 1)) | (1 << 62))
    }

    fn as_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// What an authority is asked (RFC 3161, section 2.4.1): to stamp a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    digest: [u8; 32],
    nonce: Nonce,
}

impl Query {
    pub fn new(digest: [u8; 32], nonce: Nonce) -> Self {
        Self { digest, nonce }
    }

    /// DER of the `TimeStampReq`. It asks for the authority's certificate, as cosign
    /// does for `.sig`: a verifier that is given the chain without its leaf needs it.
    pub fn to_der(&self) -> Vec<u8> {
        let digest = tagged(OCTET_STRING, &[&self.digest]);
        let imprint = tagged(SEQUENCE, &[&SHA256, &digest]);
        let version = tagged(INTEGER, &[&[1]]);
        let nonce = tagged(INTEGER, &[&self.nonce.as_bytes()]);
        let wants_certificate = tagged(BOOLEAN, &[&[TRUE]]);
        tagged(SEQUENCE, &[&version, &imprint, &nonce, &wants_certificate])
    }
}

/// What was stamped.
#[derive(Clone, Copy)]
pub enum Stamped<'a> {
    Bytes(&'a [u8]),
    /// All that is known is the SHA-256: no imprint of another hash fits it.
    Sha256(&'a [u8; 32]),
}

impl Stamped<'_> {
    fn is(&self, hash: Hash, imprint: &[u8]) -> bool {
        match (self, hash) {
            (Self::Bytes(bytes), hash) => digest(hash, bytes) == imprint,
            (Self::Sha256(digest), Hash::Sha256) => digest.as_slice() == imprint,
            (Self::Sha256(_), _) => false,
        }
    }
}

/// A timestamp that an authority of the trusted root gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// DER of the whole `TimeStampResp`: the form in which it is stored.
    pub response: Bytes,
    /// When the authority saw what it stamped.
    pub time: jiff::Timestamp,
    /// The authority's URL, as the trusted root says it: verifiers count one
    /// timestamp of each.
    pub authority: String,
    /// DER of the authority's root. A trusted root need not say URLs, and what tells
    /// two authorities apart then is who certified them.
    pub anchor: Vec<u8>,
}

/// An answer of a timestamp authority that proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum TimestampError {
    #[error("the timestamp has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("it is no RFC 3161 timestamp")]
    Malformed,
    /// `words` are the authority's own, and not fit to print.
    #[error("the authority did not stamp it: {reason}")]
    Refused { reason: Reason, words: String },
    #[error("the timestamp has {0} signers, not one")]
    Signers(usize),
    #[error("what the timestamp's signer signed is no time")]
    Content,
    #[error("the timestamp has version {0}, not 1")]
    Version(u8),
    #[error("the timestamp uses the algorithm {0}, which is not accepted")]
    Algorithm(ObjectIdentifier),
    #[error("the timestamp is of something else")]
    OtherMessage,
    #[error("the timestamp answers another question: its nonce is not ours")]
    OtherNonce,
    #[error("the timestamp's signed attribute {0} is absent, doubled or wrong")]
    Attribute(&'static str),
    #[error("the timestamp names its certificate by SHA-1")]
    NamedBySha1,
    #[error("the timestamp names another certificate than that of its signer")]
    OtherCertificate,
    #[error("the certificate of the timestamp's signer is neither in it nor in the trusted root")]
    NoCertificate,
    #[error("the timestamp's signer is not the one of the trusted root")]
    OtherSigner,
    #[error("the certificate of the timestamp's signer cannot be read")]
    Unreadable,
    #[error("the timestamp's signature is wrong")]
    Signature,
    #[error("the certificate of the timestamp's signer is not trusted")]
    Chain(#[source] ChainError),
    #[error("the timestamp is of {0}, when the trusted root does not trust its authority")]
    Outside(jiff::Timestamp),
    #[error("the trusted root has no timestamp authority")]
    NoAuthority,
    #[error("no timestamp authority of the trusted root signed the timestamp")]
    Untrusted,
    #[error("the timestamp is of {0}, when a certificate of the signing key was not valid")]
    OutsideCertificate(jiff::Timestamp),
}

/// Why an authority did not stamp (RFC 3161, section 2.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    status: u8,
    failure: Option<&'static str>,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.failure {
            Some(failure) => f.write_str(failure),
            None => write!(f, "status {}", self.status),
        }
    }
}

impl Timestamp {
    /// Checks an authority's answer: that one of `authorities` signed it, at a time
    /// at which it was trusted, for `stamped`, and as the answer to the question
    /// with this nonce, if that is known.
    ///
    /// # Errors
    /// On the first thing that is wrong with the answer. Where it is that no
    /// authority signed it, with the reason of the one that came closest.
    pub fn verify(
        response: &[u8],
        stamped: Stamped<'_>,
        nonce: Option<Nonce>,
        authorities: &[TimestampAuthority],
    ) -> Result<Self, TimestampError> {
        if response.len() > MAX_LENGTH {
            return Err(TimestampError::TooLong);
        }
        let token = response::token(response)?;
        let signed = SignedData::read(token)?;
        let info = Info::read(signed.content)?;
        if !stamped.is(info.hash, info.imprint) {
            return Err(TimestampError::OtherMessage);
        }
        if nonce.is_some_and(|nonce| info.nonce != Some(&nonce.as_bytes()[..])) {
            return Err(TimestampError::OtherNonce);
        }
        let statement = signer::statement(&signed)?;
        let authority = signer::authority(&signed, &statement, info.time, authorities)?;
        let anchor = authority.certificates.last();
        Ok(Self {
            response: Bytes::copy_from_slice(response),
            time: info.time,
            authority: authority.url.clone(),
            anchor: anchor.map_or_else(Vec::new, |anchor| anchor.as_der().to_vec()),
        })
    }

    /// Checks that all certificates of a signature's signer were valid at this time:
    /// the signature was then made while they were.
    ///
    /// # Errors
    /// If one was not.
    pub fn check_certificates(&self, chain: &[Certificate]) -> Result<(), TimestampError> {
        let is_valid = |one: &Certificate| one.is_valid_at(self.time);
        match chain.iter().all(is_valid) {
            true => Ok(()),
            false => Err(TimestampError::OutsideCertificate(self.time)),
        }
    }
}

fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha256 => Sha256::digest(bytes).to_vec(),
        Hash::Sha384 => Sha384::digest(bytes).to_vec(),
        Hash::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

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
fn hash_of(algorithm: ObjectIdentifier) -> Result<Hash, TimestampError> {
    let mut known = SHA2.iter().filter(|(id, _)| *id == algorithm);
    let (_, hash) = known.next().ok_or(TimestampError::Algorithm(algorithm))?;
    Ok(*hash)
}

impl From<pkcs8::der::Error> for TimestampError {
    fn from(_: pkcs8::der::Error) -> Self {
        Self::Malformed
    }
}

#[cfg(test)]
mod tests;
