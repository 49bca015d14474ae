//! Who is trusted, and who is asked: trusted roots and signing configs of sigstore.

pub mod root;
pub mod signing_config;
