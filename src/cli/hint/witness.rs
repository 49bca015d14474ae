//! Remedies for witnesses: authorities, logs and identity providers (`spec/evidence.md`).
//! A witness is chosen by the signing config and trusted by the trusted root, so that a
//! remedy names one of the two files.

use super::config::{SIGNING_CONFIG, TRUSTED_ROOT};
use super::http::of_http;
use super::{Hint, say};
use crate::phase::WitnessesError;
use crate::proof::trust::signing_config::SelectError;
use crate::service::Trouble;

const TOKEN: &str = "a JSON Web Token for the audience `sigstore` is wanted that is valid while the \
                     signer runs: make it right before";

/// Files and services that cannot be used.
pub(super) fn of_witnesses(error: &WitnessesError) -> Hint {
    match error {
        WitnessesError::File(_) => {
            say("paths in cosign.toml are relative to its folder; both files come from the user")
        }
        WitnessesError::TrustedRoot { .. } => say(TRUSTED_ROOT),
        WitnessesError::SigningConfig { .. } | WitnessesError::NoAuthority => say(SIGNING_CONFIG),
        WitnessesError::Select {
            source: SelectError::NoRule(_),
            ..
        } => {
            say("make it with `--rekor-config` and `--tsa-config`: `ANY`, `ALL` or `EXACT:<count>`")
        }
        WitnessesError::Select { .. } => say(
            "compare `validFor`, `majorApiVersion` and `operator` of the services; those who run \
             them publish new files from time to time",
        ),
        WitnessesError::Untrusted { .. } => say(
            "trusted root and signing config must be of the same instance: add the key or the \
             certificates of the service to the trusted root, or renew it",
        ),
        WitnessesError::Twice { .. } => say(
            "each witness that the signing config wants has to be another one: add its key or \
             certificates to the trusted root, or let the signing config ask for `ANY`",
        ),
        WitnessesError::OnlyV2 => say(
            "write `format = \"bundle\"` or `\"both\"`, or name a log of version 1 in the signing \
             config",
        ),
        WitnessesError::ManyAtTags { .. } => say(
            "`format = \"bundle\"` has room for several; or let the signing config ask for `ANY`",
        ),
        WitnessesError::Plain(_) => say(
            "write the authority's URL with `https`: whoever reads the token can be this identity",
        ),
        WitnessesError::NoTime => say("name a timestamp authority in the signing config"),
    }
}

/// A provider is named by `oidc-provider` and by variables of the job, and by no
/// signing config (EVD-62).
pub(super) fn of_provider(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Denied { .. } | Trouble::Status { .. } => say(
            "the provider gives this job no token: in GitHub's workflows it needs `permissions: \
             {id-token: write}`",
        ),
        Trouble::Answer { .. } => say(TOKEN),
        trouble => of_witness(trouble),
    }
}

pub(super) fn of_witness(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Unproven { .. } => say(
            "the trusted root must hold the keys of the services that the signing config names; if \
             it does, their operator has to know of this answer",
        ),
        Trouble::Http(error) => of_http(error),
        Trouble::Denied { .. } | Trouble::Status { .. } | Trouble::NotReady { .. } => say(
            "the service refuses what was asked for; the signing config says which services are \
             asked",
        ),
        Trouble::Frozen { .. } => {
            say("another log has taken its place: take the newest signing config and trusted root")
        }
        Trouble::Oversized { .. } => say(
            "Rekor v1 is sent whole documents, here of at most 32 MiB, and the one who runs a log \
             may allow less; Rekor v2 is sent hashes alone",
        ),
        Trouble::Unfit { .. } => say(
            "sign with a P-256 or RSA key, or use bundles and a log of Rekor v1, which takes \
             every key",
        ),
        Trouble::Answer { .. } | Trouble::Missing { .. } => {
            say("what answers there is no such service: compare the URL in the signing config")
        }
        Trouble::NoCredentials { .. } => say(
            "a token comes from `SIGSTORE_ID_TOKEN`, a file, or a service that gives one: in GitHub's \
             workflows with `permissions: {id-token: write}`, in GitLab's jobs with `id_tokens: \
             {SIGSTORE_ID_TOKEN: {aud: sigstore}}`",
        ),
        Trouble::Setting { .. } | Trouble::File(_) => say(TOKEN),
        _ => None,
    }
}
