//! The command line: flags, environment, log lines, privileges.
//!
//! Speaks as the lifecycle's phases do (buildpacks/lifecycle v0.21, packages
//! `cmd/lifecycle/cli`, `platform`, `log` and `priv`), so that a platform can
//! run the signer after the exporter and show its output beside the others'.

mod causes;
pub mod exit_code;
mod failing;
pub mod flags;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod go;
mod hint;
pub mod inputs;
mod key_pair;
mod limits;
mod line;
pub mod log;
mod operands;
mod output;
pub mod platform_api;
pub mod privileges;
mod receipt_file;
mod run;
mod runtime;
mod usage;
mod watch;

pub use exit_code::Failure;
pub use flags::{FlagError, Flags, Invocation};
pub use inputs::{Environment, Inputs, InputsError};
pub use line::{Colour, InvalidFormat, InvalidLevel, LogFormat, LogLevel};
pub use log::Log;
pub use platform_api::{Negotiated, PlatformApiError};
pub use privileges::PrivilegesError;
pub use run::main;
