//! The entry points of fuzzers into witnesses.

use super::authority;
pub use super::token::fuzzing::{identity_token, workload_answer};

/// An authority's answer, whatever it is.
pub fn issued_certificate(data: &[u8]) {
    drop(authority::read(data));
}
