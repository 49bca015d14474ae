//! A token's words for keys and signatures, turned into those that cosign reads
//! (TOK-3, TOK-6).
//!
//! A token gives a public key in parts: PKCS #11 v3.1, sections 6.1 (RSA) and 6.3
//! (elliptic curves), a curve as DER of its OID, a point as DER of an octet
//! string. Modules differ in that, and their bytes are hostile until parsed.
//!
//! The kinds are those of `keys::Algorithm`, written once more: this module lies
//! on a floor below, and the program for tokens has no other keys.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P521_SHA256_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef, UintRef};
use pkcs8::der::pem::{LineEnding, encode_string};
use pkcs8::der::{Decode, Encode as _, Tag};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{DecodePublicKey as _, EncodePublicKey, ObjectIdentifier};

use crate::signature::PublicKey;
use crate::signature::oid::{EC, ED25519 as ED25519_KEY, P256, P384, P521, RSA};
use crate::signature::rsa::bits_of_public;

/// The DER before a SHA-256 digest in a PKCS#1 v1.5 signature (RFC 8017, section
/// 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// The kinds that verifiers of cosign know. RSA keys have 2048, 3072 or 4096
/// bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKeyKind {
    P256,
    P384,
    P521,
    Rsa,
    Ed25519,
}

/// The public half of a key in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    kind: TokenKeyKind,
    public: PublicKey,
}

/// The input of a signature.
#[derive(Clone, Copy, Debug)]
pub enum SignedInput<'a> {
    Digest(&'a [u8; 32]),
    /// For Ed25519, which does not sign digests.
    Whole(&'a [u8]),
}

impl TokenKey {
    /// A key on a curve: `CKA_EC_PARAMS` and `CKA_EC_POINT` of `CKK_EC`.
    ///
    /// # Errors
    /// On another curve, and on what is no point of it.
    pub fn from_ec(parameters: &[u8], point: &[u8]) -> Result<Self, UnsupportedKey> {
        let curve: Result<ObjectIdentifier, _> = Decode::from_der(parameters);
        let curve = curve.map_err(|_| UnsupportedKey::Curve("without a name".to_owned()))?;
        // Some modules leave the octet string away. A point may look like one:
        // 0x04 begins both. The first reading that lies on the curve is the key.
        let candidates = [octets(point), Some(point)].into_iter().flatten();
        let mut read = Err(UnsupportedKey::Damaged);
        for point in candidates {
            let point = BitStringRef::from_bytes(point).map_err(|_| UnsupportedKey::Damaged)?;
            read = read.or_else(|_| Self::assembled(EC, AnyRef::from(&curve), point));
        }
        read
    }

    /// A key on Curve25519: `CKA_EC_POINT` of `CKK_EC_EDWARDS`, whose curve has
    /// several names, so that the length tells the curve. That of Curve448 is
    /// longer. The point comes bare, in an octet string, or in a bit string, by
    /// the module.
    ///
    /// # Errors
    /// On what is no point.
    pub fn from_edwards(point: &[u8]) -> Result<Self, UnsupportedKey> {
        let point = match point.len() {
            32 => point,
            _ => octets(point)
                .or_else(|| BitStringRef::from_der(point).ok()?.as_bytes())
                .ok_or(UnsupportedKey::Damaged)?,
        };
        let point = point
            .try_into()
            .map_err(|_| UnsupportedKey::Curve("another than Ed25519".to_owned()))?;
        Self::of_edwards(ed25519_dalek::VerifyingKey::from_bytes(point).ok())
    }

    /// `CKA_MODULUS` and `CKA_PUBLIC_EXPONENT`, the highest byte first; zeros may
    /// stand before it.
    ///
    /// # Errors
    /// On another size than that of [`TokenKeyKind::Rsa`].
    pub fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, UnsupportedKey> {
        let damaged = |_| UnsupportedKey::Damaged;
        let mut numbers = UintRef::new(modulus)
            .and_then(|n| n.to_der())
            .map_err(damaged)?;
        numbers.extend(
            UintRef::new(exponent)
                .and_then(|e| e.to_der())
                .map_err(damaged)?,
        );
        let key = AnyRef::new(Tag::Sequence, &numbers).and_then(|key| key.to_der());
        let key = key.map_err(damaged)?;
        let key = BitStringRef::from_bytes(&key).map_err(damaged)?;
        Self::assembled(RSA, AnyRef::NULL, key)
    }

    /// The key of an X.509 certificate in DER, which stands in for a public key
    /// that the token does not show. Its times and its issuer are no matter here.
    ///
    /// # Errors
    /// On what is no certificate, and as [`from_spki`](Self::from_spki).
    pub fn from_certificate(der: &[u8]) -> Result<Self, UnsupportedKey> {
        let der = der.into();
        let certificate = webpki::EndEntityCert::try_from(&der);
        let certificate = certificate.map_err(|_| UnsupportedKey::Damaged)?;
        Self::from_spki(&certificate.subject_public_key_info())
    }

    /// A SubjectPublicKeyInfo in DER: `CKA_PUBLIC_KEY_INFO`. Every point and
    /// every modulus is checked.
    ///
    /// # Errors
    /// On a key of another kind, and on a damaged one.
    pub fn from_spki(der: &[u8]) -> Result<Self, UnsupportedKey> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| UnsupportedKey::Damaged)?;
        match info.algorithm.oid {
            EC => Self::of_curve(&info, der),
            RSA => Self::of_rsa(&info, der),
            ED25519_KEY => {
                Self::of_edwards(ed25519_dalek::VerifyingKey::from_public_key_der(der).ok())
            }
            other => Err(UnsupportedKey::Algorithm(other.to_string())),
        }
    }

    fn of_curve(info: &SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, UnsupportedKey> {
        let curve = info.algorithm.parameters_oid();
        let curve = curve.map_err(|_| UnsupportedKey::Curve("without a name".to_owned()))?;
        let damaged = |_| UnsupportedKey::Damaged;
        match curve {
            P256 => {
                let key = p256::PublicKey::from_public_key_der(der).map_err(damaged)?;
                Self::of(TokenKeyKind::P256, &key)
            }
            P384 => {
                let key = p384::PublicKey::from_public_key_der(der).map_err(damaged)?;
                Self::of(TokenKeyKind::P384, &key)
            }
            P521 => {
                let key = p521::PublicKey::from_public_key_der(der).map_err(damaged)?;
                Self::of(TokenKeyKind::P521, &key)
            }
            other => Err(UnsupportedKey::Curve(other.to_string())),
        }
    }

    /// Refuses a point of small order: others can make signatures for it, too.
    fn of_edwards(key: Option<ed25519_dalek::VerifyingKey>) -> Result<Self, UnsupportedKey> {
        let key = key.filter(|key| !key.is_weak());
        Self::of(TokenKeyKind::Ed25519, &key.ok_or(UnsupportedKey::Damaged)?)
    }

    fn of_rsa(info: &SubjectPublicKeyInfoRef<'_>, der: &[u8]) -> Result<Self, UnsupportedKey> {
        let key = info.subject_public_key.as_bytes();
        let bits = key
            .and_then(bits_of_public)
            .ok_or(UnsupportedKey::Damaged)?;
        if ![2048, 3072, 4096].contains(&bits) {
            return Err(UnsupportedKey::RsaSize(bits));
        }
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .map_err(|_| UnsupportedKey::Damaged)?;
        Ok(Self {
            kind: TokenKeyKind::Rsa,
            public: PublicKey::from_der(der.to_vec()),
        })
    }

    /// Written anew, so that one key has one form, whatever the module writes: its
    /// fingerprint names it.
    fn of(kind: TokenKeyKind, key: &impl EncodePublicKey) -> Result<Self, UnsupportedKey> {
        let der = key
            .to_public_key_der()
            .map_err(|_| UnsupportedKey::Damaged)?;
        let public = PublicKey::from_der(der.into_vec());
        Ok(Self { kind, public })
    }

    fn assembled(
        oid: ObjectIdentifier,
        parameters: AnyRef<'_>,
        subject_public_key: BitStringRef<'_>,
    ) -> Result<Self, UnsupportedKey> {
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid,
                parameters: Some(parameters),
            },
            subject_public_key,
        };
        Self::from_spki(&info.to_der().map_err(|_| UnsupportedKey::Damaged)?)
    }

    pub fn kind(&self) -> TokenKeyKind {
        self.kind
    }

    /// In PEM, as the `.pub` files of cosign. `None` cannot happen.
    pub fn to_pem(&self) -> Option<String> {
        encode_string("PUBLIC KEY", LineEnding::LF, self.public.as_der()).ok()
    }

    /// The input of a token that signs by `CKM_ECDSA` or `CKM_RSA_PKCS`, for the
    /// message with this SHA-256 digest. The mechanisms that hash by themselves
    /// would take the whole message through the token.
    pub fn input(&self, digest: &[u8; 32]) -> Vec<u8> {
        match self.kind {
            TokenKeyKind::Rsa => [&DIGEST_INFO[..], digest].concat(),
            TokenKeyKind::P256
            | TokenKeyKind::P384
            | TokenKeyKind::P521
            | TokenKeyKind::Ed25519 => digest.to_vec(),
        }
    }

    /// The signature that a token has made, in the form of cosign: of ECDSA in
    /// DER. A token gives `r` and `s`, of one length each. `None` is no
    /// signature. A signature that comes out need not be this key's:
    /// [`accepts`](Self::accepts) says.
    pub fn signature(&self, raw: &[u8]) -> Option<Vec<u8>> {
        Some(match self.kind {
            TokenKeyKind::P256 => {
                let raw = halves(raw, 32)?;
                let signature = p256::ecdsa::Signature::from_slice(&raw).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            TokenKeyKind::P384 => {
                let raw = halves(raw, 48)?;
                let signature = p384::ecdsa::Signature::from_slice(&raw).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            TokenKeyKind::P521 => {
                let raw = halves(raw, 66)?;
                let signature = p521::ecdsa::Signature::from_slice(&raw).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            TokenKeyKind::Rsa | TokenKeyKind::Ed25519 => raw.to_vec(),
        })
    }

    /// Whether `signature` is this key's, of `message`. Ed25519 takes the whole
    /// message, and the others its digest. Asked before a signature is given out:
    /// two objects of one name need not belong together (TOK-6).
    pub fn accepts(&self, message: SignedInput<'_>, signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.kind {
            TokenKeyKind::P256 => &ECDSA_P256_SHA256_ASN1,
            TokenKeyKind::P384 => &ECDSA_P384_SHA256_ASN1,
            TokenKeyKind::P521 => &ECDSA_P521_SHA256_ASN1,
            TokenKeyKind::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            TokenKeyKind::Ed25519 => &ED25519,
        };
        let Ok(key) = ParsedPublicKey::new(algorithm, self.public.as_der()) else {
            return false;
        };
        match (self.kind, message) {
            (TokenKeyKind::Ed25519, SignedInput::Whole(message)) => {
                key.verify_sig(message, signature).is_ok()
            }
            (TokenKeyKind::Ed25519, _) | (_, SignedInput::Whole(_)) => false,
            (_, SignedInput::Digest(digest)) => Digest::import_less_safe(digest, &SHA256)
                .is_ok_and(|digest| key.verify_digest_sig(&digest, signature).is_ok()),
        }
    }
}

fn octets(der: &[u8]) -> Option<&[u8]> {
    Some(<&OctetStringRef>::from_der(der).ok()?.as_bytes())
}

/// Two numbers of `length` bytes each, of two that may lack leading zeros.
fn halves(raw: &[u8], length: usize) -> Option<Vec<u8>> {
    if !raw.len().is_multiple_of(2) {
        return None;
    }
    let (r, s) = raw.split_at_checked(raw.len() / 2)?;
    let zeros = vec![0; length.checked_sub(r.len())?];
    Some([&zeros, r, &zeros, s].concat())
}

/// A key that cannot be used.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedKey {
    #[error("the key is of the type {0}, which no cosign verifies")]
    Algorithm(String),
    #[error("the key is on the curve {0}; P-256, P-384, P-521 and Ed25519 can be used")]
    Curve(String),
    #[error("the key has {0} bits; RSA keys of 2048, 3072 and 4096 bits can be used")]
    RsaSize(usize),
    #[error("the public key in the token is damaged, or written in a way that is not known")]
    Damaged,
}

debug_as_display!(UnsupportedKey);

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ecdsa::hazmat::sign_prehashed_rfc6979;
    use ed25519_dalek::Signer as _;
    use p256::NistP256;
    use pkcs8::der::{Header, Reader as _, SliceReader};
    use sha2::Sha256;

    use super::*;

    /// The attributes of SoftHSM 2.6.1's keys: kind, `CKA_EC_PARAMS` and
    /// `CKA_EC_POINT`; and the key that OpenSSL 3.0 reads in it.
    const SOFTHSM: [(TokenKeyKind, &str, &str, &str); 3] = [
        (
            TokenKeyKind::P256,
            "06082a8648ce3d030107",
            "044104d831046d6a48ce95907fdd8b9ad63a7120ef09640dfd86d2bb5735c79efedba59f48fb1c8d7544ac\
             e73ae9c9370b4ab0e7d1d62a0b66ab1aa63fc20242636967",
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2DEEbWpIzpWQf92LmtY6cSDvCWQN/YbSu1c1x57+26WfSPsc\
             jXVErOc66ck3C0qw59HWKgtmqxqmP8ICQmNpZw==",
        ),
        (
            TokenKeyKind::P384,
            "06052b81040022",
            "0461048ed2e0d5eed77d3073c630d5b62c04f48aaa9b6a1e7d95999d279647be89f8c19163edc4c44d6e50\
             2617e7e9950e91c23d39be3f4e09a1bfdf1f978ddb776533202827b430f4b61323026aaaec59a4aadd9672\
             1e98cf0f9f4cba5420a8005381",
            "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEjtLg1e7XfTBzxjDVtiwE9Iqqm2oefZWZnSeWR76J+MGRY+3ExE1u\
             UCYX5+mVDpHCPTm+P04Job/fH5eN23dlMyAoJ7Qw9LYTIwJqquxZpKrdlnIemM8Pn0y6VCCoAFOB",
        ),
        (
            TokenKeyKind::Ed25519,
            "130c656477617264733235353139",
            "0420ce503ce73ca42140f3e70c4f0867732b63d322156fb599210f81d3ef2c5ef38a",
            "MCowBQYDK2VwAyEAzlA85zykIUDz5wxPCGdzK2PTIhVvtZkhD4HT7yxe84o=",
        ),
    ];

    fn of_parts(
        kind: TokenKeyKind,
        parameters: &[u8],
        point: &[u8],
    ) -> Result<TokenKey, UnsupportedKey> {
        match kind {
            TokenKeyKind::Ed25519 => TokenKey::from_edwards(point),
            _ => TokenKey::from_ec(parameters, point),
        }
    }

    /// TOK-6
    #[test]
    fn a_key_is_put_together_from_what_a_module_says_of_it() {
        for (kind, parameters, point, der) in SOFTHSM {
            let [parameters, point] = [parameters, point].map(|text| hex::decode(text).unwrap());
            let der = STANDARD.decode(der).unwrap();
            let bare = octets(&point).unwrap().to_vec();
            let bits = BitStringRef::from_bytes(&bare).unwrap().to_der().unwrap();
            let mut points = vec![point, bare];
            if kind == TokenKeyKind::Ed25519 {
                points.push(bits);
            }
            for point in points {
                let key = of_parts(kind, &parameters, &point).unwrap();
                assert_eq!((key.kind(), key.public.as_der()), (kind, &*der));
                assert_eq!(TokenKey::from_spki(&der), Ok(key));
            }
        }
    }

    /// TOK-6
    #[test]
    fn a_key_of_rsa_is_put_together_from_its_numbers() {
        let pem = include_str!("../../testdata/keys/rsa2048-imported-cosign3.pub");
        let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
        let info = SubjectPublicKeyInfoRef::from_der(&der).unwrap();
        let numbers = info.subject_public_key.as_bytes().unwrap();
        let mut reader = SliceReader::new(numbers).unwrap();
        Header::decode(&mut reader).unwrap();
        let modulus = reader.decode::<UintRef<'_>>().unwrap().as_bytes();
        for exponent in [&[1, 0, 1][..], &[0, 1, 0, 1]] {
            let key = TokenKey::from_rsa(modulus, exponent).unwrap();
            assert_eq!(
                (key.kind(), key.public.as_der()),
                (TokenKeyKind::Rsa, &*der)
            );
            assert_eq!(key.to_pem().unwrap(), pem);
        }
        let refused = TokenKey::from_rsa(&modulus[..128], &[1, 0, 1]);
        assert_eq!(refused, Err(UnsupportedKey::RsaSize(1024)));
    }

    #[test]
    fn a_certificate_shows_its_key() {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let shown = TokenKey::from_certificate(certificate.der()).unwrap();
        assert_eq!(shown.to_pem().unwrap(), key.public_key_pem());
    }

    #[test]
    fn a_key_that_no_cosign_verifies_is_refused() {
        let secp256k1 = hex::decode("06052b8104000a").unwrap();
        let refused = TokenKey::from_ec(&secp256k1, &[4; 65]).unwrap_err();
        assert_eq!(refused, UnsupportedKey::Curve("1.3.132.0.10".to_owned()));
        let p256 = hex::decode(SOFTHSM[0].1).unwrap();
        for point in [&[4; 65][..], &[4, 65, 4], &[]] {
            let refused = TokenKey::from_ec(&p256, point);
            assert_eq!(refused, Err(UnsupportedKey::Damaged));
        }
        let explicit = TokenKey::from_ec(&[0x30, 0], &[4; 65]).unwrap_err();
        assert_eq!(explicit, UnsupportedKey::Curve("without a name".to_owned()));
        // That of Curve448 has 57 bytes; one of small order has signatures of anybody.
        let longer = [&[4, 57][..], &[7; 57]].concat();
        assert!(matches!(
            TokenKey::from_edwards(&longer),
            Err(UnsupportedKey::Curve(_))
        ));
        let mut weak = [0; 32];
        weak[0] = 1;
        assert_eq!(TokenKey::from_edwards(&weak), Err(UnsupportedKey::Damaged));
    }

    /// TOK-6
    #[test]
    fn r_and_s_become_a_signature_that_is_accepted() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let key = TokenKey::of(TokenKeyKind::P256, secret.verifying_key()).unwrap();
        let digest = [9; 32];
        let scalar = secret.as_nonzero_scalar();
        let (signature, _) = sign_prehashed_rfc6979::<NistP256, Sha256>(scalar, &digest, &[]);
        assert_eq!(key.input(&digest), digest);
        let raw = signature.to_bytes();
        let made = key.signature(&raw).unwrap();
        assert_eq!(made, signature.to_der().as_bytes());
        assert!(key.accepts(SignedInput::Digest(&digest), &made));
        assert!(!key.accepts(SignedInput::Digest(&[8; 32]), &made));
        assert!(!key.accepts(SignedInput::Whole(&digest), &made));
        for wrong in [&raw[..63], &[0; 64], &[0xff; 64], &[1; 66], &[]] {
            assert_eq!(key.signature(wrong), None, "{wrong:?}");
        }
    }

    /// TOK-6. A module may leave away zeros that both numbers begin with.
    #[test]
    fn numbers_without_their_leading_zeros_are_filled_up() {
        assert_eq!(halves(&[1, 2, 3, 4], 3).unwrap(), [0, 1, 2, 0, 3, 4]);
        assert_eq!(halves(&[1, 2], 1).unwrap(), [1, 2]);
        assert_eq!(halves(&[1, 2, 3], 3), None);
        assert_eq!(halves(&[1, 2, 3, 4], 1), None);
    }

    /// TOK-6
    #[test]
    fn rsa_signs_the_digest_in_its_envelope_and_ed25519_the_message() {
        let pem = include_str!("../../testdata/keys/rsa2048-imported-cosign3.pub");
        let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
        let input = TokenKey::from_spki(&der).unwrap().input(&[9; 32]);
        assert_eq!(
            hex::encode(&input[..19]),
            "3031300d060960864801650304020105000420"
        );
        assert_eq!(input[19..], [9; 32]);

        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let key = TokenKey::of(TokenKeyKind::Ed25519, &secret.verifying_key()).unwrap();
        let signature = secret.sign(b"a message").to_bytes();
        let made = key.signature(&signature).unwrap();
        assert!(key.accepts(SignedInput::Whole(b"a message"), &made));
        assert!(!key.accepts(SignedInput::Whole(b"another"), &made));
        assert!(!key.accepts(SignedInput::Digest(&[7; 32]), &made));
    }
}
