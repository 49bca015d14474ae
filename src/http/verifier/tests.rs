use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use serde::Deserialize;

use super::*;

/// A chain and Go's decision on it: `acceptance/tools/go-rules`.
#[derive(Deserialize)]
struct Situation {
    name: String,
    host: String,
    roots: Vec<String>,
    shown: Vec<String>,
    accepted: bool,
    #[serde(default)]
    words: String,
}

/// 2030-01-01, when Go judged.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_893_456_000));

/// Chains that Go accepts and `rustls-webpki` does not, each for a reason that
/// the specification gives. None the other way round.
const STRICTER: [&str; 10] = [
    "leaf: critical policies",
    "intermediate: critical policies",
    "name -a.example",
    "name a-.example",
    // The host's last dot is gone before it is compared.
    "name registry.example.",
    "constraint of a root allows as much as a wildcard, critical",
    "constraint of a root allows as much as a wildcard",
    "constraint of an intermediate allows as much as a wildcard",
    "constraint of an intermediate allows as much as a wildcard, leaf is an authority",
    "algorithm: rsa 1024 with sha-256",
];

fn situations() -> Vec<Situation> {
    let table = include_str!("../../../testdata/go-rules/certificates.json");
    serde_json::from_str(table).unwrap()
}

fn certificates(encoded: &[String]) -> Vec<CertificateDer<'static>> {
    let decoded = encoded.iter().map(|text| STANDARD.decode(text).unwrap());
    decoded.map(CertificateDer::from).collect()
}

fn judge(situation: &Situation) -> Result<(), CertificateError> {
    let provider = aws_lc_rs::default_provider();
    let verifier = CertificateVerifier::new(&certificates(&situation.roots), &provider);
    let shown = certificates(&situation.shown);
    let (leaf, others) = shown.split_first().unwrap();
    let Ok(host) = ServerName::try_from(situation.host.as_str()) else {
        // Not even a connection can be made.
        return Err(CertificateError::NotValidForName);
    };
    verifier.verify(leaf, others, &host, NOW)
}

/// SIG-60
#[test]
fn certificates_are_accepted_as_go_accepts_them() {
    let all = situations();
    assert!(all.len() > 200);
    let mut wrong = Vec::new();
    for situation in &all {
        let judged = judge(situation);
        let is_stricter = STRICTER.contains(&situation.name.as_str());
        if judged.is_ok() != (situation.accepted && !is_stricter) {
            let (name, host, words) = (&situation.name, &situation.host, &situation.words);
            let expected = situation.accepted;
            wrong.push(format!(
                "{name} ({host}): Go {expected} {words}, ours {judged:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// SIG-60
#[test]
fn a_certificate_that_is_cut_or_changed_anywhere_is_not_accepted() {
    let all = situations();
    for name in ["leaf: authority", "own root: authority"] {
        let situation = all.iter().find(|one| one.name == name).unwrap();
        assert!(judge(situation).is_ok());
        let shown = STANDARD.decode(&situation.shown[0]).unwrap();
        for length in 0..shown.len() {
            let cut = STANDARD.encode(&shown[..length]);
            let mut changed = shown.clone();
            changed[length] ^= 0x41;
            for bytes in [cut, STANDARD.encode(changed)] {
                let spoiled = Situation {
                    name: String::new(),
                    host: situation.host.clone(),
                    roots: situation.roots.clone(),
                    shown: vec![bytes],
                    accepted: false,
                    words: String::new(),
                };
                assert!(judge(&spoiled).is_err(), "{name}, {length}");
            }
        }
    }
}

#[test]
fn a_root_that_is_unfit_is_called_so() {
    let all = situations();
    let of = |name: &str| match judge(all.iter().find(|one| one.name == name).unwrap()) {
        Err(CertificateError::Other(OtherError(error))) => error.downcast_ref().copied(),
        _ => None,
    };
    assert_eq!(of("root: expired"), Some(UnfitRoot::Expired));
    assert_eq!(of("root: not yet valid"), Some(UnfitRoot::Expired));
    assert_eq!(of("root: no authority"), Some(UnfitRoot::MayNotSign));
    assert_eq!(of("root: for clients"), Some(UnfitRoot::MayNotSign));
    assert_eq!(of("leaf: for clients"), None);
}
