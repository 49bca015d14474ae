//! The user who has logged in with `az`. The program keeps the login, and is
//! asked for a token each time: its files are its own.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::audience::Audience;
use crate::child::{self, Bounds, Words};
use crate::oci::Content;
use crate::service::answer::last_words;
use crate::service::error::PROGRAM_TIME;
use crate::service::oauth;
use crate::service::token::Token;
use crate::service::variables::Variables;

/// As of programs that sign: `az` may ask for a new token.
const BOUNDS: Bounds = Bounds {
    time: PROGRAM_TIME,
    answer: 64 * 1024,
};

/// `az`, found in `PATH`.
pub(super) struct Cli {
    program: PathBuf,
    /// The environment's, before that of the service.
    tenant: Option<String>,
}

/// The JSON of `az account get-access-token`.
#[derive(Deserialize)]
struct CliAnswer {
    #[serde(rename = "accessToken")]
    access_token: Zeroizing<String>,
    /// Seconds since 1970; older versions have none.
    expires_on: Option<i64>,
}

impl Cli {
    pub(super) fn find(variables: &Variables) -> Option<Self> {
        let program = child::find("az", &variables.program_path())?;
        let tenant = variables.text("AZURE_TENANT_ID");
        Some(Self { program, tenant })
    }

    /// A token, or why there is none.
    pub(super) async fn token(
        &self,
        audience: &Audience,
        variables: &Variables,
    ) -> Result<Token, String> {
        let mut command = Command::new(&self.program);
        command.args(["account", "get-access-token", "--output", "json"]);
        command.args(["--resource", &audience.resource]);
        let tenant = self.tenant.as_ref().or(audience.tenant.as_ref());
        command.args(tenant.iter().flat_map(|tenant| ["--tenant", tenant]));
        let input = Content::from(Vec::new());
        let answer = child::run(command, &input, Words::Kept, BOUNDS).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.status.success() {
            let said = last_words(&answer.words, variables.secrets());
            return Err(format!("it failed{said}"));
        }
        parse(&answer.output, variables).ok_or_else(|| "it printed no token".to_owned())
    }
}

/// The token that `az` printed, if it is one. `expiresOn`, a local time without
/// its zone, is not read.
pub(super) fn parse(output: &[u8], variables: &Variables) -> Option<Token> {
    let answer: CliAnswer = serde_json::from_slice(output).ok()?;
    let left = answer.expires_on.map(|time| {
        let left = time.saturating_sub(Timestamp::now().as_second());
        Duration::from_secs(u64::try_from(left).unwrap_or_default())
    });
    let token = &answer.access_token;
    oauth::is_token(token).then(|| Token::new(token, left, variables))
}
