//! Remedies for witnesses: authorities, logs and identity providers.

use super::http::of_http;
use super::{Hint, say};
use crate::service::Trouble;

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
        Trouble::Answer { .. } | Trouble::Missing { .. } => {
            say("what answers there is no such service: compare the URL in the signing config")
        }
        _ => None,
    }
}
