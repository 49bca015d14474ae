//! Remedies for Google Cloud: its identities (KEY-94), which keys and registries share,
//! and its keys (KEY-90 to 93).

use super::http::of_http;
use super::{Hint, say};
use crate::service::Trouble;

pub(super) fn of_identity(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoCredentials { .. } => say(
            "give the machine or the pod a service account, name a credentials file in \
             GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
        ),
        Trouble::Setting { .. } | Trouble::File(_) => say(
            "GOOGLE_APPLICATION_CREDENTIALS names a file of the type `service_account`, \
             `authorized_user`, `external_account` (with a file or a URL) or \
             `impersonated_service_account`",
        ),
        Trouble::Clock { .. } => say("set the clock of this machine"),
        Trouble::Expired { .. } => {
            say("get new credentials, or run `gcloud auth application-default login`")
        }
        Trouble::Denied { .. } => say(
            "the credentials may have been revoked, or may not act as the service account, which \
             takes `roles/iam.workloadIdentityUser` or `roles/iam.serviceAccountTokenCreator`",
        ),
        Trouble::Http(error) => of_http(error),
        _ => None,
    }
}

pub(super) fn of_keys(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Setting { .. } => say(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS is the URL of an emulator or of a private \
             endpoint; leave it unset for Google's own",
        ),
        Trouble::Denied { .. } => say(
            "on the key, the identity needs `roles/cloudkms.signerVerifier`, and \
             `roles/cloudkms.viewer` too where the URI names no version",
        ),
        Trouble::Missing { .. } => {
            say("project, location, key ring, key and version of the URI must be there")
        }
        Trouble::Unfit { .. } => say(
            "the key must be for asymmetric signing, by `EC_SIGN_P256_SHA256` for instance, and \
             its version enabled",
        ),
        Trouble::TooLong { .. } => say(
            "Google signs no longer message with an Ed25519 key: use an EC or RSA key, or \
             `export-sbom = \"none\"`",
        ),
        Trouble::Http(error) => of_http(error),
        _ => None,
    }
}
