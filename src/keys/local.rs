//! Private keys in memory: ECDSA, RSA and Ed25519.
//!
//! Implements `spec/keys.md`, sections 3 to 5. Messages are streamed: memory
//! does not grow with their length. Knows no files and no passwords: a key comes as
//! the DER of its PKCS#8 form.

use std::cell::RefCell;
use std::fmt;
use std::io;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::KeyPair as RsaKey;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use ecdsa::hazmat::sign_prehashed_rfc6979;
use ed25519_dalek::SignatureError;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign_byupdate};
use p256::NistP256;
use p384::NistP384;
use p521::NistP521;
use pkcs8::{EncodePublicKey, PrivateKeyInfoRef};
use sha2::{Digest as _, Sha256, Sha512};

use super::algorithm::Algorithm;
use super::error::{KeyError, SignError};
use super::prehash::{Prehash, sha256_and};
use super::verify::PublicHalf;
use crate::oci::{Content, Digest};
use crate::signature::oid::{EC, ED25519, RSA};
use crate::signature::rsa::bits_of_private;
use crate::signature::{Hash, PublicKey, Signature};

/// A private key that lies in this process's memory, wiped when dropped.
pub struct LocalKey {
    private: Private,
    algorithm: Algorithm,
    public: PublicKey,
    /// Made from `public`, not from `private`, so that it is a second opinion
    /// (KEY-36).
    public_half: PublicHalf,
}

/// Boxed: a key that is moved leaves a copy behind that is not wiped.
enum Private {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    P521(Box<p521::ecdsa::SigningKey>),
    /// Holds its key on the heap by itself.
    Rsa(RsaKey),
    Ed25519(Box<ed25519_dalek::SigningKey>),
}

impl LocalKey {
    /// Reads a PKCS#8 key (RFC 5958) in DER. The caller wipes `der`: each kind of
    /// key has its own copy.
    ///
    /// # Errors
    /// On a key of an unsupported kind, curve or size, and on a damaged one.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::NotPkcs8)?;
        let (private, algorithm) = match info.algorithm.oid {
            EC => ecdsa_key(info)?,
            RSA => rsa_key(der, &info)?,
            ED25519 => {
                let key = info.try_into().map_err(|_| KeyError::Damaged)?;
                (Private::Ed25519(Box::new(key)), Algorithm::Ed25519)
            }
            other => return Err(KeyError::KeyType(other.to_string())),
        };
        let public = private.public_key().ok_or(KeyError::Damaged)?;
        let public_half = PublicHalf::parse(algorithm, &public).ok_or(KeyError::Damaged)?;
        Ok(Self {
            private,
            algorithm,
            public,
            public_half,
        })
    }

    /// As [`Signer::public_key`](super::Signer::public_key).
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks a signature of `message` by this key, whenever it was made.
    ///
    /// # Errors
    /// On a message that cannot be read, and on a signature that is not this
    /// key's.
    pub fn verify(&self, message: &Content, signature: &Signature) -> Result<(), SignError> {
        self.public_half.verify(self.algorithm, message, signature)
    }

    /// Signs `message` and checks the signature with the public half. The same
    /// message always gets the same signature (KEY-33). An ECDSA or RSA key reads it
    /// once, or not at all if its digest is known; an Ed25519 key three times.
    /// Several threads may sign with one key at a time.
    ///
    /// # Errors
    /// On a message that cannot be read or that changes while it is read, and
    /// on a signature that the public half does not accept.
    pub fn sign(&self, message: &Content) -> Result<Signature, SignError> {
        match &self.private {
            Private::Ed25519(key) => self.sign_ed25519(key, message),
            private => {
                let prehash = Prehash::of(message, Hash::Sha256)?;
                let signature = private.sign_prehash(&prehash).ok_or(SignError::Refused)?;
                self.public_half.verify_prehash(&prehash, &signature)?;
                Ok(signature)
            }
        }
    }

    /// Pure Ed25519 (RFC 8032, section 5.1.6) hashes the message twice: for the
    /// nonce, then for the challenge. Two messages under one nonce reveal the
    /// key, so a message that changes in between must not get its signature
    /// (KEY-35).
    fn sign_ed25519(
        &self,
        key: &ed25519_dalek::SigningKey,
        message: &Content,
    ) -> Result<Signature, SignError> {
        // The digest of each read, or its error: the crate's own error has no room
        // for a cause, and its closure may change nothing that it borrows.
        let reads: RefCell<Vec<io::Result<Prehash>>> = RefCell::default();
        let hash = |state: &mut Sha512| {
            let read = sha256_and(message, |chunk| state.update(chunk));
            let answer = read.as_ref().map(|_| ()).map_err(|_| SignatureError::new());
            reads.borrow_mut().push(read);
            answer
        };
        let secret = ExpandedSecretKey::from(key.as_bytes());
        let signed = raw_sign_byupdate::<Sha512, _>(&secret, hash, &key.verifying_key());
        let read = reads
            .into_inner()
            .into_iter()
            .collect::<io::Result<Vec<_>>>()
            .map_err(SignError::Read)?;
        // The crate reads the message twice. No signature is looked at before the two
        // reads are compared.
        let [first, second] = read.as_slice() else {
            return Err(SignError::Refused);
        };
        if first != second {
            return Err(SignError::MessageChanged);
        }
        let signature = Signature::new(signed.map_err(|_| SignError::Refused)?.to_vec());
        // The third read, of the same message again.
        self.public_half
            .verify_message(message, first, &signature)?;
        Ok(signature)
    }
}

#[cfg(test)]
impl LocalKey {
    /// Gives the key the public half of another, as a fault while signing
    /// would.
    pub(crate) fn damage(&mut self) {
        let other = p256::SecretKey::from_slice(&[9; 32]).expect("a scalar");
        let public = other.public_key().to_public_key_der().expect("a key");
        let public = PublicKey::from_der(public.into_vec());
        let half = PublicHalf::parse(Algorithm::EcdsaP256, &public);
        self.public_half = half.expect("a public key");
    }

    /// As [`sign`](Self::sign), with a nonce that differs each time (RFC 6979,
    /// section 3.6). P-256 alone.
    pub(super) fn sign_at_random(&self, message: &Content) -> Result<Signature, SignError> {
        let Private::P256(key) = &self.private else {
            return self.sign(message);
        };
        let prehash = Prehash::of(message, Hash::Sha256)?;
        let more: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        let key = key.as_nonzero_scalar();
        let (signature, _) = sign_prehashed_rfc6979::<NistP256, Sha256>(key, &prehash, &more);
        let signature = Signature::new(signature.to_der().as_bytes().to_vec());
        self.public_half.verify_prehash(&prehash, &signature)?;
        Ok(signature)
    }
}

/// The algorithm and the fingerprint, by which logs name a key anyway: no byte of the
/// private half (KEY-41).
impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LocalKey({} {})",
            self.algorithm,
            Digest::of(self.public.as_der())
        )
    }
}

impl Private {
    fn public_key(&self) -> Option<PublicKey> {
        fn spki(key: &impl EncodePublicKey) -> Option<Vec<u8>> {
            Some(key.to_public_key_der().ok()?.into_vec())
        }
        let der = match self {
            Self::P256(key) => spki(key.verifying_key()),
            Self::P384(key) => spki(key.verifying_key()),
            Self::P521(key) => spki(key.verifying_key()),
            Self::Ed25519(key) => spki(&key.verifying_key()),
            Self::Rsa(key) => {
                let der: PublicKeyX509Der<'_> = key.public_key().as_der().ok()?;
                Some(der.as_ref().to_vec())
            }
        };
        der.map(PublicKey::from_der)
    }

    /// ECDSA as RFC 6979 with SHA-256 for every curve, in ASN.1 DER; RSA as
    /// PKCS#1 v1.5 (KEY-30, KEY-31). `None` for a key that does not sign digests.
    ///
    /// For P-384 and P-521 the crates' own signers take SHA-384 and SHA-512, which
    /// `cosign verify` does not expect; hence their functions for digests. Without
    /// additional data (`&[]`) the nonce follows from key and digest alone (KEY-33).
    fn sign_prehash(&self, prehash: &Prehash) -> Option<Signature> {
        let bytes = match self {
            Self::P256(key) => {
                let key = key.as_nonzero_scalar();
                let (signature, _) = sign_prehashed_rfc6979::<NistP256, Sha256>(key, prehash, &[]);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P384(key) => {
                let key = key.as_nonzero_scalar();
                let (signature, _) = sign_prehashed_rfc6979::<NistP384, Sha256>(key, prehash, &[]);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P521(key) => {
                let key = key.as_nonzero_scalar();
                let (signature, _) = sign_prehashed_rfc6979::<NistP521, Sha256>(key, prehash, &[]);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(&RSA_PKCS1_SHA256, &prehash.imported()?, &mut signature)
                    .ok()?;
                signature
            }
            Self::Ed25519(_) => return None,
        };
        Some(Signature::new(bytes))
    }
}

/// Straight into their boxes: see [`Private`].
fn ecdsa_key(info: PrivateKeyInfoRef<'_>) -> Result<(Private, Algorithm), KeyError> {
    let curve = info
        .algorithm
        .parameters_oid()
        .map_err(|_| KeyError::Curve("without a name".to_owned()))?;
    let algorithm = Algorithm::of_curve(curve)?;
    let damaged = |_| KeyError::Damaged;
    let private = match algorithm {
        Algorithm::EcdsaP384 => Private::P384(Box::new(info.try_into().map_err(damaged)?)),
        Algorithm::EcdsaP521 => Private::P521(Box::new(info.try_into().map_err(damaged)?)),
        // The curve gives none of the other algorithms.
        _ => Private::P256(Box::new(info.try_into().map_err(damaged)?)),
    };
    Ok((private, algorithm))
}

fn rsa_key(der: &[u8], info: &PrivateKeyInfoRef<'_>) -> Result<(Private, Algorithm), KeyError> {
    let bits = bits_of_private(info.private_key.as_bytes()).ok_or(KeyError::Damaged)?;
    let algorithm = Algorithm::of_rsa(bits)?;
    let key = RsaKey::from_pkcs8(der).map_err(|_| KeyError::Damaged)?;
    Ok((Private::Rsa(key), algorithm))
}

#[cfg(test)]
mod tests {
    use pkcs8::EncodePrivateKey as _;

    use super::*;

    /// KEY-40. It does not compile without the features that wipe.
    #[test]
    fn keys_are_wiped_when_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<p256::ecdsa::SigningKey>();
        wiped::<p384::ecdsa::SigningKey>();
        wiped::<p521::ecdsa::SigningKey>();
        wiped::<ed25519_dalek::SigningKey>();
        wiped::<ExpandedSecretKey>();
    }

    fn pair(der: impl Fn(u8) -> Vec<u8>) -> (LocalKey, LocalKey) {
        let key = |seed| LocalKey::from_pkcs8(&der(seed)).unwrap();
        (key(7), key(8))
    }

    /// KEY-36. What a fault or a damaged key gives: a signature that does not
    /// belong to the public half.
    #[test]
    fn a_signature_that_the_public_half_does_not_accept_is_discarded() {
        let ecdsa = |seed| {
            let key = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
            key.to_pkcs8_der().unwrap().as_bytes().to_vec()
        };
        let ed25519 = |seed| {
            let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
            key.to_pkcs8_der().unwrap().as_bytes().to_vec()
        };
        let rsa = |_| {
            let key = RsaKey::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
            der.as_ref().to_vec()
        };
        for (mut one, other) in [pair(ecdsa), pair(ed25519), pair(rsa)] {
            let message = Content::from(b"a message".to_vec());
            assert!(one.sign(&message).is_ok());
            one.public_half = other.public_half;
            let error = one.sign(&message).unwrap_err();
            assert!(matches!(error, SignError::Mismatch), "{error:?}");
        }
    }
}
