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

/// Packs releases; `packaging` tries it.
#[path = "../tools/release/mod.rs"]
mod release;
mod support;

mod archives;
mod baselines;
mod big;
mod bundles;
mod check;
mod command_line;
mod credentials;
mod crowd;
mod docs;
mod echoes;
mod exit_codes;
mod faults;
mod harness;
mod hidden;
mod inputs;
mod interop;
mod keys;
mod layering;
mod limits;
mod matrix;
mod memory;
mod oci_client;
mod packaging;
mod platforms;
mod readers;
mod real_registries;
mod receipt;
mod receipt_places;
mod referrers;
mod rerun;
mod sbom;
mod secrets;
mod sign;
mod specification;
mod starved;
mod wire;
