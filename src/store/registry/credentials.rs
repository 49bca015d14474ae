//! placeholder
use crate::oci::Repository;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct CredentialsError;
pub struct Credentials;
pub enum Credential {
    Anonymous,
}
impl Credentials {
    pub async fn for_repository(&self, _: &Repository) -> Result<Credential, CredentialsError> {
        Ok(Credential::Anonymous)
    }
    pub fn source_of(&self, _: &Repository) -> String {
        String::new()
    }
}
impl Credential {
    pub fn identity_token(&self) -> Option<&str> {
        None
    }
    pub fn registry_token(&self) -> Option<&str> {
        None
    }
    pub fn basic(&self) -> Option<(&str, &[u8])> {
        None
    }
    pub fn source(&self) -> String {
        String::new()
    }
}
