//! Signed data (RFC 5652, section 5), as far as timestamps need it: one signer,
//! named by issuer and serial number, with signed attributes.
//!
//! CMS may be written in BER, with DER only where something is signed. A token in BER is
//! refused: timestamp-server and OpenSSL write DER throughout.

use pkcs8::ObjectIdentifier;
use pkcs8::der::{AnyRef, Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

use super::error::TimestampError;
use super::hash::hash_of;
use crate::proof::der::{is_constructed, next, parts, tagged, whole};
use crate::signature::Hash;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// The type of a content that is a time (RFC 3161, section 2.4.2).
pub(super) const TST_INFO: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SET: u8 = 0x31;

/// All versions of `SignedData`: they say which kinds of certificates and signers may
/// follow, and those are looked at themselves.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=5;

/// The most certificates of a token: each is parsed, and a chain has a few.
const MOST_CERTIFICATES: usize = 32;
/// The most attributes of a signer, of which three are needed.
const MOST_ATTRIBUTES: usize = 64;

/// A token, of which nothing is proved yet.
pub(super) struct SignedData<'a> {
    /// The bytes that are signed: DER of a `TSTInfo`.
    pub content: &'a [u8],
    /// DER of each, in no order that could be relied on. Nobody signed the set: anything
    /// can be added to it.
    pub certificates: Vec<&'a [u8]>,
    pub signer: SignerInfo<'a>,
}

/// The statement of the signer (`SignerInfo`). Of its fields only the attributes are
/// signed.
pub(super) struct SignerInfo<'a> {
    /// DER of the issuer's name.
    pub issuer: &'a [u8],
    /// The number's own bytes.
    pub serial: &'a [u8],
    /// The hash by which `messageDigest` names the content.
    pub hash: Hash,
    pub attributes: Attributes<'a>,
    /// That of the signature, or of the key alone.
    pub algorithm: ObjectIdentifier,
    pub signature: &'a [u8],
}

/// Signed attributes.
pub(super) struct Attributes<'a> {
    /// DER of each, with type and values.
    whole: Vec<&'a [u8]>,
}

impl<'a> SignedData<'a> {
    /// Reads a token: `ContentInfo` around `SignedData` (sections 3 and 5.1).
    ///
    /// # Errors
    /// On anything but signed data over a time, with exactly one signer.
    pub(super) fn read(token: &'a [u8]) -> Result<Self, TimestampError> {
        let mut info = parts(AnyRef::from_der(token)?)?;
        if id(&mut info)? != SIGNED_DATA {
            return Err(TimestampError::Malformed);
        }
        let signed = field(&mut info, 0)?;
        info.finish()?;
        let mut signed = parts(signed)?;
        // It follows from the kinds of certificates that come below.
        let version = u8::from_der(whole(&mut signed)?)?;
        if !VERSIONS.contains(&version) {
            return Err(TimestampError::Malformed);
        }
        // In the order of section 5.1: version, digestAlgorithms, encapContentInfo,
        // certificates and crls, which may be left out, signerInfos.
        let hashes = algorithms(next(&mut signed)?)?;
        let content = content(next(&mut signed)?)?;
        let (mut certificates, mut part) = (Vec::new(), next(&mut signed)?);
        if is_constructed(&part, 0) {
            certificates = self::certificates(part.value())?;
            part = next(&mut signed)?;
        }
        // Lists of revoked certificates: nobody reads them for a past time.
        if is_constructed(&part, 1) {
            part = next(&mut signed)?;
        }
        signed.finish()?;
        let signer = only_signer(part)?;
        // Readers that hash while they read know the content's hash from this set alone
        // (section 5.1).
        if !hashes.contains(&signer.hash) {
            return Err(TimestampError::Malformed);
        }
        Ok(Self {
            content,
            certificates,
            signer,
        })
    }
}

/// `EncapsulatedContentInfo` of a time.
fn content(info: AnyRef<'_>) -> Result<&[u8], TimestampError> {
    let mut info = parts(info)?;
    if id(&mut info)? != TST_INFO {
        return Err(TimestampError::Content);
    }
    let content = field(&mut info, 0)?;
    info.finish()?;
    content.tag().assert_eq(Tag::OctetString)?;
    Ok(content.value())
}

/// The X.509 certificates of a `CertificateSet`: other kinds have tags of their own.
fn certificates(set: &[u8]) -> Result<Vec<&[u8]>, TimestampError> {
    let mut set = SliceReader::new(set)?;
    let mut certificates = Vec::new();
    while !set.is_finished() {
        let tag = Tag::peek(&set)?;
        let one = whole(&mut set)?;
        if tag == Tag::Sequence {
            certificates.push(one);
        }
        if certificates.len() > MOST_CERTIFICATES {
            return Err(TimestampError::Malformed);
        }
    }
    Ok(certificates)
}

/// The one `SignerInfo` of a set: RFC 3161, section 2.4.2, allows no second one, and
/// readers would believe different ones.
fn only_signer(set: AnyRef<'_>) -> Result<SignerInfo<'_>, TimestampError> {
    set.tag().assert_eq(Tag::Set)?;
    let mut signers = SliceReader::new(set.value())?;
    let mut first = None;
    let mut count = 0_usize;
    while !signers.is_finished() {
        let signer = next(&mut signers)?;
        first.get_or_insert(signer);
        count = count.saturating_add(1);
    }
    match (first, count) {
        (Some(signer), 1) => SignerInfo::read(signer),
        _ => Err(TimestampError::Signers(count)),
    }
}

impl<'a> SignerInfo<'a> {
    fn read(info: AnyRef<'a>) -> Result<Self, TimestampError> {
        let mut info = parts(info)?;
        // Version 1: the signer is named by issuer and serial number. No verifier
        // of sigstore's finds one that is named by its key.
        let version = u8::from_der(whole(&mut info)?)?;
        if version != 1 {
            return Err(TimestampError::Malformed);
        }
        let mut name = parts(next(&mut info)?)?;
        let issuer = whole(&mut name)?;
        let serial = integer(next(&mut name)?)?;
        name.finish()?;
        let hash = hash_of(algorithm(next(&mut info)?)?)?;
        let attributes = next(&mut info)?;
        if !is_constructed(&attributes, 0) {
            // Without attributes the signature would be over the content itself, which
            // section 5.3 allows for plain data alone.
            return Err(TimestampError::Attribute("messageDigest"));
        }
        let attributes = Attributes::read(attributes.value())?;
        let algorithm = algorithm(next(&mut info)?)?;
        let signature = next(&mut info)?;
        signature.tag().assert_eq(Tag::OctetString)?;
        // Unsigned attributes: anybody's, and passed over.
        if !info.is_finished() && !is_constructed(&next(&mut info)?, 1) {
            return Err(TimestampError::Malformed);
        }
        info.finish()?;
        Ok(Self {
            issuer,
            serial,
            hash,
            attributes,
            algorithm,
            signature: signature.value(),
        })
    }
}

impl<'a> Attributes<'a> {
    fn read(set: &'a [u8]) -> Result<Self, TimestampError> {
        let mut set = SliceReader::new(set)?;
        let mut attributes = Vec::new();
        while !set.is_finished() {
            attributes.push(whole(&mut set)?);
            if attributes.len() > MOST_ATTRIBUTES {
                return Err(TimestampError::Malformed);
            }
        }
        Ok(Self { whole: attributes })
    }

    /// The one value of the attribute `wanted`, if it is there. `name` is for messages.
    /// One that is there twice, or has two values, is an error: readers would take
    /// different ones (RFC 5652, section 11).
    pub(super) fn value(
        &self,
        wanted: ObjectIdentifier,
        name: &'static str,
    ) -> Result<Option<AnyRef<'a>>, TimestampError> {
        let mut found = None;
        for attribute in &self.whole {
            let mut attribute = parts(AnyRef::from_der(attribute)?)?;
            if id(&mut attribute)? != wanted {
                continue;
            }
            let values = next(&mut attribute)?;
            values.tag().assert_eq(Tag::Set)?;
            attribute.finish()?;
            let mut values = SliceReader::new(values.value())?;
            let value = next(&mut values)?;
            if found.replace(value).is_some() || !values.is_finished() {
                return Err(TimestampError::Attribute(name));
            }
        }
        Ok(found)
    }

    /// The bytes that the signer signs (RFC 5652, section 5.4): all attributes as a
    /// SET OF, which DER puts in order, and not with the tag that they have here. Those
    /// that nobody here knows are signed as well, and stand in it.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let mut sorted = self.whole.clone();
        sorted.sort_unstable();
        tagged(SET, &sorted)
    }
}

/// The hashes of a set that are known here; SHA-1 may stand beside them.
fn algorithms(set: AnyRef<'_>) -> Result<Vec<Hash>, TimestampError> {
    set.tag().assert_eq(Tag::Set)?;
    let mut set = SliceReader::new(set.value())?;
    let mut hashes = Vec::new();
    while !set.is_finished() {
        hashes.extend(hash_of(algorithm(next(&mut set)?)?).ok());
    }
    Ok(hashes)
}

/// The identifier of an `AlgorithmIdentifier`. Those that are used here have no
/// parameters, or NULL.
pub(super) fn algorithm(algorithm: AnyRef<'_>) -> Result<ObjectIdentifier, TimestampError> {
    let mut algorithm = parts(algorithm)?;
    let id = id(&mut algorithm)?;
    if !algorithm.is_finished() {
        next(&mut algorithm)?.tag().assert_eq(Tag::Null)?;
    }
    algorithm.finish()?;
    Ok(id)
}

pub(super) fn id(parts: &mut SliceReader<'_>) -> Result<ObjectIdentifier, TimestampError> {
    Ok(ObjectIdentifier::from_der(whole(parts)?)?)
}

/// The bytes of a number, which may be longer than any integer type: serial numbers
/// have up to 20.
pub(super) fn integer(value: AnyRef<'_>) -> Result<&[u8], TimestampError> {
    value.tag().assert_eq(Tag::Integer)?;
    Ok(value.value())
}

/// The value inside the next one, which has the tag `[number]`, EXPLICIT.
fn field<'a>(parts: &mut SliceReader<'a>, number: u8) -> Result<AnyRef<'a>, TimestampError> {
    let outer = next(parts)?;
    match is_constructed(&outer, number) {
        true => Ok(AnyRef::from_der(outer.value())?),
        false => Err(TimestampError::Malformed),
    }
}
