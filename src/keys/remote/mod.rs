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
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
pub(super) mod google;
mod plugin;
mod program;
mod vault;

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tracing::{debug, warn};

pub use aws::AwsKey;
pub use azure::AzureUri;
pub use folder::{FolderError, INDEX, Named, SignIndex, ToSign};
pub use google::GoogleUri;
pub use vault::VaultUri;

use super::error::{KeyError, OpenError};
use super::prehash::{Prehash, sha256};
use super::reference::{KeyReference, KeyUri};
use super::verify::PublicHalf;
use super::{Algorithm, SignError};

use crate::beside;
use crate::http::Client;
use crate::oci::Content;
use crate::secret::Secrets;
use crate::service::{ServiceError, ServiceName, Trouble, Variables, quoted};
use crate::signature::{Hash, PublicKey, Signature};

/// A message to sign, and what it is about: some who sign want to know.
#[derive(Clone)]
pub struct Message {
    pub content: Content,
    pub purpose: Purpose,
    /// `repository@digest`
    pub image: String,
}

/// What a message says of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Signature,
    Attestation,
}

impl Purpose {
    /// Its name for those who sign.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
        }
    }
}

/// A message that got no signature.
#[derive(Debug)]
pub struct Unsigned {
    /// Its place among the messages.
    pub index: usize,
    pub error: SignError,
}

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

/// A public key as its service gives it.
struct Found {
    public: PublicKey,
    /// The hash that the service binds the key to, if not SHA-256.
    hash: Option<Hash>,
    version: Option<String>,
}

/// A key that signs elsewhere.
pub struct RemoteKey {
    service: Service,
    algorithm: Algorithm,
    public: PublicKey,
    public_half: PublicHalf,
    version: Option<String>,
}

/// A message with the digest that its key signs; none if the key signs
/// messages.
struct Prepared {
    message: Message,
    prehash: Option<Prehash>,
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
        let algorithm = Algorithm::of(&found.public)?;
        let algorithm = match found.hash {
            None => algorithm,
            Some(hash) => algorithm.with(hash).ok_or(KeyError::Damaged)?,
        };
        let public_half = PublicHalf::parse(algorithm, &found.public);
        Ok(Self {
            service,
            algorithm,
            public_half: public_half.ok_or(KeyError::Damaged)?,
            public: found.public,
            version: found.version,
        })
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// As [`Signer::verify`](super::Signer::verify).
    ///
    /// # Errors
    /// As there.
    pub fn verify(&self, message: &Content, signature: &Signature) -> Result<(), SignError> {
        self.public_half.verify(self.algorithm, message, signature)
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
            let message = self.prepare(message).await;
            prepared.push(message.map_err(|error| Unsigned { index, error })?);
        }
        let prepared = Arc::<[Prepared]>::from(prepared);
        // Boxed: a run would carry the room of every service.
        let signatures = match &self.service {
            Service::Aws(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Azure(key) => Box::pin(key.sign(&prepared)).await?,
            // What is read there is compared with all messages.
            Service::Folder(key) => return Box::pin(key.sign(self, &prepared)).await,
            Service::Google(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Plugin(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Program(key) => Box::pin(key.sign(&prepared)).await?,
            Service::Vault(key) => Box::pin(key.sign(&prepared)).await?,
        };
        let (key, messages) = (Arc::clone(self), Arc::clone(&prepared));
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

    async fn prepare(&self, message: Message) -> Result<Prepared, SignError> {
        let Some(hash) = self.algorithm.hash() else {
            let prehash = None;
            return Ok(Prepared { message, prehash });
        };
        let content = message.content.clone();
        let hashed = beside::run(move || Prehash::of(&content, hash)).await;
        let prehash = hashed.unwrap_or(Err(SignError::Refused))?;
        Ok(Prepared {
            message,
            prehash: Some(prehash),
        })
    }

    fn check(&self, prepared: &Prepared, signature: &Signature) -> Result<(), SignError> {
        match &prepared.prehash {
            Some(prehash) => self.public_half.verify_prehash(prehash, signature),
            None => {
                let message = &prepared.message.content;
                let known = sha256(message).map_err(SignError::Read)?;
                self.public_half.verify_message(message, &known, signature)
            }
        }
    }
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKey({})", self.algorithm)
    }
}

/// Asks for one signature after the other, `at_once` at a time; gives them in
/// the order of the messages.
async fn each<'a, F>(
    prepared: &'a [Prepared],
    at_once: usize,
    sign: impl Fn(&'a Prepared) -> F,
) -> Result<Vec<Vec<u8>>, Unsigned>
where
    F: Future<Output = Result<Vec<u8>, SignError>>,
{
    let asked = prepared.iter().enumerate().map(|(index, message)| {
        let signature = sign(message);
        async move { signature.await.map_err(|error| Unsigned { index, error }) }
    });
    stream::iter(asked).buffered(at_once).try_collect().await
}

/// Verifiers take SHA-256 for granted.
fn warn_of_hash(key: &dyn fmt::Display, hash: Hash) {
    let name = match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    };
    warn!(
        "signatures by `{key}` have to be verified with `cosign verify \
         --signature-digest-algorithm {name}`: its service signs no other digest"
    );
}

/// Hands a program's standard error on to the log, line by line.
fn pass_on(name: &ServiceName, words: &str, secrets: &Secrets) {
    for line in words.lines().filter(|line| !line.trim().is_empty()) {
        debug!("{name}: {}", quoted(line, secrets).0);
    }
}

/// As many programs at a time.
fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

impl From<ServiceError> for SignError {
    fn from(error: ServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

fn failed(service: &ServiceName, trouble: impl Into<Trouble>) -> ServiceError {
    ServiceError {
        service: service.clone(),
        trouble: trouble.into(),
    }
}
