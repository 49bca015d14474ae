//! Where credentials come from, by sources of every kind.

mod docker_config;
mod files;
mod helpers;
mod lifecycle;

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fuzzing::idle;
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
        .for_repository(&repository.parse().unwrap(), &idle())
        .await
}

/// The identity in words, secrets included.
async fn found(sources: Sources, repository: &str) -> String {
    let credential = find(sources, repository).await;
    let credential = credential.unwrap_or_else(|error| panic!("{error}"));
    let text = |secret: &Secret| secret.expose_str().unwrap().to_owned();
    match &credential.identity {
        IdentityProof::Anonymous => "anonymous".to_owned(),
        IdentityProof::Basic { user, password } => format!("{user}:{}", text(password)),
        IdentityProof::Bearer(token) => format!("bearer {}", text(token)),
        IdentityProof::RefreshToken { token, .. } => {
            let login = credential.identity.login();
            let login = login.map(|(user, password)| format!(" or {user}:{}", text(password)));
            format!("refresh {}{}", text(token), login.unwrap_or_default())
        }
    }
}

async fn error(sources: Sources, repository: &str) -> CredentialsError {
    let error = find(sources, repository).await.unwrap_err();
    let all = format!("{error} {error:?}");
    assert!(!all.contains("hush"), "{all}");
    error
}

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
        "the password for `r.io` in `/home/me/.docker/config.json` \
         (before it, CNB_REGISTRY_AUTH: not set; DOCKER_AUTH_CONFIG: not set)"
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
        "anonymous (CNB_REGISTRY_AUTH: no entry for `r.io`; \
         DOCKER_AUTH_CONFIG: no entry for `r.io`; \
         `/home/me/.docker/config.json`: no entry for `r.io`)"
    );
    assert_eq!(
        shown(Sources::default()).await,
        "anonymous (CNB_REGISTRY_AUTH: not set; DOCKER_AUTH_CONFIG: not set)"
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
        let credential = credentials
            .for_repository(&repository, &idle())
            .await
            .unwrap();
        let is_anonymous = matches!(credential.identity, IdentityProof::Anonymous);
        assert_eq!(is_anonymous, name == 20_000, "{name}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
