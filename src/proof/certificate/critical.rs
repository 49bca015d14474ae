//! Critical extensions: a reader that does not understand one has to refuse the
//! certificate (RFC 5280, section 4.2).

use super::Certificate;
use crate::signature::oid::UNDERSTOOD;

impl Certificate {
    /// Whether it has a critical extension that verifiers do not understand.
    pub fn asks_too_much(&self) -> bool {
        let mut critical = self.extensions.iter().filter(|one| one.is_critical);
        critical.any(|one| !UNDERSTOOD.contains(&one.id))
    }
}
