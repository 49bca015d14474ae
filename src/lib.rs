//! The buildpacks lifecycle phase that signs what the exporter pushed.
//!
//! The map of the floors. A module imports lower floors only, never its own
//! floor or above; `acceptance/layering.rs` fails on any other import.
//!
//! | floor | modules | know |
//! |---|---|---|
//! | 7 | [`fuzzing`] | what fuzzers run; in no release |
//! | 6 | [`cli`] | flags, environment, exit codes, log format |
//! | 5 | [`phase`] | the steps of the RFC "Cosign support" |
//! | 4 | [`attach`], [`sbom`] | where layers hang; which documents an image carries |
//! | 3 | [`keys`], [`store`], [`witness`] | private keys, here and elsewhere; registries; who vouches for signatures |
//! | 2 | [`service`] | who is asked beside registries, and as whom |
//! | 1 | [`child`], [`envelope`], [`config`], [`http`], [`pkcs11`], [`proof`] | programs of others; signed formats; TOML files; one HTTP client; what tokens say of keys; evidence, and whether it holds |
//! | 0 | [`beside`], [`file`], [`oci`], [`secret`], [`signature`], [`words`] | threads and pipes that may be lacking; digests, references, manifests; bytes that must not leak; numbers in words |
//!
//! [`file`]: mod@file
//! [`fuzzing`]: crate

// Modules are private unless a test, a tool or a program of `src/bin` needs them, so
// that the compiler reports unused items.
#![deny(unreachable_pub)]

/// Makes the `Debug` of an error its message. A derived one would print the
/// operands of an error as they are, and nobody reads it: a program that keeps it
/// for each error and for all that errors hold is a third of a megabyte larger.
macro_rules! debug_as_display {
    ($error:ty) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    };
}

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

/// The registry of the acceptance tests, for a test that only this crate can
/// make: a key whose signatures differ each time.
#[cfg(test)]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "the acceptance tests use all of it"
)]
#[path = "../acceptance/support/mod.rs"]
mod support;

pub mod cli;

pub mod phase;

pub(crate) mod attach;
pub mod sbom;

pub mod keys;
pub mod store;
pub mod witness;

pub mod service;

pub(crate) mod child;
pub mod config;
// Public for `open`, the inverse of sealing: tests and fuzzers alone call it.
pub mod envelope;
pub mod http;
pub mod pkcs11;
pub mod proof;

pub(crate) mod beside;
pub mod file;
pub mod oci;
pub mod secret;
pub(crate) mod signature;
pub(crate) mod words;
