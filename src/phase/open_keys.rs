//! Opening the keys, beside the checks: scrypt is the longest computation of a
//! run (`spec/decisions/0012`), and it needs 64 MiB or more for each key; of a key that
//! signs elsewhere the public half is fetched, and its version pinned. An identity gets
//! a key of the run's own, and its token is fetched.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::info;

use super::error::PhaseError;
use super::plan::ClosedKey;
use super::signatory::Signatory;
use crate::http::Client;
use crate::keys::{Algorithm, KeyReference, OpenError, Signer};
use crate::oci::{Content, Digest};
use crate::proof::request::CertificateRequest;
use crate::signature::PublicKey;
use crate::witness::token::{ClosedToken, SigstoreToken};

/// Keys that are being opened: those that keep a processor busy, as many at a
/// time as there are processors, which also bounds the memory that scrypt takes. A
/// run that fails meanwhile does not wait for them.
pub struct Opening {
    keys: Vec<OpeningKey>,
}

struct OpeningKey {
    key: NamedKey,
    task: JoinHandle<Result<(Signer, Option<Applicant>), PhaseError>>,
}

/// A key by its names.
#[derive(Clone)]
struct NamedKey {
    signatories: Vec<Arc<Signatory>>,
    reference: Arc<KeyReference>,
}

impl NamedKey {
    fn unopened(&self, source: OpenError) -> PhaseError {
        PhaseError::Key {
            signatory: name(&self.signatories),
            key: Arc::clone(&self.reference),
            source: Box::new(source),
        }
    }
}

/// Every key of the run, open. Their private halves are wiped when this is dropped,
/// at the end of `sign`.
pub struct Keys {
    keys: Vec<OpenKey>,
}

/// A key, for all signatories that name it.
pub(super) struct OpenKey {
    signatories: Vec<Arc<Signatory>>,
    pub(super) record: Arc<KeyRecord>,
    pub(super) signer: Arc<Signer>,
}

/// The facts about a key that outlive it.
pub(super) struct KeyRecord {
    pub(super) reference: Arc<KeyReference>,
    /// The version of a key whose service keeps several; all signatures of the run are
    /// by this one.
    pub(super) version: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) public_key: PublicKey,
    /// Of a key that an authority is to certify.
    pub(super) applicant: Option<Applicant>,
    /// SHA-256 of the public key's DER.
    pub(super) fingerprint: Digest,
}

/// An identity that asks an authority for a certificate of its key.
pub(super) struct Applicant {
    /// A secret that expires within minutes.
    pub(super) token: SigstoreToken,
    /// PEM of a certificate signing request, by which the key is shown to be at hand.
    /// It is made while the private key is there: the authority is asked after that is
    /// gone.
    pub(super) request: String,
}

impl Applicant {
    /// Fetches the token, and signs the request.
    async fn open(
        token: ClosedToken,
        signer: &Signer,
        key: &NamedKey,
        client: &Client,
    ) -> Result<Self, PhaseError> {
        let request = CertificateRequest::new(signer.public_key());
        let message = Content::from(request.message().to_vec());
        let signature = signer.sign_here(&message);
        let signature = signature.map_err(|source| PhaseError::CertificateRequest {
            key: Arc::clone(&key.reference),
            source,
        })?;
        let token = token.open(client).await;
        Ok(Self {
            token: token.map_err(|error| key.unopened(error.into()))?,
            request: request.finish(&signature),
        })
    }
}

/// Starts to open the keys; [`Opening::finish`] waits for them. Asks the services of
/// keys and identities, and no registry.
pub fn open_keys(closed: Vec<ClosedKey>, client: &Arc<Client>) -> Opening {
    let processors = available_parallelism().map_or(1, usize::from);
    let permits = Arc::new(Semaphore::new(processors));
    let open = |closed: ClosedKey| {
        let named = NamedKey {
            signatories: closed.signatories,
            reference: closed.reference,
        };
        let (key, permits, client) = (named.clone(), Arc::clone(&permits), Arc::clone(client));
        let task = tokio::spawn(async move {
            let signer = closed.key.open(&client, &permits).await;
            let signer = signer.map_err(|error| key.unopened(error))?;
            let applicant = match closed.token {
                None => None,
                Some(token) => Some(Applicant::open(token, &signer, &key, &client).await?),
            };
            Ok((signer, applicant))
        });
        OpeningKey { key: named, task }
    };
    Opening {
        keys: closed.into_iter().map(open).collect(),
    }
}

impl Opening {
    /// Waits for all keys.
    ///
    /// # Errors
    /// On the first key, in the order of `cosign.toml`, that does not open, or that a
    /// signatory has a certificate of another key for. The error is the same in each
    /// run, whichever fails first.
    pub async fn finish(self) -> Result<Keys, PhaseError> {
        let mut keys = Vec::new();
        for opening in self.keys {
            keys.push(opening.finish().await?);
        }
        Ok(Keys { keys })
    }
}

impl OpeningKey {
    async fn finish(self) -> Result<OpenKey, PhaseError> {
        // No fault of the key's, which may be as good as ever.
        let crashed = Err(PhaseError::Crashed("opening a key"));
        let (signer, applicant) = self.task.await.unwrap_or(crashed)?;
        let NamedKey {
            signatories,
            reference,
        } = self.key;
        // Signatories of one key may have different certificates of it.
        let certificates = signatories.iter();
        for certificate in certificates.filter_map(|one| one.certificate.as_ref()) {
            let checked = certificate.check_key(signer.public_key(), &reference);
            checked.map_err(PhaseError::OwnCertificate)?;
        }
        let fingerprint = signer.fingerprint();
        say(&reference, &signer, &fingerprint);
        Ok(OpenKey {
            signatories,
            record: Arc::new(KeyRecord {
                reference,
                version: signer.version().map(str::to_owned),
                algorithm: signer.algorithm(),
                public_key: signer.public_key().clone(),
                applicant,
                fingerprint,
            }),
            signer: Arc::new(signer),
        })
    }
}

fn say(reference: &KeyReference, signer: &Signer, fingerprint: &Digest) {
    let done = match (reference, signer) {
        (KeyReference::Identity(_), _) => "Made a",
        (_, Signer::Remote(_)) => "Found",
        _ => "Unlocked",
    };
    let version = signer
        .version()
        .map(|version| format!(", version {version}"));
    info!(
        key = %reference,
        "{done} key {reference} ({}{}, public key {fingerprint})",
        signer.algorithm(),
        version.unwrap_or_default()
    );
}

/// The first signatory's, for messages.
fn name(signatories: &[Arc<Signatory>]) -> String {
    let first = signatories.first();
    first.map(|first| first.name.clone()).unwrap_or_default()
}

impl Keys {
    /// The key of a signatory.
    ///
    /// # Errors
    /// On a signatory of another plan.
    pub(super) fn of(&self, signatory: &Arc<Signatory>) -> Result<&OpenKey, PhaseError> {
        let is_theirs = |key: &&OpenKey| {
            let mut theirs = key.signatories.iter();
            theirs.any(|other| Arc::ptr_eq(other, signatory))
        };
        let key = self.keys.iter().find(is_theirs);
        key.ok_or_else(|| PhaseError::NoKey(signatory.name.clone()))
    }

    /// The same keys, which sign otherwise each time from now on.
    #[cfg(test)]
    pub(super) fn at_random(self) -> Self {
        let at_random = |key: OpenKey| {
            let signer = Arc::into_inner(key.signer).expect("nobody else has it");
            let Signer::Local(local) = signer else {
                unreachable!("it is not random yet");
            };
            OpenKey {
                signer: Arc::new(Signer::Random(local)),
                ..key
            }
        };
        Self {
            keys: self.keys.into_iter().map(at_random).collect(),
        }
    }

    /// The same keys; the last one signs from now on what its own public half does
    /// not accept.
    #[cfg(test)]
    pub(super) fn damaged(mut self) -> Self {
        let key = self.keys.last_mut().expect("a key");
        let signer = Arc::get_mut(&mut key.signer).expect("nobody else has it");
        let Signer::Local(local) = signer else {
            unreachable!("it signs as ever yet");
        };
        local.damage();
        self
    }

    /// How many different keys there are, whatever they are called by.
    pub(super) fn count(&self) -> usize {
        let fingerprints = self.keys.iter().map(|key| &key.record.fingerprint);
        fingerprints.collect::<HashSet<_>>().len()
    }

    /// The keys whose signatures are made elsewhere, between two runs.
    pub(super) fn elsewhere(self) -> Self {
        let keys = self.keys.into_iter();
        let keys = keys.filter(|key| matches!(*key.record.reference, KeyReference::Signatures(_)));
        Self {
            keys: keys.collect(),
        }
    }

    pub(super) fn into_keys(self) -> Vec<OpenKey> {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crash_is_no_fault_of_the_key() {
        let opening = OpeningKey {
            key: NamedKey {
                signatories: Vec::new(),
                reference: Arc::new(KeyReference::File("a.key".into())),
            },
            task: tokio::spawn(async { panic!("on purpose") }),
        };
        let crashed = opening.finish().await.err();
        let said = crashed.map(|error| error.to_string());
        assert_eq!(said.as_deref(), Some("opening a key ended unexpectedly"));
    }
}
