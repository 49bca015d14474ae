//! Unlocking the keys, beside the checks: scrypt is the longest computation of
//! a run, and it needs 64 MiB or more for each key.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::info;

use super::error::PhaseError;
use super::plan::Locked;
use crate::beside;
use crate::keys::{self, KeyError, Signer};

/// Keys that are being unlocked, as many at a time as there are processors.
pub struct Unlocking {
    keys: Vec<Opening>,
}

struct Opening {
    signatories: Vec<usize>,
    name: String,
    path: PathBuf,
    task: JoinHandle<Result<Signer, KeyError>>,
}

/// A signatory's key, open. Signatories with the same key share it.
pub struct Opened {
    pub(super) signatories: Vec<usize>,
    pub(super) path: PathBuf,
    pub(super) signer: Arc<Signer>,
}

/// Starts to unlock.
pub fn unlock(locked: Vec<Locked>) -> Unlocking {
    let processors = available_parallelism().map_or(1, usize::from);
    let permits = Arc::new(Semaphore::new(processors));
    let open = |locked: Locked| Opening {
        signatories: locked.signatories,
        name: locked.name,
        path: locked.path,
        task: {
            let permits = Arc::clone(&permits);
            tokio::spawn(async move {
                let _permit = permits.acquire_owned().await;
                let (key, password) = (locked.key, locked.password);
                let opened = beside::run(move || keys::unlock(&key, &password)).await;
                opened.unwrap_or(Err(KeyError::Damaged)).map(Signer::Local)
            })
        },
    };
    Unlocking {
        keys: locked.into_iter().map(open).collect(),
    }
}

impl Unlocking {
    /// Waits for all keys.
    ///
    /// # Errors
    /// On the first key, in the order of `cosign.toml`, that does not open.
    pub async fn finish(self) -> Result<Vec<Opened>, PhaseError> {
        let mut opened = Vec::new();
        for opening in self.keys {
            let outcome = opening.task.await.unwrap_or(Err(KeyError::Damaged));
            let signer = outcome.map_err(|source| PhaseError::Key {
                signatory: opening.name,
                path: opening.path.clone(),
                source,
            })?;
            let fingerprint = signer.fingerprint();
            info!(
                "Unlocked key {} ({}, public key {fingerprint})",
                opening.path.display(),
                signer.algorithm()
            );
            opened.push(Opened {
                signatories: opening.signatories,
                path: opening.path,
                signer: Arc::new(signer),
            });
        }
        Ok(opened)
    }
}
