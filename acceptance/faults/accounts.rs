//! Several accounts in one run, and helpers that hold them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::KEY;
use super::tokens::{ROBOT, bearer, guarded, is_signed, plain, signer};
use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::registry::{Auth, Registry};
use crate::support::signer::{Config, Signer};

/// Two registries in one run, each with its own account.
#[test]
fn two_registries_are_each_shown_their_own_credentials() {
    let image = plain();
    let (first, second) = (bearer(&image), guarded(&plain(), Auth::basic("other")));
    let place = format!("{}/signatures", second.host());
    let config = Config::key("p256-cosign2").set("repository", &place);
    let other = format!("Basic {}", STANDARD.encode("robot:other"));
    let auth = json!({ first.host(): ROBOT, second.host(): other });
    let signer = Signer::of(&image, first.host()).key(KEY).config(config);
    signer
        .environment("CNB_REGISTRY_AUTH", &auth.to_string())
        .run()
        .succeeded();
    is_signed(&first, &image);
    assert!(attachment(&second, "signatures", &image.attached("sig")).is_some());
}

/// One without: nothing of the other's is shown to it.
#[test]
fn a_registry_without_credentials_is_shown_none() {
    let image = plain();
    let (first, second) = (bearer(&image), guarded(&plain(), Auth::basic("other")));
    let place = format!("{}/signatures", second.host());
    let config = Config::key("p256-cosign2").set("repository", &place);
    let run = signer(&image, &first).config(config).run().ended_with(113);
    run.says(&[&place, "anonymous"]);
    let shown = second.exchanges().filter(|e| e.authorization.is_some());
    assert!(shown.is_empty(), "{shown:?}");
    first.stored_nothing();
}

/// A docker configuration in `HOME`.
fn docker_config(signer: &Signer, config: &serde_json::Value) {
    let folder = signer.folder().join(".docker");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

/// Entries of docker's configuration may be for one path of a registry.
#[test]
fn repositories_of_one_registry_may_have_different_accounts() {
    let image = plain().named(&["team-a/app:v1", "team-b/app:v1"]);
    let registry = guarded(&image, Auth::basic("pass"));
    let host = registry.host();
    let account = |password: &str| json!({ "auth": STANDARD.encode(format!("robot:{password}")) });
    let run = |a: &str, b: &str| {
        let signer = Signer::of(&image, host).key(KEY);
        let auths =
            json!({ format!("{host}/team-a"): account(a), format!("{host}/team-b"): account(b) });
        docker_config(&signer, &json!({ "auths": auths }));
        signer.run()
    };
    run("pass", "wrong")
        .ended_with(113)
        .says(&["team-b/app", "config.json"]);
    registry.stored_nothing();
    run("pass", "pass").succeeded();
    is_signed(&registry, &image);
}

/// A credential helper in `PATH`.
fn helper(folder: &Path, script: &str) {
    let program = folder.join("docker-credential-test");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_helper(image: &Image, registry: &Registry, script: &str) -> Signer {
    let signer = Signer::of(image, registry.host()).key(KEY);
    docker_config(
        &signer,
        &json!({ "credHelpers": { registry.host(): "test" } }),
    );
    helper(signer.folder(), script);
    let path = format!("/usr/bin:/bin:{}", signer.folder().display());
    signer.environment("PATH", &path)
}

/// Case 68.
#[test]
fn case_68_a_credential_helper_is_asked_once_with_the_registry_s_name() {
    let image = plain();
    let registry = bearer(&image);
    let script = r#"cat >> "$HOME/asked"; echo >> "$HOME/asked"; echo '{"Username":"robot","Secret":"pass"}'"#;
    let signer = with_helper(&image, &registry, script);
    signer.run().succeeded();
    let asked = std::fs::read_to_string(signer.folder().join("asked")).unwrap();
    assert_eq!(asked, format!("{}\n", registry.host()));
    is_signed(&registry, &image);
}

/// Case 68, F: bounded, and without a word of the helper's.
#[test]
fn case_68_a_credential_helper_that_fails_ends_the_run_without_its_words() {
    let image = plain();
    for (script, least) in [
        ("echo canary-7 >&2; echo canary-8; exit 1", 0),
        ("echo canary-7", 0),
        ("yes canary-8", 0),
        ("sleep 100", 9),
    ] {
        let registry = bearer(&image);
        let run = with_helper(&image, &registry, script).run().ended_with(113);
        let run = run
            .says(&["docker-credential-test"])
            .does_not_say(&["canary"]);
        assert!(!run.stderr.contains("canary"), "{}", run.stderr);
        let expected = Duration::from_secs(least)..Duration::from_secs(25);
        assert!(expected.contains(&run.took), "{script}: {:?}", run.took);
    }
}

/// Case 68, F.
#[test]
fn case_68_a_credential_helper_that_is_missing_is_named() {
    let image = plain();
    let registry = bearer(&image);
    let signer = with_helper(&image, &registry, "exit 0").environment("PATH", "/usr/bin");
    signer
        .run()
        .ended_with(113)
        .says(&["docker-credential-test"]);
    assert!(registry.exchanges().writes().is_empty());
}
