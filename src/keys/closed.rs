//! Keys that were found and are not open yet.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::error::OpenError;
use super::key_file::KeyFile;
use super::password::{Password, unlock};
use super::reference::{KeyReference, KeyUri};
use super::remote::ClosedRemote;
use super::stored::{self, ClosedStored};
use super::{KeyError, LocalKey, Signer};
use crate::beside;
use crate::http::Client;
use crate::secret::Secret;
use crate::service::Variables;

/// A key of which all is known that nobody has to be asked for. It is made before
/// anything is sent, so that a mistake in `cosign.toml`, a variable or a file ends
/// the run at once.
pub enum Closed {
    /// A key file's content, checked as far as it can be without its password
    /// (KEY-8), and the password, which was not tried yet.
    Locked(KeyFile, Password),
    /// A key file that a service keeps, and its password.
    Stored(ClosedStored),
    /// A key that its service keeps.
    Remote(ClosedRemote),
    /// A key that is made for this run, and that an authority certifies for an
    /// identity (`spec/evidence.md`, "Keyless").
    New,
}

impl Closed {
    /// A key file's content.
    ///
    /// # Errors
    /// On every fault that shows while it is locked.
    pub fn of_file(pem: &Secret, password: Password) -> Result<Self, KeyError> {
        Ok(Self::Locked(KeyFile::parse(pem)?, password))
    }

    /// The password that opens it, if one does.
    pub fn password(&self) -> Option<&Password> {
        match self {
            Self::Locked(_, password) => Some(password),
            Self::Stored(_) | Self::Remote(_) | Self::New => None,
        }
    }

    /// Unlocks the key on a thread of its own, or asks its service for the
    /// public half. An unlocking takes one of the `permits`: scrypt keeps a
    /// processor busy, and has 64 to 128 MiB for each key. Asking takes none.
    ///
    /// The future may be dropped. A thread that unlocks goes on to its end then,
    /// and drops its key, which wipes it.
    ///
    /// # Errors
    /// On a wrong password, and on a service that does not give a key which
    /// can sign.
    pub async fn open(
        self,
        client: &Arc<Client>,
        permits: &Semaphore,
    ) -> Result<Signer, OpenError> {
        match self {
            Self::Locked(key, password) => unlock_beside(key, password, permits).await,
            Self::Stored(closed) => {
                // The permit is taken once the key is here: who waits for a network
                // keeps no processor from another key.
                let stored = closed.fetch(client).await?;
                let key = KeyFile::parse(&stored.pem)?;
                unlock_beside(key, stored.password, permits).await
            }
            Self::Remote(closed) => {
                let key = closed.open(client).await?;
                Ok(Signer::Remote(Arc::new(key)))
            }
            Self::New => Ok(LocalKey::generate()?.into()),
        }
    }
}

async fn unlock_beside(
    key: KeyFile,
    password: Password,
    permits: &Semaphore,
) -> Result<Signer, OpenError> {
    // The semaphore is never closed, so that this never fails.
    let _permit = permits.acquire().await.ok();
    let unlocked = beside::run(move || unlock(&key, &password)).await;
    let unlocked = unlocked.map_err(|_| OpenError::Crashed)?;
    Ok(unlocked?.into())
}

/// Finds a key: reads the variables and files that its scheme has, and looks for its
/// program. Nobody is asked, and no program is run. `password` is for a key file
/// that stands in a file or a variable; other keys have none, or keep their own.
///
/// # Errors
/// On variables, files and programs that are not there or cannot be used, and on a
/// key file that shows a fault while it is locked.
pub fn find(
    reference: &KeyReference,
    password: Password,
    variables: &Variables,
) -> Result<Closed, OpenError> {
    Ok(match reference {
        KeyReference::File(path) => Closed::of_file(&variables.read(path)?, password)?,
        KeyReference::Identity(_) => Closed::New,
        KeyReference::Program(program) => {
            Closed::Remote(ClosedRemote::of_program(program, variables)?)
        }
        KeyReference::Signatures(folder) => {
            Closed::Remote(ClosedRemote::in_folder(folder, variables)?)
        }
        KeyReference::Uri(uri) => of_uri(uri, password, variables)?,
    })
}

fn of_uri(uri: &KeyUri, password: Password, variables: &Variables) -> Result<Closed, OpenError> {
    let remote = match uri {
        KeyUri::Environment(name) => {
            let pem = stored::from_variable(name, variables)?;
            return Ok(Closed::of_file(&pem, password)?);
        }
        KeyUri::Kubernetes(uri) => {
            let closed = ClosedStored::in_kubernetes(uri, variables)?;
            return Ok(Closed::Stored(closed));
        }
        KeyUri::GitLab(uri) => {
            let closed = ClosedStored::in_gitlab(uri, variables)?;
            return Ok(Closed::Stored(closed));
        }
        KeyUri::Aws(uri) => ClosedRemote::in_aws(uri, variables)?,
        KeyUri::Azure(uri) => ClosedRemote::in_azure(uri, variables)?,
        KeyUri::Google(uri) => ClosedRemote::in_google(uri, variables)?,
        KeyUri::Vault(uri) => ClosedRemote::in_vault(uri, variables)?,
        KeyUri::Pkcs11(resource) => ClosedRemote::in_token(resource, variables)?,
        KeyUri::Plugin { name, resource } => ClosedRemote::of_plugin(name, resource, variables)?,
    };
    Ok(Closed::Remote(remote))
}
