//! Trusted roots and signing configs of sigstore: whose word counts, and which services
//! are asked (`spec/evidence.md`, "Trust").
//!
//! Both are the user's own files. Nothing is fetched to complete them: there is no TUF
//! client here, and a file that is out of date is refused or says so by its periods.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod root;
pub mod signing_config;
mod validity;

pub use validity::Validity;

/// The most bytes of either file: those of the public instance have under 10 KB.
pub const MAX_LENGTH: usize = 1024 * 1024;
/// The most entries of one kind in either file.
pub const MAX_ENTRIES: usize = 64;

/// Text of a file, fit to print: cut, with control characters escaped.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect()
}
