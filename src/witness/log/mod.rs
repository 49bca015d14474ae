//! Transparency logs (Rekor v1 and v2): a signature is sent, and comes back as an
//! entry that the trusted root verifies.
//!
//! An entry stays public for ever. So a signature that stands in a log
//! already is read from there, each log is asked by as many requests as the host
//! takes at a time, and after a failure the entries that exist are known (EVD-37 to
//! EVD-41).
//!
//! `ask` has the requests and the meaning of refusals, `frozen` remembers logs that take
//! nothing more, `v1` and `v2` speak the two versions of Rekor.

mod ask;
mod frozen;
mod v1;
mod v2;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};
use url::Url;

use super::choice::{self, WitnessTally};
use crate::http::Client;
use crate::proof::entry::{LONGEST_V1, LogEntry, Loggable, RekorVersion, SignedMessage, accepts};
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::{Choice, Service};
use crate::service::{Said, ServiceError, Trouble};
use ask::Asking;
use frozen::Gate;

/// How long a log may take before another one is asked as well: an entry comes with
/// the next checkpoint, which may take 20 s (EVD-41).
const LATE: Duration = Duration::from_secs(30);

/// The logs of a run. It knows which of them take nothing more, so that one value serves
/// all signatures of the run.
pub struct Logs {
    /// Of logs that may be asked too often to learn that they take nothing more.
    gates: HashMap<Url, Gate>,
    late: Duration,
}

/// An entry that a log says it has. It may be public, verified or not: the receipt names
/// it (EVD-95).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The log's address: of a verified entry as the trusted root has it, else as the
    /// signing config has it.
    pub log: String,
    pub index: u64,
}

/// Whether a log can take a signature: by its key, its hash and its length. Nobody is
/// asked. The plan has asked the same of the whole choice (EVD-35, EVD-43); here it keeps
/// a request from being sent in vain, whoever calls.
fn check_one(service: &Service, signature: &Loggable) -> Result<(), ServiceError> {
    let fault = |trouble| ask::fault(service, trouble);
    let version = version(service)?;
    let (form, key) = (signature.message.form(), signature.verifier.key());
    if let Err(refusal) = accepts(version, form, key, signature.hash) {
        let reason = refusal.to_string();
        return Err(fault(Trouble::Unfit { reason }));
    }
    match &signature.message {
        SignedMessage::Envelope { envelope, .. }
            if version == RekorVersion::V1 && envelope.length() > LONGEST_V1 =>
        {
            Err(fault(Trouble::Oversized {
                action: ask::action(service),
                length: envelope.length(),
                answer: Said::default(),
            }))
        }
        _ => Ok(()),
    }
}

fn version(service: &Service) -> Result<RekorVersion, ServiceError> {
    RekorVersion::of(service.version).ok_or_else(|| {
        let (action, reason) = (ask::action(service), "its version is not known");
        ask::fault(service, Trouble::Answer { action, reason })
    })
}

impl Logs {
    /// The logs of a run in which each signature is entered in as many logs of its choice
    /// as that wants.
    pub fn of<'a>(choices: impl Iterator<Item = &'a Choice>) -> Self {
        let mut signatures = HashMap::<_, usize>::new();
        for service in choices.flat_map(|choice| &choice.services) {
            *signatures.entry(&service.url).or_default() += 1;
        }
        let many = |&(_, count): &(_, usize)| count > frozen::FEW;
        let gates = signatures.into_iter().filter(many);
        let gates = gates.map(|(url, _)| (url.clone(), Gate::default()));
        Self {
            gates: gates.collect(),
            late: LATE,
        }
    }

    /// Enters a signature in as many logs as the signing config wants, all at once,
    /// and in place of one that fails in the next. One that a log has already is
    /// taken from there. Several signatures are entered by several calls at the
    /// same time: a log answers them together, with its next checkpoint.
    ///
    /// What the logs say that they have is in `claims` as soon as they say it. Dropping the
    /// call drops its requests, and with them the knowledge of what the logs have taken
    /// and not said. Repeating it is safe.
    ///
    /// # Errors
    /// If fewer logs have it than are wanted; every answer is awaited first (EVD-39).
    pub async fn enter(
        &self,
        client: &Client,
        choice: &Choice,
        root: &TrustedRoot,
        signature: &Loggable,
        claims: &Claims,
    ) -> Result<Vec<LogEntry>, ServiceError> {
        let vouching = WitnessTally::default();
        let enter = |service| {
            let asking = Asking {
                client,
                service,
                root,
                signature,
                gate: self.gates.get(&service.url),
                claims,
            };
            enter_one(asking, &vouching)
        };
        let entered = choice::ask(choice, self.late, enter).await?;
        warn_of(&entered.dropped, &claims.claimed());
        Ok(entered.answers)
    }
}

/// Names logs whose answers nobody waits for any more, unless they have said where the
/// entry is (EVD-95).
fn warn_of(dropped: &[&Service], claimed: &[Claimed]) {
    for log in dropped.iter().map(|service| &service.url) {
        if claimed.iter().all(|claimed| claimed.log != log.as_str()) {
            warn!(
                "`{log}` may have an entry too, at an index that nobody knows: others answered first"
            );
        }
    }
}

/// Enters the signature in one log. An entry of a log that has one of this signature
/// already, by another address, stays a claim.
async fn enter_one(
    asking: Asking<'_>,
    vouching: &WitnessTally<Vec<u8>>,
) -> Result<LogEntry, ServiceError> {
    check_one(asking.service, asking.signature)?;
    let entry = match version(asking.service)? {
        RekorVersion::V1 => v1::enter(&asking).await?,
        RekorVersion::V2 => v2::enter(&asking).await?,
    };
    let counted = vouching.count(entry.log_id().to_vec(), asking.service);
    counted.map_err(|reason| {
        let action = ask::action(asking.service);
        asking.fault(Trouble::Unproven { action, reason })
    })?;
    asking.claims.prove(asking.service, &entry);
    let host = asking.service.host();
    info!("Entered in the log `{host}` at index {}", entry.index());
    Ok(entry)
}

/// The entries of one signature that logs say they have. Noted as soon as a log says it:
/// it stays true if nothing proves it, or if nobody waits for the proof any more.
#[derive(Default)]
pub struct Claims(Mutex<Vec<Claimed>>);

impl Claims {
    /// All of them, verified or not.
    pub fn claimed(&self) -> Vec<Claimed> {
        let claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.clone()
    }

    fn note(&self, service: &Service, index: u64) {
        let log = service.url.to_string();
        self.change(|claimed| claimed.push(Claimed { log, index }));
    }

    /// The entry is verified, and no mere claim any more.
    fn prove(&self, service: &Service, entry: &LogEntry) {
        let (log, index) = (entry.log().to_owned(), entry.index());
        self.change(|claimed| {
            claimed.retain(|one| one.log != service.url.as_str());
            claimed.push(Claimed { log, index });
        });
    }

    /// The lock is held for no longer than that, so that a panic elsewhere leaves the
    /// list as good as it was.
    fn change(&self, change: impl FnOnce(&mut Vec<Claimed>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests;
