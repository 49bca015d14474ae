//! Keys that were found and are not open yet.

use std::sync::Arc;

use super::error::OpenError;
use super::key_file::KeyFile;
use super::password::{Password, unlock};
use super::reference::{KeyReference, KeyUri};
use super::{KeyError, Signer, remote, stored};
use crate::beside;
use crate::http::Client;
use crate::secret::Secret;
use crate::service::Variables;

/// A key of which all is known that nobody has to be asked for.
pub enum Closed {
    /// A key file's content, and its password.
    Locked(KeyFile, Password),
    /// A key that its service keeps.
    Remote(remote::Closed),
}

impl Closed {
    /// A key file's content.
    ///
    /// # Errors
    /// On every fault that shows while it is locked.
    pub fn of_file(pem: &Secret, password: Password) -> Result<Self, KeyError> {
        Ok(Self::Locked(KeyFile::parse(pem)?, password))
    }

    /// Whether opening it keeps a processor busy.
    pub fn is_laborious(&self) -> bool {
        matches!(self, Self::Locked(..))
    }

    /// The password that opens it, if one does.
    pub fn password(&self) -> Option<&Password> {
        match self {
            Self::Locked(_, password) => Some(password),
            Self::Remote(_) => None,
        }
    }

    /// Unlocks the key on a thread of its own, or asks its service for the
    /// public half.
    ///
    /// # Errors
    /// On a wrong password, and on a service that does not give a key which
    /// can sign.
    pub async fn open(self, client: &Arc<Client>) -> Result<Signer, OpenError> {
        match self {
            Self::Locked(key, password) => {
                let unlocked = beside::run(move || unlock(&key, &password)).await;
                Ok(unlocked.unwrap_or(Err(KeyError::Damaged))?.into())
            }
            Self::Remote(closed) => {
                let key = closed.open(client).await?;
                Ok(Signer::Remote(Arc::new(key)))
            }
        }
    }
}

/// Finds the key of a URI or of a program, and reads what it takes to ask for
/// it. `password` is that of a key which a password opens.
///
/// # Errors
/// On variables, files and programs that are not there or cannot be used.
pub fn find(
    reference: &KeyReference,
    password: Password,
    variables: &Variables,
) -> Result<Closed, OpenError> {
    match reference {
        KeyReference::Uri(KeyUri::Environment(name)) => {
            let pem = stored::from_variable(name, variables)?;
            Ok(Closed::of_file(&pem, password)?)
        }
        reference => Ok(Closed::Remote(remote::Closed::find(reference, variables)?)),
    }
}
