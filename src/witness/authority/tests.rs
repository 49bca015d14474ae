use std::time::{Duration, Instant};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, PublicKeyData as _, SanType,
};
use serde_json::{Value, json};

use super::*;
use crate::proof::trust::Validity;
use crate::proof::trust::root::CertificateAuthority;
use crate::secret::Secrets;
use crate::service::Variables;

const ISSUER: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 8];
const SUBJECT: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 24];
const PROMISES: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
const IDENTITY: &str = "https://issuer.example";
const NAME: &str = "https://github.com/acme/app/.github/workflows/b.yml@refs/heads/main";

fn now() -> Timestamp {
    Timestamp::now()
}

fn token() -> SigstoreToken {
    let claims: Value = json!({
        "iss": IDENTITY, "sub": "repo:acme/app", "aud": "sigstore",
        "exp": now().as_second() + 300,
        "job_workflow_ref": "acme/app/.github/workflows/b.yml@refs/heads/main",
    });
    let jwt = format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let variables = Variables::new(
        |_| None,
        Secrets::default(),
        crate::file::Files::until(Instant::now()),
    );
    SigstoreToken::read(jwt.as_bytes(), &variables, now()).unwrap()
}

/// UTF8String of a short text.
fn text(id: &[u64], text: &str) -> CustomExtension {
    let mut der = vec![0x0C, u8::try_from(text.len()).unwrap()];
    der.extend(text.bytes());
    CustomExtension::from_oid_content(id, der)
}

/// A list of one promise (RFC 6962, section 3.3), by the log 0 at the time 0.
fn promise() -> Vec<u8> {
    let lengths = [0x04, 51, 0, 49, 0, 47];
    let (version_log_and_time, extensions) = ([0; 41], [0; 2]);
    let (algorithm, signature) = ([4, 3], [0; 2]);
    let parts: [&[u8]; 5] = [
        &lengths,
        &version_log_and_time,
        &extensions,
        &algorithm,
        &signature,
    ];
    parts.concat()
}

/// So many seconds from now.
macro_rules! time {
    ($seconds:expr) => {{
        let second = u64::try_from(now().as_second() + $seconds).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(second)
    }};
}

/// An authority with its root, and the leaf that it issues.
struct Given {
    root: TrustedRoot,
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    leaf: CertificateParams,
    /// Beside the leaf in the answer.
    others: Vec<Certificate>,
}

impl Given {
    fn new() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.subject_alt_names = vec![SanType::URI(NAME.try_into().unwrap())];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        leaf.custom_extensions = vec![text(&ISSUER, IDENTITY), text(&SUBJECT, "repo:acme/app")];
        leaf.not_before = time!(0);
        leaf.not_after = time!(600);
        Self {
            root: TrustedRoot {
                authorities: vec![CertificateAuthority {
                    url: String::new(),
                    certificates: vec![Certificate::from_der(certificate.der()).unwrap()],
                    valid: Validity::default(),
                    operator: None,
                }],
                logs: Vec::new(),
                ct_logs: None,
                timestamp_authorities: Vec::new(),
            },
            issuer: Issuer::new(authority, authority_key),
            key: KeyPair::generate().unwrap(),
            leaf,
            others: Vec::new(),
        }
    }

    fn verified(&self) -> Result<Issued, Worthless> {
        let key = PublicKey::from_der(self.key.subject_public_key_info());
        self.verified_for(&key)
    }

    fn verified_for(&self, key: &PublicKey) -> Result<Issued, Worthless> {
        let leaf = self.leaf.signed_by(&self.key, &self.issuer).unwrap();
        let leaf = Certificate::from_der(leaf.der()).unwrap();
        let application = Application {
            key,
            request: "",
            token: &token(),
        };
        let others = self.others.clone();
        verified(
            IssuedCertificates { leaf, others },
            &self.root,
            application,
            now(),
        )
    }
}

/// EVD-63
#[test]
fn a_certificate_of_the_key_for_the_identity_of_the_token_holds() {
    let issued = Given::new().verified().unwrap();
    assert_eq!(issued.chain.len(), 1);
}

#[test]
fn a_certificate_of_another_key_is_worth_nothing() {
    let other = KeyPair::generate().unwrap();
    let other = PublicKey::from_der(other.subject_public_key_info());
    let outcome = Given::new().verified_for(&other);
    assert!(matches!(outcome, Err(Worthless::OtherKey)));
}

type Change = fn(&mut CertificateParams);

#[test]
fn a_certificate_for_somebody_else_is_worth_nothing() {
    let other = "https://github.com/acme/app/.github/workflows/other.yml@refs/heads/main";
    let cases: [(&str, Change); 5] = [
        ("another issuer", |leaf| {
            leaf.custom_extensions[0] = text(&ISSUER, "https://other.example");
        }),
        ("another issuer", |leaf| {
            drop(leaf.custom_extensions.remove(0))
        }),
        ("another subject", |leaf| {
            leaf.custom_extensions[1] = text(&SUBJECT, "repo:acme/other");
        }),
        ("exactly one identity", |leaf| {
            leaf.subject_alt_names.clear()
        }),
        ("exactly one identity", |leaf| {
            let again = leaf.subject_alt_names[0].clone();
            leaf.subject_alt_names.push(again);
        }),
    ];
    for (words, change) in cases {
        let mut given = Given::new();
        change(&mut given.leaf);
        let error = given.verified().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let mut given = Given::new();
    given.leaf.subject_alt_names = vec![SanType::URI(other.try_into().unwrap())];
    let error = given.verified().unwrap_err().to_string();
    assert!(error.contains("somebody else"), "{error}");
}

#[test]
fn a_certificate_is_valid_now() {
    for (from, until, is_valid) in [(60, 600, true), (360, 900, false), (-900, -300, false)] {
        let mut given = Given::new();
        (given.leaf.not_before, given.leaf.not_after) = (time!(from), time!(until));
        let is_refused = matches!(given.verified(), Err(Worthless::NotNow));
        assert_eq!(is_refused, !is_valid, "{from}");
    }
}

#[test]
fn a_certificate_is_issued_by_an_authority_of_the_trusted_root() {
    let mut given = Given::new();
    given.root = Given::new().root;
    assert!(matches!(given.verified(), Err(Worthless::Chain(_))));
    let mut given = Given::new();
    given.root.authorities[0].valid.end = Some(Timestamp::UNIX_EPOCH);
    assert!(matches!(given.verified(), Err(Worthless::NoAuthority)));
    let mut given = Given::new();
    given.leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert!(matches!(given.verified(), Err(Worthless::Chain(_))));
}

/// EVD-63: of the answer as much as leads to the trusted root, in the order of the chain.
#[test]
fn what_else_an_authority_answers_is_not_kept() {
    let mut given = Given::new();
    let mut between = Vec::new();
    for number in 0..3 {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, format!("issuer {number}"));
        let key = KeyPair::generate().unwrap();
        let certificate = authority.signed_by(&key, &given.issuer).unwrap();
        between.push(Certificate::from_der(certificate.der()).unwrap());
        // The last one has the name of none, and nobody is issued by it.
        if number < 2 {
            given.issuer = Issuer::new(authority, key);
        }
    }
    given.others = between.clone();
    let issued = given.verified().unwrap();
    let root = given.root.authorities[0].certificates[0].clone();
    let [far, near, _] = between.try_into().unwrap();
    assert_eq!(issued.chain, [near, far, root]);
}

/// EVD-64
#[test]
fn a_log_of_the_trusted_root_promises_to_show_the_certificate() {
    let mut given = Given::new();
    let root = include_bytes!("../../../testdata/proof/trust/cosign3/trusted-root.json");
    given.root.ct_logs = TrustedRoot::parse(root).unwrap().ct_logs;
    let outcome = given.verified();
    assert!(matches!(outcome, Err(Worthless::Promise(SctError::Absent))));
    // Logs that are listed, by keys that nothing here verifies.
    given.root.ct_logs = Some(Vec::new());
    let promises = CustomExtension::from_oid_content(&PROMISES, promise());
    given.leaf.custom_extensions.push(promises);
    let outcome = given.verified();
    let promise = outcome.map(|_| ()).unwrap_err();
    assert!(
        matches!(promise, Worthless::Promise(SctError::Untrusted)),
        "{promise}"
    );
}
