//! Fuzz targets for the two TOML files.

use std::path::Path;

use super::{CosignConfig, Report, WrittenKey};
use crate::oci::fuzzing::assert_readable;
use crate::oci::reference::Version;

/// All names of a report that parses have the reported digest.
pub fn report(data: &[u8]) {
    match Report::parse(Path::new("report.toml"), data) {
        Ok(report) => {
            assert!(!report.tags().is_empty());
            for tag in report.tags() {
                if let Version::Digest(digest) = tag.version() {
                    assert_eq!(digest, report.digest());
                }
            }
        }
        Err(error) => assert_readable(&error),
    }
}

/// A file that parses has a config whose key is a path, and no annotation
/// twice.
pub fn cosign_config(data: &[u8]) {
    match CosignConfig::parse(Path::new("/c/cosign.toml"), data) {
        Ok(file) => {
            assert!(!file.configs().is_empty());
            for config in file.configs() {
                match &config.key {
                    WrittenKey::File(path) => assert!(file.resolve(path).is_absolute()),
                    WrittenKey::Uri(uri) => assert!(uri.contains(':')),
                    WrittenKey::Program { command, .. } => assert!(!command.is_empty()),
                    WrittenKey::Identity(_) => assert!(config.witnesses.is_some()),
                    WrittenKey::Signatures { folder, .. } => {
                        assert!(file.resolve(folder).is_absolute());
                    }
                }
                assert!(config.position.line > 0 && config.position.column > 0);
            }
            let mut names: Vec<_> = file.annotations().iter().map(|a| &a.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), file.annotations().len());
        }
        Err(error) => assert_readable(&error),
    }
}
