//! Signed claims (RFC 7519, RFC 7515), by RSA with SHA-256: the one algorithm
//! that Google's service accounts have. The key is no key of `keys`: it signs
//! nothing but the request for a token.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use zeroize::Zeroizing;

/// The key of PEM, of PKCS#8 or PKCS#1. It lies in aws-lc's memory, which is wiped.
pub(super) fn key(pem: &[u8]) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem).ok()? {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// `RS256` in the compact form. Its holder can get a token for an hour, so that
/// the caller hides it.
pub(super) fn rs256(
    key: &RsaKeyPair,
    header: &impl Serialize,
    claims: &impl Serialize,
) -> Option<Zeroizing<String>> {
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let header = part(serde_json::to_vec(header).ok()?);
    let claims = part(serde_json::to_vec(claims).ok()?);
    let signed = format!("{header}.{claims}");
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .ok()?;
    Some(Zeroizing::new(format!("{signed}.{}", part(signature))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.2, has its key as a JWK; this one is the same text
    /// signed by a key of this test, and checked with its public half.
    #[test]
    fn claims_are_signed_so_that_the_public_half_accepts_them() {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = pem_rfc7468::encode_string("PRIVATE KEY", Default::default(), der.as_ref());
        let key = key(pem.unwrap().as_bytes()).unwrap();
        let header = serde_json::json!({"alg": "RS256"});
        let claims = serde_json::json!({"iss": "joe", "exp": 1300819380});
        let jwt = rs256(&key, &header, &claims).unwrap();
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        assert_eq!(
            signed,
            "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjEzMDA4MTkzODAsImlzcyI6ImpvZSJ9"
        );
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = pair.public_key();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref())
            .verify(signed.as_bytes(), &signature)
            .unwrap();
    }
}
