//! Critical extensions: a reader that does not understand one has to refuse the
//! certificate (RFC 5280, section 4.2).

use pkcs8::ObjectIdentifier;

use super::{ALTERNATIVE_NAME, BASIC_CONSTRAINTS, Certificate, EXTENDED_KEY_USAGE, KEY_USAGE};

/// The extensions that may be critical for Go's `crypto/x509` (1.26
/// `processExtensions`): cosign refuses a certificate with any other. Behind the four that
/// are read here: constraints of names, lists of revoked certificates, and the four of
/// policies.
const UNDERSTOOD: [ObjectIdentifier; 10] = [
    KEY_USAGE,
    ALTERNATIVE_NAME,
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    ObjectIdentifier::new_unwrap("2.5.29.30"),
    ObjectIdentifier::new_unwrap("2.5.29.31"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.33"),
    ObjectIdentifier::new_unwrap("2.5.29.36"),
    ObjectIdentifier::new_unwrap("2.5.29.54"),
];

impl Certificate {
    /// Whether it has a critical extension that verifiers do not understand.
    pub fn asks_too_much(&self) -> bool {
        let mut critical = self.extensions.iter().filter(|one| one.is_critical);
        critical.any(|one| !UNDERSTOOD.contains(&one.id))
    }
}
