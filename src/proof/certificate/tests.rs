use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519,
};

use super::*;

const P256: &[u8] = include_bytes!("../../../testdata/proof/certificate/openssl/p256.pem");
const ROOT_V1: &[u8] = include_bytes!("../../../testdata/proof/certificate/openssl/root-v1.pem");
const PUBLIC_GOOD: &[u8] =
    include_bytes!("../../../testdata/proof/certificate/public-good/leaf.der");
const PUBLIC_GOOD_ROOT: &[u8] =
    include_bytes!("../../../testdata/proof/certificate/public-good/root.der");

fn id(text: &str) -> ObjectIdentifier {
    text.parse().unwrap()
}

fn only(file: &[u8]) -> Certificate {
    let mut certificates = Certificate::from_file(file).unwrap();
    assert_eq!(certificates.len(), 1);
    certificates.remove(0)
}

fn made(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut parameters = CertificateParams::default();
    change(&mut parameters);
    let key = KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    Certificate::from_der(made.der()).unwrap()
}

#[test]
fn a_certificate_of_the_public_instance_is_read() {
    let leaf = Certificate::from_der(PUBLIC_GOOD).unwrap();
    let uri =
        "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main";
    assert_eq!(leaf.names(), [Name::Uri(uri.to_owned())]);
    let code_signing = Usages {
        oids: vec![id("1.3.6.1.5.5.7.3.3")],
        is_critical: false,
    };
    assert_eq!(leaf.usages(), Some(&code_signing));
    assert_eq!(leaf.valid_from(), "2023-04-18T17:45:11Z".parse().unwrap());
    assert_eq!(leaf.valid_until(), "2023-04-18T17:55:11Z".parse().unwrap());
    let serial = "018e27b1309c64635080ab76e880c8e656f353f2";
    assert_eq!(hex::encode(leaf.serial()), serial);
    let issuer = leaf.extension(id("1.3.6.1.4.1.57264.1.1")).unwrap();
    assert_eq!(issuer, b"https://token.actions.githubusercontent.com");
    assert!(!leaf.is_authority() && !leaf.may_issue(0) && !leaf.is_self_signed());
    assert_eq!(leaf.key().unwrap().kind(), crate::proof::key::KeyKind::P256);
    assert_eq!(leaf.as_der(), PUBLIC_GOOD);
    let root = Certificate::from_der(PUBLIC_GOOD_ROOT).unwrap();
    assert!(root.is_authority() && root.may_issue(1) && root.is_self_signed());
}

#[test]
fn names_of_every_kind_are_read_in_their_order() {
    let name = |text: &str| text.to_owned();
    let names = [
        Name::Email(name("a@example.com")),
        Name::Uri(name("https://example.com/w@refs/heads/main")),
        Name::Dns(name("example.com")),
        Name::Address("192.0.2.1".parse().unwrap()),
        Name::Address("2001:db8::1".parse().unwrap()),
        Name::Unread,
        Name::Other {
            id: id("1.3.6.1.4.1.57264.1.7"),
            text: Some(name("user!example.com")),
        },
    ];
    assert_eq!(only(P256).names(), names);
}

#[test]
fn a_certificate_of_version_1_is_read_and_may_issue() {
    let root = only(ROOT_V1);
    assert_eq!(root.version(), 1);
    assert!(root.may_issue(5) && !root.is_authority() && root.is_self_signed());
    assert_eq!((root.names(), root.usages()), (&[][..], None));
}

#[test]
fn a_file_may_be_der_or_pem_of_one_or_more_among_other_blocks() {
    let der = only(P256);
    assert_eq!(only(der.as_der()), der);
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let mut file = format!("subject=somebody\r\n{key}").into_bytes();
    file.extend_from_slice(P256);
    file.extend_from_slice(ROOT_V1);
    let certificates = Certificate::from_file(&file).unwrap();
    assert_eq!(certificates, [der, only(ROOT_V1)]);
}

#[test]
fn a_file_without_good_certificates_is_refused_with_its_reason() {
    let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let second = [P256, bad].concat();
    let trailing = [PUBLIC_GOOD, b"\n"].concat();
    let many = P256.repeat(MAX_COUNT + 1);
    let long = [b"\x30".to_vec(), vec![0; MAX_LENGTH]].concat();
    for (file, error) in [
        (&b""[..], CertificateError::Absent),
        (b"hello", CertificateError::Absent),
        (key, CertificateError::Absent),
        (bad, CertificateError::MalformedAt { position: 1 }),
        (&second, CertificateError::MalformedAt { position: 2 }),
        (b"\x30\x00", CertificateError::Malformed),
        (&trailing, CertificateError::Malformed),
        (&many, CertificateError::TooMany),
        (&long, CertificateError::TooLong),
    ] {
        assert_eq!(Certificate::from_file(file), Err(error));
    }
    let most = P256.repeat(MAX_COUNT);
    assert_eq!(Certificate::from_file(&most).unwrap().len(), MAX_COUNT);
}

#[test]
fn a_time_without_end_is_the_last_that_can_be_counted() {
    let certificate = made(|parameters| {
        parameters.not_before = rcgen::date_time_ymd(2049, 12, 31);
        parameters.not_after = rcgen::date_time_ymd(9999, 12, 31);
    });
    assert_eq!(certificate.valid_until(), Timestamp::MAX);
    assert!(certificate.is_valid_at(Timestamp::MAX));
    let first: Timestamp = "2049-12-31T00:00:00Z".parse().unwrap();
    assert_eq!(certificate.valid_from(), first);
    assert!(certificate.is_valid_at(first));
    assert!(!certificate.is_valid_at("2049-12-30T23:59:59.999Z".parse().unwrap()));
}

#[test]
fn authorities_may_issue_within_their_constraints_and_key_usage() {
    let authority = |constraints, usages: Vec<KeyUsagePurpose>| {
        made(|parameters| {
            parameters.is_ca = IsCa::Ca(constraints);
            parameters.key_usages = usages;
        })
    };
    let free = authority(BasicConstraints::Unconstrained, Vec::new());
    assert!(free.may_issue(9));
    let short = authority(BasicConstraints::Constrained(1), Vec::new());
    assert!(short.may_issue(1) && !short.may_issue(2));
    let signs = vec![KeyUsagePurpose::KeyCertSign];
    assert!(authority(BasicConstraints::Unconstrained, signs).may_issue(0));
    let other = vec![KeyUsagePurpose::DigitalSignature];
    assert!(!authority(BasicConstraints::Unconstrained, other).may_issue(0));
    assert!(!made(|parameters| parameters.is_ca = IsCa::ExplicitNoCa).may_issue(0));
    assert!(!made(|_| {}).may_issue(0));
}

#[test]
fn a_certificate_of_the_same_name_by_another_key_is_not_self_signed() {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let parameters = CertificateParams::default();
    let issuer = rcgen::Issuer::from_params(&parameters, &key);
    let cross = parameters.signed_by(&other, &issuer).unwrap();
    assert!(!Certificate::from_der(cross.der()).unwrap().is_self_signed());
    let own = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let own = parameters.self_signed(&own).unwrap();
    assert!(Certificate::from_der(own.der()).unwrap().is_self_signed());
}

#[test]
fn an_extension_that_is_there_twice_is_refused() {
    let twice = |oids: [&[u64]; 2]| {
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        for oid in oids {
            let extension = CustomExtension::from_oid_content(oid, vec![5, 0]);
            parameters.custom_extensions.push(extension);
        }
        let made = parameters
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap();
        Certificate::from_der(made.der()).map(|_| ())
    };
    assert_eq!(twice([&[1, 2, 3], &[1, 2, 4]]), Ok(()));
    assert_eq!(
        twice([&[1, 2, 3], &[1, 2, 3]]),
        Err(CertificateError::Malformed)
    );
}

/// Neither an end in the middle nor a changed byte does more than be refused.
#[test]
fn damaged_certificates_are_refused_or_read_but_nothing_else() {
    for der in [PUBLIC_GOOD, only(P256).as_der(), only(ROOT_V1).as_der()] {
        for length in 0..der.len() {
            assert!(Certificate::from_der(&der[..length]).is_err(), "{length}");
        }
        for position in 0..der.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut der = der.to_vec();
                der[position] ^= change;
                if let Ok(certificate) = Certificate::from_der(&der) {
                    assert_eq!(certificate.as_der(), der);
                    certificate.is_self_signed();
                }
            }
        }
    }
}
