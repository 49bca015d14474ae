//! The signer of a token, and whether the trusted root trusts it (EVD-21 to EVD-25).
//!
//! A token names its signer three times: by issuer and serial number, which nobody
//! signed; by the certificate that may come with it, which nobody signed either; and by
//! the hash of a certificate among the signed attributes. The last one counts: with
//! another certificate of the same key, say one with another period of validity, the
//! signature would hold as well (RFC 2634, section 5.1.1).

use pkcs8::ObjectIdentifier;
use pkcs8::der::asn1::UtcTime;
use pkcs8::der::{AnyRef, Reader as _, Tag, Tagged as _};

use super::cms::{SignedData, SignerInfo, TST_INFO, algorithm, integer};
use super::error::TimestampError;
use super::hash::{digest, hash_of};
use super::info;
use crate::proof::certificate::Certificate;
use crate::proof::chain::{self, Usage};
use crate::proof::der::{is_constructed, next, parts};
use crate::proof::trust::root::TimestampAuthority;
use crate::signature::Hash;
use crate::signature::oid::RSA;

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const BY_SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const BY_SHA2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// ECDSA with a hash, which is the one that is signed.
const ECDSA: [(ObjectIdentifier, Hash); 3] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        Hash::Sha256,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        Hash::Sha384,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
        Hash::Sha512,
    ),
];
/// RSA of PKCS#1 v1.5 with a hash.
const RSA_WITH: [(ObjectIdentifier, Hash); 3] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"),
        Hash::Sha256,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"),
        Hash::Sha384,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"),
        Hash::Sha512,
    ),
];

/// Signed attributes with which the content agrees.
pub(super) struct SignedAttributes<'a> {
    certificate: CertificateId<'a>,
    /// `signingTime`, beside the content's own time.
    time: Option<jiff::Timestamp>,
    /// The bytes that the signature is over.
    bytes: Vec<u8>,
    /// The hash that the signature is of.
    hash: Hash,
}

/// `ESSCertIDv2` (RFC 5035, section 4).
struct CertificateId<'a> {
    hash: Hash,
    /// That hash of the certificate's DER.
    value: &'a [u8],
    /// DER of the names of the issuer, and the serial number.
    issuer: Option<(AnyRef<'a>, &'a [u8])>,
}

/// Reads the signed attributes, and compares them with what they are about. Who
/// signed them is not known yet.
///
/// # Errors
/// On an attribute that is missing, doubled or wrong, and on an algorithm of the
/// signature that is not accepted.
pub(super) fn signed_attributes<'a>(
    signed: &SignedData<'a>,
) -> Result<SignedAttributes<'a>, TimestampError> {
    let signer = &signed.signer;
    let attributes = &signer.attributes;
    let needed = |id, name| {
        let value = attributes.value(id, name)?;
        value.ok_or(TimestampError::Attribute(name))
    };
    let kind = needed(CONTENT_TYPE, "contentType")?;
    if kind.decode_as::<ObjectIdentifier>()? != TST_INFO {
        return Err(TimestampError::Attribute("contentType"));
    }
    let of_content = needed(MESSAGE_DIGEST, "messageDigest")?;
    of_content.tag().assert_eq(Tag::OctetString)?;
    if of_content.value() != digest(signer.hash, signed.content) {
        return Err(TimestampError::Attribute("messageDigest"));
    }
    let name = "signingCertificateV2";
    let certificate = match attributes.value(BY_SHA2, name)? {
        Some(certificates) => CertificateId::read(certificates)?,
        // The older attribute has no other hash (RFC 5816).
        None if attributes.value(BY_SHA1, "signingCertificate")?.is_some() => {
            return Err(TimestampError::NamedBySha1);
        }
        None => return Err(TimestampError::Attribute(name)),
    };
    let time = attributes.value(SIGNING_TIME, "signingTime")?;
    Ok(SignedAttributes {
        certificate,
        time: time.map(signing_time).transpose()?,
        bytes: attributes.signed_bytes(),
        hash: signature_hash(signer)?,
    })
}

/// The hash that the signature is of. RSA takes that of the content, as verifiers
/// do, so another one is no signature for all of them.
fn signature_hash(signer: &SignerInfo<'_>) -> Result<Hash, TimestampError> {
    let id = signer.algorithm;
    let find = |list: &[(ObjectIdentifier, Hash)]| {
        let mut found = list.iter().filter(|(known, _)| *known == id);
        found.next().map(|(_, hash)| *hash)
    };
    // The algorithm of ECDSA states the hash, and that of the content may be another
    // one. RSA may state the key's algorithm alone (RFC 3370, section 3.2).
    match (find(&ECDSA), find(&RSA_WITH)) {
        (Some(hash), _) => Ok(hash),
        (_, Some(hash)) if hash == signer.hash => Ok(hash),
        (None, None) if id == RSA => Ok(signer.hash),
        _ => Err(TimestampError::Algorithm(id)),
    }
}

/// `signingTime` (RFC 5652, section 11.3): UTCTime up to 2049.
fn signing_time(value: AnyRef<'_>) -> Result<jiff::Timestamp, TimestampError> {
    let time = match value.tag() {
        Tag::UtcTime => {
            let time = value.decode_as::<UtcTime>()?;
            let seconds = i64::try_from(time.to_unix_duration().as_secs());
            seconds
                .ok()
                .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        }
        Tag::GeneralizedTime => info::generalized_time(value.value()),
        _ => None,
    };
    time.ok_or(TimestampError::Attribute("signingTime"))
}

impl<'a> CertificateId<'a> {
    /// The first of the certificates: the signer's own (RFC 5035, section 3). Further
    /// ones, and policies behind the list, restrict nothing here.
    fn read(certificates: AnyRef<'a>) -> Result<Self, TimestampError> {
        let mut certificates = parts(certificates)?;
        let mut list = parts(next(&mut certificates)?)?;
        let mut parts_of_first = parts(next(&mut list)?)?;
        let mut part = next(&mut parts_of_first)?;
        let hash = match part.tag() {
            Tag::Sequence => {
                let hash = hash_of(algorithm(part)?)?;
                part = next(&mut parts_of_first)?;
                hash
            }
            // DER leaves the default out.
            _ => Hash::Sha256,
        };
        part.tag().assert_eq(Tag::OctetString)?;
        let mut issuer = None;
        if !parts_of_first.is_finished() {
            let mut issuer_serial = parts(next(&mut parts_of_first)?)?;
            let names = next(&mut issuer_serial)?;
            issuer = Some((names, integer(next(&mut issuer_serial)?)?));
            issuer_serial.finish()?;
        }
        parts_of_first.finish()?;
        Ok(Self {
            hash,
            value: part.value(),
            issuer,
        })
    }

    /// Whether this certificate is meant: by its hash, and by issuer and number where
    /// they are said (EVD-25).
    fn names(&self, certificate: &Certificate) -> Result<bool, TimestampError> {
        if digest(self.hash, certificate.as_der()) != self.value {
            return Ok(false);
        }
        let Some((names, serial)) = self.issuer else {
            return Ok(true);
        };
        // One name, `directoryName`.
        let mut names = parts(names)?;
        let name = next(&mut names)?;
        let is_issuer = is_constructed(&name, 4) && name.value() == certificate.issuer();
        Ok(is_issuer && names.is_finished() && serial == certificate.serial())
    }
}

/// The first authority that signed, and was trusted then.
///
/// # Errors
/// If none did: with the reason of the one that came closest, if that is known.
pub(super) fn authority<'a>(
    signed: &SignedData<'_>,
    attributes: &SignedAttributes<'_>,
    time: jiff::Timestamp,
    authorities: &'a [TimestampAuthority],
) -> Result<&'a TimestampAuthority, TimestampError> {
    let token = TimestampToken {
        signed,
        attributes,
        time,
        certificates: certificates(&signed.certificates)?,
    };
    let mut reason = None;
    for authority in authorities {
        match token.is_by(authority) {
            Ok(()) => return Ok(authority),
            Err(error) => {
                let is_closer = reason.as_ref().is_none_or(|last| rank(last) < rank(&error));
                reason = is_closer.then_some(error).or(reason);
            }
        }
    }
    Err(match (reason, authorities.len()) {
        (None, _) => TimestampError::NoAuthority,
        (Some(reason), 1) => reason,
        // Which of them is meant is not known.
        (Some(reason), _) if rank(&reason) == 0 => TimestampError::Untrusted,
        (Some(reason), _) => reason,
    })
}

/// How close to its signer an authority came: 0 is another one, at 2 only the time is
/// wrong. Of several authorities in a trusted root all but one are expected to fail.
fn rank(error: &TimestampError) -> u8 {
    use chain::ChainError::NotLed;
    match error {
        TimestampError::Outside(_) => 2,
        TimestampError::OtherSigner
        | TimestampError::NoCertificate
        | TimestampError::Chain(NotLed) => 0,
        _ => 1,
    }
}

struct TimestampToken<'a> {
    signed: &'a SignedData<'a>,
    attributes: &'a SignedAttributes<'a>,
    time: jiff::Timestamp,
    certificates: Vec<Certificate>,
}

impl TimestampToken<'_> {
    /// Whether this authority signed the token, and was trusted at its time.
    fn is_by(&self, authority: &TimestampAuthority) -> Result<(), TimestampError> {
        let Some((anchor, others)) = authority.certificates.split_last() else {
            return Err(TimestampError::Untrusted);
        };
        // The leaf where the trusted root has it, as its first certificate (EVD-22).
        let trusted = others.first().filter(|first| !first.is_authority());
        let signer = self.signer(trusted)?;
        if !self.attributes.certificate.names(signer)? {
            return Err(TimestampError::OtherCertificate);
        }
        let key = signer.key().map_err(|_| TimestampError::Unreadable)?;
        let signature = self.signed.signer.signature;
        if !key.accepts(self.attributes.hash, &self.attributes.bytes, signature) {
            return Err(TimestampError::Signature);
        }
        // Certificates of the token may fill a gap in the trusted root's chain; whom to
        // trust is for the anchor alone to say. The chain holds at the token's time, and
        // not now (EVD-23).
        let others = others.iter().chain(&self.certificates);
        let intermediates: Vec<_> = others.filter(|one| *one != signer).cloned().collect();
        let anchors = std::slice::from_ref(anchor);
        chain::check(
            signer,
            &intermediates,
            anchors,
            self.time,
            Usage::TimeStamping,
        )
        .map_err(TimestampError::Chain)?;
        if !authority.valid.contains(self.time) {
            return Err(TimestampError::Outside(self.time));
        }
        // Verifiers read this time as well (digitorus/pkcs7, under timestamp-authority).
        match self
            .attributes
            .time
            .is_none_or(|time| signer.is_valid_at(time))
        {
            true => Ok(()),
            false => Err(TimestampError::Attribute("signingTime")),
        }
    }

    /// The signer's certificate: that of the token, which has to be the one that the
    /// trusted root says, if it says one, else the trusted root's.
    fn signer<'a>(
        &'a self,
        trusted: Option<&'a Certificate>,
    ) -> Result<&'a Certificate, TimestampError> {
        let info = &self.signed.signer;
        let is_named =
            |one: &&Certificate| one.issuer() == info.issuer && one.serial() == info.serial;
        let own = self.certificates.iter().find(is_named);
        match (own, trusted) {
            (Some(own), Some(trusted)) if own != trusted => Err(TimestampError::OtherSigner),
            (Some(own), _) => Ok(own),
            // sigstore's verifiers give the trusted root's leaf to a token without any
            // certificate, and to no other.
            (None, _) if !self.certificates.is_empty() => Err(TimestampError::NoCertificate),
            (None, Some(trusted)) if is_named(&trusted) => Ok(trusted),
            (None, Some(_)) => Err(TimestampError::OtherSigner),
            (None, None) => Err(TimestampError::NoCertificate),
        }
    }
}

/// All certificates of a token. One that cannot be read is an error, as for Go's
/// readers, though it may be none of the signer's.
fn certificates(ders: &[&[u8]]) -> Result<Vec<Certificate>, TimestampError> {
    let certificates = ders.iter().map(|der| Certificate::from_der(der));
    let certificates: Result<Vec<_>, _> = certificates.collect();
    certificates.map_err(|_| TimestampError::Unreadable)
}
