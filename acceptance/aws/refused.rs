//! Bad input and bad answers: each ends with its code and its remedy, and
//! nothing is written.

use serde_json::json;

use super::{Scene, key};
use crate::support::images::{Document, Image};
use crate::support::registry::{Action, Answer, When};
use crate::support::services::aws::{Aws, JWT, USER};
use crate::support::services::pair::Kind;
use crate::support::signer::Signer;

/// KEY-80
#[test]
fn a_uri_that_is_none_is_refused_with_its_place() {
    let (aws, scene) = (Aws::start(), Scene::new());
    for (uri, words) in [
        ("awskms://alias/team", "a third slash is missing"),
        ("awskms://alias/team", "awskms:///alias/NAME"),
        (
            "awskms://1234abcd-12ab-34cd-56ef-1234567890ab",
            "a third slash is missing",
        ),
        ("awskms:///", "it names no key"),
        ("awskms:///team", "neither an id, nor an alias"),
        ("awskms://u@h/alias/team", "no host before the key"),
    ] {
        let run = scene.signer(key(uri), &aws.environment()).run();
        run.ended_with(3).says(&[words, "cosign.toml:2:7"]);
    }
    let config = key("awskms:///alias/team").set("password", "p");
    let run = scene.signer(config, &aws.environment()).run();
    run.ended_with(3).says(&["not opened by a `password`"]);
    assert!(aws.service().recorded().is_empty());
    scene.registry.stored_nothing();
}

/// KEY-83
#[test]
fn a_key_that_cannot_sign_as_cosign_verifies_is_refused() {
    let secp256k1 = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZWfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==";
    for (public, words) in [
        (
            json!({ "KeyUsage": "ENCRYPT_DECRYPT", "SigningAlgorithms": null }),
            "`ENCRYPT_DECRYPT`",
        ),
        (
            json!({ "KeyUsage": "ENCRYPT_DECRYPT", "SigningAlgorithms": [] }),
            "`ENCRYPT_DECRYPT`",
        ),
        (json!({ "KeyUsage": "KEY_AGREEMENT" }), "`KEY_AGREEMENT`"),
        (
            json!({ "SigningAlgorithms": ["RSASSA_PSS_SHA_256"] }),
            "it signs with `RSASSA_PSS_SHA_256`, and not with `ECDSA_SHA_256`",
        ),
        (
            json!({ "PublicKey": secp256k1, "KeySpec": "ECC_SECG_P256K1" }),
            "`ECC_SECG_P256K1`",
        ),
        (
            json!({ "PublicKey": "AAAA", "KeySpec": "ML_DSA_65" }),
            "`ML_DSA_65`",
        ),
    ] {
        let (aws, scene) = (Aws::start(), Scene::new());
        aws.add_odd("team", Kind::P256, public.clone());
        let run = scene
            .signer(key("awskms:///alias/team"), &aws.environment())
            .run();
        run.ended_with(115).says(&[words, "awskms:///alias/team"]);
        assert_eq!(aws.count("Sign"), 0, "{public}");
        scene.registry.stored_nothing();
    }
}

fn fault(status: u16, code: &str, message: &str) -> Action {
    Action::Answer(Answer::json(
        status,
        &json!({ "__type": code, "message": message }),
    ))
}

/// KEY-87
#[test]
fn every_error_of_aws_has_its_code_and_its_remedy() {
    for (operation, code, message, exit, words) in [
        (
            "GetPublicKey",
            "AccessDeniedException",
            "no",
            113,
            "`kms:GetPublicKey` and `kms:Sign`",
        ),
        (
            "Sign",
            "AccessDeniedException",
            "no",
            113,
            "`kms:GetPublicKey` and `kms:Sign`",
        ),
        (
            "GetPublicKey",
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z",
            113,
            "set the clock of this machine",
        ),
        (
            "Sign",
            "InvalidSignatureException",
            "Signature not yet current: 20260101T000000Z",
            113,
            "set the clock of this machine",
        ),
        (
            "GetPublicKey",
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            113,
            "does not belong to the access key",
        ),
        (
            "GetPublicKey",
            "UnrecognizedClientException",
            "x",
            113,
            "give new credentials",
        ),
        (
            "GetPublicKey",
            "NotFoundException",
            "x",
            115,
            "compare `AWS_REGION`",
        ),
        (
            "GetPublicKey",
            "DisabledException",
            "x is disabled",
            115,
            "x is disabled",
        ),
        (
            "Sign",
            "KMSInvalidStateException",
            "pending deletion",
            115,
            "pending deletion",
        ),
        (
            "GetPublicKey",
            "UnsupportedOperationException",
            "x",
            115,
            "`SIGN_VERIFY`",
        ),
        ("Sign", "ValidationException", "odd", 112, "odd"),
    ] {
        let (aws, scene) = (Aws::start(), Scene::new());
        aws.add("team", Kind::P256);
        let when = When::every("POST", format!("TrentService.{operation}"));
        aws.service().inject(when, fault(400, code, message));
        let run = scene
            .signer(key("awskms:///alias/team"), &aws.environment())
            .run();
        let named = ["awskms:///alias/team", code, words];
        run.ended_with(exit).says(&named);
        scene.registry.stored_nothing();
    }
}

/// KEY-87
#[test]
fn a_service_that_throttles_is_asked_again() {
    let (aws, scene) = (Aws::start(), Scene::new());
    let public = aws.add("team", Kind::P256);
    let throttled = || fault(400, "ThrottlingException", "Rate exceeded");
    for (operation, action) in [
        ("GetPublicKey", throttled()),
        ("Sign", throttled()),
        ("Sign", fault(500, "KMSInternalException", "")),
    ] {
        let when = When::first("POST", format!("TrentService.{operation}"));
        aws.service().inject(when, action);
    }
    let signer = || scene.signer(key("awskms:///alias/team"), &aws.environment());
    signer().run().succeeded();
    scene.verify(&public, "legacy");
    assert_eq!(aws.count("GetPublicKey"), 2);
    let (aws, scene) = (Aws::start(), Scene::new());
    aws.add("team", Kind::P256);
    aws.service()
        .inject(When::every("POST", "TrentService.Sign"), throttled());
    let signer = scene.signer(key("awskms:///alias/team"), &aws.environment());
    let run = signer.arguments(&["-retry-budget", "1s"]).run();
    run.ended_with(111).says(&["ThrottlingException"]);
    scene.registry.stored_nothing();
}

/// KEY-36, KEY-82
#[test]
fn a_signature_of_another_key_is_not_used() {
    let (aws, scene) = (Aws::start(), Scene::new());
    aws.add("team", Kind::P256);
    aws.swap("team");
    let run = scene
        .signer(key("awskms:///alias/team"), &aws.environment())
        .run();
    run.ended_with(112).says(&["does not accept the signature"]);
    scene.registry.stored_nothing();
}

/// KEY-83
#[test]
fn a_message_that_is_too_long_is_not_sent() {
    let (aws, scene) = (Aws::start(), Scene::new());
    aws.add("team", Kind::Ed25519);
    let long = format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","x":"{}"}}"#,
        "y".repeat(5000)
    );
    let image = Image::with_documents(&[Document::new("layers/sbom/launch/sbom.cdx.json", long)]);
    image.seed(&scene.registry);
    scene.registry.forget_exchanges();
    let signer = Signer::of(&image, scene.registry.host()).config(key("awskms:///alias/team"));
    let signer = aws
        .environment()
        .iter()
        .fold(signer, |signer, (name, value)| {
            signer.environment(name, value)
        });
    let run = signer.run().ended_with(112);
    run.says(&["longer than the 4096 bytes", "ECDSA or RSA key"]);
    assert_eq!((aws.count("GetPublicKey"), aws.count("Sign")), (1, 0));
    scene.registry.stored_nothing();
}

/// KEY-87
#[test]
fn an_answer_that_is_none_is_told() {
    for (operation, body) in [
        ("GetPublicKey", json!({})),
        ("GetPublicKey", json!({ "KeyId": "a", "PublicKey": "!" })),
        ("Sign", json!({ "Signature": "!" })),
        ("Sign", json!({ "Signature": "" })),
        ("Sign", json!([])),
    ] {
        let (aws, scene) = (Aws::start(), Scene::new());
        aws.add("team", Kind::P256);
        let when = When::every("POST", format!("TrentService.{operation}"));
        aws.service()
            .inject(when, Action::Answer(Answer::json(200, &body)));
        let run = scene
            .signer(key("awskms:///alias/team"), &aws.environment())
            .run();
        run.ended_with(112).says(&["the answer cannot be used"]);
        scene.registry.stored_nothing();
    }
}

/// KEY-85
#[test]
fn a_role_that_nobody_may_take_is_told() {
    let (aws, scene) = (Aws::start(), Scene::new());
    aws.add("team", Kind::P256);
    let jwt = scene.folder.path().join("jwt");
    std::fs::write(&jwt, "eyJub3QiOiJ0aGUgcmlnaHQgb25lIn0.canary.c2ln").unwrap();
    let run = scene
        .signer(
            key("awskms:///alias/team"),
            &[
                ("AWS_ENDPOINT_URL", aws.service().url()),
                ("AWS_REGION", "eu-west-1".to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", jwt.display().to_string()),
                (
                    "AWS_ROLE_ARN",
                    "arn:aws:iam::123456789012:role/signer".to_owned(),
                ),
            ],
        )
        .run();
    let run = run.ended_with(113).says(&["AccessDenied", "trust policy"]);
    run.does_not_say(&["canary", USER[1]]);
    scene.registry.stored_nothing();
}

/// KEY-81
#[test]
fn no_redirect_leads_a_signed_request_elsewhere() {
    let (aws, other, scene) = (Aws::start(), Aws::start(), Scene::new());
    for aws in [&aws, &other] {
        aws.add("team", Kind::P256);
    }
    let to = format!("{}/", other.service().url());
    for status in [302, 307, 308] {
        let redirect = Answer::new(status).with("location", to.clone());
        let when = When::first("POST", "TrentService.GetPublicKey");
        aws.service().inject(when, Action::Answer(redirect));
        let signer = scene.signer(key("awskms:///alias/team"), &aws.environment());
        let run = signer.run().ended_with(112);
        run.says(&["unexpected status 30"]);
    }
    assert!(other.service().recorded().is_empty());
    scene.registry.stored_nothing();
}

/// KEY-87
#[test]
fn who_gives_roles_is_asked_again_when_it_throttles() {
    let (aws, scene) = (Aws::start(), Scene::new());
    let public = aws.add("team", Kind::P256);
    let xml = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message>\
               </Error></ErrorResponse>";
    let throttled = Answer::new(400).body("text/xml", xml);
    aws.service()
        .inject(When::first("POST", "/"), Action::Answer(throttled));
    let jwt = scene.folder.path().join("jwt");
    std::fs::write(&jwt, JWT).unwrap();
    let role = "arn:aws:iam::123456789012:role/signer";
    let environment = [
        ("AWS_ENDPOINT_URL", aws.service().url()),
        ("AWS_REGION", "eu-west-1".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", jwt.display().to_string()),
        ("AWS_ROLE_ARN", role.to_owned()),
    ];
    scene
        .signer(key("awskms:///alias/team"), &environment)
        .run()
        .succeeded();
    scene.verify(&public, "legacy");
    assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 2);
}
