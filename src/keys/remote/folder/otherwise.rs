//! Signatures that are not wanted, and may have been made instead of those that
//! are: by another hash or padding, of a digest, of another message (EVD-76).
//!
//! They only make an error say more: whatever is found here, the run fails. With
//! `cosign attach signature`, which verifies nothing, such mistakes are found by
//! those who verify (cosign#3976).

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
};

use super::encoding::readings;
use super::index::MessageNames;
use crate::keys::prehash::Prehash;
use crate::keys::remote::known::KnownKey;
use crate::keys::remote::message::Prepared;
use crate::keys::verify::PublicHalf;
use crate::oci::Content;
use crate::signature::{Hash, Signature};

/// The hashes that tools take by the size of the curve.
const HASHES: [(Hash, &str); 2] = [(Hash::Sha384, "SHA-384"), (Hash::Sha512, "SHA-512")];

/// The signature of `prepared` that a file holds in place of the one that is
/// wanted, in words; none if it is nothing that is known here. Reads the message
/// several times: it is for the one error that ends a run.
pub(super) fn meant(
    file: &[u8],
    key: &KnownKey,
    prepared: &Prepared,
    messages: &[Prepared],
    named: &[MessageNames],
) -> Option<String> {
    let readings = readings(file, key.algorithm);
    let readings: Vec<Signature> = readings.into_iter().map(Signature::new).collect();
    let accepts = |message: &Prepared| {
        let mut readings = readings.iter();
        readings.any(|signature| key.check(message, signature).is_ok())
    };
    if let Some((_, named)) = messages.iter().zip(named).find(|(other, _)| accepts(other)) {
        return Some(format!("that of `{}`", named.message));
    }
    let message = &prepared.message.content;
    if is_of_digest(key, message, &readings)? {
        return Some("a signature of the message's digest instead of its bytes".to_owned());
    }
    match &key.half {
        PublicHalf::Rsa(_) => of_rsa(key, message, &readings),
        PublicHalf::Ed25519(_) => None,
        half => of_ecdsa(half, message, &readings),
    }
}

fn is_of_digest(key: &KnownKey, message: &Content, readings: &[Signature]) -> Option<bool> {
    Some(digests(message)?.into_iter().any(|digest| {
        let mut readings = readings.iter();
        readings.any(|signature| key.verify(&digest, signature).is_ok())
    }))
}

/// By another hash than is wanted.
fn of_ecdsa(half: &PublicHalf, message: &Content, readings: &[Signature]) -> Option<String> {
    HASHES.into_iter().find_map(|(hash, name)| {
        let prehash = Prehash::of(message, hash).ok()?;
        let mut readings = readings.iter();
        let is_theirs = readings.any(|signature| half.verify_prehash(&prehash, signature).is_ok());
        is_theirs.then(|| format!("one by {name}"))
    })
}

/// The message's SHA-256 as people hand it over: its bytes, its digits, and the
/// digits as a line of a file.
fn digests(message: &Content) -> Option<[Content; 3]> {
    let digest = message.digest().ok()?;
    let bytes = hex::decode(digest.hex()).ok()?;
    let text = digest.hex().as_bytes().to_vec();
    let line = [&*text, b"\n"].concat();
    Some([bytes.into(), text.into(), line.into()])
}

/// By PSS with any hash, and by PKCS#1 v1.5 with another one than is wanted.
fn of_rsa(key: &KnownKey, message: &Content, readings: &[Signature]) -> Option<String> {
    for (hash, pkcs1, pss, name) in [
        (Hash::Sha256, None, &RSA_PSS_2048_8192_SHA256, "SHA-256"),
        (
            Hash::Sha384,
            Some(&RSA_PKCS1_2048_8192_SHA384),
            &RSA_PSS_2048_8192_SHA384,
            "SHA-384",
        ),
        (
            Hash::Sha512,
            Some(&RSA_PKCS1_2048_8192_SHA512),
            &RSA_PSS_2048_8192_SHA512,
            "SHA-512",
        ),
    ] {
        let prehash = Prehash::of(message, hash).ok()?;
        let digest = prehash.imported()?;
        for (padding, words) in [(Some(pss), "RSA-PSS"), (pkcs1, "PKCS#1 v1.5")] {
            let Some(padding) = padding else { continue };
            let half = ParsedPublicKey::new(padding, key.public.as_der()).ok()?;
            let mut readings = readings.iter();
            if readings.any(|signature| {
                half.verify_digest_sig(&digest, signature.as_bytes())
                    .is_ok()
            }) {
                return Some(format!("one by {words} {name}"));
            }
        }
    }
    None
}
