//! The one map from a failure to the user's remedy.
//!
//! Flags, variables and the keys of `cosign.toml` are named as remedies here
//! and nowhere below: an error of a lower floor carries its operand, and does
//! not know the flag behind it. Each floor has a file without a catch-all, so
//! that the compiler asks for the remedy of a new error.

mod attach;
mod azure;
mod certificate;
mod config;
mod google;
mod http;
mod keys;
mod phase;
mod remedy;
mod sbom;
mod service;
mod store;
mod stored;
mod vault;
mod witness;

use std::io;

use nix::errno::Errno;

pub(super) use remedy::Hint;
use remedy::{RUN_AGAIN, say};

use super::{Failure, FlagError, InputsError, PrivilegesError, flags, go};
use crate::config::closest;
use crate::oci::Registry;
use crate::phase::Mixture;

/// The kernel takes 4294967295 for "no change".
const OF_ID: &str = "write the number of a user or a group, from 0 to 4294967294, and not its name";

/// The remedy of a run that ended early; none where the message says it already, or
/// nobody knows one.
pub(super) fn of(failure: &Failure) -> Hint {
    match failure {
        Failure::PlatformApi(_) => say("set `CNB_PLATFORM_API` to a version from 0.7 to 0.15"),
        Failure::LogLevel(_) => say("write `debug`, `info`, `warn`, `error` or `fatal`"),
        Failure::LogFormat(_) => say("write `text` or `json`"),
        Failure::Inputs(error) => of_inputs(error),
        Failure::Report(error) => config::of_report(error),
        Failure::Config(error) => config::of_config(error),
        Failure::Receipt { source, .. } => phase::of_destination(source),
        Failure::Unreported { .. } => say("the log says what is where; running again is safe"),
        Failure::Credentials(error) => store::of_credentials(error),
        Failure::Privileges(error) => of_privileges(error),
        Failure::KeyPair(error) => keys::of_key_pair(error),
        Failure::Generate(error) => phase::of_generation(error),
        Failure::Phase(error) => phase::of_phase(error),
        Failure::Start(error) => of_start(error),
        Failure::Flag(error) => of_flag(error),
        Failure::Panic(_) => None,
    }
}

/// A runtime that does not start: of the system's limits it meets two.
fn of_start(error: &io::Error) -> Hint {
    let number = error.raw_os_error().map(Errno::from_raw);
    match number {
        Some(Errno::EMFILE | Errno::ENFILE) => {
            say("raise the limit on open files (`ulimit -n`): a run needs ten at least")
        }
        Some(Errno::EAGAIN) => say(OF_THREADS),
        _ => None,
    }
}

fn of_flag(error: &FlagError) -> Hint {
    match error {
        FlagError::NotDefined(written) => match closest(written, &flags::names()) {
            Some(meant) => Some(format!("did you mean `-{meant}`?").into()),
            None => say("`signer -h` lists the flags"),
        },
        // A bare number, in most cases: Go's durations have units.
        FlagError::BadValue {
            name: "retry-budget" | "settle" | "timeout",
            reason: go::PARSE,
            ..
        } => say("write a number and its unit, as in `10s`, `2m` or `1h`"),
        FlagError::BadValue {
            name: "gid" | "uid",
            ..
        } => say(OF_ID),
        FlagError::BadSwitch { name, .. } => {
            Some(format!("write `-{name}` alone, or `-{name}=false`").into())
        }
        FlagError::BadValue { .. } | FlagError::BadSyntax(_) | FlagError::NeedsArgument(_) => None,
    }
}

fn of_inputs(error: &InputsError) -> Hint {
    match error {
        InputsError::Arguments(_) => say("the signer takes flags only; `-h` lists them"),
        InputsError::KeyPairAlone => {
            say("leave out the flags of a run: only those of the log go with it")
        }
        InputsError::CheckAndGenerate => say("`-generate` checks as much: leave `-check` out"),
        InputsError::NothingElsewhere => say(
            "write `signatures = \"<folder>\"` and `public-key = \"<path>\"` in place of `key` where \
             somebody else signs",
        ),
        InputsError::NoCosignConfig => {
            say("pass `-cosign-config <path of cosign.toml>`, or set `CNB_COSIGN_CONFIG_PATH`")
        }
        InputsError::Id(_) => say(OF_ID),
        InputsError::Limit(_) => say("write a number, of bytes also as `512MiB` or `2GiB`"),
        InputsError::InsecureRegistry(_) => {
            say("write `<host>`, `<host>:<port>` or `<host>:<port>/<path>`, without scheme")
        }
    }
}

/// An insecure registry that differs from `asked` by its port.
pub(super) fn of_port(asked: &Registry) -> String {
    format!("write `{asked}`: host and port must be the same")
}

/// A system that grants no more threads.
pub(super) const OF_THREADS: &str = "raise the limit on processes (`ulimit -u`, or `pids.max` of the container): each thread counts";

/// A new key that is not protected.
pub(super) const OF_EMPTY_PASSWORD: &str = keys::OF_EMPTY_PASSWORD;

/// The forms that a run mixes with others.
pub(super) fn of_mixture(mixture: &Mixture) -> Hint {
    phase::of_mixture(mixture)
}

fn of_privileges(error: &PrivilegesError) -> Hint {
    match error {
        PrivilegesError::RunAs { .. } => say(
            "only root can become another user: leave out `-uid`, `-gid`, `CNB_USER_ID` and \
             `CNB_GROUP_ID`, or give the ids that the process has",
        ),
        PrivilegesError::Harden(_) => None,
    }
}

#[cfg(test)]
mod tests;
