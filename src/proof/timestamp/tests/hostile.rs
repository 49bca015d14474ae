//! Answers that are wrong in one thing.

use super::*;

/// EVD-21
#[test]
fn an_answer_to_another_question_is_refused() {
    assert_refused(|_, one| one.imprint[0] ^= 1, "of something else");
    assert_refused(|_, one| one.imprint.clear(), "of something else");
    let nonces = [
        None,
        Some(vec![]),
        Some(vec![7]),
        Some((NONCE + 1).to_be_bytes().to_vec()),
        Some([&[0], &NONCE.to_be_bytes()[..]].concat()),
    ];
    for nonce in nonces {
        assert_refused(
            |_, one| one.nonce.clone_from(&nonce),
            "its nonce is not ours",
        );
    }
}

/// EVD-20
#[test]
fn an_imprint_by_sha1_is_refused() {
    assert_refused(|_, one| one.hash = SHA1, "the algorithm 1.3.14.3.2.26");
    assert_refused(|_, one| one.digest = SHA1, "the algorithm 1.3.14.3.2.26");
    assert_refused(|_, one| one.algorithm = SHA256_ID, "the algorithm 2.16.840");
}

#[test]
fn an_authority_that_refuses_is_quoted_apart() {
    let mut recipe = recipe();
    (recipe.status, recipe.words) = (2, Some("no \u{1b}[31mtime".to_owned()));
    let error = verified(&Authority::new(), &recipe).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the authority did not stamp it: status 2"
    );
    let TimestampError::Refused { words, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(words, "no \u{1b}[31mtime");
}

/// EVD-21
#[test]
fn one_signer_signs_a_time() {
    for signers in [0, 2, 3] {
        let words = format!("has {signers} signers");
        assert_refused(|_, one| one.signers = signers, &words);
    }
    assert_refused(|_, one| one.content_type = DATA, "is no time");
    assert_refused(|_, one| one.attribute_type = DATA, "attribute contentType");
    assert_refused(|_, one| one.version = 2, "version 2, not 1");
    assert_refused(
        |_, one| one.time = "203006011200Z".to_owned(),
        "no RFC 3161",
    );
}

/// EVD-21
#[test]
fn what_is_signed_is_what_is_said() {
    let wrong = "attribute messageDigest";
    assert_refused(|_, one| one.message_digest = Some(vec![7; 32]), wrong);
    assert_refused(|_, one| one.message_digest = Some(vec![]), wrong);
    assert_refused(
        |_, one| one.is_signature_right = false,
        "signature is wrong",
    );
    assert_refused(
        |_, one| {
            let id = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
            one.more.push(attribute(&id, &der(0x04, &[&[7; 32]])));
        },
        wrong,
    );
}

/// EVD-25
#[test]
fn the_certificate_is_named_by_the_signer() {
    assert_refused(
        |_, one| one.certificate = Named::Wrongly,
        "another certificate",
    );
    assert_refused(
        |_, one| one.certificate = Named::BySerialOfAnother,
        "another certificate",
    );
    assert_refused(|_, one| one.certificate = Named::BySha1, "by SHA-1");
    assert_refused(
        |_, one| one.certificate = Named::Not,
        "signingCertificateV2",
    );
}

#[test]
fn a_signing_time_outside_the_certificate_is_refused() {
    let outside = |_: &Authority, one: &mut Recipe| {
        one.signing_time = Some("000601120000Z".to_owned());
    };
    assert_refused(outside, "attribute signingTime");
}

#[test]
fn certificates_that_are_none_are_refused() {
    assert_refused(
        |_, one| one.certificates = vec![vec![0x30, 0]],
        "cannot be read",
    );
    assert_refused(
        |authority, one| one.certificates = authority.certificates[1..].to_vec(),
        "neither in it nor in the trusted root",
    );
}

#[test]
fn lengths_that_are_lies_are_refused() {
    let known = [of(&Authority::new())];
    let check = |bytes: &[u8]| verify_bytes(bytes, MESSAGE, None, &known);
    for bytes in [
        &[][..],
        &[0x30],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x80, 0x00, 0x00],
        &[0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x03, 0x02, 0x01, 0x00],
        &[0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00],
    ] {
        assert!(
            matches!(check(bytes), Err(TimestampError::Malformed)),
            "{bytes:x?}"
        );
    }
    let long = vec![0x30; MAX_LENGTH + 1];
    assert!(matches!(check(&long), Err(TimestampError::TooLong)));
    // Nothing here recurses.
    let mut deep = Vec::new();
    for _ in 0..2000 {
        deep = der(0x30, &[&deep]);
    }
    assert!(check(&deep).is_err());
}
