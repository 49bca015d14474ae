//! `/cnb/lifecycle/signer`: see the crate `signer`. Nothing is decided here, so that
//! tests and fuzzers reach all of it.

use std::process::ExitCode;

fn main() -> ExitCode {
    signer::cli::main(std::env::args_os().skip(1)).into()
}
