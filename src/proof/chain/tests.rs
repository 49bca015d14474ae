use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::*;

const OPENSSL: [(&str, &[u8]); 5] = [
    (
        "p256",
        include_bytes!("../../../testdata/proof/certificate/openssl/p256.pem"),
    ),
    (
        "p384",
        include_bytes!("../../../testdata/proof/certificate/openssl/p384.pem"),
    ),
    (
        "p521",
        include_bytes!("../../../testdata/proof/certificate/openssl/p521.pem"),
    ),
    (
        "rsa3072",
        include_bytes!("../../../testdata/proof/certificate/openssl/rsa3072.pem"),
    ),
    (
        "ed25519",
        include_bytes!("../../../testdata/proof/certificate/openssl/ed25519.pem"),
    ),
];
const INTERMEDIATE: &[u8] =
    include_bytes!("../../../testdata/proof/certificate/openssl/intermediate.pem");
const ROOT_V1: &[u8] = include_bytes!("../../../testdata/proof/certificate/openssl/root-v1.pem");
const PUBLIC_GOOD: [&[u8]; 3] = [
    include_bytes!("../../../testdata/proof/certificate/public-good/leaf.der"),
    include_bytes!("../../../testdata/proof/certificate/public-good/intermediate.der"),
    include_bytes!("../../../testdata/proof/certificate/public-good/root.der"),
];

fn only(file: &[u8]) -> Certificate {
    Certificate::from_file(file).unwrap().remove(0)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2030-06-01T00:00:00Z")
}

/// A certificate with the key that it is of.
struct Party {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

type Change = fn(&mut CertificateParams);

/// Nothing but a name, valid from 2030 until 2031.
fn parameters(name: &str, change: Change) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(2030, 1, 1);
    parameters.not_after = date_time_ymd(2031, 1, 1);
    change(&mut parameters);
    parameters
}

fn authority(parameters: &mut CertificateParams) {
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

fn code_signing(parameters: &mut CertificateParams) {
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
}

fn root(change: Change) -> Party {
    let key = KeyPair::generate().unwrap();
    let parameters = parameters("Root", change);
    let certificate = parameters.self_signed(&key).unwrap();
    Party {
        certificate: Certificate::from_der(certificate.der()).unwrap(),
        issuer: Issuer::new(parameters, key),
    }
}

fn issued(by: &Party, name: &str, change: Change) -> Party {
    let key = KeyPair::generate().unwrap();
    let parameters = parameters(name, change);
    let certificate = parameters.signed_by(&key, &by.issuer).unwrap();
    Party {
        certificate: Certificate::from_der(certificate.der()).unwrap(),
        issuer: Issuer::new(parameters, key),
    }
}

const UNKNOWN: [u64; 8] = [1, 3, 6, 1, 4, 1, 99999, 1];

/// A critical extension.
fn asks(parameters: &mut CertificateParams, id: &[u64], value: Vec<u8>) {
    let mut extension = rcgen::CustomExtension::from_oid_content(id, value);
    extension.set_criticality(true);
    parameters.custom_extensions.push(extension);
}

/// Root, intermediate and leaf, each as `changes` make it, checked at [`now`] for
/// code signing.
fn checked(changes: [Change; 3]) -> Result<(), ChainError> {
    let [of_root, of_intermediate, of_leaf] = changes;
    let root = root(of_root);
    let intermediate = issued(&root, "Intermediate", of_intermediate);
    let leaf = issued(&intermediate, "Leaf", of_leaf).certificate;
    let (intermediates, roots) = ([intermediate.certificate], [root.certificate]);
    check(&leaf, &intermediates, &roots, now(), Usage::CodeSigning)
}

/// EVD-1
#[test]
fn chains_by_openssl_hold_for_every_kind_of_key() {
    let intermediates = [only(INTERMEDIATE)];
    for (name, leaf) in OPENSSL {
        let holds = check(
            &only(leaf),
            &intermediates,
            &[only(ROOT_V1)],
            now(),
            Usage::CodeSigning,
        );
        assert!(holds.is_ok(), "{name}: {holds:?}");
        let others = [root(authority).certificate];
        let holds = check(
            &only(leaf),
            &intermediates,
            &others,
            now(),
            Usage::CodeSigning,
        );
        assert!(
            matches!(holds, Err(ChainError::NotLed)),
            "{name}: {holds:?}"
        );
    }
}

#[test]
fn the_public_instance_s_chain_holds_when_it_was_issued_and_not_today() {
    let [leaf, intermediate, root] = PUBLIC_GOOD.map(only);
    let check = |time: &str| {
        let intermediates = std::slice::from_ref(&intermediate);
        let roots = std::slice::from_ref(&root);
        check(&leaf, intermediates, roots, at(time), Usage::CodeSigning)
    };
    assert!(check("2023-04-18T17:45:11Z").is_ok());
    assert!(check("2023-04-18T17:55:11Z").is_ok());
    for time in [
        "2023-04-18T17:45:10.999Z",
        "2023-04-18T17:55:11.001Z",
        "1960-01-01T00:00:00Z",
    ] {
        let holds = check(time);
        assert!(
            matches!(holds, Err(ChainError::Expired { .. })),
            "{time}: {holds:?}"
        );
    }
}

/// EVD-2
#[test]
fn a_leaf_may_state_no_use_or_the_right_one() {
    let any: Change = |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    let plain: Change = |_| {};
    for leaf in [plain, code_signing, any] {
        assert!(checked([authority, authority, leaf]).is_ok());
    }
    let server: Change =
        |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let holds = checked([authority, authority, server]);
    assert!(
        matches!(holds, Err(ChainError::Usage(Usage::CodeSigning))),
        "{holds:?}"
    );
}

#[test]
fn issuers_that_state_uses_have_to_allow_this_one() {
    let signs: Change = |one| {
        authority(one);
        code_signing(one);
    };
    assert!(checked([signs, signs, code_signing]).is_ok());
    let server: Change = |one| {
        authority(one);
        one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let holds = checked([authority, server, code_signing]);
    assert!(
        matches!(holds, Err(ChainError::IssuerUnfit(_))),
        "{holds:?}"
    );
    let holds = checked([server, authority, code_signing]);
    assert!(matches!(holds, Err(ChainError::RootUnfit)), "{holds:?}");
}

/// EVD-3
#[test]
fn only_authorities_issue_and_only_as_far_as_they_may() {
    let plain: Change = |_| {};
    let holds = checked([authority, plain, code_signing]);
    assert!(
        matches!(holds, Err(ChainError::IssuerUnfit(_))),
        "{holds:?}"
    );
    let other_key_usage: Change = |one| {
        authority(one);
        one.key_usages = vec![KeyUsagePurpose::CrlSign];
    };
    let holds = checked([authority, other_key_usage, code_signing]);
    assert!(
        matches!(holds, Err(ChainError::IssuerUnfit(_))),
        "{holds:?}"
    );
    let holds = checked([other_key_usage, authority, code_signing]);
    assert!(matches!(holds, Err(ChainError::RootUnfit)), "{holds:?}");
    let short: Change = |one| one.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    assert!(checked([authority, short, code_signing]).is_ok());
    let holds = checked([short, authority, code_signing]);
    assert!(matches!(holds, Err(ChainError::RootUnfit)), "{holds:?}");
}

/// EVD-3
#[test]
fn every_certificate_of_the_chain_has_to_be_valid_then() {
    let expired: Change = |one| {
        authority(one);
        one.not_after = date_time_ymd(2030, 2, 1);
    };
    let holds = checked([authority, expired, code_signing]);
    assert!(
        matches!(holds, Err(ChainError::IssuerExpired(_))),
        "{holds:?}"
    );
    let holds = checked([expired, authority, code_signing]);
    assert!(
        matches!(holds, Err(ChainError::RootExpired(_))),
        "{holds:?}"
    );
    let early: Change = |one| {
        code_signing(one);
        one.not_before = date_time_ymd(2030, 7, 1);
    };
    let holds = checked([authority, authority, early]);
    assert!(
        matches!(holds, Err(ChainError::Expired { .. })),
        "{holds:?}"
    );
}

/// Seconds are all that `rustls-webpki` compares.
#[test]
fn an_issuer_is_expired_a_moment_after_its_last_second() {
    let root = root(authority);
    let intermediate = issued(&root, "Intermediate", |one| {
        authority(one);
        one.not_after = date_time_ymd(2030, 6, 1);
    });
    let leaf = issued(&intermediate, "Leaf", code_signing).certificate;
    let (intermediates, roots) = ([intermediate.certificate], [root.certificate]);
    let check = |time| check(&leaf, &intermediates, &roots, at(time), Usage::CodeSigning);
    assert!(check("2030-06-01T00:00:00Z").is_ok());
    let holds = check("2030-06-01T00:00:00.1Z");
    assert!(
        matches!(holds, Err(ChainError::IssuerExpired(_))),
        "{holds:?}"
    );
}

#[test]
fn a_leaf_may_be_a_root_itself() {
    let one = root(code_signing).certificate;
    let check = |roots: &[Certificate]| check(&one, &[], roots, now(), Usage::CodeSigning);
    assert!(check(std::slice::from_ref(&one)).is_ok());
    // Of the same name, with another key.
    let holds = check(&[root(authority).certificate]);
    assert!(matches!(holds, Err(ChainError::Signature)), "{holds:?}");
    let holds = check(&[]);
    assert!(matches!(holds, Err(ChainError::NoRoot)), "{holds:?}");
}

/// EVD-3: as Go's `crypto/x509` (`isValid`) refuses it, wherever a chain leads.
#[test]
fn a_leaf_with_an_unknown_critical_extension_is_refused_as_its_own_root_too() {
    fn critical(leaf: &mut CertificateParams) {
        code_signing(leaf);
        asks(leaf, &UNKNOWN, vec![5, 0]);
    }
    let one = root(critical).certificate;
    let holds = check(
        &one,
        &[],
        std::slice::from_ref(&one),
        now(),
        Usage::CodeSigning,
    );
    assert!(
        matches!(holds, Err(ChainError::UnknownCritical)),
        "{holds:?}"
    );
    let holds = checked([authority, authority, critical]);
    assert!(
        matches!(holds, Err(ChainError::UnknownCritical)),
        "{holds:?}"
    );
}

/// EVD-3: as Go refuses a root.
#[test]
fn a_root_with_an_unknown_critical_extension_is_refused() {
    fn critical(root: &mut CertificateParams) {
        authority(root);
        asks(root, &UNKNOWN, vec![5, 0]);
    }
    let holds = checked([critical, authority, code_signing]);
    assert!(matches!(holds, Err(ChainError::RootUnfit)), "{holds:?}");
}

/// Policies that Go would accept: a root may have them, no other certificate.
#[test]
fn critical_policies_are_accepted_in_a_root_alone() {
    fn policies(parameters: &mut CertificateParams) {
        let any = vec![0x30, 0x06, 0x30, 0x04, 0x06, 0x02, 0x2a, 0x03];
        asks(parameters, &[2, 5, 29, 32], any);
    }
    fn issuer(parameters: &mut CertificateParams) {
        authority(parameters);
        policies(parameters);
    }
    fn leaf(parameters: &mut CertificateParams) {
        code_signing(parameters);
        policies(parameters);
    }
    assert!(checked([issuer, authority, code_signing]).is_ok());
    for changes in [
        [authority, issuer, code_signing],
        [authority, authority, leaf],
    ] {
        let holds = checked(changes);
        assert!(matches!(holds, Err(ChainError::Critical)), "{holds:?}");
    }
}

#[test]
fn one_of_two_roots_with_the_same_key_is_enough() {
    let key = KeyPair::generate().unwrap();
    let with = |change: Change| {
        let certificate = parameters("Root", change).self_signed(&key).unwrap();
        Certificate::from_der(certificate.der()).unwrap()
    };
    let expired = with(|one| {
        authority(one);
        one.not_after = date_time_ymd(2030, 2, 1);
    });
    let good = with(authority);
    let party = Party {
        certificate: good.clone(),
        issuer: Issuer::new(parameters("Root", authority), key),
    };
    let leaf = issued(&party, "Leaf", code_signing).certificate;
    let check = |roots: &[Certificate]| check(&leaf, &[], roots, now(), Usage::CodeSigning);
    assert!(check(&[expired.clone(), good]).is_ok());
    let holds = check(&[expired]);
    assert!(
        matches!(holds, Err(ChainError::RootExpired(_))),
        "{holds:?}"
    );
}

/// EVD-2
#[test]
fn a_timestamp_authority_s_certificate_states_that_use_alone() {
    let root = root(authority);
    let holds = |leaf: Change| {
        let leaf = issued(&root, "Leaf", leaf).certificate;
        let roots = std::slice::from_ref(&root.certificate);
        check(&leaf, &[], roots, now(), Usage::TimeStamping)
    };
    // rcgen marks this extension as not critical; `critical` makes it so.
    fn critical(leaf: &mut CertificateParams, oids: &[u8]) {
        let oid = [2, 5, 29, 37];
        let mut extension = rcgen::CustomExtension::from_oid_content(&oid, oids.to_vec());
        extension.set_criticality(true);
        leaf.custom_extensions.push(extension);
    }
    // TimeStamping, and the same with codeSigning.
    const ALONE: [u8; 12] = [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8];
    const BOTH: [u8; 22] = [
        0x30, 20, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3,
    ];
    let good = holds(|leaf| critical(leaf, &ALONE));
    assert!(good.is_ok(), "{good:?}");
    let not_critical: Change =
        |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
    let changes: [Change; 4] = [
        not_critical,
        |leaf| critical(leaf, &BOTH),
        code_signing,
        |_| {},
    ];
    for change in changes {
        let bad = holds(change);
        assert!(
            matches!(bad, Err(ChainError::Usage(Usage::TimeStamping))),
            "{bad:?}"
        );
    }
    let bad = holds(|leaf| {
        authority(leaf);
        critical(leaf, &ALONE);
    });
    assert!(matches!(bad, Err(ChainError::Authority)), "{bad:?}");
}

/// EVD-1
#[test]
fn only_a_root_may_be_of_version_1() {
    let root = only(ROOT_V1);
    let (p256, intermediate) = (only(OPENSSL[0].1), only(INTERMEDIATE));
    assert_eq!((root.version(), intermediate.version()), (1, 3));
    let good = check(
        &p256,
        &[intermediate],
        std::slice::from_ref(&root),
        now(),
        Usage::CodeSigning,
    );
    assert!(good.is_ok(), "{good:?}");
    let others = [self::root(authority).certificate];
    let bad = check(&root, &[], &others, now(), Usage::CodeSigning);
    assert!(matches!(bad, Err(ChainError::Version(1))), "{bad:?}");
}

#[test]
fn a_chain_with_a_changed_byte_never_holds() {
    let [leaf, intermediate, root] = PUBLIC_GOOD.map(only);
    let time = at("2023-04-18T17:50:00Z");
    for (original, is_leaf) in [(&leaf, true), (&intermediate, false)] {
        for position in 0..original.as_der().len() {
            let mut der = original.as_der().to_vec();
            der[position] ^= 1;
            let Ok(changed) = Certificate::from_der(&der) else {
                continue;
            };
            let (leaf, intermediate) = match is_leaf {
                true => (&changed, &intermediate),
                false => (&leaf, &changed),
            };
            let roots = std::slice::from_ref(&root);
            let intermediates = std::slice::from_ref(intermediate);
            let holds = check(leaf, intermediates, roots, time, Usage::CodeSigning);
            assert!(holds.is_err(), "byte {position}");
        }
    }
}
