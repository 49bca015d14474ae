//! Identities for Azure: each kind, its tokens, and hosts that get none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::stand_in::{ASSERTION, Azure, HEADER, SECRET, TENANT, TOKEN, refuse};
use super::{CANARIES, bare, key, signer, uri};
use crate::support::elsewhere::{seeded, verified, without_canaries};
use crate::support::registry::{Action, Answer, When};
use crate::support::services::pair::Kind;

/// A program that stands in for `az`, in a folder of its own.
fn az(folder: &Path, script: &str) -> String {
    let path = folder.join("az");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", folder.display())
}

/// KEY-104
#[test]
fn each_identity_signs_and_none_of_its_secrets_comes_out() {
    for identity in ["secret", "workload", "endpoint", "chosen", "machine", "az"] {
        let (registry, image) = seeded();
        let (azure, service) = Azure::serving("k", Kind::P256);
        let folder = tempfile::tempdir().unwrap();
        let config = key(&service, "k");
        let signer = match identity {
            "secret" => signer(&registry, &image, &service, config),
            "workload" => {
                let file = folder.path().join("token");
                std::fs::write(&file, format!("{ASSERTION}\n")).unwrap();
                signer(&registry, &image, &service, config)
                    .without_environment("AZURE_CLIENT_SECRET")
                    .environment("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap())
            }
            "endpoint" | "chosen" => {
                let signer = bare(&registry, &image, &service, config)
                    .environment("IDENTITY_ENDPOINT", &(service.url() + "/msi"))
                    .environment("IDENTITY_HEADER", HEADER);
                match identity {
                    "chosen" => signer.environment("AZURE_CLIENT_ID", "client-2"),
                    _ => signer,
                }
            }
            "machine" => bare(&registry, &image, &service, config)
                .without_environment("IDENTITY_ENDPOINT")
                .without_environment("IDENTITY_HEADER")
                .environment("AZURE_POD_IDENTITY_AUTHORITY_HOST", &service.url()),
            _ => {
                // The stand-in takes the token that it would have given.
                let body: serde_json::Value =
                    serde_json::from_slice(&azure.granted().body).unwrap();
                let printed = json!({
                    "accessToken": body["access_token"], "expires_on": 4_102_444_800_u64,
                });
                let expected = format!(
                    "account get-access-token --output json --resource {} --tenant {TENANT}",
                    service.url()
                );
                let script = format!("test \"$*\" = '{expected}' || exit 1\necho '{printed}'");
                let path = az(folder.path(), &script);
                bare(&registry, &image, &service, config).environment("PATH", &path)
            }
        };
        let (run, receipt) = without_canaries(signer, &CANARIES);
        run.succeeded();
        assert!(receipt.contains(&uri(&service, "k")), "{receipt}");
        verified(
            &registry,
            &image,
            &azure.public_key("k", "v1"),
            "legacy",
            None,
        );
    }
}

/// KEY-104
#[test]
fn a_machine_without_an_identity_leaves_the_turn_to_az_and_every_source_is_named() {
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    let folder = tempfile::tempdir().unwrap();
    let words = format!("echo 'Please run az login, not {SECRET}' >&2; exit 1");
    let path = az(folder.path(), &words);
    let without = || {
        bare(&registry, &image, &service, key(&service, "k"))
            .environment("IDENTITY_ENDPOINT", &(service.url() + "/msi"))
            .environment("IDENTITY_HEADER", HEADER)
            .environment("AZURE_CLIENT_ID", "nobody")
    };
    let run = without().environment("PATH", &path).run().ended_with(115);
    run.says(&[
        "AZURE_CLIENT_SECRET (not set), AZURE_FEDERATED_TOKEN_FILE (not set), IDENTITY_ENDPOINT (",
        "Identity not found",
        "az (it failed; it says `Please run az login",
        "or run `az login`",
    ]);
    without().run().ended_with(115).says(&["az (not in PATH)"]);
    let nobody = bare(&registry, &image, &service, key(&service, "k"));
    nobody
        .run()
        .ended_with(115)
        .says(&["IDENTITY_ENDPOINT (", "no credentials were found"]);
    registry.stored_nothing();
    assert!(service.asked("POST", "/sign").is_empty());
}

/// KEY-104
#[test]
fn no_redirect_leads_the_secret_of_a_machine_elsewhere() {
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    let (_, other) = Azure::serving("k", Kind::P256);
    for status in [302, 307] {
        let redirect = Answer::new(status).with("location", other.url() + "/msi");
        service.inject(When::every("GET", "/msi"), Action::Answer(redirect));
        bare(&registry, &image, &service, key(&service, "k"))
            .environment("IDENTITY_ENDPOINT", &(service.url() + "/msi"))
            .environment("IDENTITY_HEADER", HEADER)
            .run()
            .ended_with(115)
            .says(&["IDENTITY_ENDPOINT (", "unexpected status 30"]);
    }
    assert!(other.recorded().is_empty());
    registry.stored_nothing();
}

/// KEY-102
#[test]
fn a_vault_gets_no_token_that_is_for_another_host() {
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    for resource in [
        "https://management.azure.com",
        "https://vault.azure.net",
        "http://127.0.0.1",
    ] {
        let value = format!(
            r#"Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{resource}""#
        );
        let answer = Answer::new(401).with("www-authenticate", value);
        service.inject(When::every("GET", "/keys/"), Action::Answer(answer));
        signer(&registry, &image, &service, key(&service, "k"))
            .run()
            .ended_with(112);
        service.heal();
    }
    let asked = service.recorded();
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
    assert!(service.asked("POST", "/oauth2/").is_empty());
    registry.stored_nothing();
}

/// KEY-104
#[test]
fn a_token_that_is_refused_is_asked_for_again_once() {
    let (registry, image) = seeded();
    let (azure, service) = Azure::serving("k", Kind::P256);
    let expire = Action::before(move || azure.expire());
    service.inject(When::first("POST", "/sign"), expire);
    let config = key(&service, "k").set("export-sbom", "none");
    signer(&registry, &image, &service, config)
        .run()
        .succeeded();
    assert_eq!(service.asked("POST", "/oauth2/").len(), 2);
    let (registry, image) = seeded();
    let (_, service) = Azure::serving("k", Kind::P256);
    let refusal = refuse(401, "Unauthorized", &format!("AKV10022: {TOKEN}0001"), "");
    service.inject(When::every("POST", "/sign"), Action::Answer(refusal));
    let config = key(&service, "k").set("export-sbom", "none");
    let signer = signer(&registry, &image, &service, config);
    let (run, _) = without_canaries(signer, &CANARIES);
    run.ended_with(113).says(&["`Key Vault Crypto User`"]);
    assert_eq!(service.asked("POST", "/sign").len(), 2);
    registry.stored_nothing();
}
