//! Headers of `CNB_REGISTRY_AUTH`, as the lifecycle reads them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{CredentialsError, basic_auth, cnb, docker, error, found};

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
        let cnb_json = format!(r#"{{"{key}": "Bearer t"}}"#);
        let docker_json = format!(r#"{{"auths": {{"{key}": {{"registrytoken": "t"}}}}}}"#);
        for image in ["docker.io/me/app", "registry-1.docker.io/me/app"] {
            for sources in [cnb(&cnb_json), docker(&docker_json)] {
                let found = found(sources, image).await;
                assert_eq!(found, "bearer t", "{key} {image}");
            }
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
