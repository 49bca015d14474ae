use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData as _, SanType, date_time_ymd,
};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2030-06-01T00:00:00Z")
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = date_time_ymd(2030, 1, 1);
    parameters.not_after = date_time_ymd(2031, 1, 1);
    parameters
}

/// Root, intermediate, and a key that they certify.
struct Pki {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
}

impl Pki {
    fn new() -> Self {
        let pair = || KeyPair::generate().unwrap();
        let authority = |name| {
            let mut parameters = parameters(name);
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters
        };
        let (root_key, key) = (pair(), pair());
        let root_parameters = authority("Root");
        let root = root_parameters.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_parameters, root_key);
        let parameters = authority("Intermediate");
        let intermediate = parameters.signed_by(&key, &root_issuer).unwrap();
        Self {
            root: Certificate::from_der(root.der()).unwrap(),
            intermediate: Certificate::from_der(intermediate.der()).unwrap(),
            issuer: Issuer::new(parameters, key),
            key: pair(),
        }
    }

    fn leaf(&self, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut parameters = parameters("Leaf");
        let name = "https://example.com/a".try_into().unwrap();
        parameters.subject_alt_names = vec![SanType::URI(name)];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        change(&mut parameters);
        let leaf = parameters.signed_by(key, &self.issuer).unwrap();
        Certificate::from_der(leaf.der()).unwrap()
    }

    fn own(&self, issuers: &[&Certificate]) -> OwnCertificate {
        let issuers = issuers.iter().map(|&one| one.clone()).collect();
        own(self.leaf(&self.key, |_| {}), issuers).unwrap()
    }
}

fn own(
    leaf: Certificate,
    issuers: Vec<Certificate>,
) -> Result<OwnCertificate, OwnCertificateError> {
    let file = CertificateFile {
        role: CertificateRole::Leaf,
        signatory: "configs[0]".to_owned(),
        path: "leaf.pem".into(),
    };
    OwnCertificate::new(leaf, issuers, file)
}

fn ders(certificates: &[&Certificate]) -> Vec<Vec<u8>> {
    let der = |one: &&Certificate| one.as_der().to_vec();
    certificates.iter().map(der).collect()
}

/// EVD-7, EVD-8
#[test]
fn each_form_has_the_issuers_that_its_readers_want() {
    let pki = Pki::new();
    let (root, between) = (&pki.root, &pki.intermediate);
    for (issuers, at_tags, in_chains) in [
        (vec![between, root], vec![between, root], vec![between]),
        (vec![between], vec![between, between], vec![between]),
        (vec![], vec![], vec![]),
    ] {
        let own = pki.own(&issuers);
        for (form, issuers) in [
            (Form::Tag, at_tags),
            (Form::Bundle, vec![]),
            (Form::ChainBundle, in_chains),
        ] {
            let expected = [vec![&own.leaf], issuers].concat();
            assert_eq!(own.verifier(form), Verifier::Certificates(ders(&expected)));
        }
    }
}

/// EVD-1
#[test]
fn a_leaf_of_version_1_is_refused_as_its_own_root_too() {
    let root = include_bytes!("../../../testdata/proof/certificate/openssl/root-v1.pem");
    let root = Certificate::from_file(root).unwrap().remove(0);
    for issuers in [vec![], vec![root.clone()]] {
        let refused = own(root.clone(), issuers).unwrap_err();
        let OwnCertificateError::Refused { source, .. } = &refused else {
            panic!("{refused}");
        };
        assert!(matches!(**source, ChainError::Version(1)), "{source}");
    }
}

/// EVD-10
#[test]
fn another_certificate_of_the_same_key_and_names_may_stand_there() {
    let pki = Pki::new();
    let (root, between) = (&pki.root, &pki.intermediate);
    let own = pki.own(&[between, root]);
    let renewed = pki.leaf(&pki.key, |leaf| leaf.not_before = date_time_ymd(2030, 2, 1));
    let full = ders(&[&renewed, between, root]);
    for form in [Form::Tag, Form::Bundle, Form::ChainBundle] {
        assert!(own.is_stood_for_by(&full, form, now()));
        assert!(!own.is_stood_for_by(&full, form, at("2030-01-15T00:00:00Z")));
        assert!(!own.is_stood_for_by(&full, form, at("2032-01-01T00:00:00Z")));
        assert!(!own.is_stood_for_by(&[], form, now()));
        assert!(!own.is_stood_for_by(&[vec![0x30]], form, now()));
    }
    // The leaf alone will do where verifiers have the issuers.
    let alone = ders(&[&renewed]);
    assert!(own.is_stood_for_by(&alone, Form::Bundle, now()));
    assert!(!own.is_stood_for_by(&alone, Form::Tag, now()));
    assert!(!own.is_stood_for_by(&alone, Form::ChainBundle, now()));
}

/// EVD-10
#[test]
fn no_certificate_of_others_or_for_others_may_stand_there() {
    let pki = Pki::new();
    let (root, between) = (&pki.root, &pki.intermediate);
    let own = pki.own(&[between, root]);
    let other_name = pki.leaf(&pki.key, |leaf| {
        let name = "https://example.com/b".try_into().unwrap();
        leaf.subject_alt_names = vec![SanType::URI(name)];
    });
    let other_key = pki.leaf(&KeyPair::generate().unwrap(), |_| {});
    let other_pki = Pki::new();
    let other_root = other_pki.leaf(&pki.key, |_| {});
    let other_issuer = pki.leaf(&pki.key, |leaf| {
        let oid = [1, 3, 6, 1, 4, 1, 57264, 1, 1];
        let issuer = b"https://issuer.example".to_vec();
        let extension = rcgen::CustomExtension::from_oid_content(&oid, issuer);
        leaf.custom_extensions.push(extension);
    });
    for leaf in [&other_name, &other_key, &other_root, &other_issuer] {
        let issuers = [&other_pki.intermediate, between, root, &other_pki.root];
        let standing = ders(&[&[leaf], &issuers[..]].concat());
        for form in [Form::Tag, Form::Bundle, Form::ChainBundle] {
            assert!(!own.is_stood_for_by(&standing, form, now()));
        }
    }
}

/// EVD-10
#[test]
fn without_a_chain_only_the_certificate_itself_may_stand_there() {
    let pki = Pki::new();
    let own = pki.own(&[]);
    let renewed = pki.leaf(&pki.key, |_| {});
    let standing = |leaf: &Certificate| own.is_stood_for_by(&ders(&[leaf]), Form::Tag, now());
    assert!(standing(&own.leaf));
    assert!(!standing(&renewed));
}

/// EVD-5
#[test]
fn a_certificate_is_of_its_key_alone() {
    let pki = Pki::new();
    let own = pki.own(&[]);
    let key = Arc::new(KeyReference::File("a.key".into()));
    let public = |pair: &KeyPair| PublicKey::from_der(pair.subject_public_key_info());
    assert!(own.check_key(&public(&pki.key), &key).is_ok());
    let other = public(&KeyPair::generate().unwrap());
    let refused = own.check_key(&other, &key).unwrap_err();
    let words = "the certificate of `configs[0]`, `leaf.pem`, is of another key than `a.key`";
    assert_eq!(refused.to_string(), words);
}

/// EVD-5: the root is looked at when the certificate's time began.
#[test]
fn a_chain_may_have_ended_since_the_certificate_was_issued() {
    let pki = Pki::new();
    let leaf = pki.leaf(&pki.key, |leaf| leaf.not_after = date_time_ymd(2033, 1, 1));
    let own = own(leaf, vec![pki.intermediate.clone(), pki.root.clone()]).unwrap();
    assert!(own.check(now()).is_ok());
    assert!(own.check(at("2032-01-01T00:00:00Z")).is_err());
}
