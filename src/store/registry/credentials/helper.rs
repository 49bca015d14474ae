//! Docker's credential helpers: `docker-credential-<name> get`, the server on
//! standard input, JSON on standard output (docker-credential-helpers v0.9).

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::{CredentialsError, HELPER_TIME, Proof, SecretText, Source};
use crate::secret::Secret;

/// The most bytes that a helper may answer.
const MAX_ANSWER: u64 = 64 * 1024;
/// A helper's output when it has nothing for the server.
const NOT_FOUND: &[u8] = b"credentials not found in native keychain";
/// The user name that marks a secret as an identity token.
const TOKEN_USER: &[u8] = b"<token>";
/// The signer's own secrets, which a helper does not need.
const NOT_INHERITED: [&str; 3] = ["COSIGN_PASSWORD", "CNB_REGISTRY_AUTH", "DOCKER_AUTH_CONFIG"];

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

/// The first executable file of this name in `path`, a colon list. Relative
/// folders are left out, as Go's `exec.LookPath` does.
pub(super) fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    let executable = |file: &PathBuf| {
        std::fs::metadata(file)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(executable)
}

/// Asks the helper for the credential of `server`; `None` if it has none.
pub(super) async fn ask(
    file: &Path,
    server: &str,
    source: &Source,
) -> Result<Option<Proof>, CredentialsError> {
    let start = |error| CredentialsError::HelperStart {
        source_of: source.clone(),
        source: error,
    };
    let mut child = spawn(file).map_err(start)?;
    let talk = tokio::time::timeout(HELPER_TIME, talk(&mut child, server));
    let (output, status) = match talk.await {
        Ok(answer) => answer.map_err(start)?,
        Err(_) => {
            // Killed, and reaped by the runtime when the child is dropped.
            let _ = child.start_kill();
            return Err(CredentialsError::HelperTimeout(source.clone()));
        }
    };
    if output.expose().trim_ascii() == NOT_FOUND {
        return Ok(None);
    }
    let Some(status) = status else {
        return Err(CredentialsError::HelperAnswer(source.clone()));
    };
    if !status.success() {
        return Err(CredentialsError::HelperFailed {
            source_of: source.clone(),
            status: status.to_string(),
        });
    }
    identity(&output).ok_or_else(|| CredentialsError::HelperAnswer(source.clone()))
}

fn spawn(file: &Path) -> io::Result<Child> {
    let mut command = Command::new(file);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.spawn()
}

/// The helper's output, and its exit status; `None` if it printed too much.
async fn talk(child: &mut Child, server: &str) -> io::Result<(Secret, Option<ExitStatus>)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input closes the pipe.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let capacity = usize::try_from(MAX_ANSWER + 1).unwrap_or_default();
    let mut output = Zeroizing::new(Vec::with_capacity(capacity));
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER + 1).read_to_end(&mut output).await?;
    }
    let output = Secret::new(std::mem::take(&mut *output));
    if output.expose().len() as u64 > MAX_ANSWER {
        let _ = child.start_kill();
        return Ok((output, None));
    }
    Ok((output, Some(child.wait().await?)))
}

/// The identity in a helper's output. The outer `None` is an output that makes
/// no sense, the inner one an empty output.
pub(super) fn identity(output: &Secret) -> Option<Option<Proof>> {
    let answer: HelperOutput = serde_json::from_slice(output.expose()).ok()?;
    let empty = || SecretText(Secret::new(Vec::new()));
    let SecretText(user) = answer.username.unwrap_or_else(empty);
    let SecretText(secret) = answer.secret.unwrap_or_else(empty);
    if secret.expose().is_empty() {
        return Some(None);
    }
    if user.expose() == TOKEN_USER {
        let sendable = secret.expose().iter().all(u8::is_ascii_graphic);
        return sendable.then_some(Some(Proof::RefreshToken(secret)));
    }
    Some(Some(Proof::Basic {
        user: user.expose_str()?.to_owned(),
        password: secret,
    }))
}
