//! The SPIFFE Workload API, as far as a token goes: `FetchJWTSVID`
//! (<https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md>).

use std::path::PathBuf;

use crate::secret::Secret;
use crate::service::{Trouble, Variables};

const VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";
/// SPIRE's own.
const SOCKET: &str = "/tmp/spire-agent/public/api.sock";

/// A socket of an agent.
#[derive(Debug)]
pub(super) struct Socket(PathBuf);

impl Socket {
    /// The socket, if there is one. cosign wants a bare path, SPIFFE a URL.
    pub(super) fn find(variables: &Variables) -> Option<Self> {
        let text = variables.text(VARIABLE);
        let text = text.unwrap_or_else(|| SOCKET.to_owned());
        let path = text.strip_prefix("unix:").unwrap_or(&text);
        let path = match path.strip_prefix("//") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(path),
        };
        path.exists().then_some(Self(path))
    }

    /// The token, and the request in words.
    pub(super) async fn ask(self, _variables: &Variables) -> Result<(Secret, String), Trouble> {
        Err(Trouble::Setting {
            name: self.0.display().to_string(),
            reason: "this version does not ask the Workload API",
        })
    }
}
