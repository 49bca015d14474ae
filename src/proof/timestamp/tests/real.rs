//! Answers of real authorities.

use std::collections::BTreeSet;

use super::*;

macro_rules! real {
    ($path:literal) => {
        &include_bytes!(concat!("../../../../testdata/proof/timestamp/", $path))[..]
    };
}

fn verify(response: &[u8], authority: TimestampAuthority) -> Result<Timestamp, TimestampError> {
    verify_bytes(response, MESSAGE, None, &[authority])
}

/// EVD-21
#[test]
fn answers_of_sigstores_authority_hold() {
    let chain = certificates(real!("sigstore/chain.pem"));
    let nonce = Nonce::of_random(u64::from_be_bytes([0x5a, 2, 3, 4, 5, 6, 7, 8]));
    for response in [
        real!("sigstore/without-certificate.tsr"),
        real!("sigstore/with-certificate.tsr"),
    ] {
        let known = [trusted(chain.clone())];
        let verify = |nonce| verify_bytes(response, MESSAGE, Some(nonce), &known);
        let timestamp = verify(nonce).unwrap();
        assert_eq!(timestamp.time, at("2026-11-27T08:42:11Z"));
        let error = verify(Nonce::of_random(7)).unwrap_err();
        assert!(matches!(error, TimestampError::OtherNonce), "{error}");
    }
    // Where the trusted root has no leaf, it has to be in the answer.
    let issuers = trusted(chain[1..].to_vec());
    let with = real!("sigstore/with-certificate.tsr");
    verify(with, issuers.clone()).unwrap();
    let error = verify(real!("sigstore/without-certificate.tsr"), issuers).unwrap_err();
    assert!(matches!(error, TimestampError::NoCertificate), "{error}");
}

/// EVD-23: it was trusted for six hours.
#[test]
fn an_answer_of_another_version_of_it_holds_in_its_time() {
    let response = real!("sigstore-go/response.tsr");
    let signature = real!("sigstore-go/signature");
    let mut known = trusted(certificates(real!("sigstore-go/chain.pem")));
    known.valid.start = Some(at("2026-06-04T12:43:29.186617431Z"));
    known.valid.end = Some(at("2026-06-04T18:43:29.186617501Z"));
    let timestamp = verify_bytes(response, signature, None, std::slice::from_ref(&known));
    assert_eq!(timestamp.unwrap().time, at("2026-06-04T17:43:29Z"));
    known.valid.end = Some(at("2026-06-04T17:43:28Z"));
    let error = verify_bytes(response, signature, None, &[known]).unwrap_err();
    assert!(matches!(error, TimestampError::Outside(_)), "{error}");
}

/// EVD-21: OpenSSL's authority, by other keys and hashes; its times have fractions.
#[test]
fn answers_by_other_keys_and_hashes_hold() {
    let issuers = certificates(real!("openssl/issuers.pem"));
    let rsa = certificates(real!("openssl/rsa.pem")).remove(0);
    let p384 = certificates(real!("openssl/p384.pem")).remove(0);
    for (response, leaf) in [
        (real!("openssl/rsa-sha512.tsr"), &rsa),
        (real!("openssl/rsa-sha256-cert.tsr"), &rsa),
        (real!("openssl/p384-sha384.tsr"), &p384),
        (real!("openssl/p384-sha256-cert.tsr"), &p384),
    ] {
        let chain: Vec<_> = [leaf].into_iter().chain(&issuers).cloned().collect();
        let timestamp = verify(response, trusted(chain)).unwrap();
        assert_eq!(timestamp.time.to_string()[..16], *"2026-11-27T09:01");
        assert_ne!(timestamp.time.subsec_nanosecond(), 0);
        let other = if leaf == &rsa { &p384 } else { &rsa };
        let chain = [other].into_iter().chain(&issuers).cloned().collect();
        let error = verify(response, trusted(chain)).unwrap_err();
        assert!(matches!(error, TimestampError::OtherSigner), "{error}");
    }
}

/// EVD-25
#[test]
fn an_answer_that_names_its_certificate_by_sha1_is_refused() {
    let issuers = trusted(certificates(real!("openssl/issuers.pem")));
    let error = verify(real!("openssl/by-sha1.tsr"), issuers).unwrap_err();
    assert!(matches!(error, TimestampError::NamedBySha1), "{error}");
}

#[test]
fn a_refusal_says_why() {
    let issuers = trusted(certificates(real!("openssl/issuers.pem")));
    let error = verify(real!("openssl/refused.tsr"), issuers).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the authority did not stamp it: it does not know the algorithm"
    );
    let TimestampError::Refused { words, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(words, "Message digest algorithm is not supported.");
}

/// A changed timestamp holds no longer, or says the same of the same.
#[test]
fn no_changed_byte_is_taken_for_another_answer() {
    let known = [trusted(certificates(real!("sigstore/chain.pem")))];
    let check = |bytes: &[u8]| verify_bytes(bytes, MESSAGE, None, &known);
    for response in [
        real!("sigstore/without-certificate.tsr"),
        real!("sigstore/with-certificate.tsr"),
    ] {
        let right = check(response).unwrap();
        let mut unsigned = Vec::new();
        for at in 0..response.len() {
            for flip in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut changed = response.to_vec();
                changed[at] ^= flip;
                if let Ok(timestamp) = check(&changed) {
                    let same = (timestamp.time, timestamp.authority);
                    assert_eq!(same, (right.time, right.authority.clone()), "byte {at}");
                    unsigned.push((at, flip));
                }
            }
        }
        // Status 1 is as good as 0; the version says nothing; and the certificate may
        // be none, or in a list that nobody reads, since the trusted root has it.
        let places: BTreeSet<_> = unsigned.into_iter().map(|(at, _)| at).collect();
        assert!(places.is_subset(&[8, 34, 248, 252].into()), "{places:?}");
        for length in 0..response.len() {
            assert!(check(&response[..length]).is_err(), "{length}");
        }
        let longer = [response, &[0]].concat();
        assert!(check(&longer).is_err());
    }
}
