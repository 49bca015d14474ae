//! Remedies for the steps, and for the receipt. A failure of a lower floor has its
//! remedy there; here is only what the step itself knows.

use super::attach::of_attach;
use super::certificate::of_certificate;
use super::keys::{of_opening, of_signing, of_uri};
use super::sbom::of_sbom;
use super::service::of_service;
use super::store::of_store;
use super::witness::of_witnesses;
use super::{Hint, RUN_AGAIN, say};
use crate::oci::Repository;
use crate::phase::{DestinationError, GenerateError, Mixture, PhaseError, SecretFileError, Stop};
use crate::store::registry::StoreError;

pub(super) fn of_phase(error: &PhaseError) -> Hint {
    match error {
        PhaseError::Contradiction { key, .. } => of_contradiction(key),
        PhaseError::OwnTag { .. } => say(
            "signing would overwrite a tag of the image itself: export it under other tags, or \
             store signatures elsewhere with `repository`",
        ),
        PhaseError::SecretFile(source) => of_secret_file(source),
        PhaseError::OwnCertificate(source) => of_certificate(source),
        PhaseError::KeyUri { source, .. } => of_uri(source),
        PhaseError::NeedlessPassword { .. } => {
            say("leave `password` out: a password opens a key file or an `env://` key alone")
        }
        PhaseError::Witnesses { source, .. } => of_witnesses(source),
        PhaseError::Key { source, .. } => of_opening(source),
        PhaseError::WriteAccess { repository, source } => of_write_access(repository, source),
        PhaseError::Read { source, .. } | PhaseError::SbomLayer { source, .. } => of_store(source),
        // A failed export writes no report: one from before may still lie there.
        PhaseError::Moved { .. } | PhaseError::TagGone { .. } | PhaseError::Missing { .. } => say(
            "sign right after the export, with the report of that export; a report of an earlier \
             run may have been left behind",
        ),
        PhaseError::Sbom { source, .. } => of_sbom(source),
        PhaseError::Sign { source, .. } | PhaseError::CertificateRequest { source, .. } => {
            of_signing(source)
        }
        PhaseError::TooLongForLog { .. } => say(
            "a log of version 2 needs a hash alone; or export the document otherwise, with \
             `export-sbom`",
        ),
        PhaseError::Unlogged { .. } => say(
            "sign with another key, write `format = \"bundle\"` or `\"both\"`, or name a signing config \
             without logs",
        ),
        PhaseError::Witness { source, .. } | PhaseError::Certificate { source, .. } => {
            of_service(source)
        }
        PhaseError::Place(source) => of_attach(source),
        PhaseError::Generate(source) => of_generation(source),
        PhaseError::Mixed(mixture) => of_mixture(mixture),
        // The remedy of the cause comes first: running again alone may not help.
        PhaseError::InPart(source) => of_phase(source).or_else(|| say(RUN_AGAIN)),
        PhaseError::Stopped(Stop::OutOfTime(_)) => {
            say("`-timeout` sets the time; running again is safe")
        }
        PhaseError::Stopped(Stop::Interrupt | Stop::Terminate) => say("running again is safe"),
        // Bugs for the most part; the messages say the rest.
        PhaseError::NoTags
        | PhaseError::Manifest { .. }
        | PhaseError::Content(_)
        | PhaseError::Seal(_)
        | PhaseError::NoKey(_)
        | PhaseError::NoPlace(_)
        | PhaseError::NoSignature(_)
        | PhaseError::NoVerifier(_)
        | PhaseError::Crashed(_) => None,
    }
}

/// Two configs of one place that disagree on a `key` of cosign.toml.
fn of_contradiction(key: &str) -> Hint {
    match key {
        "format" => say(
            "where one bundle hangs, cosign 2.6 and 3 look at bundles alone and would not see the \
             signature without: give both `format = \"both\"` (or `\"bundle\"`), or another \
             `repository`",
        ),
        key => Some(format!("give both the same `{key}`, or another `repository`").into()),
    }
}

fn of_secret_file(error: &SecretFileError) -> Hint {
    match error {
        SecretFileError::NoPassword { .. } => say(
            "it is the path of a file that holds the password, relative to the folder of \
             cosign.toml; it is not shown, since it may be the password itself",
        ),
        SecretFileError::Unreadable { .. } => say(
            "paths in cosign.toml are relative to its folder; the file must be readable by the \
             phase's user",
        ),
    }
}

/// A folder that takes no messages.
pub(super) fn of_generation(error: &GenerateError) -> Hint {
    match error {
        GenerateError::Write { .. } => {
            say("`-generate` names a folder that the phase's user can write to; it may be new")
        }
        GenerateError::OtherIndex { .. } | GenerateError::OtherMessage { .. } => say(
            "messages that are no longer asked for could be signed by mistake: name another folder, \
             or delete this one; a message that has not changed keeps its name and its signature",
        ),
        GenerateError::Foreign { .. } => say("name another folder, best a new one"),
    }
}

/// Two forms on one image.
pub(super) fn of_mixture(mixture: &Mixture) -> Hint {
    match mixture {
        Mixture::Hides { .. } => say(
            "let all signatories of the image sign it with `format = \"both\"`, or store these \
             bundles elsewhere with `repository`",
        ),
        Mixture::Unseen { .. } => say(
            "sign with `format = \"both\"`, as all signatories of the image should, or store \
             these signatures elsewhere with `repository`",
        ),
    }
}

/// A registry that grants no upload session.
fn of_write_access(repository: &Repository, source: &StoreError) -> Hint {
    match source {
        // ECR, and registries whose projects are made by hand.
        StoreError::Status { status: 404, .. } | StoreError::Missing { .. } => {
            let path = repository.path();
            let words = format!("create the repository `{path}` first: this registry makes none");
            Some(words.into())
        }
        StoreError::Status { status: 405, .. } => say(
            "this registry takes no uploads, as a mirror or a cache does: store signatures \
             elsewhere with `repository`",
        ),
        source => of_store(source),
    }
}

/// A path that takes no receipt.
pub(super) fn of_destination(error: &DestinationError) -> Hint {
    match error {
        DestinationError::Input(_) => say("the receipt would replace it: name another file"),
        DestinationError::Kind(_) => say("name a file, a pipe or a character device"),
        DestinationError::Unread => say("start its reader before the signer"),
        DestinationError::Io(_) => {
            say("the folder must exist, and be writable by the phase's user")
        }
    }
}
