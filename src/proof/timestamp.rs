//! RFC 3161 timestamps: the question to an authority, and whether its answer proves
//! that something was there at a time.
//!
//! Implements RFC 3161 with RFC 5816, and of RFC 5652 (CMS) the parts of a timestamp.
//! The rules are those of sigstore's verifiers (timestamp-authority v2.1.3,
//! `pkg/verification`), and the certificate has to be named as RFC 5816 says, which
//! they do not look at.
//!
//! A timestamp is verified before it is stored and each time that it is found again,
//! at its own time: an authority's certificate may have expired since.

mod cms;
mod error;
mod hash;
mod info;
mod response;
mod signer;

use bytes::Bytes;

pub use error::{MAX_LENGTH, Reason, TimestampError};
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use hash::digest;

use super::certificate::Certificate;
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
/// Further tags, and the one octet that DER allows for `TRUE`.
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const TRUE: u8 = 0xff;

/// A number that an answer has to repeat, so that an old answer is none: an answer to an
/// earlier question about the same bytes could otherwise be sent again (EVD-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(u64);

impl Nonce {
    /// A nonce of random bits. It is always written as eight bytes, as a positive
    /// number: its highest bit is clear, its second one set. 62 bits stay random. So
    /// the authority's bytes can be compared with ours, without reading a number.
    pub fn of_random(bits: u64) -> Self {
        Self((bits & (u64::MAX >> 1)) | (1 << 62))
    }

    fn as_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// A question to an authority (RFC 3161, section 2.4.1): to stamp a SHA-256.
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
    /// It names no policy: an authority stamps by its own.
    pub fn to_der(&self) -> Vec<u8> {
        // version, messageImprint, nonce, certReq; reqPolicy, before the nonce, is left
        // out.
        let digest = tagged(OCTET_STRING, &[&self.digest]);
        let imprint = tagged(SEQUENCE, &[&SHA256, &digest]);
        let version = tagged(INTEGER, &[&[1]]);
        let nonce = tagged(INTEGER, &[&self.nonce.as_bytes()]);
        let wants_certificate = tagged(BOOLEAN, &[&[TRUE]]);
        tagged(SEQUENCE, &[&version, &imprint, &nonce, &wants_certificate])
    }
}

/// The digest of the stamped bytes, which are the raw signature in `.sig` and in bundles,
/// the whole envelope in `.att` (`spec/evidence.md`, "Timestamps").
#[derive(Clone, Copy)]
pub struct Stamped<'a> {
    /// That of the imprint, where an answer is found: see [`imprint_hash`].
    pub hash: Hash,
    pub digest: &'a [u8],
}

impl<'a> Stamped<'a> {
    /// The hash of our questions: an answer with another hash is to another one.
    pub fn sha256(digest: &'a [u8; 32]) -> Self {
        Self {
            hash: Hash::Sha256,
            digest,
        }
    }
}

/// The hash by which an answer names the stamped bytes. Others choose theirs (EVD-20), so
/// that it has to be known before the bytes can be hashed. Nothing of the answer is
/// verified.
///
/// # Errors
/// On bytes that are no granted timestamp, and on a hash that is not accepted.
pub fn imprint_hash(response: &[u8]) -> Result<Hash, TimestampError> {
    read(response).map(|(_, info)| info.hash)
}

/// The signed data of an answer, and the content that is signed.
fn read(response: &[u8]) -> Result<(SignedData<'_>, Info<'_>), TimestampError> {
    if response.len() > MAX_LENGTH {
        return Err(TimestampError::TooLong);
    }
    let token = response::token(response)?;
    let signed = SignedData::read(token)?;
    let info = Info::read(signed.content)?;
    Ok((signed, info))
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

impl Timestamp {
    /// Checks an authority's answer: that one of `authorities` signed it, at a time
    /// at which it was trusted, for `stamped`, and as the answer to the question
    /// with this nonce, if that is known.
    ///
    /// # Errors
    /// On the first thing that is wrong with the answer. Where it is that no
    /// authority signed it, with the reason of the one that came closest.
    ///
    /// `nonce` is known right after the question alone; an answer that is found again
    /// is as good without.
    pub fn verify(
        response: &[u8],
        stamped: Stamped<'_>,
        nonce: Option<Nonce>,
        authorities: &[TimestampAuthority],
    ) -> Result<Self, TimestampError> {
        // EVD-21: granted, one signer over a TSTInfo, imprint and nonce of the question,
        // and the signed attributes. The signer is looked for last (EVD-22 to EVD-25),
        // because that costs verifying signatures.
        let (signed, info) = read(response)?;
        if (stamped.hash, stamped.digest) != (info.hash, info.imprint) {
            return Err(TimestampError::OtherMessage);
        }
        if nonce.is_some_and(|nonce| info.nonce != Some(&nonce.as_bytes()[..])) {
            return Err(TimestampError::OtherNonce);
        }
        let attributes = signer::signed_attributes(&signed)?;
        let authority = signer::authority(&signed, &attributes, info.time, authorities)?;
        let anchor = authority.certificates.last();
        Ok(Self {
            response: Bytes::copy_from_slice(response),
            time: info.time,
            authority: authority.url.clone(),
            anchor: anchor.map_or_else(Vec::new, |anchor| anchor.as_der().to_vec()),
        })
    }

    /// Checks that all certificates of a signature's signer were valid at this time
    /// (EVD-26): the signature was then made while they were. An empty chain, of a key
    /// alone, has nothing to compare.
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

#[cfg(test)]
mod tests;
