use rcgen::{CertificateParams, CustomExtension, KeyPair, PublicKeyData as _};

use super::*;
use crate::proof::certificate::Certificate;
use crate::proof::trust::root::TrustedRoot;

const LEAF: &[u8] = include_bytes!("../../../testdata/proof/certificate/public-good/leaf.der");
const INTERMEDIATE: &[u8] =
    include_bytes!("../../../testdata/proof/certificate/public-good/intermediate.der");
const ROOT: &[u8] = include_bytes!("../../../testdata/proof/certificate/public-good/root.der");
const CTFE_2022: &[u8] =
    include_bytes!("../../../testdata/proof/certificate/public-good/ctfe-2022.der");
const CTFE_2021: &[u8] =
    include_bytes!("../../../testdata/proof/certificate/public-good/ctfe-2021.der");
const TRUSTED_ROOT: &[u8] =
    include_bytes!("../../../testdata/proof/trust/public-good/trusted_root.json");

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

fn key(der: &[u8]) -> VerifyingKey {
    VerifyingKey::from_der(der).unwrap()
}

/// A vector with a length of two bytes.
fn vector(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// A certificate with the list, or none. Everything else is the same each time.
fn with_list(issuer: &KeyPair, key: &KeyPair, list: Option<Vec<u8>>) -> Certificate {
    let mut parameters = CertificateParams::new(["a.example".to_owned()]).unwrap();
    parameters.serial_number = Some(vec![1].into());
    let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
    parameters.custom_extensions = list
        .map(|list| CustomExtension::from_oid_content(&oid, tagged(0x04, &[&list])))
        .into_iter()
        .collect();
    let issuer_parameters = CertificateParams::default();
    let issuer = rcgen::Issuer::from_params(&issuer_parameters, issuer);
    certificate(parameters.signed_by(key, &issuer).unwrap().der())
}

fn list(entries: &[Vec<u8>]) -> Vec<u8> {
    vector(
        &entries
            .iter()
            .flat_map(|entry| vector(entry))
            .collect::<Vec<_>>(),
    )
}

fn entry(version: u8, log: &[u8; 32], extensions: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut entry = vec![version];
    entry.extend(log);
    entry.extend(1_700_000_000_123_u64.to_be_bytes());
    entry.extend(vector(extensions));
    entry.extend([SHA256, ECDSA]);
    entry.extend(vector(signature));
    entry
}

#[test]
fn the_promise_of_the_public_log_holds() {
    let (leaf, issuer) = (certificate(LEAF), certificate(INTERMEDIATE));
    let promises = Sct::embedded(&leaf).unwrap();
    let [promise] = &promises[..] else {
        panic!("{promises:?}");
    };
    let time = promise.time().unwrap();
    assert_eq!(time, "2023-04-18T17:45:12.010Z".parse().unwrap());
    assert_eq!(promise.log, key(CTFE_2022).public_key().sha256());
    assert!(promise.holds(&key(CTFE_2022), &leaf, &issuer));
}

/// EVD-4
#[test]
fn a_promise_counts_if_the_trusted_root_has_its_log_at_that_time() {
    let (leaf, issuer) = (certificate(LEAF), certificate(INTERMEDIATE));
    let issuers = [issuer.clone()];
    let logs = TrustedRoot::parse(TRUSTED_ROOT).unwrap().ct_logs.unwrap();
    assert_eq!(check(&leaf, &issuers, &logs), Ok(()));
    let index = logs
        .iter()
        .position(|log| log.key == key(CTFE_2022))
        .unwrap();
    let promised: Timestamp = "2023-04-18T17:45:12.010Z".parse().unwrap();
    let with_times = |start: Timestamp, end: Timestamp| {
        let mut logs = logs.clone();
        logs[index].valid.start = Some(start);
        logs[index].valid.end = Some(end);
        check(&leaf, &issuers, &logs)
    };
    let moment = jiff::SignedDuration::from_millis(1);
    assert_eq!(with_times(promised, promised), Ok(()));
    assert_eq!(
        with_times(promised + moment, Timestamp::MAX),
        Err(SctError::Untrusted)
    );
    assert_eq!(
        with_times(Timestamp::MIN, promised - moment),
        Err(SctError::Untrusted)
    );
    let mut others = logs.clone();
    others.remove(index);
    assert_eq!(check(&leaf, &issuers, &others), Err(SctError::Untrusted));
    let mut others = logs.clone();
    others[index].id = vec![0; 32];
    assert_eq!(check(&leaf, &issuers, &others), Err(SctError::Untrusted));
    // The issuer's name alone does not make an issuer, and another's does not harm.
    let root = certificate(ROOT);
    let with_root = [root.clone(), issuer.clone()];
    assert_eq!(check(&leaf, &with_root, &logs), Ok(()));
    assert_eq!(check(&leaf, &[root], &logs), Err(SctError::Untrusted));
    assert_eq!(check(&issuer, &issuers, &logs), Err(SctError::Absent));
}

#[test]
fn a_promise_holds_for_no_other_log_certificate_or_issuer() {
    let (leaf, issuer) = (certificate(LEAF), certificate(INTERMEDIATE));
    let promise = Sct::embedded(&leaf).unwrap().remove(0);
    assert!(!promise.holds(&key(CTFE_2021), &leaf, &issuer));
    assert!(!promise.holds(&key(CTFE_2022), &leaf, &certificate(ROOT)));
    assert!(!promise.holds(&key(CTFE_2022), &issuer, &issuer));
    let later = Sct {
        milliseconds: promise.milliseconds + 1,
        ..promise.clone()
    };
    assert!(!later.holds(&key(CTFE_2022), &leaf, &issuer));
    let extended = Sct {
        extensions: vec![0],
        ..promise.clone()
    };
    assert!(!extended.holds(&key(CTFE_2022), &leaf, &issuer));
    for algorithm in [(SHA256, RSA), (5, ECDSA), (8, 7)] {
        let other = Sct {
            algorithm,
            ..promise.clone()
        };
        assert!(!other.holds(&key(CTFE_2022), &leaf, &issuer));
    }
}

/// The log signs the certificate without the list; that a certificate of the same
/// fields and no list has these bytes is what is to be proven.
#[test]
fn what_is_promised_is_the_certificate_without_the_list() {
    let (issuer, own, log) = (
        KeyPair::generate().unwrap(),
        KeyPair::generate().unwrap(),
        KeyPair::generate().unwrap(),
    );
    let log_key = key(&log.subject_public_key_info());
    let log_id = log_key.public_key().sha256();
    let issuing = certificate(
        CertificateParams::default()
            .self_signed(&issuer)
            .unwrap()
            .der(),
    );
    let before = with_list(&issuer, &own, None);
    let mut message = vec![0, 0];
    message.extend(1_700_000_000_123_u64.to_be_bytes());
    message.extend([0, 1]);
    message.extend(issuing.public_key().sha256());
    message.extend(
        &u32::try_from(before.signed_part().len())
            .unwrap()
            .to_be_bytes()[1..],
    );
    message.extend(before.signed_part());
    message.extend(vector(b"ext"));
    let signature = rcgen::SigningKey::sign(&log, &message).unwrap();
    let good = entry(0, &log_id, b"ext", &signature);
    let newer = entry(1, &log_id, b"ext", &signature);
    let leaf = with_list(&issuer, &own, Some(list(&[newer, good])));
    let promises = Sct::embedded(&leaf).unwrap();
    assert_eq!(promises.len(), 1);
    assert!(promises[0].holds(&log_key, &leaf, &issuing));
}

#[test]
fn a_list_that_cannot_be_read_is_refused() {
    let (issuer, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let read = |list| Sct::embedded(&with_list(&issuer, &own, list)).map(|found| found.len());
    let good = entry(0, &[7; 32], b"", b"signature");
    assert_eq!(read(Some(list(std::slice::from_ref(&good)))), Ok(1));
    assert_eq!(read(None), Err(SctError::Absent));
    assert_eq!(read(Some(list(&[]))), Err(SctError::Absent));
    let newer = entry(1, &[7; 32], b"", b"signature");
    assert_eq!(read(Some(list(&[newer]))), Err(SctError::Absent));
    let many = list(&vec![good.clone(); MOST + 1]);
    assert_eq!(read(Some(many)), Err(SctError::TooMany));
    let whole = list(&[good]);
    for length in 0..whole.len() {
        assert!(read(Some(whole[..length].to_vec())).is_err(), "{length}");
    }
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(read(Some(longer)), Err(SctError::Malformed));
}

#[test]
fn no_damage_to_a_certificate_makes_another_promise_hold() {
    let (issuer, log) = (certificate(INTERMEDIATE), key(CTFE_2022));
    let mut held = 0;
    for position in 0..LEAF.len() {
        let mut der = LEAF.to_vec();
        der[position] ^= 1;
        let Ok(leaf) = Certificate::from_der(&der) else {
            continue;
        };
        let promises = Sct::embedded(&leaf).unwrap_or_default();
        held += promises
            .iter()
            .filter(|one| one.holds(&log, &leaf, &issuer))
            .count();
    }
    // The certificate's own signature is not promised: 71 bytes, with its algorithm
    // and heads.
    assert!((60..130).contains(&held), "{held}");
}
