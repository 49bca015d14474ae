//! The keys that say who vouches.

use std::path::Path;

use super::{ConfigError, Meant, ONE, WrittenKey, parse};
use crate::config::{IdentityToken, TokenProvider};

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// EVD-55
#[test]
fn services_are_named_by_a_signing_config_with_a_trusted_root() {
    let file = parse(&format!(
        "{ONE}trusted-root = \"r.json\"\nsigning-config = \"/s.json\"\n"
    ));
    let file = file.unwrap();
    let files = file.configs()[0].witnesses.clone().unwrap();
    assert_eq!(file.resolve(&files.trusted_root), Path::new("/c/r.json"));
    assert_eq!(files.signing_config.unwrap(), Path::new("/s.json"));
    assert_eq!(files.position.line, 3);
    assert_eq!(
        refusal(&format!("{ONE}signing-config = \"s\"\n")),
        "`signing-config` needs `trusted-root` beside it, at `/c/cosign.toml:3:18`"
    );
    for (key, expected) in [
        ("rekor-url", Meant::SigningConfig),
        ("fulcio-url", Meant::SigningConfig),
        ("timestamp-server-url", Meant::SigningConfig),
        ("oidc-issuer", Meant::SigningConfig),
        ("oidc-client-secret-file", Meant::SigningConfig),
        ("rekor_url", Meant::SigningConfig),
        ("timestamp-certificate-chain", Meant::TrustedRoot),
        ("rekor_public_key", Meant::TrustedRoot),
    ] {
        let error = parse(&format!("{ONE}{key} = \"https://h/\"\n")).unwrap_err();
        let ConfigError::UnknownKey { meant, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(meant, Some(expected), "{key}");
    }
}

const FILES: &str = "trusted-root = \"r\"\nsigning-config = \"s\"\n";

/// EVD-56
#[test]
fn an_identity_is_the_only_name_of_a_key() {
    let key = |line: &str| {
        let file = parse(&format!("[[configs]]\n{line}\n{FILES}"));
        file.map(|file| file.configs()[0].key.clone())
    };
    assert_eq!(
        key("identity-token = \"t\"").unwrap(),
        WrittenKey::Identity(IdentityToken::File("t".into()))
    );
    for provider in TokenProvider::ALL {
        let line = format!("oidc-provider = \"{}\"", provider.name());
        let expected = WrittenKey::Identity(IdentityToken::Provider(provider));
        assert_eq!(key(&line).unwrap(), expected);
    }
    for (lines, words) in [
        ("identity-token = \"t\"\nkey = \"k\"", "beside `key`"),
        (
            "oidc-provider = \"ambient\"\nprogram = [\"p\"]",
            "beside `program`",
        ),
        (
            "oidc-provider = \"ambient\"\nidentity-token = \"t\"",
            "beside `identity-token`",
        ),
        (
            "oidc-provider = \"ambient\"\ncertificate-chain = \"c\"",
            "beside `certificate-chain`",
        ),
        ("oidc-provider = \"google\"", "unknown value `google`"),
    ] {
        let error = key(lines).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(
        refusal("[[configs]]\noidc-provider = \"ambient\"\n"),
        "`oidc-provider` needs `signing-config` beside it, at `/c/cosign.toml:2:17`"
    );
}

#[test]
fn a_token_in_place_of_its_path_is_not_repeated() {
    for token in ["eyJh.canary.c2ln", "a\\ncanary"] {
        let error = refusal(&format!(
            "[[configs]]\nidentity-token = \"{token}\"\n{FILES}"
        ));
        assert_eq!(
            error,
            "`identity-token` must be the path of a file, at `/c/cosign.toml:2:18`"
        );
    }
}
