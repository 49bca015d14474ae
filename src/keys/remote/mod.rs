//! Keys that sign elsewhere: their private half is in a service, a device or
//! another program. The public half comes over, then signatures.
//!
//! Each service has a file with the same three parts: the key before its service is
//! asked (`Closed…`), the service's answer about it (`open`), and its signatures
//! (`sign`). No signature leaves this module that the public half does not accept,
//! whatever the service says of it (KEY-114).
//!
//! Requests are our own (`spec/decisions/0029`). Each of these files knows the
//! questions of one service; identities, and the meaning of failures, are
//! `service`'s, since registries of the same cloud are opened by them too. None of
//! them changes a key: a signature that was asked for twice harms nobody.

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

pub use folder::{INDEX, MessageNames, SignIndex, ToSign};
pub use message::{Message, Purpose, Unsigned};

use super::algorithm::Algorithm;
use super::error::{OpenError, SignError};
use super::reference::{Program, SignatureFolder};
use super::uri::{AwsUri, AzureUri, GoogleUri, VaultUri};
use crate::beside;
use crate::http::Client;
use crate::oci::Content;
use crate::service::Variables;
use crate::signature::{PublicKey, Signature};
use found::FoundKey;
use known::KnownKey;
use message::Prepared;

/// A key of which all is known that its keeper need not be asked for: variables,
/// files and programs were looked at, and nothing was sent.
pub struct ClosedRemote(RemoteKeeper);

/// The keeper of a key, with all that it has to be told.
enum RemoteKeeper {
    Aws(aws::ClosedAws),
    Azure(azure::ClosedAzure),
    Folder(folder::ClosedFolder),
    Google(google::ClosedGoogle),
    Plugin(plugin::ClosedPlugin),
    Program(program::ClosedProgram),
    Vault(vault::ClosedVault),
}

/// A service that has answered for its key, a program or a folder: each gives
/// signatures.
enum RemoteSigner {
    Aws(aws::AwsSigner),
    Azure(azure::AzureSigner),
    Folder(folder::FolderSigner),
    Google(google::GoogleSigner),
    Plugin(plugin::PluginSigner),
    Program(program::ProgramSigner),
    Vault(vault::VaultSigner),
}

/// A key that signs elsewhere.
pub struct RemoteKey {
    signer: RemoteSigner,
    /// Shared with the threads that hash messages and check signatures.
    known: Arc<KnownKey>,
    /// The version whose public half is known: it alone signs.
    version: Option<String>,
}

impl ClosedRemote {
    pub(super) fn of_program(program: &Program, variables: &Variables) -> Result<Self, OpenError> {
        let closed = program::ClosedProgram::find(program, variables)?;
        Ok(Self(RemoteKeeper::Program(closed)))
    }

    pub(super) fn in_folder(
        folder: &SignatureFolder,
        variables: &Variables,
    ) -> Result<Self, OpenError> {
        let closed = folder::ClosedFolder::find(folder, variables)?;
        Ok(Self(RemoteKeeper::Folder(closed)))
    }

    pub(super) fn in_aws(uri: &AwsUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = aws::ClosedAws::find(uri, variables)?;
        Ok(Self(RemoteKeeper::Aws(closed)))
    }

    pub(super) fn in_azure(uri: &AzureUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = azure::ClosedAzure::find(uri, variables)?;
        Ok(Self(RemoteKeeper::Azure(closed)))
    }

    pub(super) fn in_google(uri: &GoogleUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = google::ClosedGoogle::find(uri, variables)?;
        Ok(Self(RemoteKeeper::Google(closed)))
    }

    pub(super) fn in_vault(uri: &VaultUri, variables: &Variables) -> Result<Self, OpenError> {
        let closed = vault::ClosedVault::find(uri, variables)?;
        Ok(Self(RemoteKeeper::Vault(closed)))
    }

    pub(super) fn in_token(resource: &str, variables: &Variables) -> Result<Self, OpenError> {
        let closed = plugin::ClosedPlugin::find_for_token(resource, variables)?;
        Ok(Self(RemoteKeeper::Plugin(closed)))
    }

    pub(super) fn of_plugin(
        name: &str,
        resource: &str,
        variables: &Variables,
    ) -> Result<Self, OpenError> {
        let closed = plugin::ClosedPlugin::find(name, resource, variables)?;
        Ok(Self(RemoteKeeper::Plugin(closed)))
    }

    /// Asks for the public half; of a program or a folder it is here already. The
    /// version that answers is the one that signs: a rotation between this and the
    /// signatures changes nothing (KEY-62, KEY-82, KEY-91, KEY-101).
    ///
    /// # Errors
    /// On a service that does not answer for the key, and on a key by which no
    /// cosign verifies.
    pub(super) async fn open(self, client: &Arc<Client>) -> Result<RemoteKey, OpenError> {
        let (signer, found) = match self.0 {
            RemoteKeeper::Aws(closed) => {
                let (key, found) = closed.open(client).await?;
                (RemoteSigner::Aws(key), found)
            }
            RemoteKeeper::Azure(closed) => {
                let (key, found) = closed.open(client).await?;
                (RemoteSigner::Azure(key), found)
            }
            RemoteKeeper::Folder(closed) => {
                let (key, found) = closed.open();
                (RemoteSigner::Folder(key), found)
            }
            RemoteKeeper::Google(closed) => {
                let (key, found) = closed.open(client).await?;
                (RemoteSigner::Google(key), found)
            }
            RemoteKeeper::Plugin(closed) => {
                let (key, found) = closed.open().await?;
                (RemoteSigner::Plugin(key), found)
            }
            RemoteKeeper::Program(closed) => {
                let (key, found) = closed.open();
                (RemoteSigner::Program(key), found)
            }
            RemoteKeeper::Vault(closed) => {
                let (key, found) = closed.open(client).await?;
                (RemoteSigner::Vault(key), found)
            }
        };
        RemoteKey::new(signer, found)
    }
}

impl RemoteKey {
    fn new(signer: RemoteSigner, found: FoundKey) -> Result<Self, OpenError> {
        let version = found.version.clone();
        Ok(Self {
            signer,
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

    /// Signs each message, and checks each signature with the public half. The
    /// signatures stand in the order of the messages.
    ///
    /// The future may be dropped, and the call be repeated: the service may have
    /// signed then, and nobody uses it.
    ///
    /// # Errors
    /// On the first message that gets no signature which the public half
    /// accepts. None is given out then.
    pub async fn sign(&self, messages: Vec<Message>) -> Result<Vec<Signature>, Unsigned> {
        // Before the first signature is asked for. Most digests are known.
        let mut prepared = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            let message = self.known.prepare(message).await;
            prepared.push(message.map_err(|error| Unsigned { index, error })?);
        }
        let prepared = Arc::<[Prepared]>::from(prepared);
        // Boxed: the future of every run would have the room of the largest
        // service.
        let signatures = match &self.signer {
            RemoteSigner::Aws(key) => Box::pin(key.sign(&prepared)).await?,
            RemoteSigner::Azure(key) => Box::pin(key.sign(&prepared)).await?,
            // It checks by itself: a file that is no signature of its message is
            // compared with all of them, to say what it is.
            RemoteSigner::Folder(key) => return Box::pin(key.sign(&self.known, &prepared)).await,
            RemoteSigner::Google(key) => Box::pin(key.sign(&prepared)).await?,
            RemoteSigner::Plugin(key) => Box::pin(key.sign(&prepared)).await?,
            RemoteSigner::Program(key) => Box::pin(key.sign(&prepared)).await?,
            RemoteSigner::Vault(key) => Box::pin(key.sign(&prepared)).await?,
        };
        let (key, messages) = (Arc::clone(&self.known), Arc::clone(&prepared));
        // As many signatures as messages have come: each service sees to that.
        let checking = move || {
            let pairs = messages.iter().zip(signatures).enumerate();
            let checked = pairs.map(|(index, (message, bytes))| {
                let signature = Signature::new(bytes);
                let checked = key.check(message, &signature).map_err(elsewhere);
                checked.map_err(|error| Unsigned { index, error })?;
                Ok(signature)
            });
            checked.collect::<Result<Vec<_>, _>>()
        };
        // Whichever message it was: the thread is gone, and cannot tell.
        let crashed = Unsigned {
            index: 0,
            error: SignError::Crashed,
        };
        beside::run(checking).await.unwrap_or(Err(crashed))
    }
}

/// No key is here that could be damaged: the remedy is another.
fn elsewhere(error: SignError) -> SignError {
    match error {
        SignError::Mismatch => SignError::MismatchElsewhere,
        other => other,
    }
}

/// The algorithm alone: services hold tokens.
impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKey({})", self.algorithm())
    }
}
