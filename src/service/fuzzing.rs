//! Fuzz targets for what vouches for us.

pub use super::aws::fuzzing::{aws_answer, aws_profiles};
pub use super::azure::fuzzing::azure_token;
pub use super::google::fuzzing::google_credentials;
