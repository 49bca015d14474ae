//! Remedies for Azure: its identities (KEY-104), which keys and registries share, and
//! its keys (KEY-100 to 103).

use super::http::of_http;
use super::{Hint, say};
use crate::service::Trouble;

pub(super) fn of_identity(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoCredentials { .. } => say(
            "give the machine or the pod an identity, set AZURE_TENANT_ID, AZURE_CLIENT_ID and \
             AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE, or run `az login`",
        ),
        Trouble::Setting { .. } | Trouble::File(_) => {
            say("these variables are those of Azure's own tools; leave one unset that is not meant")
        }
        Trouble::Expired { .. } => {
            say("the client secret or the federated token is over: get a new one")
        }
        Trouble::Denied { .. } => say(
            "AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret must be of one application; a \
             federated token must have the issuer, subject and audience of its federated credential",
        ),
        Trouble::Http(error) => of_http(error),
        _ => None,
    }
}

pub(super) fn of_keys(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Denied { .. } | Trouble::Expired { .. } => say(
            "on the key, the identity needs `get` and `sign`: the role `Key Vault Crypto User` \
             (of a Managed HSM `Managed HSM Crypto User`), or an access policy with these key \
             permissions; the vault's firewall must let it in",
        ),
        Trouble::Missing { .. } => say("vault, key and version of the URI must be there"),
        Trouble::Unfit { .. } => say(
            "the key must be of the type EC (P-256, P-384, P-521) or RSA, enabled, in its time, \
             and have `sign` among its operations",
        ),
        Trouble::Http(error) => of_http(error),
        _ => None,
    }
}
