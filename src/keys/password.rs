//! Opening a key with the password that the platform configured.
//! Implements `spec/keys.md`, KEY-12 to KEY-15. Knows no files: `phase` looks for
//! the password, and says where it was found.

use super::error::KeyError;
use super::key_file::KeyFile;
use super::local::LocalKey;
use super::origin::PasswordOrigin;
use crate::secret::Secret;

/// A password's exact bytes, and their origin.
#[derive(Debug)]
pub struct Password {
    pub bytes: Secret,
    pub origin: PasswordOrigin,
}

impl Password {
    /// The password if none is configured.
    pub fn empty() -> Self {
        Self {
            bytes: Secret::new(Vec::new()),
            origin: PasswordOrigin::Empty,
        }
    }

    /// The origin, as an error about a wrong password names it.
    fn read_origin(&self) -> PasswordOrigin {
        let is_empty = matches!(self.bytes.expose(), b"" | b"\n" | b"\r\n");
        match &self.origin {
            PasswordOrigin::File(path) if is_empty => PasswordOrigin::EmptyFile(path.clone()),
            origin => origin.clone(),
        }
    }
}

/// Opens `key`: with the exact bytes of `password` and, if they are wrong and
/// come from a file that ends in a newline, once more without that newline.
/// Takes a tenth of a second or more for each try, so not on an async thread.
///
/// The exact bytes come first: a newline may belong to a password that cosign was
/// given on its standard input.
///
/// # Errors
/// [`KeyError::WrongPassword`], which says where the password comes from;
/// others on a decrypted key of an unsupported kind.
pub fn unlock(key: &KeyFile, password: &Password) -> Result<LocalKey, KeyError> {
    let wrong = || KeyError::WrongPassword(password.read_origin());
    match key.unlock(&password.bytes) {
        Err(KeyError::Locked) => {}
        answer => return answer,
    }
    let Some(shorter) = without_newline(password) else {
        return Err(wrong());
    };
    match key.unlock(&shorter) {
        Err(KeyError::Locked) => Err(wrong()),
        Err(error) => Err(error),
        Ok(key) => {
            tracing::debug!(
                "ignored the newline at the end of the password, {}",
                password.origin
            );
            Ok(key)
        }
    }
}

/// Of a file or a service, where line breaks get in unseen: editors and `echo` add
/// one. `COSIGN_PASSWORD` is taken as it is, as cosign takes it (KEY-13). Only one
/// newline is left out, and nothing else is ever trimmed.
fn without_newline(password: &Password) -> Option<Secret> {
    let (PasswordOrigin::File(_) | PasswordOrigin::Stored(_)) = &password.origin else {
        return None;
    };
    let line = password.bytes.expose().strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(Secret::new(line.to_vec()))
}
