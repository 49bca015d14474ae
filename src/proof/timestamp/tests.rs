use sha2::{Digest as _, Sha256, Sha512};

use super::super::chain::{ChainError, Usage};
use super::super::trust::Validity;
use super::*;
use crate::support::timestamp_authority::{
    Authority, CODE_SIGNING, DATA, Leaf, Named, Recipe, SHA1, SHA256 as SHA256_ID, SHA512,
    TIME_STAMPING, attribute, der,
};

mod hostile;
mod real;

const MESSAGE: &[u8] = b"stamped";
const NONCE: u64 = 0x4000_0000_0000_0001;

fn certificates(pem: &[u8]) -> Vec<Certificate> {
    Certificate::from_file(pem).unwrap()
}

fn trusted(certificates: Vec<Certificate>) -> TimestampAuthority {
    TimestampAuthority {
        url: "https://tsa.example/api".to_owned(),
        certificates,
        valid: Validity::default(),
        operator: None,
    }
}

fn of(authority: &Authority) -> TimestampAuthority {
    let read = |der: &Vec<u8>| Certificate::from_der(der).unwrap();
    trusted(authority.certificates.iter().map(read).collect())
}

fn recipe() -> Recipe {
    Recipe {
        nonce: Some(NONCE.to_be_bytes().to_vec()),
        time: "20300601120000Z".to_owned(),
        ..Recipe::new(Sha256::digest(MESSAGE).to_vec())
    }
}

/// Verifies what an authority answers, which is all that is trusted.
fn verified(authority: &Authority, recipe: &Recipe) -> Result<Timestamp, TimestampError> {
    verified_by(&[of(authority)], authority, recipe)
}

fn verified_by(
    trusted: &[TimestampAuthority],
    authority: &Authority,
    recipe: &Recipe,
) -> Result<Timestamp, TimestampError> {
    let nonce = Some(Nonce::of_random(NONCE));
    verify_bytes(&authority.answer(recipe), MESSAGE, nonce, trusted)
}

/// Verifies an answer about bytes, by the hash that it names them by.
fn verify_bytes(
    response: &[u8],
    bytes: &[u8],
    nonce: Option<Nonce>,
    trusted: &[TimestampAuthority],
) -> Result<Timestamp, TimestampError> {
    let hash = imprint_hash(response)?;
    let digest = &digest(hash, bytes);
    Timestamp::verify(response, Stamped { hash, digest }, nonce, trusted)
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// Asserts that the answer with a change is refused, with these words.
fn assert_refused(change: impl Fn(&Authority, &mut Recipe), words: &str) {
    let authority = Authority::new();
    let mut recipe = recipe();
    change(&authority, &mut recipe);
    let error = verified(&authority, &recipe).unwrap_err();
    assert!(error.to_string().contains(words), "{error}, not {words}");
}

/// EVD-20: the bytes of cosign's own queries, with a nonce.
#[test]
fn a_query_has_a_nonce_of_eight_bytes_and_asks_for_the_certificate() {
    for bits in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
        let nonce = Nonce::of_random(bits);
        let query = Query::new([0xab; 32], nonce).to_der();
        assert_eq!(query.len(), 69);
        let head = "3043020101303130 0d06096086480165030402010500 0420".replace(' ', "");
        assert_eq!(hex::encode(&query[..24]), head);
        assert_eq!(query[24..56], [0xab; 32]);
        assert_eq!(query[56..58], [0x02, 8]);
        assert_eq!(query[58] & 0xc0, 0x40, "{bits:x}");
        assert_eq!(query[66..], [0x01, 1, 0xff]);
    }
    let different = [0, 1].map(Nonce::of_random);
    assert_ne!(different[0], different[1]);
}

/// EVD-21
#[test]
fn a_right_answer_says_when_and_by_whom() {
    let authority = Authority::new();
    for certificates in [0, 1, 3] {
        let mut recipe = recipe();
        recipe.certificates = authority.certificates[..certificates].to_vec();
        let answer = authority.answer(&recipe);
        let timestamp = verify_bytes(&answer, MESSAGE, None, &[of(&authority)]).unwrap();
        assert_eq!(timestamp.time, at("2030-06-01T12:00:00Z"));
        assert_eq!(timestamp.authority, "https://tsa.example/api");
        assert_eq!(timestamp.response, answer);
        verified(&authority, &recipe).unwrap();
    }
    let mut recipe = recipe();
    recipe.status = 1;
    recipe.certificate = Named::Fully;
    recipe.signing_time = Some("300601120000Z".to_owned());
    verified(&authority, &recipe).unwrap();
}

/// EVD-20: of our own questions by SHA-256 alone.
#[test]
fn an_answer_is_about_the_digest_that_was_asked_by_its_hash() {
    let authority = Authority::new();
    let (right, wrong) = (Sha256::digest(MESSAGE).into(), [0; 32]);
    let sha512 = Sha512::digest(MESSAGE).to_vec();
    let of_others = Recipe {
        hash: SHA512,
        imprint: sha512.clone(),
        ..recipe()
    };
    let by_sha512 = Stamped {
        hash: Hash::Sha512,
        digest: &sha512,
    };
    for (recipe, stamped, holds) in [
        (recipe(), Stamped::sha256(&right), true),
        (recipe(), Stamped::sha256(&wrong), false),
        (recipe(), by_sha512, false),
        (of_others.clone(), by_sha512, true),
        (of_others, Stamped::sha256(&right), false),
    ] {
        let answer = authority.answer(&recipe);
        let verified = Timestamp::verify(&answer, stamped, None, &[of(&authority)]);
        match verified {
            Ok(_) => assert!(holds),
            Err(TimestampError::OtherMessage) => assert!(!holds),
            Err(error) => panic!("{error}"),
        }
    }
}

/// EVD-21
#[test]
fn the_authority_that_signed_is_found_among_others() {
    let (ours, other) = (Authority::new(), Authority::new());
    let mut known = of(&ours);
    known.url = "https://ours.example".to_owned();
    let both = [of(&other), known.clone()];
    let timestamp = verified_by(&both, &ours, &recipe()).unwrap();
    assert_eq!(timestamp.authority, "https://ours.example");
    // An authority whose time is over says more than one that did not sign.
    known.valid.end = Some(at("2030-06-01T11:59:59Z"));
    let error = verified_by(&[of(&other), known], &ours, &recipe()).unwrap_err();
    assert!(matches!(error, TimestampError::Outside(_)), "{error}");
}

/// EVD-22
#[test]
fn answers_by_nobody_who_is_trusted_are_refused() {
    let (ours, other) = (Authority::new(), Authority::new());
    let mut with_chain = recipe();
    with_chain.certificates = ours.certificates.clone();
    for recipe in [recipe(), with_chain] {
        for trusted in [
            vec![],
            vec![of(&other)],
            vec![of(&other), of(&other)],
            vec![trusted(of(&other).certificates.split_off(1))],
        ] {
            let count = trusted.len();
            let error = verified_by(&trusted, &ours, &recipe).unwrap_err();
            let is_expected = match count {
                0 => matches!(error, TimestampError::NoAuthority),
                2 => {
                    // The same issuer and number, but another key.
                    matches!(
                        error,
                        TimestampError::Untrusted | TimestampError::OtherCertificate
                    )
                }
                _ => true,
            };
            assert!(is_expected, "{error:?}");
        }
    }
}

/// EVD-22: the leaf of the trusted root is the only one that may sign.
#[test]
fn another_signer_of_the_same_authority_is_refused_where_the_root_has_one() {
    let authority = Authority::new();
    let mut recipe = recipe();
    recipe.certificates = authority.certificates[..1].to_vec();
    let mut known = of(&authority);
    known.certificates.remove(0);
    verified_by(std::slice::from_ref(&known), &authority, &recipe).unwrap();
    let other = Authority::new();
    known
        .certificates
        .insert(0, of(&other).certificates.remove(0));
    let error = verified_by(&[known], &authority, &recipe).unwrap_err();
    assert!(matches!(error, TimestampError::OtherSigner), "{error}");
}

/// EVD-23
#[test]
fn an_authority_is_trusted_at_both_ends_of_its_time() {
    let authority = Authority::new();
    let time = at("2030-06-01T12:00:00Z");
    let second = jiff::SignedDuration::from_secs(1);
    let verify = |start, end| {
        let mut known = of(&authority);
        known.valid = Validity { start, end };
        verified_by(&[known], &authority, &recipe())
    };
    assert!(verify(Some(time), Some(time)).is_ok());
    for (start, end) in [(Some(time + second), None), (None, Some(time - second))] {
        let error = verify(start, end).unwrap_err();
        assert!(
            matches!(error, TimestampError::Outside(at) if at == time),
            "{error}"
        );
    }
}

/// EVD-23: at the time that it says, whenever that is read.
#[test]
fn certificates_are_valid_at_the_time_of_the_timestamp() {
    for (years, is_valid) in [
        ((2020, 2035), true),
        ((2030, 2031), true),
        ((2020, 2030), false),
    ] {
        let authority = Authority::with(&Leaf {
            years,
            ..Leaf::default()
        });
        assert_eq!(
            verified(&authority, &recipe()).is_ok(),
            is_valid,
            "{years:?}"
        );
    }
}

/// EVD-24
#[test]
fn only_certificates_for_time_stamping_alone_may_stamp() {
    let leaf = |change: fn(&mut Leaf)| {
        let mut leaf = Leaf::default();
        change(&mut leaf);
        let authority = Authority::with(&leaf);
        let mut with_certificate = recipe();
        with_certificate.certificates = authority.certificates[..1].to_vec();
        let verify = |recipe: &Recipe| verified(&authority, recipe);
        [verify(&recipe()), verify(&with_certificate)].map(Result::unwrap_err)
    };
    for change in [
        (|leaf| leaf.is_critical = false) as fn(&mut Leaf),
        |leaf| leaf.usages = vec![CODE_SIGNING],
        |leaf| leaf.usages = vec![TIME_STAMPING, CODE_SIGNING],
    ] {
        for error in leaf(change) {
            assert!(matches!(
                error,
                TimestampError::Chain(ChainError::Usage(Usage::TimeStamping))
            ));
        }
    }
    // An authority is no leaf, so that the trusted root names none.
    let [without, with] = leaf(|leaf| leaf.is_authority = true);
    assert!(matches!(without, TimestampError::NoCertificate));
    let is_authority = |error| matches!(error, TimestampError::Chain(ChainError::Authority));
    assert!(is_authority(with));
}

/// EVD-26: a certificate that had begun by then, and was not over.
#[test]
fn certificates_of_a_signer_have_to_be_valid_at_the_time() {
    let authority = Authority::new();
    let timestamp = verified(&authority, &recipe()).unwrap();
    let leaf = |years| {
        let other = Authority::with(&Leaf {
            years,
            ..Leaf::default()
        });
        of(&other).certificates.remove(0)
    };
    let chain = [leaf((2020, 2031)), leaf((2010, 2040))];
    timestamp.check_certificates(&chain).unwrap();
    for years in [(2020, 2030), (2031, 2040)] {
        let chain = [leaf((2020, 2031)), leaf(years)];
        let error = timestamp.check_certificates(&chain).unwrap_err();
        assert!(matches!(error, TimestampError::OutsideCertificate(_)));
    }
}
