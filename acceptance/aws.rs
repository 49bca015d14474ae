//! Keys in AWS KMS: what they sign, both majors of cosign verify; a second run
//! asks for no signature. The stand-in counts and fails as AWS does; the
//! emulators and moto of `make services` keep it honest.

mod refused;
mod sources;

use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::cosign::{BOTH, Cosign, Printed};
use crate::support::elsewhere;
use crate::support::images::{Document, Image};
use crate::support::needs::{Need, is_here};
use crate::support::registry::{Registry, Settings, Switch};
use crate::support::services::Service;
use crate::support::services::aws::Aws;
use crate::support::services::kms::{Emulator, Kms};
use crate::support::services::moto::Moto;
use crate::support::services::pair::Kind;
use crate::support::signer::{Config, Signer};

/// A registry with an image of two documents, and a folder for public keys.
struct Scene {
    registry: Registry,
    image: Image,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let registry = Registry::with(Settings {
            referrers: Switch::On,
            ranges: Switch::On,
            ..Settings::default()
        });
        let bom =
            |n: u32| format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":{n}}}"#);
        let image = Image::with_documents(&[
            Document::new("layers/sbom/launch/sbom.cdx.json", bom(1)),
            Document::new("layers/sbom/launch/a/sbom.cdx.json", bom(2)),
        ]);
        image.seed(&registry);
        registry.forget_exchanges();
        Self {
            registry,
            image,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Signs by a key in `environment`.
    fn signer(&self, config: Config, environment: &[(&str, String)]) -> Signer {
        let signer = Signer::of(&self.image, self.registry.host()).config(config);
        environment.iter().fold(signer, |signer, (name, value)| {
            signer.environment(name, value)
        })
    }

    /// Writes a public key; its path without the ending.
    fn public(&self, pem: &str) -> PathBuf {
        let path = self.folder.path().join("public");
        std::fs::write(path.with_extension("pub"), pem).unwrap();
        path
    }

    /// Verifies all that hangs on the image.
    fn verify(&self, pem: &str, format: &str) {
        elsewhere::verified(&self.registry, &self.image, pem, format, None);
    }

    /// `verify` of one major with another digest than SHA-256.
    fn verify_digest(&self, cosign: Cosign, pem: &str, hash: Option<&str>) -> Printed {
        let key = self.public(pem).with_extension("pub").display().to_string();
        let reference = self.image.reference(self.registry.host());
        let mut arguments = vec!["verify", "--key", &key, "--insecure-ignore-tlog"];
        arguments.push("--allow-insecure-registry");
        if let Some(hash) = hash {
            arguments.extend(["--signature-digest-algorithm", hash]);
        }
        arguments.push(&reference);
        cosign.run(&arguments, &[])
    }
}

fn key(uri: &str) -> Config {
    Config::none().set("key", uri)
}

/// KEY-82, KEY-83, KEY-86
#[test]
fn each_message_is_signed_once_and_never_again() {
    for kind in [Kind::P256, Kind::Rsa2048, Kind::Ed25519] {
        for format in ["legacy", "bundle", "both"] {
            let (aws, scene) = (Aws::start(), Scene::new());
            let public = aws.add("team", kind);
            let config = key("awskms:///alias/team").set("format", format);
            let signer = || scene.signer(config.clone(), &aws.environment());
            let run = signer().run().succeeded();
            assert!(run.warnings().is_empty(), "{}", run.stdout);
            scene.verify(&public, format);
            // The image's payload, and in a bundle its statement; two documents.
            let messages = if format == "both" { 4 } else { 3 };
            assert_eq!(
                (aws.count("GetPublicKey"), aws.count("Sign")),
                (1, messages)
            );
            for one in aws.service().asked("*", "Sign") {
                assert_eq!(one.json()["KeyId"], aws.arn("team"));
            }
            aws.service().forget();
            scene.registry.forget_exchanges();
            signer().run().succeeded();
            assert_eq!((aws.count("GetPublicKey"), aws.count("Sign")), (1, 0));
            assert!(scene.registry.exchanges().puts().is_empty(), "{format}");
        }
    }
}

/// KEY-83, KEY-84
#[test]
fn of_keys_with_one_hash_alone_a_warning_names_the_flag_of_verifiers() {
    for (kind, hash) in [(Kind::P384, "sha384"), (Kind::P521, "sha512")] {
        let (aws, scene) = (Aws::start(), Scene::new());
        let public = aws.add("team", kind);
        let uri = format!("awskms:///{}", aws.arn("team"));
        let run = scene
            .signer(key(&uri), &aws.environment())
            .run()
            .succeeded();
        let flag = format!("--signature-digest-algorithm {hash}");
        let warnings = run.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(&flag), "{warnings:?}");
        for cosign in BOTH {
            scene.verify_digest(cosign, &public, Some(hash)).accepted();
            scene.verify_digest(cosign, &public, None).refused();
        }
    }
}

/// KEY-82
#[test]
fn an_alias_that_moves_changes_nothing_for_this_run() {
    let (aws, scene) = (Aws::start(), Scene::new());
    let public = aws.add("team", Kind::P256);
    aws.add("other", Kind::P256);
    let arn = aws.arn("team");
    let moving = aws.clone();
    aws.service().inject(
        crate::support::registry::When::first("POST", "TrentService.Sign"),
        crate::support::registry::Action::unless(move || {
            moving.point("team", "other");
            None
        }),
    );
    let signer = scene.signer(key("awskms:///alias/team"), &aws.environment());
    signer.run().succeeded();
    scene.verify(&public, "legacy");
    for one in aws.service().asked("*", "Sign") {
        assert_eq!(one.json()["KeyId"], arn);
    }
}

/// KEY-85
#[test]
fn two_keys_and_a_registry_share_what_vouches_for_them() {
    let (aws, scene) = (Aws::start(), Scene::new());
    let file = scene.folder.path().join("jwt");
    std::fs::write(&file, crate::support::services::aws::JWT).unwrap();
    for alias in ["a", "b"] {
        aws.add(alias, Kind::P256);
    }
    let signer = Signer::of(&scene.image, scene.registry.host())
        .config(key("awskms:///alias/a"))
        .config(key("awskms:///alias/b"));
    let signer = signer
        .environment("AWS_ENDPOINT_URL", &aws.service().url())
        .environment("AWS_REGION", "eu-west-1")
        .environment("AWS_WEB_IDENTITY_TOKEN_FILE", &file.display().to_string())
        .environment("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/signer");
    signer.run().succeeded();
    assert_eq!(aws.count("AssumeRoleWithWebIdentity"), 1);
    assert_eq!((aws.count("GetPublicKey"), aws.count("Sign")), (2, 6));
}

/// KEY-83
#[test]
fn both_emulators_of_aws_sign_what_both_cosigns_verify() {
    for emulator in Emulator::ALL {
        if is_here(Need::Service(emulator.service())) {
            let kms = Kms::start(emulator);
            let mut specs = vec!["ECC_NIST_P256", "RSA_2048"];
            if emulator == Emulator::Ministack {
                specs.push("ECC_NIST_EDWARDS25519");
            }
            for (number, spec) in specs.into_iter().enumerate() {
                let scene = Scene::new();
                let arn = kms.create_key(spec);
                let alias = format!("k{number}");
                kms.create_alias(&alias, &arn);
                let uri = format!("awskms:///alias/{alias}");
                let environment = kms.environment();
                let signer = || scene.signer(key(&uri), &environment);
                signer().run().succeeded();
                let public = pem(&kms.public_key(&arn));
                scene.verify(&public, "legacy");
                if spec == "ECC_NIST_P256" {
                    let reference = scene.image.reference(scene.registry.host());
                    let environment: Vec<_> = environment
                        .iter()
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    for cosign in BOTH {
                        cosign.verify_by(&uri, &reference, &environment).accepted();
                    }
                }
                scene.registry.forget_exchanges();
                signer().run().succeeded();
                assert!(scene.registry.exchanges().puts().is_empty(), "{spec}");
            }
        }
    }
}

fn pem(der: &[u8]) -> String {
    pem_rfc7468::encode_string("PUBLIC KEY", pem_rfc7468::LineEnding::LF, der).unwrap()
}

/// Moto checks each signature, and hashes digests once more: a run that comes as
/// far as to find that out was believed five times.
///
/// KEY-81, KEY-85
#[test]
fn moto_believes_our_signatures_and_those_of_roles() {
    if is_here(Need::Service(Service::Moto)) {
        let moto = Moto::start();
        let user = moto.user("robot");
        let role = moto.role("signer");
        let uri = format!("awskms:///{}", moto.create_key("ECC_NIST_P256"));
        moto.judge();
        let scene = Scene::new();
        let [id, secret] = &user;
        let ask = |environment: &[(&str, String)]| scene.signer(key(&uri), environment).run();
        let believed = "does not accept the signature";
        ask(&moto.environment(&user))
            .ended_with(112)
            .says(&[believed]);
        ask(&moto.environment(&[id.clone(), "wrong".to_owned()])).ended_with(113);
        let files = scene.folder.path();
        let file = files.join("config");
        let text = format!(
            "[profile user]\naws_access_key_id={id}\naws_secret_access_key={secret}\n\
             [profile role]\nrole_arn={role}\nsource_profile=user\nregion=eu-west-1\n"
        );
        std::fs::write(&file, text).unwrap();
        ask(&[
            ("AWS_ENDPOINT_URL", moto.url()),
            ("AWS_CONFIG_FILE", file.display().to_string()),
            ("AWS_PROFILE", "role".to_owned()),
        ])
        .ended_with(112)
        .says(&[believed]);
        scene.registry.stored_nothing();
    }
}
