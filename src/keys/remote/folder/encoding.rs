//! The encodings in which signatures come from elsewhere: as they are, or in
//! base64; of ECDSA in DER, or as two numbers in a row (IEEE P1363) (EVD-73).
//!
//! Nobody who signs by hand should have to know which of them is wanted: each
//! reading is tried with the public half, and the one that it accepts is meant.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::keys::remote::der::Curve;
use crate::keys::remote::known::KnownKey;
use crate::keys::remote::message::Prepared;
use crate::keys::{Algorithm, SignError};
use crate::signature::Signature;

/// With padding or without. Bits at the end that encode nothing are no matter:
/// the public half decides.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// The fewest bytes of an ECDSA signature in DER: two numbers of one byte each.
const SHORTEST_DER: usize = 8;

/// The first reading of a file that the key accepts as its signature of the
/// message.
///
/// # Errors
/// On a message that cannot be read.
pub(super) fn signature(
    file: &[u8],
    key: &KnownKey,
    prepared: &Prepared,
) -> Result<Option<Signature>, SignError> {
    for reading in readings(file, key.algorithm) {
        let signature = Signature::new(reading);
        match key.check(prepared, &signature) {
            Ok(()) => return Ok(Some(signature)),
            Err(SignError::Mismatch) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The readings of a file that could be signatures by `algorithm`, four at most:
/// raw and from base64, each as it is and, for ECDSA, from two numbers in a row.
pub(super) fn readings(file: &[u8], algorithm: Algorithm) -> Vec<Vec<u8>> {
    let mut readings = Vec::new();
    for bytes in [Some(file.to_vec()), text(file)].into_iter().flatten() {
        let der = curve(algorithm).and_then(|curve| curve.signature(&bytes));
        readings.extend(Some(bytes).filter(|bytes| fits(bytes.len(), algorithm)));
        readings.extend(der);
    }
    readings
}

/// The readings in words. Lengths are said and no bytes: whoever signs sees by them
/// which of their tools' forms it is.
pub(super) fn tried(file: &[u8], algorithm: Algorithm) -> String {
    let lengths = match text(file) {
        _ if file.is_empty() => "it is empty".to_owned(),
        Some(decoded) => format!(
            "its {} bytes were tried as they are, and the {} that they are in base64",
            file.len(),
            decoded.len()
        ),
        None => format!("its {} bytes were tried as they are", file.len()),
    };
    match file.is_empty() {
        true => lengths,
        false => format!("{lengths}, by {algorithm}"),
    }
}

/// The bytes of a text in base64, of either alphabet, with any line breaks.
fn text(file: &[u8]) -> Option<Vec<u8>> {
    let digits = file.iter().filter(|byte| !byte.is_ascii_whitespace());
    let standard = digits.map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => *byte,
    });
    let decoded = BASE64.decode(standard.collect::<Vec<u8>>()).ok()?;
    (!decoded.is_empty()).then_some(decoded)
}

/// Whether a signature by `algorithm` can have this length: the others need not be
/// verified.
fn fits(length: usize, algorithm: Algorithm) -> bool {
    let longest = algorithm.signature_length();
    match curve(algorithm) {
        Some(_) => (SHORTEST_DER..=longest).contains(&length),
        None => length == longest,
    }
}

fn curve(algorithm: Algorithm) -> Option<Curve> {
    match algorithm {
        Algorithm::EcdsaP256 => Some(Curve::P256),
        Algorithm::EcdsaP384 | Algorithm::EcdsaP384Sha384 => Some(Curve::P384),
        Algorithm::EcdsaP521 | Algorithm::EcdsaP521Sha512 => Some(Curve::P521),
        Algorithm::Rsa2048
        | Algorithm::Rsa3072
        | Algorithm::Rsa4096
        | Algorithm::Rsa4096Sha512
        | Algorithm::Ed25519 => None,
    }
}
