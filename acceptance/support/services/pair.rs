//! Keys of every kind, for stand-ins that sign and for services that take keys.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding,
};
use ecdsa::hazmat::sign_prehashed_rfc6979;
use p256::pkcs8::DecodePrivateKey as _;
use pem_rfc7468::LineEnding;
use sha2::Sha256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    P256,
    P384,
    P521,
    Rsa2048,
    Ed25519,
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Rsa2048,
        Self::Ed25519,
    ];
}

/// The hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub fn of(self, message: &[u8]) -> Vec<u8> {
        digest::digest(self.algorithm(), message).as_ref().to_vec()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn pkcs1(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Sha256 => &RSA_PKCS1_SHA256,
            Self::Sha384 => &RSA_PKCS1_SHA384,
            Self::Sha512 => &RSA_PKCS1_SHA512,
        }
    }
}

/// A key that nobody had before.
#[derive(Clone)]
pub struct Pair {
    kind: Kind,
    /// PKCS#8, DER.
    private: Vec<u8>,
    /// `SubjectPublicKeyInfo`, DER.
    public: Vec<u8>,
}

impl Pair {
    pub fn generate(kind: Kind) -> Self {
        let (private, public) = match kind {
            Kind::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            Kind::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            Kind::P521 => ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
            Kind::Rsa2048 => {
                let key = rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
                (pkcs8(&key), spki(key.public_key()))
            }
            Kind::Ed25519 => {
                let key = Ed25519KeyPair::generate().expect("a key");
                (pkcs8(&key), spki(key.public_key()))
            }
        };
        Self {
            kind,
            private,
            public,
        }
    }

    /// An RSA key of another size than [`Kind::Rsa2048`], which it says to be.
    pub fn rsa(size: KeySize) -> Self {
        let key = rsa::KeyPair::generate(size).expect("a key");
        Self {
            kind: Kind::Rsa2048,
            private: pkcs8(&key),
            public: spki(key.public_key()),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// PKCS#8, PEM.
    pub fn private(&self) -> String {
        pem("PRIVATE KEY", &self.private)
    }

    /// `SubjectPublicKeyInfo`, PEM.
    pub fn public(&self) -> String {
        pem("PUBLIC KEY", &self.public)
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub fn public_der(&self) -> &[u8] {
        &self.public
    }

    /// Signs a digest: ECDSA with a random nonce, in DER, or RSA by PKCS#1 v1.5.
    ///
    /// # Panics
    /// If the key is of Ed25519, which signs no digests.
    pub fn sign(&self, hash: Hash, digest: &[u8]) -> Vec<u8> {
        let more: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        macro_rules! ecdsa {
            ($curve:ident, $name:ident) => {{
                let key = $curve::SecretKey::from_pkcs8_der(&self.private).expect("PKCS#8");
                let scalar = key.to_nonzero_scalar();
                let (signature, _) =
                    sign_prehashed_rfc6979::<$curve::$name, Sha256>(&scalar, digest, &more);
                signature.to_der().as_bytes().to_vec()
            }};
        }
        match self.kind {
            Kind::P256 => ecdsa!(p256, NistP256),
            Kind::P384 => ecdsa!(p384, NistP384),
            Kind::P521 => ecdsa!(p521, NistP521),
            Kind::Rsa2048 => {
                let key = rsa::KeyPair::from_pkcs8(&self.private).expect("PKCS#8");
                let digest = Digest::import_less_safe(digest, hash.algorithm());
                let digest = digest.expect("a digest of this hash");
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(hash.pkcs1(), &digest, &mut signature)
                    .expect("a signature");
                signature
            }
            Kind::Ed25519 => panic!("Ed25519 signs messages"),
        }
    }

    /// Signs a message: Ed25519 itself, others its digest.
    pub fn sign_message(&self, hash: Hash, message: &[u8]) -> Vec<u8> {
        if self.kind != Kind::Ed25519 {
            return self.sign(hash, &hash.of(message));
        }
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.private).expect("PKCS#8");
        key.sign(message).as_ref().to_vec()
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (Vec<u8>, Vec<u8>) {
    let key = EcdsaKeyPair::generate(algorithm).expect("a key");
    let private = key.to_pkcs8v1().expect("PKCS#8");
    (private.as_ref().to_vec(), spki(key.public_key()))
}

fn pkcs8(key: &impl AsDer<Pkcs8V1Der<'static>>) -> Vec<u8> {
    key.as_der().expect("PKCS#8").as_ref().to_vec()
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().expect("a public key").as_ref().to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    pem_rfc7468::encode_string(label, LineEnding::LF, der).expect("PEM")
}
