//! DER (X.690) of keys and signatures that services give in pieces: the numbers
//! of a JSON Web Key, and two numbers in a row for a signature. The numbers are
//! hostile: those that are too long are refused, and all that comes out is parsed
//! again where signatures are verified.

/// The beginning of a `SubjectPublicKeyInfo` (RFC 5480): an uncompressed point
/// follows, 0x04 and 64, 96 or 132 bytes. Its lengths are fixed, so that the
/// bytes are.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
const P521: [u8; 25] = [
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
];
/// `rsaEncryption` with its parameters (RFC 3279).
const RSA: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
/// The longest number: a modulus of 16384 bits.
const LONGEST: usize = 2048;

/// A curve of the NIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::keys) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// The bytes of a coordinate, and of each half of a signature.
    pub(super) fn field(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// `SubjectPublicKeyInfo` of a point; none if a coordinate is too large.
    /// Whether the point is on the curve is checked by whoever verifies with it.
    pub(super) fn public_key(self, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
        let head = match self {
            Self::P256 => &P256[..],
            Self::P384 => &P384[..],
            Self::P521 => &P521[..],
        };
        let mut der = head.to_vec();
        der.push(0x04);
        for coordinate in [x, y] {
            // Of the field's full length (RFC 7518, section 6.2.1.2); a service
            // that adds zeros, or leaves some away, means the same number.
            let short = without_zeros(coordinate);
            let zeros = self.field().checked_sub(short.len())?;
            der.extend(std::iter::repeat_n(0, zeros));
            der.extend_from_slice(short);
        }
        Some(der)
    }

    /// DER of a signature that is two numbers of the field's size in a row
    /// (IEEE P1363); none if it has another size. The numbers lose their leading
    /// zeros, as DER wants it.
    pub(super) fn signature(self, raw: &[u8]) -> Option<Vec<u8>> {
        let (r, s) = raw.split_at_checked(self.field())?;
        (s.len() == self.field()).then(|| tagged(0x30, &[&integer(r), &integer(s)]))
    }
}

/// `SubjectPublicKeyInfo` of an RSA key; none if a number is too large.
pub(super) fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    if modulus.len() > LONGEST || exponent.len() > LONGEST {
        return None;
    }
    let key = tagged(0x30, &[&integer(modulus), &integer(exponent)]);
    let bits = tagged(0x03, &[&[0], &key]);
    Some(tagged(0x30, &[&RSA, &bits]))
}

/// A number that is not negative: a zero byte stands before a highest bit that is
/// set.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let short = without_zeros(bytes);
    match short.first() {
        Some(0x80..) | None => tagged(0x02, &[&[0], short]),
        Some(_) => tagged(0x02, &[short]),
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..0x80) => der.push(short),
        Ok(length) => der.extend([0x81, length]),
        Err(_) => {
            let bytes = length.to_be_bytes();
            let bytes = without_zeros(&bytes);
            der.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0x7f));
            der.extend_from_slice(bytes);
        }
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Algorithm;
    use crate::signature::PublicKey;

    #[test]
    fn numbers_are_as_short_as_they_can_be_and_never_negative() {
        let mut raw = [0; 64];
        (raw[31], raw[32], raw[63]) = (1, 0x80, 2);
        let der = Curve::P256.signature(&raw).unwrap();
        assert_eq!(&der[..7], [0x30, 38, 0x02, 1, 1, 0x02, 33]);
        assert_eq!(&der[7..9], [0, 0x80]);
        assert_eq!(
            Curve::P256.signature(&[0; 64]).unwrap(),
            [0x30, 6, 2, 1, 0, 2, 1, 0]
        );
        for length in [0, 32, 63, 65, 96] {
            assert_eq!(Curve::P256.signature(&vec![1; length]), None, "{length}");
        }
    }

    #[test]
    fn a_signature_of_p521_has_a_long_length() {
        let der = Curve::P521.signature(&[0xff; 132]).unwrap();
        assert_eq!(&der[..5], [0x30, 0x81, 138, 0x02, 67]);
        assert_eq!(der.len(), 141);
    }

    #[test]
    fn public_keys_are_those_of_their_kinds() {
        for (curve, expected) in [
            (Curve::P256, Algorithm::EcdsaP256),
            (Curve::P384, Algorithm::EcdsaP384),
            (Curve::P521, Algorithm::EcdsaP521),
        ] {
            // One leading zero is lost in some JWKs.
            let der = curve.public_key(&[1; 31], &vec![2; curve.field()]).unwrap();
            assert_eq!(Algorithm::of(&PublicKey::from_der(der)), Ok(expected));
            assert_eq!(curve.public_key(&[1; 67], &[]), None);
        }
        let der = rsa_public_key(&[0xff; 256], &[1, 0, 1]).unwrap();
        let algorithm = Algorithm::of(&PublicKey::from_der(der));
        assert_eq!(algorithm, Ok(Algorithm::Rsa2048));
        assert_eq!(rsa_public_key(&[1; 2049], &[3]), None);
    }
}
