//! The sizes of RSA keys (RFC 8017, appendix A.1): one reading for keys that are
//! here, public keys and tokens. aws-lc takes more sizes than cosign does (KEY-21),
//! and gives no reason when it refuses one.

use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode as _, Header, Reader as _, SliceReader};

/// The bits of an `RSAPublicKey`: a sequence of the modulus and the exponent.
pub(crate) fn bits_of_public(der: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    bits_of(reader.decode().ok()?)
}

/// The bits of an `RSAPrivateKey`: a sequence of the version, the modulus and more.
pub(crate) fn bits_of_private(der: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(der).ok()?;
    Header::decode(&mut reader).ok()?;
    let _version = reader.decode::<u8>().ok()?;
    bits_of(reader.decode().ok()?)
}

/// The bits of a number, not of its bytes: a modulus of 2047 bits has 256 bytes, too
/// (KEY-21).
fn bits_of(modulus: UintRef<'_>) -> Option<usize> {
    let first = modulus.as_bytes().first()?;
    Some(modulus.as_bytes().len() * 8 - first.leading_zeros() as usize)
}
