//! Entries of Docker's configuration.

use super::{basic_auth, cnb, docker, error, found};

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
    assert_eq!(entry(&identity).await, "refresh t or me:hush");
    let alone = r#"{"identitytoken": "t"}"#;
    assert_eq!(entry(alone).await, "refresh t");
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
