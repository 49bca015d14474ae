//! The URIs of keys, each in the grammar of its scheme. Nothing is asked here.

mod aws;
mod azure;
mod gitlab;
mod google;
mod kubernetes;
mod vault;

pub use aws::AwsUri;
pub use azure::AzureUri;
pub use gitlab::GitLabUri;
pub use google::GoogleUri;
pub use kubernetes::SecretUri;
pub use vault::VaultUri;

pub(super) use azure::base;
pub(super) use vault::Product;
