//! Fuzz targets for Vault's answers, and for its configuration.

use super::{answer, token};

/// As many signatures as were asked for, or none; whatever is a key can be
/// named.
pub fn vault_answer(data: &[u8]) {
    let _words = answer::words(data);
    if let Ok(key) = answer::latest_key(data) {
        assert!(!key.public.as_der().is_empty());
    }
    for count in [0, 1, 2] {
        if let Ok(signatures) = answer::signatures(data, count, 1) {
            assert_eq!(signatures.len(), count);
        }
    }
}

/// A helper that is named has a name.
pub fn vault_config(data: &[u8]) {
    let helper = token::token_helper(data);
    assert_ne!(helper, Some(Some(String::new())));
}
