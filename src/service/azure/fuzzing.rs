//! Fuzz target for tokens of Azure's.

use std::time::Instant;

use super::{cli, is_tenant};
use crate::secret::Secrets;
use crate::service::{Variables, oauth};

/// A token that is taken can stand in a header; and the same bytes as a
/// tenant's name.
pub fn azure_token(data: &[u8]) {
    let variables = Variables::new(
        |_| None,
        Secrets::default(),
        crate::file::Files::until(Instant::now()),
    );
    for token in [cli::parse(data, &variables), oauth::read(data, &variables)] {
        assert!(token.is_none_or(|token| token.header().is_some()));
    }
    let name = String::from_utf8_lossy(data);
    assert!(!is_tenant(&name) || !name.contains('/') && !name.starts_with('-'));
}
