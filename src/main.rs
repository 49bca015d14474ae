//! `/cnb/lifecycle/signer`: see the crate `signer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    signer::cli::main(std::env::args_os().skip(1)).into()
}
