//! Certificate signing requests (PKCS#10, RFC 2986) for keys on P-256.
//!
//! A request without a name: the authority takes the name from the token that
//! comes with it, and the request proves that the key is at hand. Fulcio takes in its
//! place a signature over the token's subject as well; which claim that is depends on
//! the issuer, and a request needs to know nothing of it.
//!
//! The key signs elsewhere: [`CertificateRequest::message`] is signed by the caller
//! between `new` and `finish`.

use pkcs8::der::pem::{LineEnding, encode_string};

use super::der::{BIT_STRING, INTEGER, SEQUENCE, tagged};
use crate::signature::{PublicKey, Signature};

/// No attributes: `[0]` IMPLICIT, a SET that may be empty and not absent (RFC 2986,
/// section 4.1).
const NO_ATTRIBUTES: [u8; 2] = [0xa0, 0];
/// `ecdsa-with-SHA256` (RFC 5758, section 3.2).
const ECDSA_SHA256: [u8; 12] = [
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];

/// A request that is not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// `CertificationRequestInfo`
    message: Vec<u8>,
}

impl CertificateRequest {
    /// A request for a certificate of `key`, which is one on P-256.
    pub fn new(key: &PublicKey) -> Self {
        // Version 1 is written as 0. The subject is a sequence of no names.
        let version = tagged(INTEGER, &[&[0]]);
        let no_name = tagged(SEQUENCE, &[]);
        let message = tagged(
            SEQUENCE,
            &[&version, &no_name, key.as_der(), &NO_ATTRIBUTES],
        );
        Self { message }
    }

    /// The bytes that the key has to sign, with SHA-256.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// PEM of the request with its signature, in ASN.1 DER. Whether it is one of the
    /// key over [`message`](Self::message), the authority finds out.
    pub fn finish(&self, signature: &Signature) -> String {
        // The first octet counts the bits that are not used.
        let bits = tagged(BIT_STRING, &[&[0], signature.as_bytes()]);
        let der = tagged(SEQUENCE, &[&self.message, &ECDSA_SHA256, &bits]);
        // A label of ASCII letters is always taken.
        encode_string("CERTIFICATE REQUEST", LineEnding::LF, &der).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use pkcs8::der::asn1::BitStringRef;
    use pkcs8::der::{AnyRef, Decode as _, pem::decode_vec};

    use super::*;
    use crate::proof::der::{next, parts, whole};
    use crate::proof::key::VerifyingKey;
    use crate::signature::Hash;

    const OPENSSL: &str = include_str!("../../testdata/proof/request/openssl.csr");

    /// The key of a request, and its signature.
    fn read(pem: &str) -> (PublicKey, Signature) {
        let (_, der) = decode_vec(pem.as_bytes()).unwrap();
        let mut outer = parts(AnyRef::from_der(&der).unwrap()).unwrap();
        let mut inner = parts(next(&mut outer).unwrap()).unwrap();
        let (_version, _name) = (next(&mut inner).unwrap(), next(&mut inner).unwrap());
        let key = PublicKey::from_der(whole(&mut inner).unwrap().to_vec());
        let _algorithm = next(&mut outer).unwrap();
        let signature: BitStringRef<'_> = next(&mut outer).unwrap().decode_as().unwrap();
        (key, Signature::new(signature.as_bytes().unwrap().to_vec()))
    }

    #[test]
    fn a_request_is_byte_for_byte_that_of_openssl() {
        let (key, signature) = read(OPENSSL);
        let request = CertificateRequest::new(&key);
        assert_eq!(request.finish(&signature), OPENSSL);
        let key = VerifyingKey::from_der(key.as_der()).unwrap();
        assert!(key.accepts(Hash::Sha256, request.message(), signature.as_bytes()));
    }
}
