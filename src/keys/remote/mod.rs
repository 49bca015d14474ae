//! Keys that sign elsewhere: their private half is in a service, a device or
//! another program. What comes over is the public half, then signatures.
//!
//! Each service has a file with the same three parts: what is known before it
//! is asked (`Closed`), what it answers about its key (`open`), and its
//! signatures (`sign`). Whatever they answer, no signature leaves this module
//! that the public half does not accept (KEY-36).

pub(super) mod aws;
pub(super) mod azure;
mod der;
mod folder;
mod found;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
pub(super) mod google;
mod known;
mod message;
mod plugin;
mod program;
mod programs;
mod vault;

use std::fmt;
use std::sync::Arc;

pub use folder::{INDEX, Named, SignIndex, ToSign};
pub use message::{Message, Purpose, Unsigned};

use super::algorithm::Algorithm;
use super::error::{KeyError, OpenError, SignError};
use super::reference::{KeyReference, KeyUri};
use crate::beside;
use crate::http::Client;
use crate::oci::Content;
use crate::service::Variables;
use crate::signature::{PublicKey, Signature};
use found::Found;
use known::KnownKey;
use message::Prepared;

/// A key of which all is known that its keeper need not be asked for.
pub struct Closed(Keeper);

/// Who keeps a key, and all that it has to be told.
enum Keeper {
    Aws(aws::Closed),
    Azure(azure::Closed),
    Folder(folder::Closed),
    Google(google::Closed),
    Plugin(plugin::Closed),
    Program(program::Closed),
    Vault(vault::Closed),
}

/// A service that has answered for its key.
enum Service {
    Aws(aws::Key),
    Azure(azure::Key),
    Folder(folder::Key),
    Google(google::Key),
    Plugin(plugin::Key),
    Program(program::Key),
    Vault(vault::Key),
}

/// A key that signs elsewhere.
pub struct RemoteKey {
    service: Service,
    known: Arc<KnownKey>,
    version: Option<String>,
}

impl Closed {
    pub(super) fn find(reference: &KeyReference, variables: &Variables) -> Result<Self, OpenError> {
        Ok(Self(match reference {
            KeyReference::Uri(KeyUri::Aws(key)) => Keeper::Aws(aws::Closed::find(key, variables)?),
            KeyReference::Uri(KeyUri::Azure(key)) => {
                Keeper::Azure(azure::Closed::find(key, variables)?)
            }
            KeyReference::Uri(KeyUri::Google(key)) => {
                Keeper::Google(google::Closed::find(key, variables)?)
            }
            KeyReference::Uri(KeyUri::Pkcs11(resource)) => {
                Keeper::Plugin(plugin::Closed::find_for_token(resource, variables)?)
            }
            KeyReference::Uri(KeyUri::Plugin { name, resource }) => {
                Keeper::Plugin(plugin::Closed::find(name, resource, variables)?)
            }
            KeyReference::Uri(KeyUri::Vault(uri)) => {
                Keeper::Vault(vault::Closed::find(uri, variables)?)
            }
            KeyReference::Program(program) => {
                Keeper::Program(program::Closed::find(program, variables)?)
            }
            KeyReference::Signatures(folder) => {
                Keeper::Folder(folder::Closed::find(folder, variables)?)
            }
            // Those are unlocked here.
            KeyReference::File(_)
            | KeyReference::Identity(_)
            | KeyReference::Uri(
                KeyUri::Environment(_) | KeyUri::GitLab(_) | KeyUri::Kubernetes(_),
            ) => {
                return Err(OpenError::Key(KeyError::Damaged));
            }
        }))
    }

    pub(super) async fn open(self, client: &Arc<Client>) -> Result<RemoteKey, OpenError> {
        let (service, found) = match self.0 {
            Keeper::Aws(closed) => {
                let (key, found) = closed.open(client).await?;
                (Service::Aws(key), found)
            }
            Keeper::Azure(closed) => {
                let (key, found) = closed.open(client).await?;
                (Service::Azure(key), found)
            }
            Keeper::Folder(closed) => {
                let (key, found) = closed.open();
                (Service::Folder(key), found)
            }
            Keeper::Google(closed) => {
                let (key, found) = closed.open(client).await?;
                (Service::Google(key), found)
            }
            Keeper::Plugin(closed) => {
                let (key, found) = closed.open().await?;
                (Service::Plugin(key), found)
            }
            Keeper::Program(closed) => {
                let (key, found) = closed.open();
                (Service::Program(key), found)
            }
            Keeper::Vault(closed) => {
                let (key, found) = closed.open(client).await?;
                (Service::Vault(key), found)
            }
        };
        RemoteKey::new(service, found)
    }
}

impl RemoteKey {
    fn new(service: Service, found: Found) -> Result<Self, OpenError> {
        let version = found.version.clone();
        Ok(Self {
            service,
            known: Arc::new(KnownKey::of(found)?),
            version,
        })
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.known.public
    }

    pub fn algorithm(&self) -> Algorithm {
        self.known.algorithm
    }

    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// As [`Signer::verify`](super::Signer::verify).
    ///
    /// # Errors
    /// As there.
    pub fn verify(&self, message: &Content, signature: &Signature) -> Result<(), SignError> {
        self.known.verify(message, signature)
    }

    /// Signs each message, and checks each signature with the public half.
    ///
    /// # Errors
    /// On the first message that gets no signature which the public half
    /// accepts.
    pub async fn sign(
        self: &Arc<Self>,
        messages: Vec<Message>,
    ) -> Result<Vec<Signature>, Unsigned> {
        let mut prepared = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            let message = self.known.prepare(message).await;
            prepared.push(message.map_err(|error| Unsigned { index, error })?);
        }
        let prepared = Arc::<[Prepared]>::from(prepared);
        // Boxed: a run would carry the room of every service.
        let signatures = match &self.service {
            Service::Aws(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Azure(key) => Box::pin(key.sign(&prepared)).await?,
            // What is read there is compared with all messages.
            Service::Folder(key) => return Box::pin(key.sign(&self.known, &prepared)).await,
            Service::Google(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Plugin(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Program(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Vault(key) => Box::pin(key.sign(&prepared)).await?,
        };
        let (key, messages) = (Arc::clone(&self.known), Arc::clone(&prepared));
        let checking = move || {
            let pairs = messages.iter().zip(signatures).enumerate();
            let checked = pairs.map(|(index, (message, bytes))| {
                let signature = Signature::new(bytes);
                let checked = key.check(message, &signature);
                checked.map_err(|error| Unsigned { index, error })?;
                Ok(signature)
            });
            checked.collect::<Result<Vec<_>, _>>()
        };
        let crashed = Unsigned {
            index: 0,
            error: SignError::Refused,
        };
        beside::run(checking).await.unwrap_or(Err(crashed))
    }
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKey({})", self.algorithm())
    }
}
