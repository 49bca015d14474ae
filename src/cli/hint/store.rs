//! Remedies for registries and the credentials for them (SIG-70 to 72, SIG-100 to 102).
//! A registry's own words stand in the message; where these say it all, there is none.

use super::http::{of_astray, of_http};
use super::service::of_service;
use super::{Hint, say};
use crate::http::{Astray, HttpError};
use crate::store::registry::credentials::{CredentialsError, Source, Unusable};
use crate::store::registry::{Limit, Shown, StoreError};

/// A storage quota that is used up.
pub(super) const QUOTA: &str = "the storage quota is used up: have it raised, or delete artifacts \
                                that nobody needs; running again then is safe";

pub(super) fn of_store(error: &StoreError) -> Hint {
    match error {
        // By itself the signer does not fall back to plain HTTP there
        // (`spec/decisions/0004`).
        StoreError::Http(HttpError::Tls { .. }) => {
            say("if the registry speaks plain HTTP, list it with `-insecure-registry`")
        }
        StoreError::Http(error) => of_http(error),
        StoreError::Realm {
            reason: Astray::PlainElsewhere,
            ..
        } => say("the registry has to name its token service with `https://`"),
        StoreError::Location { reason, .. } | StoreError::Realm { reason, .. } => {
            of_astray(*reason)
        }
        StoreError::DeniedElsewhere { .. } => say(
            "the place that the registry keeps its blobs at has to let its clients in; an address \
             that it signs may have expired",
        ),
        StoreError::Credentials { source, .. } => of_credentials(source),
        StoreError::TooLarge { limit, .. } => of_limit(*limit),
        StoreError::Quota { .. } => say(QUOTA),
        StoreError::Denied { identity, .. } => of_shown(identity),
        StoreError::Token { .. }
        | StoreError::Status { .. }
        | StoreError::Protocol { .. }
        | StoreError::Digest { .. }
        | StoreError::Size { .. }
        | StoreError::Manifest { .. }
        | StoreError::Answer { .. }
        | StoreError::Stopped
        | StoreError::Missing { .. } => None,
    }
}

/// A registry that denies access, by the credential that it was shown. The message names
/// the source of the credential, and each source that was looked at before (SIG-72).
fn of_shown(shown: &Shown) -> Hint {
    match shown {
        Shown::Nothing(_) => say(
            "give credentials for this registry in `CNB_REGISTRY_AUTH` or the docker config; \
             signing needs push access where signatures go",
        ),
        Shown::Credential(_) | Shown::Granted => say(
            "these credentials were refused: they may be wrong or expired, or may not push here, \
             which signing needs where signatures go",
        ),
        Shown::Unchallenged => say(
            "the registry refuses without asking for credentials: look at what stands in front of \
             it, such as a filter of addresses",
        ),
    }
}

/// The flag of the limit (SIG-47).
fn of_limit(limit: Limit) -> Hint {
    let flag = match limit {
        Limit::Manifest(_) => "-manifest-limit",
        Limit::Config(_) => "-image-config-limit",
        Limit::Layer(_) => "-sbom-layer-limit",
    };
    Some(format!("if its size is meant, raise the limit with `{flag} <size>`").into())
}

pub(super) fn of_credentials(error: &CredentialsError) -> Hint {
    match error {
        CredentialsError::Json {
            source_of: Source::CnbRegistryAuth,
            ..
        } => say(r#"it must be like {"registry.example": "Basic <base64>"}"#),
        CredentialsError::Unusable { reason, .. } => of_file(reason),
        CredentialsError::UnknownHeader(_) => {
            say("a header is `Basic <base64>`, `Bearer <token>` or `X-Identity <token>`")
        }
        CredentialsError::HelperName { .. } => {
            say("it is what follows `docker-credential-` in the name of the program")
        }
        CredentialsError::HelperMissing(_) => {
            say("put the helper on PATH, or give the credential in CNB_REGISTRY_AUTH")
        }
        CredentialsError::HelperFailed { .. }
        | CredentialsError::HelperAnswer(_)
        | CredentialsError::HelperTimeout(_) => say(
            "run the helper by hand, as in `echo registry.example | docker-credential-NAME get`; its \
             output is not shown here because it may hold a secret",
        ),
        CredentialsError::Cloud { source, .. } => of_service(source),
        CredentialsError::NotBasic { .. } => {
            say("write what `printf %s '<user>:<password>' | base64 -w0` prints")
        }
        CredentialsError::HelperStart { .. } => say(
            "the helper has to be a program for this machine, executable, and its interpreter there",
        ),
        CredentialsError::TooLong(_)
        | CredentialsError::Json { .. }
        | CredentialsError::NotAToken { .. } => None,
    }
}

/// A file with credentials that a variable names. The mistakes are those of mounting a
/// file into a container.
fn of_file(reason: &Unusable) -> Hint {
    match reason {
        Unusable::BehindAFile => {
            say("`DOCKER_CONFIG` is the folder that holds `config.json`, not the file")
        }
        Unusable::Folder => {
            say("docker makes a folder where it is told to mount a file that is not there")
        }
        Unusable::OtherName(".dockercfg") => say(
            "this is docker's old form: use a secret of type `kubernetes.io/dockerconfigjson`, \
             mounted under the name `config.json`",
        ),
        Unusable::OtherName(_) => {
            say("mount the secret's key `.dockerconfigjson` under the name `config.json`")
        }
        Unusable::Unreadable(_) | Unusable::Unreachable(_) => {
            say("the file must be readable by the user that starts the phase")
        }
        Unusable::NoFile | Unusable::Absent | Unusable::NoHome | Unusable::Dangling => None,
    }
}
