//! Docker's credential helpers: `docker-credential-<name> get`, the server on
//! standard input, JSON on standard output (docker-credential-helpers v0.9).
//!
//! A helper is a program that a file names: only by a name below `PATH`, with a
//! bound on time and output, and nothing of what it prints is repeated.

use std::path::Path;

use serde::Deserialize;
use tokio::process::Command;

use super::credential::IdentityProof;
use super::error::CredentialsError;
use super::json::SecretText;
use super::source::{HELPER_TIME, Source};
use crate::child::{self, Bounds, ChildError, Words};
use crate::oci::Content;
use crate::secret::Secret;

const BOUNDS: Bounds = Bounds {
    time: HELPER_TIME,
    answer: 64 * 1024,
};
/// A helper's output when it has nothing for the server. It says so on standard
/// output, with a failing status.
const NOT_FOUND: &[u8] = b"credentials not found in native keychain";
/// The user name that marks a secret as an identity token.
const TOKEN_USER: &[u8] = b"<token>";

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HelperOutput {
    username: Option<SecretText>,
    secret: Option<SecretText>,
}

/// The program of the helper with this name. The name comes from a file, and
/// must not lead to any other program.
pub(super) fn program(name: &str, config: &Path) -> Result<String, CredentialsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
        return Err(CredentialsError::HelperName {
            name: name
                .chars()
                .take(128)
                .collect::<String>()
                .escape_debug()
                .to_string(),
            source_of: Source::DockerConfig(config.to_owned()),
        });
    }
    Ok(format!("docker-credential-{name}"))
}

/// Asks the helper for the credential of `server`; `None` if it has none.
pub(super) async fn ask(
    file: &Path,
    server: &str,
    source: &Source,
) -> Result<Option<IdentityProof>, CredentialsError> {
    let mut command = Command::new(file);
    command.arg("get");
    let input = Content::from(server.as_bytes().to_vec());
    let answer = child::run(command, &input, Words::Dropped, BOUNDS).await;
    let mut answer = answer.map_err(|error| failure(error, source))?;
    // Wiped, whatever it turns out to be.
    let output = Secret::new(std::mem::take(&mut *answer.output));
    // Before the status, which is that of a failure.
    if output.expose().trim_ascii() == NOT_FOUND {
        return Ok(None);
    }
    if !answer.status.success() {
        return Err(CredentialsError::HelperFailed {
            source_of: source.clone(),
            status: answer.status.to_string(),
        });
    }
    identity(&output).ok_or_else(|| CredentialsError::HelperAnswer(source.clone()))
}

fn failure(error: ChildError, source: &Source) -> CredentialsError {
    match error {
        ChildError::Start(error) | ChildError::Pipe(error) | ChildError::Input(error) => {
            CredentialsError::HelperStart {
                source_of: source.clone(),
                source: error,
            }
        }
        ChildError::Silence { .. } => CredentialsError::HelperTimeout(source.clone()),
        ChildError::TooLong { .. } => CredentialsError::HelperAnswer(source.clone()),
    }
}

/// The identity in a helper's output. The outer `None` is an output that makes
/// no sense, the inner one an empty output.
pub(super) fn identity(output: &Secret) -> Option<Option<IdentityProof>> {
    let answer: HelperOutput = serde_json::from_slice(output.expose()).ok()?;
    let empty = || SecretText(Secret::new(Vec::new()));
    let SecretText(user) = answer.username.unwrap_or_else(empty);
    let SecretText(secret) = answer.secret.unwrap_or_else(empty);
    if secret.expose().is_empty() {
        return Some(None);
    }
    if user.expose() == TOKEN_USER {
        let sendable = secret.expose().iter().all(u8::is_ascii_graphic);
        return sendable.then_some(Some(IdentityProof::refresh_token(secret)));
    }
    Some(Some(IdentityProof::Basic {
        user: user.expose_str()?.to_owned(),
        password: secret,
    }))
}
