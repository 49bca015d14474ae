//! Remedies for HashiCorp Vault and OpenBao. Some of their answers differ in their
//! words alone: those are looked at here, and nowhere else.

use super::{Hint, http, say};
use crate::http::HttpError;
use crate::service::{Said, Trouble, VaultKey};

pub(super) fn of_vault(key: &VaultKey, trouble: &Trouble) -> Hint {
    let VaultKey { mount, key, .. } = key;
    match trouble {
        Trouble::NotSet("VAULT_ADDR") => say(
            "set `VAULT_ADDR` (or `BAO_ADDR`) to the address, as in `https://vault.example:8200`",
        ),
        Trouble::NotSet(_) => {
            say("a client certificate needs both `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`")
        }
        Trouble::NoCredentials { .. } => {
            say("set `VAULT_TOKEN`, or log in with `vault login`, which writes `~/.vault-token`")
        }
        Trouble::Expired { .. } => {
            say("the token has expired or was revoked: set `VAULT_TOKEN` to a new one")
        }
        // KEY-61: all that the signer asks for, and what cosign's users have granted.
        Trouble::Denied { .. } => Some(
            format!(
                "the token's policy has to allow `read` on `{mount}/keys/{key}` and `update` on \
                 `{mount}/sign/{key}/*`, in the namespace of `VAULT_NAMESPACE`"
            )
            .into(),
        ),
        Trouble::Missing { answer, .. } => Some(of_missing(mount, key, answer).into()),
        Trouble::Unfit { .. } => say(
            "keys of the types `ecdsa-p256`, `ecdsa-p384`, `ecdsa-p521`, `ed25519`, `rsa-2048`, \
             `rsa-3072` and `rsa-4096` sign",
        ),
        Trouble::TooLong { .. } => say(
            "an Ed25519 key signs whole messages, and services limit these: use an ECDSA or RSA \
             key for attestations of this size",
        ),
        Trouble::Http(error) => of_connection(error),
        Trouble::Astray { .. } => say(
            "it is a standby: set its `api_addr` to an `https://` address, or name the active one \
             with `VAULT_ADDR`",
        ),
        Trouble::Setting { name, .. }
            if name == "VAULT_PROXY_ADDR" || name == "VAULT_HTTP_PROXY" =>
        {
            Some(http::of_proxy(name).into())
        }
        Trouble::NotReady { .. }
        | Trouble::Clock { .. }
        | Trouble::Setting { .. }
        | Trouble::File(_)
        | Trouble::Status { .. }
        | Trouble::Answer { .. }
        | Trouble::Unproven { .. }
        | Trouble::Frozen { .. }
        | Trouble::Oversized { .. }
        | Trouble::Unsent { .. }
        | Trouble::Child(_)
        | Trouble::Failed(_)
        | Trouble::NoProgram => None,
    }
}

/// No engine, or no key in it. Both are 404; the first says `no handler for route`,
/// the second nothing at all.
fn of_missing(mount: &str, key: &str, answer: &Said) -> String {
    match answer.0.contains("handler") {
        true => format!(
            "no engine is mounted at `{mount}`: mount one with `vault secrets enable \
             -path={mount} transit`, or set `TRANSIT_SECRET_ENGINE_PATH` to the path of \
             the transit engine, and `VAULT_NAMESPACE` to its namespace"
        ),
        false => format!(
            "create it with `vault write -f {mount}/keys/{key} type=ecdsa-p256`, or correct the \
             name"
        ),
    }
}

fn of_connection(error: &HttpError) -> Hint {
    match error {
        // 503 with `Vault is sealed`.
        HttpError::Overloaded { answer, .. } if answer.contains("sealed") => {
            say("it is sealed: have it unsealed; running again is safe")
        }
        HttpError::Certificate { .. } => {
            say("name the certificate of its authority with `VAULT_CACERT`")
        }
        HttpError::Tls { .. } => say("if it speaks plain HTTP, write `VAULT_ADDR` with `http://`"),
        error if error.wants_certificate() => {
            say("name a certificate and its key with `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`")
        }
        HttpError::Connect { .. } | HttpError::Dns { .. } => {
            say("check `VAULT_ADDR`, the network and the proxies; running again is safe")
        }
        error => http::of_http(error),
    }
}
