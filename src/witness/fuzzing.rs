//! The entry points of fuzzers into witnesses.

use super::authority;
pub use super::token::fuzzing::{identity_token, workload_answer};

/// An authority's answer that is taken has a certificate.
pub fn issued_certificate(data: &[u8]) {
    if let Ok(certificates) = authority::read(data) {
        assert!(!certificates.is_empty());
    }
}
