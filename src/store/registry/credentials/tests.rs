use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tempfile::TempDir;

use super::*;

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn cnb(json: &str) -> Sources {
    Sources {
        cnb_registry_auth: Some(secret(json)),
        ..Sources::default()
    }
}

fn docker(json: &str) -> Sources {
    Sources {
        docker_config: Located {
            file: Some(DockerConfigFile {
                path: "/home/me/.docker/config.json".into(),
                bytes: secret(json),
            }),
            unusable: Vec::new(),
        },
        ..Sources::default()
    }
}

fn basic_auth(text: &str) -> String {
    STANDARD.encode(text)
}

async fn find(sources: Sources, repository: &str) -> Result<Credential, CredentialsError> {
    let credentials = Credentials::parse(sources)?;
    credentials
        .for_repository(&repository.parse().unwrap())
        .await
}

/// The identity in words, secrets included.
async fn found(sources: Sources, repository: &str) -> String {
    let credential = find(sources, repository).await;
    let credential = credential.unwrap_or_else(|error| panic!("{error}"));
    let text = |secret: &Secret| secret.expose_str().unwrap().to_owned();
    match &credential.identity {
        Identity::Anonymous => "anonymous".to_owned(),
        Identity::Basic { user, password } => format!("{user}:{}", text(password)),
        Identity::Bearer(token) => format!("bearer {}", text(token)),
        Identity::RefreshToken(token) => format!("refresh {}", text(token)),
    }
}

async fn error(sources: Sources, repository: &str) -> CredentialsError {
    let error = find(sources, repository).await.unwrap_err();
    let all = format!("{error} {error:?}");
    assert!(!all.contains("hush"), "{all}");
    error
}

// --- CNB_REGISTRY_AUTH ------------------------------------------------------

#[tokio::test]
async fn the_three_headers_of_the_lifecycle_are_read() {
    for (header, meant) in [
        (format!("Basic {}", basic_auth("me:hush:x")), "me:hush:x"),
        (format!("bAsIc {}", basic_auth("me:")), "me:"),
        (format!("Basic {}", STANDARD_NO_PAD.encode("me:h")), "me:h"),
        ("Bearer a.b-c==".to_owned(), "bearer a.b-c=="),
        ("BEARER t".to_owned(), "bearer t"),
        ("X-Identity t".to_owned(), "refresh t"),
        ("x-identity t".to_owned(), "refresh t"),
    ] {
        let sources = cnb(&format!(r#"{{"r.io": "{header}"}}"#));
        assert_eq!(found(sources, "r.io/app").await, meant, "{header}");
    }
}

#[tokio::test]
async fn keys_are_cut_to_the_host() {
    for key in [
        "r.io:5000",
        "https://r.io:5000",
        "http://r.io:5000/v2/",
        "r.io:5000/any/path",
        "R.io:5000",
    ] {
        let json = format!(r#"{{"{key}": "Bearer t"}}"#);
        assert_eq!(
            found(cnb(&json), "r.io:5000/app").await,
            "bearer t",
            "{key}"
        );
        for other in ["r.io/app", "r.io:50/app", "x.r.io:5000/app"] {
            assert_eq!(found(cnb(&json), other).await, "anonymous", "{key} {other}");
        }
    }
}

#[tokio::test]
async fn docker_hub_has_aliases() {
    for key in [
        "index.docker.io",
        "docker.io",
        "registry-1.docker.io",
        "https://index.docker.io/v1/",
    ] {
        for json in [
            cnb(&format!(r#"{{"{key}": "Bearer t"}}"#)),
            docker(&format!(
                r#"{{"auths": {{"{key}": {{"registrytoken": "t"}}}}}}"#
            )),
        ] {
            assert_eq!(found(json, "docker.io/me/app").await, "bearer t", "{key}");
        }
    }
}

#[tokio::test]
async fn of_two_keys_for_one_host_the_plain_one_counts() {
    let json = r#"{"https://r.io/v1/": "Bearer a", "r.io": "Bearer b", "r.io/x": "Bearer c"}"#;
    assert_eq!(found(cnb(json), "r.io/x").await, "bearer b");
    let json = r#"{"docker.io": "Bearer a", "https://index.docker.io/v1/": "Bearer b"}"#;
    assert_eq!(found(cnb(json), "docker.io/x/y").await, "bearer b");
}

#[tokio::test]
async fn bad_json_is_an_error_at_once() {
    for text in [
        "hush",
        "{",
        r#"["hush"]"#,
        r#"{"r.io": 5}"#,
        r#"{"r.io": {"hush": "x"}}"#,
        r#"{"r.io": "Bearer hush"} x"#,
    ] {
        let error = error(cnb(text), "other.io/app").await;
        assert!(matches!(error, CredentialsError::Json { .. }), "{text}");
        assert!(error.to_string().starts_with("CNB_REGISTRY_AUTH is not"));
    }
    for text in ["", " \n", "null", "{}"] {
        assert_eq!(found(cnb(text), "r.io/app").await, "anonymous", "{text:?}");
    }
}

#[tokio::test]
async fn a_bad_header_is_an_error_only_for_its_registry() {
    for header in [
        "",
        "hush",
        "Digest hush",
        "Basichush",
        "Basic hush!",
        "Basic aHVzaA==",
        "Basic Omh1c2g=",
        "Bearer hu sh",
        "Bearer hush\\u0007",
        "Bearer ",
        "X-Identity hush\\r\\nX: y",
    ] {
        let json = format!(r#"{{"bad.io": "{header}", "r.io": "Bearer t"}}"#);
        assert_eq!(found(cnb(&json), "r.io/app").await, "bearer t");
        let error = error(cnb(&json), "bad.io/app").await;
        assert!(error.to_string().contains("`bad.io`"), "{header}: {error}");
        assert!(error.to_string().contains("CNB_REGISTRY_AUTH"), "{error}");
    }
}

#[tokio::test]
async fn a_source_over_one_mebibyte_is_refused() {
    let long = format!("{{}}{}", " ".repeat(MAX_LENGTH - 2));
    assert_eq!(found(cnb(&long), "r.io/app").await, "anonymous");
    let long = format!("{long} ");
    for sources in [
        cnb(&long),
        docker(&long),
        Sources {
            docker_auth_config: Some(secret(&long)),
            ..Sources::default()
        },
    ] {
        let error = error(sources, "r.io/app").await;
        assert!(matches!(error, CredentialsError::TooLong(_)), "{error}");
    }
}

// --- Order ------------------------------------------------------------------

#[tokio::test]
async fn the_first_source_that_has_the_registry_wins() {
    let all = |cnb_key: &str, env_key: &str, file_key: &str| Sources {
        cnb_registry_auth: Some(secret(&format!(r#"{{"{cnb_key}": "Bearer cnb"}}"#))),
        docker_auth_config: Some(secret(&format!(
            r#"{{"auths": {{"{env_key}": {{"registrytoken": "env"}}}}}}"#
        ))),
        ..docker(&format!(
            r#"{{"auths": {{"{file_key}": {{"registrytoken": "file"}}}}}}"#
        ))
    };
    assert_eq!(
        found(all("r.io", "r.io", "r.io"), "r.io/app").await,
        "bearer cnb"
    );
    assert_eq!(
        found(all("x", "r.io", "r.io"), "r.io/app").await,
        "bearer env"
    );
    assert_eq!(
        found(all("x", "x", "r.io"), "r.io/app").await,
        "bearer file"
    );
    assert_eq!(found(all("x", "x", "x"), "r.io/app").await, "anonymous");
    // The narrower scope does not beat the earlier source.
    assert_eq!(
        found(all("r.io", "x", "r.io/app"), "r.io/app").await,
        "bearer cnb"
    );
}

#[tokio::test]
async fn the_source_is_named_and_neither_secret_nor_user_is() {
    let shown = async |sources| {
        let credential = find(sources, "r.io/app").await.unwrap();
        assert!(!format!("{credential:?}").contains("hush"));
        credential.to_string()
    };
    // DigitalOcean's registry takes the token as both, others as the user.
    for token in ["hush-token:hush-token", "hush-token:", "hush-token:x"] {
        let json = format!(r#"{{"r.io": "Basic {}"}}"#, basic_auth(token));
        let sources = cnb(&json);
        let credential = find(sources, "r.io/app").await.unwrap();
        assert_eq!(
            credential.to_string(),
            "the password for `r.io` in CNB_REGISTRY_AUTH"
        );
    }
    let auth = basic_auth("me:hush");
    let json = format!(r#"{{"r.io": "Basic {auth}"}}"#);
    assert_eq!(
        shown(cnb(&json)).await,
        "the password for `r.io` in CNB_REGISTRY_AUTH"
    );
    let json = format!(r#"{{"auths": {{"r.io": {{"auth": "{auth}"}}}}}}"#);
    assert_eq!(
        shown(docker(&json)).await,
        "the password for `r.io` in `/home/me/.docker/config.json`"
    );
    let json = r#"{"r.io": "Bearer hush"}"#;
    assert_eq!(
        shown(cnb(json)).await,
        "the registry token for `r.io` in CNB_REGISTRY_AUTH"
    );
    let json = r#"{"r.io": "X-Identity hush"}"#;
    assert_eq!(
        shown(cnb(json)).await,
        "the identity token for `r.io` in CNB_REGISTRY_AUTH"
    );
    let sources = Sources {
        cnb_registry_auth: Some(secret(r#"{"other.io": "Bearer hush"}"#)),
        docker_auth_config: Some(secret("{}")),
        ..docker(r#"{"auths": {"other.io": {"registrytoken": "hush"}}}"#)
    };
    assert_eq!(
        shown(sources).await,
        "anonymous: no credential in CNB_REGISTRY_AUTH, DOCKER_AUTH_CONFIG, \
         `/home/me/.docker/config.json`"
    );
    assert_eq!(
        shown(Sources::default()).await,
        "anonymous: no credentials are configured"
    );
}

#[tokio::test]
async fn the_parsed_credentials_do_not_show_secrets() {
    let sources = Sources {
        cnb_registry_auth: Some(secret(r#"{"r.io": "Bearer hush"}"#)),
        ..docker(r#"{"auths": {"r.io": {"registrytoken": "hush", "password": "hush"}}}"#)
    };
    assert!(!format!("{sources:?}").contains("hush"));
    let credentials = Credentials::parse(sources).unwrap();
    assert!(!format!("{credentials:?}").contains("hush"));
}

// --- Docker's configuration -------------------------------------------------

async fn entry(json: &str) -> String {
    found(
        docker(&format!(r#"{{"auths": {{"r.io": {json}}}}}"#)),
        "r.io/app",
    )
    .await
}

#[tokio::test]
async fn every_form_of_an_entry_is_read() {
    let auth = basic_auth("me:hush");
    assert_eq!(entry(&format!(r#"{{"auth": "{auth}"}}"#)).await, "me:hush");
    let with_zeroes = basic_auth("me:hush\0\0");
    assert_eq!(
        entry(&format!(r#"{{"auth": "{with_zeroes}"}}"#)).await,
        "me:hush"
    );
    let both = r#"{"username": "me", "password": "p:\"q\"", "email": null, "x": [1]}"#;
    assert_eq!(entry(both).await, "me:p:\"q\"");
    let auth_first = format!(r#"{{"auth": "{auth}", "username": "x", "password": "y"}}"#);
    assert_eq!(entry(&auth_first).await, "me:hush");
    let identity = format!(r#"{{"auth": "{auth}", "identitytoken": "t"}}"#);
    assert_eq!(entry(&identity).await, "refresh t");
    let registry = r#"{"identitytoken": "t", "registrytoken": "u"}"#;
    assert_eq!(entry(registry).await, "bearer u");
    for empty in [
        "{}",
        "null",
        r#"{"auth": ""}"#,
        r#"{"auth": null, "password": "x"}"#,
    ] {
        assert_eq!(entry(empty).await, "anonymous", "{empty}");
    }
}

#[tokio::test]
async fn a_bad_entry_is_an_error_only_for_its_registry() {
    let json = r#"{"auths": {"bad.io": {"auth": "hush!"}, "r.io": {"registrytoken": "t"}}}"#;
    assert_eq!(found(docker(json), "r.io/app").await, "bearer t");
    let error = error(docker(json), "bad.io/app").await;
    assert_eq!(
        error.to_string(),
        "the credential for `bad.io` in `/home/me/.docker/config.json` \
         is not base64 of `user:password`"
    );
}

#[tokio::test]
async fn malformed_json_names_the_file() {
    let bad = docker("{\n  \"auths\": {\"hush\": 5}\n}");
    let error = error(bad, "r.io/app").await;
    assert_eq!(
        error.to_string(),
        "`/home/me/.docker/config.json` is not the JSON that it should be, at line 2, column 21"
    );
    for empty in [
        "",
        "\n",
        "null",
        "{}",
        r#"{"auths": null, "credHelpers": null}"#,
    ] {
        assert_eq!(found(docker(empty), "r.io/app").await, "anonymous");
    }
}

#[tokio::test]
async fn the_narrowest_key_wins() {
    let json = r#"{"auths": {
        "r.io": {"registrytoken": "host"},
        "r.io/team": {"registrytoken": "team"},
        "https://r.io/team/app/": {"registrytoken": "app"},
        "r.io/empty": {}
    }}"#;
    for (repository, token) in [
        ("r.io/app", "host"),
        ("r.io/team", "team"),
        ("r.io/team/other", "team"),
        ("r.io/team/app", "app"),
        ("r.io/team/app/x", "app"),
        ("r.io/team/application", "team"),
        ("r.io/teams/app", "host"),
        ("r.io/empty", "host"),
    ] {
        assert_eq!(
            found(docker(json), repository).await,
            format!("bearer {token}"),
            "{repository}"
        );
    }
    // A key under a path says nothing of the rest of the registry.
    let json = r#"{"auths": {"r.io/team": {"registrytoken": "team"}}}"#;
    assert_eq!(found(docker(json), "r.io/other").await, "anonymous");
}

#[tokio::test]
async fn keys_that_are_urls_mean_the_host() {
    for key in [
        "r.io:5056",
        "r.io:5056/",
        "https://r.io:5056",
        "https://r.io:5056/v1/",
        "http://r.io:5056/v2",
        "https://r.io:5056/v2/",
        "r.io:5056/v1/",
    ] {
        let json = format!(r#"{{"auths": {{"{key}": {{"registrytoken": "t"}}}}}}"#);
        assert_eq!(
            found(docker(&json), "r.io:5056/a/b").await,
            "bearer t",
            "{key}"
        );
    }
    for key in [
        "",
        "/",
        "https://",
        "me@r.io:5056",
        "r.io:5056:1",
        "[r.io]",
        "r.io:99999",
    ] {
        let json = format!(r#"{{"auths": {{"{key}": {{"registrytoken": "t"}}}}}}"#);
        assert_eq!(
            found(docker(&json), "r.io:5056/a").await,
            "anonymous",
            "{key}"
        );
    }
}

// --- Which file -------------------------------------------------------------

#[test]
fn the_file_is_looked_for_where_go_containerregistry_does() {
    let paths = |locations: ConfigLocations| -> Vec<String> {
        let candidates = locations.candidates();
        candidates
            .iter()
            .map(|candidate| candidate.path.display().to_string())
            .collect()
    };
    let home = || ConfigLocations {
        home: Some("/h".into()),
        ..ConfigLocations::default()
    };
    assert_eq!(
        paths(home()),
        ["/h/.docker/config.json", "/h/.config/containers/auth.json"]
    );
    assert_eq!(
        paths(ConfigLocations {
            docker_config: Some("/d".into()),
            registry_auth_file: Some("/r.json".into()),
            xdg_runtime_dir: Some("/run/1".into()),
            xdg_config_home: Some("/c".into()),
            ..home()
        }),
        [
            "/d/config.json",
            "/r.json",
            "/run/1/containers/auth.json",
            "/c/containers/auth.json"
        ]
    );
    assert!(paths(ConfigLocations::default()).is_empty());
    assert!(
        paths(ConfigLocations {
            home: Some("".into()),
            docker_config: Some("".into()),
            registry_auth_file: Some("".into()),
            xdg_runtime_dir: Some("".into()),
            xdg_config_home: Some("".into()),
        })
        .is_empty()
    );
}

/// What is found where these files are looked for.
fn locate(naming: Naming, paths: &[PathBuf]) -> Result<Located, CredentialsError> {
    let candidates = paths.iter().map(|path| Candidate {
        path: path.clone(),
        naming,
    });
    Located::first_of(&candidates.collect::<Vec<_>>())
}

#[test]
fn the_first_readable_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "{}").unwrap();
    fs::write(path("long"), vec![b' '; MAX_LENGTH + 1]).unwrap();
    let read = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| path(name)).collect();
        let located = locate(Naming::Custom, &paths)?;
        let file = located.file;
        Ok::<_, CredentialsError>(file.map(|file| (file.path, file.bytes.expose().to_vec())))
    };
    let the_file = Some((path("file"), b"{}".to_vec()));
    assert_eq!(read(&[]).unwrap(), None);
    assert_eq!(read(&["absent", "file/config.json", "."]).unwrap(), None);
    assert_eq!(
        read(&["absent", "file/x", ".", "file", "long"]).unwrap(),
        the_file
    );
    assert!(matches!(
        read(&["long", "file"]).unwrap_err(),
        CredentialsError::TooLong(Source::DockerConfig(_))
    ));
}

/// Every way in which a file can be no use, with the words for it, and whether
/// there is something that was meant to be read.
fn unusable_files(folder: &Path) -> Vec<(PathBuf, &'static str, bool)> {
    let make = |name: &str| {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        folder.join("config.json")
    };
    let (file, pipe, other, old) = (make("file"), make("pipe"), make("other"), make("old"));
    let (config, link) = (make("folder"), make("link"));
    fs::create_dir(&config).unwrap();
    fs::write(&file, "{}").unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("/nothing/here", &link).unwrap();
    fs::write(other.with_file_name(".dockerconfigjson"), "{}").unwrap();
    fs::write(old.with_file_name(".dockercfg"), "{}").unwrap();
    let looped = folder.join("loop");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    vec![
        (config, "it is a folder", true),
        (pipe, "it is not a file", true),
        (file.join("config.json"), "its folder is a file", false),
        (link, "it is a link to nothing", false),
        (looped, "too many", false),
        (other, "`.dockerconfigjson` beside it is", true),
        (old, "`.dockercfg` beside it is", true),
    ]
}

#[tokio::test]
async fn a_file_of_a_home_that_is_no_use_is_named_when_a_credential_is_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason, is_there) in unusable_files(folder.path()) {
        let sources = || Sources {
            docker_config: locate(Naming::Custom, std::slice::from_ref(&path)).unwrap(),
            ..cnb(r#"{"r.io": "Bearer t"}"#)
        };
        // Whoever has another credential needs no file.
        assert_eq!(found(sources(), "r.io/app").await, "bearer t");
        let shown = match find(sources(), "other.io/app").await {
            Ok(credential) => {
                assert!(!is_there, "{credential}");
                credential.to_string()
            }
            Err(error) => {
                assert!(is_there, "{error}");
                error.to_string()
            }
        };
        for words in [reason, path.to_str().unwrap()] {
            assert!(
                shown.to_lowercase().contains(&words.to_lowercase()),
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_a_variable_names_and_that_is_no_use_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (path, reason, _) in unusable_files(folder.path()) {
        let located = locate(Naming::Variable, std::slice::from_ref(&path));
        let error = match located {
            Err(error) => error.to_string(),
            // Docker takes an absent file for an empty one.
            Ok(docker_config) => {
                let sources = Sources {
                    docker_config,
                    ..Sources::default()
                };
                match find(sources, "r.io/app").await {
                    Err(error) => error.to_string(),
                    Ok(credential) if reason.contains("link") => credential.to_string(),
                    Ok(credential) => panic!("{credential}"),
                }
            }
        };
        for words in [reason, path.to_str().unwrap()] {
            assert!(
                error.to_lowercase().contains(&words.to_lowercase()),
                "{error}"
            );
        }
    }
    let absent = folder.path().join("absent/config.json");
    let sources = Sources {
        docker_config: locate(Naming::Variable, &[absent]).unwrap(),
        ..Sources::default()
    };
    assert_eq!(found(sources, "r.io/app").await, "anonymous");
}

#[tokio::test]
async fn base64_in_several_lines_is_read() {
    let encoded = basic_auth("me:hush-hush-hush");
    for broken in [
        format!("{}\\n{}\\n", &encoded[..8], &encoded[8..]),
        format!("{}\\r\\n{}", &encoded[..9], &encoded[9..]),
        format!(" {} {}\\t", &encoded[..10], &encoded[10..]),
    ] {
        assert_eq!(
            entry(&format!(r#"{{"auth": "{broken}"}}"#)).await,
            "me:hush-hush-hush"
        );
        let header = cnb(&format!(r#"{{"r.io": "Basic {broken}"}}"#));
        assert_eq!(found(header, "r.io/app").await, "me:hush-hush-hush");
    }
}

// --- Helpers ----------------------------------------------------------------

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
        "the password of helper `docker-credential-test` of `/home/me/.docker/config.json`"
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
    assert!(begin.elapsed() < helper::LIMIT);
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
    assert!(begin.elapsed() < helper::LIMIT * 2);
    let pid = fs::read_to_string(folder.path().join("docker-credential-test.pid")).unwrap();
    let command_line = format!("/proc/{}/cmdline", pid.trim());
    for _ in 0..100 {
        // Gone, or a zombie, which has no command line.
        if fs::read(&command_line).unwrap_or_default().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it still runs");
}

#[tokio::test]
async fn a_helper_does_not_get_our_secrets() {
    let script = r#"for name in COSIGN_PASSWORD CNB_REGISTRY_AUTH DOCKER_AUTH_CONFIG; do
eval "[ -z \"\${$name+set}\" ]" || exit 8; done
[ "$KEPT" = yes ] || exit 9
echo '{"Username":"me","Secret":"hush"}'"#;
    let folder = helper("test", script);
    // The environment of this process stays as it is: an outer one has the
    // secrets, and asks this same test again.
    if std::env::var_os("KEPT").is_some() {
        assert_eq!(
            found(with_helper(&folder, STORE), "r.io/app").await,
            "me:hush"
        );
        return;
    }
    let name = "store::registry::credentials::tests::a_helper_does_not_get_our_secrets";
    let inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
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
        "anonymous: no credential in helper `docker-credential-test` of \
         `/home/me/.docker/config.json` (not installed), `/home/me/.docker/config.json`"
    );
}

#[tokio::test]
async fn a_helper_is_an_executable_file_in_an_absolute_folder() {
    let folder = helper("test", ANSWER);
    let program = folder.path().join("docker-credential-test");
    let path = |text: &str| helper::find("docker-credential-test", text.as_ref());
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

#[tokio::test]
async fn a_registry_of_any_length_fits_in_a_message() {
    let long = format!("r.io/{}\\u001b", "k".repeat(10_000));
    for sources in [
        cnb(&format!(r#"{{"{long}": "Digest hush"}}"#)),
        cnb(&format!(r#"{{"{long}": "Basic hush!"}}"#)),
        cnb(&format!(r#"{{"{long}": "Bearer hush\u0000"}}"#)),
        docker(&format!(
            r#"{{"auths": {{"r.io/a/{}": {{"auth": "hush!"}}}}}}"#,
            "/".repeat(9_000)
        )),
    ] {
        let message = error(sources, "r.io/a").await.to_string();
        assert!(
            message.len() < 500 && !message.contains('\u{1b}'),
            "{message}"
        );
    }
}

/// As many as fit into a file, looked at from as many repositories. One after
/// the other they take minutes.
#[tokio::test]
async fn very_many_entries_are_looked_up_at_once() {
    let auth = basic_auth("me:hush");
    let entries: Vec<_> = (0..20_000)
        .map(|name| format!(r#""r.io/{name:x}":{{"auth":"{auth}"}}"#))
        .collect();
    let sources = docker(&format!(r#"{{"auths":{{{}}}}}"#, entries.join(",")));
    let credentials = Credentials::parse(sources).unwrap();
    let started = Instant::now();
    for name in 0..20_001 {
        let repository = format!("R.io/{name:x}/app").parse().unwrap();
        let credential = credentials.for_repository(&repository).await.unwrap();
        let is_anonymous = matches!(credential.identity, Identity::Anonymous);
        assert_eq!(is_anonymous, name == 20_000, "{name}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
