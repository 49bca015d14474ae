//! The real Vault: its core with the transit engine and AppRole, in memory.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Caller, Service};
use crate::support::served::Served;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// The token of the one who may do everything.
const ROOT: &str = "root-of-the-acceptance-tests";

pub struct Vault {
    served: Served,
    root: Caller,
}

impl Vault {
    pub fn start() -> Self {
        let command = |port, _: &_| {
            let mut command = Service::Vault.command();
            let listen = format!("127.0.0.1:{port}");
            command.args(["-listen", &listen, "-root-token", ROOT]);
            command
        };
        let root = |port| Caller::of(&format!("http://127.0.0.1:{port}"));
        let served = Served::start(READY_WITHIN, command, |port| {
            let answer = root(port).ask("GET", "/v1/sys/health", &Value::Null);
            answer.is_some_and(|(status, _)| status == 200)
        });
        let root = root(served.port()).showing("X-Vault-Token", ROOT);
        Self { served, root }
    }

    /// `http://127.0.0.1:<port>`
    pub fn address(&self) -> String {
        format!("http://{}", self.served.host())
    }

    /// The token of the one who may do everything.
    pub fn token(&self) -> &str {
        ROOT
    }

    /// May do everything.
    pub fn root(&self) -> &Caller {
        &self.root
    }

    /// A key of the transit engine: `ecdsa-p256`, `ed25519`, `rsa-2048`,
    /// `aes256-gcm96`, …
    pub fn create_key(&self, name: &str, kind: &str) {
        let path = format!("/v1/transit/keys/{name}");
        self.root.must("POST", &path, &json!({ "type": kind }));
    }

    /// Adds a version, which is the latest then.
    pub fn rotate(&self, name: &str) {
        let path = format!("/v1/transit/keys/{name}/rotate");
        self.root.must("POST", &path, &Value::Null);
    }

    /// The public key of a version as Vault writes it: PEM, for Ed25519 base64 of
    /// 32 bytes.
    pub fn public_key(&self, name: &str, version: u32) -> String {
        let path = format!("/v1/transit/keys/{name}");
        let answer = self.root.must("GET", &path, &Value::Null);
        let key = &answer["data"]["keys"][version.to_string()]["public_key"];
        key.as_str().expect("a key that signs").to_owned()
    }

    /// A token that may do what this policy says (HCL) and nothing else.
    pub fn token_with(&self, policy: &str) -> String {
        let name = format!("p{}", fastrand::u64(..));
        let path = format!("/v1/sys/policies/acl/{name}");
        self.root.must("PUT", &path, &json!({ "policy": policy }));
        let asked = json!({ "policies": [name], "no_parent": true });
        let answer = self.root.must("POST", "/v1/auth/token/create", &asked);
        let token = &answer["auth"]["client_token"];
        token.as_str().expect("a token").to_owned()
    }

    /// From now on the token is unknown.
    pub fn revoke(&self, token: &str) {
        let asked = json!({ "token": token });
        self.root.must("POST", "/v1/auth/token/revoke", &asked);
    }

    /// At most so many requests a second to the transit engine; 0 lifts the limit.
    pub fn limit(&self, requests_a_second: u32) {
        let path = "/v1/sys/quotas/rate-limit/acceptance";
        if requests_a_second == 0 {
            self.root.must("DELETE", path, &Value::Null);
            return;
        }
        let asked = json!({ "path": "transit/", "rate": requests_a_second, "interval": "1s" });
        self.root.must("POST", path, &asked);
    }

    pub fn seal(&self) {
        self.root.must("PUT", "/v1/sys/seal", &Value::Null);
    }

    pub fn unseal(&self) {
        let log = self.served.log();
        let share = log.lines().find_map(|line| line.strip_prefix("share "));
        let asked = json!({ "key": share.expect("the share was printed") });
        self.root.must("PUT", "/v1/sys/unseal", &asked);
    }
}

/// The policy that users of cosign have for a key.
pub fn policy(key: &str) -> String {
    format!(
        "path \"transit/keys/{key}\" {{ capabilities = [\"read\"] }}\n\
         path \"transit/sign/{key}/*\" {{ capabilities = [\"update\"] }}\n"
    )
}
