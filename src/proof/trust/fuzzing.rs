//! Fuzz targets for trusted roots and signing configs.

use jiff::Timestamp;

use super::root::TrustedRoot;
use super::signing_config::{RekorVersions, SigningConfig};
use crate::oci::fuzzing::assert_readable;

/// A root that parses has nobody without what it takes to trust them.
pub fn trusted_root(data: &[u8]) {
    match TrustedRoot::parse(data) {
        Ok(root) => {
            for log in root.logs.iter().chain(root.ct_logs.iter().flatten()) {
                assert!(!log.id.is_empty() && log.valid.start.is_some());
            }
            for authority in &root.authorities {
                assert!(!authority.certificates.is_empty());
            }
        }
        Err(error) => assert_readable(&error),
    }
}

/// The services of a config that parses are enough for its rule, and of different
/// operators.
pub fn signing_config(data: &[u8]) {
    let config = match SigningConfig::parse(data) {
        Ok(config) => config,
        Err(error) => return assert_readable(&error),
    };
    let at = Timestamp::from_second(1_780_000_000).unwrap_or_default();
    for versions in [RekorVersions::All, RekorVersions::OnlyV1] {
        match config.select(at, versions) {
            Ok(services) => {
                for choice in [services.logs, services.timestamps].into_iter().flatten() {
                    assert!((1..=choice.services.len()).contains(&choice.wanted()));
                    let mut operators: Vec<_> =
                        choice.services.iter().map(|s| &s.operator).collect();
                    operators.sort_unstable();
                    operators.dedup();
                    assert_eq!(operators.len(), choice.services.len());
                }
            }
            Err(error) => assert_readable(&error),
        }
    }
}
