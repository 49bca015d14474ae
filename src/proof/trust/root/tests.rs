use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn fixture(name: &str) -> Vec<u8> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata/proof/trust"]
        .iter()
        .collect();
    fs::read(folder.join(name)).unwrap()
}

fn made_by_cosign() -> Value {
    serde_json::from_slice(&fixture("cosign3/trusted-root.json")).unwrap()
}

fn parsed(root: &Value) -> Result<TrustedRoot, TrustedRootError> {
    TrustedRoot::parse(root.to_string().as_bytes())
}

#[test]
fn the_root_of_the_public_instance_is_read() {
    let root = TrustedRoot::parse(&fixture("public-good/trusted_root.json")).unwrap();
    let logs: Vec<_> = root.logs.iter().map(|log| &*log.base_url).collect();
    assert_eq!(
        logs,
        [
            "https://rekor.sigstore.dev",
            "https://log2025-1.rekor.sigstore.dev"
        ]
    );
    let kinds: Vec<_> = root.logs.iter().map(|log| log.key.kind()).collect();
    assert_eq!(kinds, [KeyKind::P256, KeyKind::Ed25519]);
    // The identifier of a v1 log is the digest of its key.
    assert_eq!(
        root.logs[0].id,
        root.logs[0].key.public_key().sha256().to_vec()
    );
    let chains: Vec<_> = root
        .authorities
        .iter()
        .map(|a| a.certificates.len())
        .collect();
    assert_eq!(chains, [1, 2]);
    let end = "2022-12-31T23:59:59.999Z".parse().unwrap();
    assert_eq!(root.authorities[0].valid.end, Some(end));
    assert_eq!(root.authorities[1].valid.end, None);
    assert_eq!(root.ct_logs.unwrap().len(), 2);
    assert_eq!(root.timestamp_authorities.len(), 1);
}

#[test]
fn every_kind_of_key_that_cosign_writes_is_read() {
    let root = parsed(&made_by_cosign()).unwrap();
    let kinds: Vec<_> = root.logs.iter().map(|log| log.key.kind()).collect();
    assert_eq!(kinds, [KeyKind::P256, KeyKind::Ed25519, KeyKind::Rsa]);
    let ct_log = &root.ct_logs.unwrap()[0];
    assert_eq!(
        (ct_log.key.kind(), ct_log.hash),
        (KeyKind::P384, Hash::Sha384)
    );
    assert_eq!(root.authorities[0].certificates.len(), 2);
    assert_eq!(
        root.timestamp_authorities[0].url,
        "http://tsa.local/api/v1/timestamp"
    );
}

/// EVD-50
#[test]
fn versions_are_told_by_the_media_type() {
    for (media_type, is_read) in [
        ("application/vnd.dev.sigstore.trustedroot.v0.1+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.2+json", true),
        ("application/vnd.dev.sigstore.trustedroot.v0.3+json", false),
        (
            "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
            false,
        ),
        ("", false),
    ] {
        let mut root = made_by_cosign();
        root["mediaType"] = json!(media_type);
        let error = TrustedRootError::MediaType(media_type.to_owned());
        match is_read {
            true => assert!(parsed(&root).is_ok(), "{media_type}"),
            false => assert_eq!(parsed(&root), Err(error)),
        }
    }
}

#[test]
fn a_root_of_version_0_2_has_ids_of_checkpoints_and_operators() {
    let mut root = made_by_cosign();
    root["tlogs"][0]["checkpointKeyId"] = json!({"keyId": "AQIDBA=="});
    root["tlogs"][0]["operator"] = json!("example.com");
    root["tlogs"][1]["logId"] = Value::Null;
    root["tlogs"][1]["checkpoint_key_id"] = json!({"key_id": "AQIDBA"});
    let root = parsed(&root).unwrap();
    assert_eq!(
        root.logs[0].checkpoint_id.as_deref(),
        Some(&[1, 2, 3, 4][..])
    );
    assert_eq!(root.logs[0].operator.as_deref(), Some("example.com"));
    assert_ne!(root.logs[0].id, [1, 2, 3, 4]);
    assert_eq!(root.logs[1].id, [1, 2, 3, 4]);
}

/// EVD-51
#[test]
fn what_it_takes_to_trust_somebody_is_missed() {
    for (list, pointer, member) in [
        (
            "tlogs",
            "/publicKey/validFor/start",
            "publicKey.validFor.start",
        ),
        ("ctlogs", "/publicKey/validFor", "publicKey.validFor.start"),
        ("tlogs", "/publicKey/rawBytes", "publicKey.rawBytes"),
        ("tlogs", "/publicKey/keyDetails", "publicKey.keyDetails"),
        ("tlogs", "/publicKey", "publicKey"),
        ("tlogs", "/logId", "logId.keyId"),
        (
            "certificateAuthorities",
            "/certChain",
            "certChain.certificates",
        ),
        (
            "timestampAuthorities",
            "/certChain/certificates/1/rawBytes",
            "certChain.certificates",
        ),
    ] {
        let mut root = made_by_cosign();
        *root[list][0].pointer_mut(pointer).unwrap() = Value::Null;
        let path = JsonPath { list, index: 0 };
        assert_eq!(
            parsed(&root),
            Err(TrustedRootError::Missing { path, member })
        );
    }
}

#[test]
fn an_authority_may_have_no_start() {
    let mut root = made_by_cosign();
    root["certificateAuthorities"][0]["validFor"] = Value::Null;
    assert_eq!(
        parsed(&root).unwrap().authorities[0].valid,
        Validity::default()
    );
}

#[test]
fn keys_that_nothing_here_verifies_are_left_out() {
    for details in [json!("PKIX_ED25519_PH"), json!("ML_DSA_99"), json!(22)] {
        let mut root = made_by_cosign();
        root["tlogs"][1]["publicKey"]["keyDetails"] = details;
        assert_eq!(parsed(&root).unwrap().logs.len(), 2);
    }
    let mut root = made_by_cosign();
    root["tlogs"][1]["hashAlgorithm"] = json!("SHA2_512");
    assert_eq!(parsed(&root).unwrap().logs.len(), 2);
}

#[test]
fn a_damaged_key_and_one_of_another_kind_are_refused() {
    let path = JsonPath {
        list: "tlogs",
        index: 0,
    };
    let mut root = made_by_cosign();
    root["tlogs"][0]["publicKey"]["rawBytes"] = json!("AAAA");
    let source = KeyProblem::Damaged;
    assert_eq!(parsed(&root), Err(TrustedRootError::Key { path, source }));
    let mut root = made_by_cosign();
    root["tlogs"][0]["publicKey"]["keyDetails"] = json!(7);
    assert_eq!(parsed(&root), Err(TrustedRootError::OtherKey { path }));
}

#[test]
fn a_damaged_certificate_is_refused() {
    let path = JsonPath {
        list: "timestampAuthorities",
        index: 0,
    };
    let mut root = made_by_cosign();
    let chain = &mut root["timestampAuthorities"][0]["certChain"];
    chain["certificates"][0]["rawBytes"] = json!("AAAA");
    let source = CertificateError::Malformed;
    assert_eq!(
        parsed(&root),
        Err(TrustedRootError::Certificate { path, source })
    );
}

#[test]
fn an_rsa_key_may_be_written_as_pkcs1() {
    use pkcs8::der::Decode as _;
    let whole = parsed(&made_by_cosign()).unwrap();
    let der = whole.logs[2].key.public_key().as_der().to_vec();
    let info = SubjectPublicKeyInfoRef::from_der(&der).unwrap();
    let bits = info.subject_public_key.as_bytes().unwrap();
    let mut root = made_by_cosign();
    let key = &mut root["tlogs"][2]["publicKey"];
    key["rawBytes"] = json!(base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        bits
    ));
    key["keyDetails"] = json!("PKCS1_RSA_PKCS1V5");
    assert_eq!(parsed(&root), Ok(whole));
}

#[test]
fn members_that_are_not_known_are_ignored_and_known_ones_come_once() {
    let mut root = made_by_cosign();
    root["future"] = json!([{"a": 1}]);
    root["tlogs"][0]["future"] = json!(true);
    assert!(parsed(&root).is_ok());
    root["timestamp_authorities"] = json!([]);
    assert!(matches!(parsed(&root), Err(TrustedRootError::Json { .. })));
}

#[test]
fn a_root_is_bounded() {
    let long = vec![b' '; MAX_LENGTH + 1];
    assert_eq!(TrustedRoot::parse(&long), Err(TrustedRootError::TooLong));
    let mut root = made_by_cosign();
    let log = root["tlogs"][0].clone();
    root["tlogs"] = vec![log; MAX_ENTRIES].into();
    assert_eq!(parsed(&root).unwrap().logs.len(), MAX_ENTRIES);
    let log = root["tlogs"][0].clone();
    root["tlogs"].as_array_mut().unwrap().push(log);
    assert_eq!(parsed(&root), Err(TrustedRootError::TooMany("tlogs")));
    assert!(matches!(
        TrustedRoot::parse(b"{"),
        Err(TrustedRootError::Json { .. })
    ));
}
