//! Fuzz targets for what services answer about keys that sign there.

pub use super::folder::fuzzing::signature_file;
pub use super::vault::fuzzing::{vault_answer, vault_config};
