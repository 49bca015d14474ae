//! Fuzz targets for what vouches for us.

pub use super::google::fuzzing::google_credentials;
