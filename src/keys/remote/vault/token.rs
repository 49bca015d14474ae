//! The token that Vault is asked with: from a variable, from the helper that the
//! user's `~/.vault` names, or from `~/.vault-token`, as sigstore v1.10.8 looks
//! for it (KEY-65). Other than there, a helper that has none leaves the turn to
//! the file.
//!
//! No token is renewed: a run is shorter than a token.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tracing::debug;

use crate::child::{self, Bounds, Words};
use crate::http::header::HeaderValue;
use crate::oci::Content;
use crate::secret::Secret;
use crate::service::{PROGRAM_TIME, Tried, Trouble, Variables, last_words, sensitive};

/// Tokens of Vault Enterprise have some 200 bytes.
const LONGEST: usize = 8 * 1024;
const BOUNDS: Bounds = Bounds {
    time: PROGRAM_TIME,
    answer: LONGEST as u64,
};
const CONFIG: &str = "~/.vault";
const OTHER_CONFIG: &str = "VAULT_CONFIG_PATH";
const FILE: &str = "~/.vault-token";
const NO_HOME: &str = "HOME is not set";

/// A token, or the helper that is asked for one.
pub(super) struct VaultToken {
    /// It is run when the first request needs a token.
    helper: Option<TokenHelper>,
    /// From a variable, or the one that counts if the helper has none.
    known: Option<HeaderValue>,
    /// The sources without a token so far, for the error that names them all.
    tried: Vec<Tried>,
}

/// A program that keeps tokens.
struct TokenHelper {
    /// The name of the configuration that names it.
    source: &'static str,
    /// An absolute path.
    program: PathBuf,
}

impl VaultToken {
    /// Looks for a token. No program is run yet.
    ///
    /// # Errors
    /// On a token that no header can show, on a file that is there and cannot be
    /// read, and where every source has none for sure.
    pub(super) fn find(variables: &Variables) -> Result<Self, Trouble> {
        let names = ["VAULT_TOKEN", "BAO_TOKEN"];
        if let Some((name, token)) = variables.first_secret(&names) {
            let known = header(&token).ok_or_else(|| unusable(name))?;
            return Ok(Self {
                helper: None,
                known: Some(known),
                tried: Vec::new(),
            });
        }
        let mut tried: Vec<Tried> = names.map(|name| (name, "not set".to_owned())).into();
        let helper = TokenHelper::find(variables, &mut tried)?;
        let known = in_file(variables, &mut tried)?;
        match (&helper, &known) {
            (None, None) => Err(Trouble::NoCredentials { tried }),
            _ => Ok(Self {
                helper,
                known,
                tried,
            }),
        }
    }

    /// The token as a header. Runs the helper, if there is one: its token comes
    /// before the file's, which may be of an earlier login. The caller keeps it for
    /// the run.
    pub(super) async fn ask(&self, variables: &Variables) -> Result<HeaderValue, Trouble> {
        let mut tried = self.tried.clone();
        if let Some(TokenHelper { source, program }) = &self.helper {
            match run(program, variables).await {
                Ok(token) => return Ok(token),
                Err(reason) => {
                    debug!("no token from `{}`: {reason}", program.display());
                    tried.push((source, format!("its token helper {reason}")));
                }
            }
        }
        let known = self.known.clone();
        known.ok_or(Trouble::NoCredentials { tried })
    }
}

impl TokenHelper {
    /// The helper of the configuration, which is at home unless a variable names it.
    fn find(variables: &Variables, tried: &mut Vec<Tried>) -> Result<Option<Self>, Trouble> {
        let (source, config) = match (variables.path(OTHER_CONFIG), variables.home()) {
            (Some(path), _) => (OTHER_CONFIG, path),
            (None, Some(home)) => (CONFIG, home.join(".vault")),
            (None, None) => {
                tried.push((CONFIG, NO_HOME.to_owned()));
                return Ok(None);
            }
        };
        match program(&config, variables)? {
            Ok(program) => Ok(Some(Self { source, program })),
            Err(reason) => {
                tried.push((source, reason.to_owned()));
                Ok(None)
            }
        }
    }
}

fn unusable(name: &str) -> Trouble {
    Trouble::setting(name, "it holds no token")
}

/// The helper that the configuration names, or why it names none. A relative path
/// is passed over. Vault takes absolute ones alone, too: another program could be
/// put before the one that is meant.
fn program(config: &Path, variables: &Variables) -> Result<Result<PathBuf, &'static str>, Trouble> {
    let Some(text) = variables.read_if_there(config)? else {
        return Ok(Err("not there"));
    };
    let Some(helper) = token_helper(text.expose()) else {
        return Ok(Err("it is no configuration of Vault"));
    };
    match helper {
        None => Ok(Err("it names no token helper")),
        Some(helper) if Path::new(&helper).is_absolute() => Ok(Ok(helper.into())),
        Some(_) => Ok(Err("its token helper is no absolute path")),
    }
}

/// The token in `~/.vault-token`, without the white space around it; `vault login`
/// writes the file.
fn in_file(variables: &Variables, tried: &mut Vec<Tried>) -> Result<Option<HeaderValue>, Trouble> {
    let Some(home) = variables.home() else {
        tried.push((FILE, NO_HOME.to_owned()));
        return Ok(None);
    };
    let Some(token) = variables.read_if_there(&home.join(".vault-token"))? else {
        tried.push((FILE, "not there".to_owned()));
        return Ok(None);
    };
    if token.expose().trim_ascii().is_empty() {
        tried.push((FILE, "empty".to_owned()));
        return Ok(None);
    }
    variables.remember(token.expose().trim_ascii());
    let token = header(&token).ok_or_else(|| unusable(FILE))?;
    Ok(Some(token))
}

/// The helper's token, or why it gives none; a program that does not run gives none
/// (KEY-65). `get` is one of the operations of Vault's
/// protocol for token helpers; the token is all of standard output.
async fn run(helper: &Path, variables: &Variables) -> Result<HeaderValue, String> {
    let mut command = Command::new(helper);
    command.arg("get");
    let nothing = Content::from(Vec::new());
    let answer = child::run(command, &nothing, Words::Kept, BOUNDS).await;
    let answer = answer.map_err(|error| match error.source() {
        Some(cause) => format!("gives none: {error}: {cause}"),
        None => format!("gives none: {error}"),
    })?;
    if !answer.status.success() {
        let said = last_words(&answer.words, variables.secrets());
        return Err(format!("failed ({}){said}", answer.status));
    }
    let token = answer.output.trim_ascii();
    variables.remember(token);
    header(&Secret::new(token.to_vec())).ok_or_else(|| "printed no token".to_owned())
}

/// A header that is not logged; nothing if the text is no token. The white space
/// around it is no part of it, and any other blank is a mistake.
fn header(token: &Secret) -> Option<HeaderValue> {
    let token = token.expose().trim_ascii();
    let is_token = !token.is_empty()
        && token.len() <= LONGEST
        && token.iter().all(|byte| byte.is_ascii_graphic());
    sensitive(token).filter(|_| is_token)
}

/// The value of `token_helper` in a configuration in HCL, of which JSON is a
/// part; nothing if it is neither. No other key exists, and so a parser of HCL is
/// not worth it: whatever does not look like this one line is no configuration
/// here.
pub(super) fn token_helper(text: &[u8]) -> Option<Option<String>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().map(str::trim);
    let is_comment = |line: &&str| line.starts_with('#') || line.starts_with("//");
    let code: Vec<&str> = lines.filter(|line| !is_comment(line)).collect();
    let code = code.join("\n");
    let code = code.trim();
    let code = match code.strip_prefix('{') {
        Some(json) => json.strip_suffix('}')?.trim(),
        None => code,
    };
    if code.is_empty() {
        return Some(None);
    }
    let rest = code
        .strip_prefix("token_helper")
        .or_else(|| code.strip_prefix("\"token_helper\""))?;
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').or_else(|| rest.strip_prefix(':'))?;
    // A string of HCL is one of JSON, unless it has a template in it.
    let value: String = serde_json::from_str(value.trim()).ok()?;
    match value.contains("${") {
        true => None,
        false => Some(Some(value).filter(|value| !value.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_is_named_in_hcl_or_json() {
        for text in [
            "token_helper = \"/usr/bin/h\"\n",
            "# of ours\n  token_helper=\"/usr/bin/h\" ",
            "\"token_helper\" = \"/usr/bin/h\"",
            "{\n  \"token_helper\": \"/usr/bin/h\"\n}\n",
        ] {
            let helper = token_helper(text.as_bytes());
            assert_eq!(helper, Some(Some("/usr/bin/h".to_owned())), "{text}");
        }
        for text in ["", "# nothing\n", "{}", "token_helper = \"\""] {
            assert_eq!(token_helper(text.as_bytes()), Some(None), "{text}");
        }
        for text in [
            "$ANSIBLE_VAULT;1.1;AES256\n61",
            "token_helper = h",
            "token_helper = \"/a\"\nother = 1",
            "token_helper = \"${h}\"",
            "{",
            "\u{fffd}",
        ] {
            assert_eq!(token_helper(text.as_bytes()), None, "{text}");
        }
        assert_eq!(token_helper(b"\xff"), None);
    }
}
