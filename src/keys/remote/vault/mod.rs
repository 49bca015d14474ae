//! Keys of the transit engine of HashiCorp Vault and of OpenBao
//! (`spec/keys.md`, section 9): one request for the public key, and one batch
//! for all signatures of a run.
//! The JSON is `answer`'s, the way to the server `connection`'s, and the token
//! `token`'s. SHA-256 is asked for on every curve, and Ed25519 keys get the
//! message: with both, every cosign verifies by the public key. (cosign 3 cannot
//! sign with P-384, P-521 and Ed25519 keys of Vault at all.)

mod answer;
mod connection;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod token;

use std::sync::Arc;

use super::found::FoundKey;
use super::message::{Prepared, Unsigned};
use crate::beside;
use crate::http::Client;
use crate::keys::error::{OpenError, SignError};
use crate::keys::uri::VaultUri;
use crate::oci::Content;
use crate::service::{ServiceError, ServiceName, Trouble, Variables, VaultKey, nonsense, said};
use answer::{InputKind, NoSignature, NoVaultKey, VaultBatch};
use connection::{Connection, VaultQuestion};

/// The longest message of an Ed25519 key: Vault takes no longer string than
/// 1 MiB, and it is in base64 (KEY-64). A longer one is answered with a 500, a much
/// longer one with a connection that breaks.
const LONGEST: u64 = 786_432;
/// The most characters of base64 in one batch: Vault takes requests of 32 MiB.
const BATCH: usize = 16 << 20;
/// The most messages in one batch: Vault takes arrays of 10,000.
const MOST: usize = 5000;
/// The characters of an entry around its base64, `{"input":""},`, rounded up.
const AROUND: usize = 16;

/// A key whose Vault has not been asked yet.
pub(super) struct ClosedVault {
    name: ServiceName,
    key: String,
    /// Shared by all keys of the run: one token serves them.
    connection: Arc<Connection>,
}

/// One version of a key.
pub(super) struct VaultSigner {
    closed: ClosedVault,
    version: u64,
    client: Arc<Client>,
}

impl ClosedVault {
    /// Reads the variables of Vault, and the files that they name. Both products
    /// have the same variables, so that keys by both schemes share a connection.
    pub(super) fn find(uri: &VaultUri, variables: &Variables) -> Result<Self, OpenError> {
        let product = uri.product();
        let found = variables.shared("", || Connection::find(product, variables));
        let name = |host, mount| {
            ServiceName::Vault(Box::new(VaultKey {
                product: product.name(),
                host,
                mount,
                key: uri.key().to_owned(),
            }))
        };
        let unset = || name(String::new(), String::new());
        let connection = found.map_err(|trouble| unset().failed(trouble))?;
        Ok(Self {
            name: name(connection.host(), connection.mount()),
            key: uri.key().to_owned(),
            connection,
        })
    }

    /// Asks for the public key of the latest version. All signatures are by this
    /// version, even if the key is rotated in between.
    pub(super) async fn open(
        self,
        client: &Arc<Client>,
    ) -> Result<(VaultSigner, FoundKey), OpenError> {
        let question = VaultQuestion::PublicKey(&self.key);
        let answered = self.connection.ask(client, question).await;
        let (request, response) = answered.map_err(|trouble| self.name.failed(trouble))?;
        let latest = answer::latest_key(&response.body).map_err(|no_key| {
            let trouble = match no_key {
                NoVaultKey::Unfit(reason) => Trouble::Unfit { reason },
                NoVaultKey::Nonsense(reason) => nonsense(&request, reason),
            };
            self.name.failed(trouble)
        })?;
        let found = FoundKey {
            public: latest.public,
            hash: None,
            version: Some(latest.version.to_string()),
        };
        let key = VaultSigner {
            closed: self,
            version: latest.version,
            client: Arc::clone(client),
        };
        Ok((key, found))
    }
}

impl VaultSigner {
    /// Signs all messages in one request, or in a few, one after the other, if they
    /// are larger than one may be (KEY-61, KEY-64).
    pub(super) async fn sign(&self, messages: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        for (index, prepared) in messages.iter().enumerate() {
            let length = prepared.message.content.length();
            if prepared.prehash.is_none() && length > LONGEST {
                let most = LONGEST;
                let error = self.failed(Trouble::TooLong { length, most });
                return Err(unsigned(index, error));
            }
        }
        // Each turn takes one message at least from `rest`.
        let mut signatures = Vec::new();
        let mut rest = messages;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(first_batch(rest.iter().map(length)));
            let first = signatures.len();
            let signed = self.sign_batch(batch).await;
            signatures.extend(signed.map_err(|Unsigned { index, error }| Unsigned {
                index: first + index,
                error,
            })?);
            rest = later;
        }
        Ok(signatures)
    }

    /// An error of the whole batch is told of its first message.
    async fn sign_batch(&self, batch: &[Prepared]) -> Result<Vec<Vec<u8>>, Unsigned> {
        let first = |error: SignError| Unsigned { index: 0, error };
        let body = self.question(batch).await.map_err(first)?;
        let ClosedVault {
            key, connection, ..
        } = &self.closed;
        let question = VaultQuestion::Sign(key, body, batch.len());
        let answered = connection.ask(&self.client, question).await;
        let (request, response) = answered.map_err(|trouble| unsigned(0, self.failed(trouble)))?;
        let results = answer::signatures(&response.body, batch.len(), self.version);
        let results =
            results.map_err(|reason| unsigned(0, self.failed(nonsense(&request, reason))))?;
        let results = results.into_iter().enumerate().map(|(index, result)| {
            result.map_err(|error| {
                let trouble = match error {
                    NoSignature::Refused(words) => Trouble::Failed(said(&response, Some(&words))),
                    NoSignature::Nonsense(reason) => nonsense(&request, reason),
                };
                unsigned(index, self.failed(trouble))
            })
        });
        results.collect()
    }

    /// The JSON of a batch. Messages are read, digests are known. It is built on a
    /// thread of its own, since it may have 16 MiB of base64.
    async fn question(&self, batch: &[Prepared]) -> Result<Content, SignError> {
        let input = |prepared: &Prepared| match &prepared.prehash {
            Some(prehash) => Content::from(prehash.to_vec()),
            None => prepared.message.content.clone(),
        };
        let inputs: Vec<Content> = batch.iter().map(input).collect();
        // One key signs either the one or the other.
        let kind = match batch.iter().any(|prepared| prepared.prehash.is_some()) {
            true => InputKind::Digests,
            false => InputKind::Messages,
        };
        let version = self.version;
        let building = move || {
            let bytes = inputs.iter().map(|input| Ok(input.to_bytes()?.to_vec()));
            let bytes: std::io::Result<Vec<_>> = bytes.collect();
            let question = VaultBatch::new(kind, version, bytes?);
            Ok(serde_json::to_vec(&question)?)
        };
        let built = beside::run(building).await;
        let built = built.unwrap_or_else(|_| Err(std::io::Error::other("no thread")));
        Ok(Content::from(built.map_err(SignError::Read)?))
    }

    fn failed(&self, trouble: Trouble) -> ServiceError {
        self.closed.name.failed(trouble)
    }
}

fn unsigned(index: usize, error: ServiceError) -> Unsigned {
    Unsigned {
        index,
        error: error.into(),
    }
}

/// The length of a message's entry in a batch.
fn length(prepared: &Prepared) -> usize {
    let length = match &prepared.prehash {
        Some(prehash) => prehash.len(),
        None => usize::try_from(prepared.message.content.length()).unwrap_or(usize::MAX),
    };
    base64::encoded_len(length, true).unwrap_or(usize::MAX)
}

/// How many of these entries, one at least, go into the first request. One alone
/// fits always, since [`LONGEST`] was looked at before.
fn first_batch(lengths: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0usize;
    let within = lengths.take(MOST).take_while(|length| {
        sum = sum.saturating_add(*length).saturating_add(AROUND);
        sum <= BATCH
    });
    within.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KEY-64
    #[test]
    fn a_batch_is_split_by_its_size_and_never_empty() {
        let some = |length, count| first_batch(std::iter::repeat_n(length, count));
        assert_eq!(some(44, 4000), 4000);
        assert_eq!(some(44, 40_000), MOST);
        let longest = base64::encoded_len(LONGEST as usize, true).unwrap();
        assert_eq!(longest, 1 << 20);
        assert_eq!(some(longest, 40), 15);
        assert_eq!(some(usize::MAX, 3), 1);
    }
}
