//! Remedies for services that keep keys, and for programs that sign.

use super::{Hint, say};
use crate::child::ChildError;
use crate::service::{ServiceError, ServiceName, Trouble};

pub(super) fn of_service(error: &ServiceError) -> Hint {
    match &error.service {
        ServiceName::Plugin(name) => of_plugin(name, &error.trouble),
        ServiceName::Program(_) => of_program(&error.trouble),
    }
}

fn of_plugin(name: &str, trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoProgram => Some(
            format!(
                "keys of `{name}://` are asked for by a program `sigstore-kms-{name}`: install it in \
                 a folder of `PATH`"
            )
            .into(),
        ),
        Trouble::Answer { .. } => say(
            "the program has to speak version `v1` of sigstore's plugin protocol; its own words \
             are in the log with `-log-level debug`",
        ),
        trouble => of_child(trouble),
    }
}

fn of_program(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::NoProgram => say(
            "the first word of `program` is a path, relative to the folder of cosign.toml, or a \
             name in `PATH`",
        ),
        Trouble::Answer { .. } => {
            say("the program has to print the signature, as it is or in base64, and nothing else")
        }
        Trouble::File(_) => say("paths in cosign.toml are relative to its folder"),
        trouble => of_child(trouble),
    }
}

fn of_child(trouble: &Trouble) -> Hint {
    match trouble {
        Trouble::Child(ChildError::Start(_)) => {
            say("the file has to be executable, and its interpreter there")
        }
        Trouble::Child(ChildError::Silence { .. }) => {
            say("the program may be waiting for an answer that nobody gives, or for its network")
        }
        Trouble::Failed(_) => say("these are the program's own words"),
        _ => None,
    }
}
