//! The entry points of fuzzers into proofs.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

pub use super::entry::fuzzing::{inclusion_proof, log_entry, note};
pub use super::trust::fuzzing::{signing_config, trusted_root};

use super::certificate::Certificate;
use super::chain::{self, Usage};
use super::sct::Sct;
use super::timestamp::{Stamped, Timestamp, digest, imprint_hash};
use super::trust::Validity;
use super::trust::root::TimestampAuthority;
use crate::oci::fuzzing::assert_readable;

/// A certificate is kept as it was read, and everything about it can be asked.
pub fn signing_certificate(data: &[u8]) {
    let certificates = match Certificate::from_file(data) {
        Ok(certificates) => certificates,
        Err(error) => return assert_readable(&error),
    };
    for certificate in &certificates {
        let again = Certificate::from_der(certificate.as_der()).expect("it was read");
        assert_eq!(&again, certificate);
        assert!((1..=3).contains(&certificate.version()));
        let _ = (certificate.is_self_signed(), certificate.key());
        let (at, roots) = (certificate.valid_from(), std::slice::from_ref(certificate));
        for usage in [Usage::CodeSigning, Usage::TimeStamping] {
            if let Err(error) = chain::check(certificate, &certificates, roots, at, usage) {
                assert_readable(&error);
            }
        }
    }
}

/// Promises in a certificate are read or refused, and can be compared with a key.
pub fn sct(data: &[u8]) {
    let Ok(certificate) = Certificate::from_der(data) else {
        return;
    };
    match Sct::embedded(&certificate) {
        Ok(promises) => {
            assert!(!promises.is_empty());
            for promise in promises {
                let _ = promise.time();
                if let Ok(key) = certificate.key() {
                    promise.holds(&key, &certificate, &certificate);
                }
            }
        }
        Err(error) => assert_readable(&error),
    }
}

/// Authorities of recorded answers, each with the second in which it gave them.
const AUTHORITIES: [(&[u8], &str); 2] = [
    (
        include_bytes!("../../testdata/proof/timestamp/sigstore/chain.pem"),
        "2026-11-27T08:42:11",
    ),
    (
        include_bytes!("../../testdata/proof/timestamp/openssl/issuers.pem"),
        "2026-11-27T09:01",
    ),
];

/// An answer holds for nothing but what was stamped, when it was.
pub fn timestamp(data: &[u8]) {
    for (chain, time) in AUTHORITIES {
        let authority = TimestampAuthority {
            url: String::new(),
            certificates: Certificate::from_file(chain).expect("a chain"),
            valid: Validity::default(),
            operator: None,
        };
        let verified = imprint_hash(data).and_then(|hash| {
            let digest = &digest(hash, b"stamped");
            Timestamp::verify(data, Stamped { hash, digest }, None, &[authority])
        });
        match verified {
            Ok(timestamp) => assert!(timestamp.time.to_string().starts_with(time)),
            Err(error) => assert_readable(&error),
        }
    }
}
