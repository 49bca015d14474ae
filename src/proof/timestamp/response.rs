//! Answers of authorities (RFC 3161, section 2.4.2), down to their token.

use pkcs8::der::asn1::BitStringRef;
use pkcs8::der::{AnyRef, Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

use super::error::{Reason, TimestampError};
use crate::proof::der::{next, parts, whole};

const GRANTED: u8 = 0;
const GRANTED_WITH_MODS: u8 = 1;
/// The bits of a `PKIFailureInfo`, in words that continue "the authority did not stamp
/// it: …".
const FAILURES: [(u32, &str); 8] = [
    (0, "it does not know the algorithm"),
    (2, "it does not allow the request"),
    (5, "it cannot read the request"),
    (14, "it has no time to stamp with"),
    (15, "it does not have the policy"),
    (16, "it does not have the extension"),
    (17, "it does not have what was asked for beside the time"),
    (25, "it is out of order"),
];

/// The time stamp token of a `TimeStampResp`, if the authority granted one, as it
/// stands there.
pub(super) fn token(response: &[u8]) -> Result<&[u8], TimestampError> {
    let mut response = parts(AnyRef::from_der(response)?)?;
    let status = next(&mut response)?;
    granted(status)?;
    let token = whole(&mut response)?;
    response.finish()?;
    Ok(token)
}

fn granted(status: AnyRef<'_>) -> Result<(), TimestampError> {
    let mut parts = parts(status)?;
    let status = u8::from_der(whole(&mut parts)?)?;
    if matches!(status, GRANTED | GRANTED_WITH_MODS) {
        return Ok(());
    }
    // `PKIStatusInfo`: a text and bits, both of which may be left out.
    let (mut words, mut failure) = (String::new(), None);
    while !parts.is_finished() {
        let part = next(&mut parts)?;
        match part.tag() {
            Tag::Sequence => words = text(part)?,
            Tag::BitString => failure = self::failure(part)?,
            _ => return Err(TimestampError::Malformed),
        }
    }
    let reason = Reason { status, failure };
    Err(TimestampError::Refused { reason, words })
}

/// The texts of a `PKIFreeText`. Bytes that are no UTF-8 are replaced: the texts are
/// shown, never compared.
fn text(texts: AnyRef<'_>) -> Result<String, TimestampError> {
    let mut parts: SliceReader<'_> = parts(texts)?;
    let mut words = Vec::new();
    while !parts.is_finished() {
        let text = next(&mut parts)?;
        text.tag().assert_eq(Tag::Utf8String)?;
        words.push(String::from_utf8_lossy(text.value()).into_owned());
    }
    Ok(words.join(" "))
}

/// The first bit that is set, in words. Bit 0 is the highest of the first octet.
fn failure(bits: AnyRef<'_>) -> Result<Option<&'static str>, TimestampError> {
    let bits = bits.decode_as::<BitStringRef<'_>>()?;
    let is_set = |bit: u32| {
        let byte = bits.raw_bytes().get(bit as usize / 8);
        byte.is_some_and(|byte| byte & (0x80 >> (bit % 8)) != 0)
    };
    let mut set = FAILURES.iter().filter(|(bit, _)| is_set(*bit));
    Ok(set.next().map(|(_, words)| *words))
}
