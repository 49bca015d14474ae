//! Runs the built `signer` against registries and verifiers that are not ours.
//!
//! One file per step of the run, then what cuts across them. `make tools`
//! installs the real registries and both majors of cosign.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

mod harness;
mod hostile;
mod redirects;
mod retries;
mod tls;
mod tokens;
mod uploads;
