//! A key file's text as a service keeps it. It is parsed as a key file when it is
//! opened.

use crate::keys::Password;
use crate::keys::origin::PasswordOrigin;
use crate::secret::Secret;

/// A key file's text, and the password that was kept beside it. A `password` of
/// `cosign.toml` and `COSIGN_PASSWORD` do not count for it, as in cosign (KEY-70).
pub(in crate::keys) struct Stored {
    pub(in crate::keys) pem: Secret,
    pub(in crate::keys) password: Password,
}

impl Stored {
    /// `name` is where the password is kept, beside the key. Without one the empty
    /// password is tried, and the error says why it was that.
    pub(super) fn new(pem: Vec<u8>, password: Option<Vec<u8>>, name: &'static str) -> Self {
        let origin = match password {
            Some(_) => PasswordOrigin::Stored(name),
            None => PasswordOrigin::NotStored(name),
        };
        Self {
            pem: Secret::new(pem),
            password: Password {
                bytes: Secret::new(password.unwrap_or_default()),
                origin,
            },
        }
    }
}
