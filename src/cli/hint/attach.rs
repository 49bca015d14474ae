//! Remedies for places where signatures hang. A registry's refusal is told first by
//! what it says, then by the place: immutable tags are the rest.

use super::store::{QUOTA, of_store};
use super::{Hint, RUN_AGAIN, say};
use crate::attach::{AttachError, Kind};
use crate::oci::manifest::ManifestError;
use crate::store::registry::ErrorCode;

pub(super) fn of_attach(error: &AttachError) -> Hint {
    match error {
        AttachError::Store { source, .. } => of_store(source),
        AttachError::Refused { answer, .. } if answer.speaks_of_quota() => say(QUOTA),
        // Registries from before the OCI media types, as Artifactory 6
        // (sigstore/cosign#1994). A bundle has no Docker form.
        AttachError::Refused { place, answer, .. }
            if answer.says(&ErrorCode::ManifestInvalid) && place.kind() != Kind::Referrers =>
        {
            say("try `docker-media-types = true` for this registry")
        }
        AttachError::Full { .. } => say(
            "store signatures elsewhere with `repository`, or export fewer documents with \
             `export-sbom`",
        ),
        AttachError::Subject { place } if place.kind() == Kind::Referrers => say(
            "this registry takes the tag for the image's digest, or `cosign copy` has left the \
             image there: use `format = \"legacy\"`, or store signatures elsewhere with \
             `repository`",
        ),
        AttachError::Subject { .. } => say("store signatures elsewhere with `repository`"),
        AttachError::Foreign { place, .. } if place.kind() == Kind::Referrers => {
            say("store signatures elsewhere with `repository`, or use `format = \"legacy\"`")
        }
        AttachError::Foreign {
            source: ManifestError::Unreadable(_),
            ..
        } => say(
            "verifiers find no signature at that tag as it stands: put back the manifest that stood \
             there before, or store signatures elsewhere with `repository`",
        ),
        AttachError::Refused { place, .. } if place.kind() == Kind::Referrers => {
            say("this registry may take no manifests with a subject: use `format = \"legacy\"`")
        }
        // Immutable tags, of ECR, Harbor and Docker Hub (sigstore/cosign#313): the
        // first write of a tag went well there.
        AttachError::Foreign { .. } | AttachError::Refused { .. } => say(
            "store signatures elsewhere with `repository`, or let the registry overwrite tags that \
             end in `.sig`, `.att` and `.sbom`",
        ),
        AttachError::BlobsLost { .. } => say(
            "running again is safe, and helps unless the registry has lost a blob of others: then \
             delete the tag, and let every key sign again",
        ),
        AttachError::NotDurable { .. } | AttachError::GaveUp { .. } => say(RUN_AGAIN),
        AttachError::Json { .. } | AttachError::Content { .. } => None,
    }
}
