//! Who is trusted, and who is asked: trusted roots and signing configs of sigstore.

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod root;
pub mod signing_config;
mod validity;

pub use validity::Validity;

/// The most bytes of either file.
pub const MAX_LENGTH: usize = 1024 * 1024;
/// The most entries of one kind in either file.
pub const MAX_ENTRIES: usize = 64;

/// Text of a file, fit to print.
fn shown(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect()
}
