//! Credential helpers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;

use super::super::source::HELPER_TIME;
use super::{CredentialsError, Sources, docker, error, find, found, secret};
use crate::child::find as find_program;

/// A folder with one helper, `docker-credential-<name>`.
fn helper(name: &str, script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
    // Copied by another process: a program that this one has open for writing
    // when another test forks cannot be run (ETXTBSY).
    let target = folder.path().join(format!("docker-credential-{name}"));
    let copied = Command::new("cp")
        .arg("-p")
        .arg(&source)
        .arg(target)
        .status();
    assert!(copied.unwrap().success());
    folder
}

fn with_helper(folder: &TempDir, json: &str) -> Sources {
    Sources {
        helper_path: Some(folder.path().as_os_str().to_owned()),
        ..docker(json)
    }
}

const STORE: &str = r#"{"credsStore": "test"}"#;

const ANSWER: &str = r#"read -r server; [ "$1" = get ] || exit 9
printf '{"ServerURL":"%s","Username":"%s","Secret":"hush"}' "$server" "$server""#;

#[tokio::test]
async fn a_helper_is_asked_with_the_server_on_its_input() {
    let folder = helper("test", ANSWER);
    for (json, repository, user) in [
        (STORE, "r.io:5000/team/app", "r.io:5000"),
        (
            STORE,
            "docker.io/library/app",
            "https://index.docker.io/v1/",
        ),
        (r#"{"credHelpers": {"r.io": "test"}}"#, "r.io/app", "r.io"),
        (
            r#"{"credHelpers": {"https://r.io/v1/": "test"}}"#,
            "r.io/app",
            "r.io",
        ),
    ] {
        let sources = with_helper(&folder, json);
        assert_eq!(
            found(sources, repository).await,
            format!("{user}:hush"),
            "{json}"
        );
    }
    let json = r#"{"credHelpers": {"other.io": "test"}}"#;
    assert_eq!(
        found(with_helper(&folder, json), "r.io/app").await,
        "anonymous"
    );
    let credential = find(with_helper(&folder, STORE), "r.io/app").await.unwrap();
    assert_eq!(
        credential.to_string(),
        "the password of helper `docker-credential-test` of `/home/me/.docker/config.json` \
         (before it, CNB_REGISTRY_AUTH: not set; DOCKER_AUTH_CONFIG: not set)"
    );
}

#[tokio::test]
async fn a_helper_goes_before_auths_and_its_own_before_the_store() {
    let folder = helper("test", ANSWER);
    let auths = r#""auths": {"r.io": {"registrytoken": "t"}}"#;
    let json = format!(r#"{{"credsStore": "test", {auths}}}"#);
    assert_eq!(
        found(with_helper(&folder, &json), "r.io/app").await,
        "r.io:hush"
    );
    let json = r#"{"credsStore": "absent", "credHelpers": {"r.io": "test"}}"#;
    assert_eq!(
        found(with_helper(&folder, json), "r.io/app").await,
        "r.io:hush"
    );
    let json = format!(r#"{{"credsStore": "test", "credHelpers": {{"r.io": ""}}, {auths}}}"#);
    assert_eq!(
        found(with_helper(&folder, &json), "r.io/app").await,
        "bearer t"
    );
}

#[tokio::test]
async fn a_helper_that_has_nothing_is_passed_over() {
    for script in [
        "echo credentials not found in native keychain; exit 1",
        "echo 'credentials not found in native keychain'",
        r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#,
        "echo '{}'",
    ] {
        let folder = helper("test", script);
        assert_eq!(
            found(with_helper(&folder, STORE), "r.io/app").await,
            "anonymous"
        );
        let json = r#"{"credsStore": "test", "auths": {"r.io": {"registrytoken": "t"}}}"#;
        assert_eq!(
            found(with_helper(&folder, json), "r.io/app").await,
            "bearer t"
        );
    }
}

#[tokio::test]
async fn a_helper_may_answer_with_an_identity_token() {
    let folder = helper("test", r#"echo '{"Username":"<token>","Secret":"t"}'"#);
    assert_eq!(
        found(with_helper(&folder, STORE), "r.io/app").await,
        "refresh t"
    );
}

#[tokio::test]
async fn a_helper_that_fails_is_an_error_without_its_output() {
    let folder = helper("test", "echo hush; echo hush >&2; exit 7");
    let failed = error(with_helper(&folder, STORE), "r.io/app").await;
    assert_eq!(
        failed.to_string(),
        "helper `docker-credential-test` of `/home/me/.docker/config.json` \
         failed with exit status: 7"
    );
    for script in [
        "echo hush",
        "true",
        r#"echo '["hush"'"#,
        r#"echo '{"Secret": 5}'"#,
        r#"echo '{"Username":"<token>","Secret":"hu sh"}'"#,
    ] {
        let folder = helper("test", script);
        let error = error(with_helper(&folder, STORE), "r.io/app").await;
        assert!(
            matches!(error, CredentialsError::HelperAnswer(_)),
            "{script}"
        );
    }
}

#[tokio::test]
async fn a_helper_that_answers_without_end_is_stopped() {
    let folder = helper("test", "exec yes hush");
    let begin = Instant::now();
    let error = error(with_helper(&folder, STORE), "r.io/app").await;
    assert!(
        matches!(error, CredentialsError::HelperAnswer(_)),
        "{error}"
    );
    assert!(begin.elapsed() < HELPER_TIME);
}

#[tokio::test]
async fn a_helper_that_does_not_answer_is_killed() {
    let folder = helper("test", r#"echo $$ > "$0.pid"; exec sleep 60"#);
    let begin = Instant::now();
    let error = error(with_helper(&folder, STORE), "r.io/app").await;
    assert!(
        matches!(error, CredentialsError::HelperTimeout(_)),
        "{error}"
    );
    assert!(error.to_string().ends_with("within 10 seconds"), "{error}");
    assert!(begin.elapsed() < HELPER_TIME * 2);
    let pid = fs::read_to_string(folder.path().join("docker-credential-test.pid")).unwrap();
    let command_line = format!("/proc/{}/cmdline", pid.trim());
    // Gone, or a zombie, which has no command line.
    let runs = || !fs::read(&command_line).unwrap_or_default().is_empty();
    for _ in 0..100 {
        if runs() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    assert!(!runs(), "it still runs");
}

/// The environment of the tests' process stays as it is: another one has the
/// secrets, and runs this.
#[tokio::test]
#[ignore = "the next test runs it in a process of its own"]
async fn child() {
    let script = r#"for name in COSIGN_PASSWORD CNB_REGISTRY_AUTH DOCKER_AUTH_CONFIG; do
eval "[ -z \"\${$name+set}\" ]" || exit 8; done
[ "$KEPT" = yes ] || exit 9
echo '{"Username":"me","Secret":"hush"}'"#;
    let folder = helper("test", script);
    let found = found(with_helper(&folder, STORE), "r.io/app").await;
    assert_eq!(found, "me:hush");
}

#[test]
fn a_helper_does_not_get_our_secrets() {
    let name = "store::registry::credentials::tests::helpers::child";
    let inner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", name])
        .env("KEPT", "yes")
        .env("COSIGN_PASSWORD", "hush")
        .env("CNB_REGISTRY_AUTH", "{}")
        .env("DOCKER_AUTH_CONFIG", "{}")
        .output()
        .unwrap();
    assert!(inner.status.success(), "{inner:?}");
    let report = String::from_utf8_lossy(&inner.stdout).into_owned();
    assert!(report.contains("1 passed"), "{report}");
}

#[tokio::test]
async fn a_helper_that_is_not_installed() {
    let empty = tempfile::tempdir().unwrap();
    // One for this registry is missed, ...
    let json = r#"{"credHelpers": {"r.io": "test"}, "auths": {"r.io": {"registrytoken": "t"}}}"#;
    let missing = error(with_helper(&empty, json), "r.io/app").await;
    assert_eq!(
        missing.to_string(),
        "helper `docker-credential-test` of `/home/me/.docker/config.json` is not installed"
    );
    // ... one for all registries is passed over and named.
    let credential = find(with_helper(&empty, STORE), "r.io/app").await.unwrap();
    assert_eq!(
        credential.to_string(),
        "anonymous (CNB_REGISTRY_AUTH: not set; DOCKER_AUTH_CONFIG: not set; \
         helper `docker-credential-test` of `/home/me/.docker/config.json`: not installed; \
         `/home/me/.docker/config.json`: no entry for `r.io`)"
    );
}

#[tokio::test]
async fn a_helper_is_an_executable_file_in_an_absolute_folder() {
    let folder = helper("test", ANSWER);
    let program = folder.path().join("docker-credential-test");
    let path = |text: &str| find_program("docker-credential-test", text.as_ref());
    let folder_name = folder.path().to_str().unwrap();
    assert_eq!(path(folder_name), Some(program.clone()));
    assert_eq!(
        path(&format!("/absent::.:{folder_name}")),
        Some(program.clone())
    );
    assert_eq!(path(""), None);
    // Relative folders are not used, wherever they lead.
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count());
    let relative = format!("{up}{}", folder_name.trim_start_matches('/'));
    assert!(fs::metadata(&relative).is_ok());
    assert_eq!(path(&relative), None);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(path(folder_name), None);
    fs::remove_file(&program).unwrap();
    fs::create_dir(&program).unwrap();
    assert_eq!(path(folder_name), None);
}

#[tokio::test]
async fn a_helper_that_cannot_be_started_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("docker-credential-test");
    fs::write(&program, "#!/absent/interpreter\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let error = error(with_helper(&folder, STORE), "r.io/app").await;
    assert!(
        matches!(error, CredentialsError::HelperStart { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn the_name_of_a_helper_cannot_be_a_path() {
    let folder = helper("test", ANSWER);
    for name in [
        "../test",
        "a/b",
        "x y",
        "a\\u0000",
        "\\u001b[31m",
        "ümlaut",
        "a;b",
        "$x",
    ] {
        let json = format!(r#"{{"credsStore": "{name}"}}"#);
        let error = error(with_helper(&folder, &json), "r.io/app").await;
        assert!(
            matches!(error, CredentialsError::HelperName { .. }),
            "{name}"
        );
        assert!(error.to_string().chars().all(|c| !c.is_control()), "{name}");
    }
    let json = r#"{"credsStore": ""}"#;
    assert_eq!(
        found(with_helper(&folder, json), "r.io/app").await,
        "anonymous"
    );
}

#[tokio::test]
async fn only_the_auths_of_docker_auth_config_count() {
    let folder = helper("test", ANSWER);
    let sources = Sources {
        docker_auth_config: Some(secret(STORE)),
        ..with_helper(&folder, "{}")
    };
    assert_eq!(found(sources, "r.io/app").await, "anonymous");
    let bad = Sources {
        docker_auth_config: Some(secret("hush")),
        ..Sources::default()
    };
    let error = error(bad, "r.io/app").await;
    assert!(error.to_string().starts_with("DOCKER_AUTH_CONFIG is not"));
}
