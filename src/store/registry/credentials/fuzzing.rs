//! Fuzz targets for credential files.

#![allow(clippy::expect_used, reason = "a fuzzer looks for panics")]

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{
    Credentials, CredentialsError, DockerConfigFile, IdentityProof, Located, Sources, helper,
};
use crate::http::roots::LazyRoots;
use crate::http::{Client, Proxies, Settings};
use crate::oci::fuzzing::assert_readable;
use crate::secret::{Secret, Secrets};

/// The words with digits that messages hold in any case.
const SAID: &str =
    "index.docker.io/library/alpine 127.0.0.1:5000/app [::1]:5000/a at line 1, column 1";

const REPOSITORIES: [&str; 4] = [
    "r.io/team/app",
    "docker.io/alpine",
    "127.0.0.1:5000/app",
    "[::1]:5000/a",
];

/// `CNB_REGISTRY_AUTH`.
pub fn registry_auth(data: &[u8]) {
    find(data, |secret| Sources {
        cnb_registry_auth: Some(secret),
        ..Sources::default()
    });
}

/// `config.json` and `DOCKER_AUTH_CONFIG`. No helper is found: `PATH` is empty.
pub fn docker_config(data: &[u8]) {
    find(data, |bytes| Sources {
        docker_config: Located {
            file: Some(DockerConfigFile {
                path: "/d/config.json".into(),
                bytes,
            }),
            unusable: Vec::new(),
        },
        ..Sources::default()
    });
    find(data, |secret| Sources {
        docker_auth_config: Some(secret),
        ..Sources::default()
    });
}

/// The output of a credential helper.
pub fn helper_answer(data: &[u8]) {
    if let Some(Some(identity)) = helper::identity(&Secret::new(data.to_vec())) {
        assert_usable(&identity);
    }
    let name = String::from_utf8_lossy(data);
    match helper::program(&name, Path::new("/d/config.json")) {
        Ok(program) => assert!(!program.contains(['/', '\0', ' '])),
        Err(error) => assert_readable(&error),
    }
}

/// No message holds a secret.
fn find(data: &[u8], sources: impl Fn(Secret) -> Sources) {
    let secrets = secrets(data);
    let assert_silent = |text: &str| {
        for secret in &secrets {
            assert!(!text.contains(secret), "{text}");
        }
    };
    let refused = |error: CredentialsError| {
        assert_readable(&error);
        assert_silent(&error.to_string());
    };
    let credentials = match Credentials::parse(sources(Secret::new(data.to_vec()))) {
        Ok(credentials) => credentials,
        Err(error) => return refused(error),
    };
    assert_silent(&format!("{credentials:?}"));
    let client = idle();
    for repository in REPOSITORIES {
        let repository = repository.parse().expect("it is one");
        let found = credentials
            .for_repository(&repository, &client)
            .now_or_never();
        match found.expect("no helper runs") {
            Ok(credential) => {
                assert_usable(&credential.identity);
                assert_silent(&credential.to_string());
                assert_silent(&format!("{credential:?}"));
            }
            Err(error) => refused(error),
        }
    }
}

/// A client that is asked nothing.
pub(super) fn idle() -> Client {
    Client::new(Settings {
        roots: LazyRoots::new(None, None),
        proxies: Proxies::default(),
        secrets: Secrets::default(),
        user_agent: String::new(),
        retry_budget: Duration::ZERO,
        time: Duration::ZERO,
        until: Instant::now(),
    })
}

/// A token can stand in a header.
fn assert_usable(identity: &IdentityProof) {
    match identity {
        IdentityProof::Anonymous | IdentityProof::Basic { .. } => {}
        IdentityProof::Bearer(token) | IdentityProof::RefreshToken { token, .. } => {
            let bytes = token.expose();
            assert!(!bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic));
        }
    }
}

/// The values that no message may show: too odd and too long to occur by
/// chance, and not also a name.
fn secrets(data: &[u8]) -> Vec<String> {
    let Ok(whole) = serde_json::from_slice::<Value>(data) else {
        return Vec::new();
    };
    let (mut names, mut values) = (String::new(), Vec::new());
    collect(&whole, &mut names, &mut values);
    let is_secret = |value: &String| {
        let is_odd = value.bytes().any(|b| b.is_ascii_digit()) && !SAID.contains(value.as_str());
        is_odd && value.len() >= 12 && !names.contains(value.as_str())
    };
    values.into_iter().filter(is_secret).collect()
}

fn collect(value: &Value, names: &mut String, values: &mut Vec<String>) {
    const SHOWN: [&str; 3] = ["username", "credsStore", "credHelpers"];
    match value {
        Value::String(text) => values.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names, values)),
        Value::Object(members) => {
            for (name, member) in members {
                names.push_str(name);
                match SHOWN.contains(&name.as_str()) {
                    true => names.push_str(&member.to_string()),
                    false => collect(member, names, values),
                }
            }
        }
        _ => {}
    }
}
