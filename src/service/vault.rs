//! A key of HashiCorp Vault or OpenBao, as messages and remedies name it.

/// A key of a transit engine. Host and mount are empty as long as they are not
/// known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultKey {
    /// The name of the one that is meant.
    pub product: &'static str,
    pub host: String,
    /// The path of the transit engine.
    pub mount: String,
    pub key: String,
}
