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

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::http::Client;
use crate::proof::entry::{LONGEST_V1, LogEntry, Loggable, RekorVersion, SignedMessage, accepts};
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::{Choice, Service};
use crate::service::{Said, ServiceError, Trouble};
use ask::{Asking, NoEntry};
use frozen::Gates;

/// How long a log may take while another could be asked in its place: an entry
/// comes with the next checkpoint, which may take 20 s (EVD-41). The request is dropped
/// then; the log may have taken the signature all the same.
const WITH_SPARE: Duration = Duration::from_secs(30);

/// The logs of a run. It knows which of them take nothing more, so that one value serves
/// all signatures of the run.
#[derive(Default)]
pub struct Logs {
    gates: Gates,
}

/// An entry that a log says it has, and that was not verified. It may be public: the
/// receipt names it (EVD-95).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The log's address as the signing config has it.
    pub log: String,
    pub index: u64,
}

/// As many entries as the signing config wants.
#[derive(Debug)]
pub struct Entered {
    /// Verified, in the order of the signing config.
    pub entries: Vec<LogEntry>,
    /// Those that may be in a log that another took the place of.
    pub claimed: Vec<Claimed>,
}

/// Fewer entries than the signing config wants.
#[derive(Debug)]
pub struct EnterError {
    /// Those that are in a log now, verified.
    pub entered: Vec<LogEntry>,
    /// Those that may be in a log, too.
    pub claimed: Vec<Claimed>,
    pub source: ServiceError,
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
    /// Enters a signature in as many logs as the signing config wants, all at once,
    /// and in place of one that fails in the next. One that a log has already is
    /// taken from there. Several signatures are entered by several calls at the
    /// same time: a log answers them together, with its next checkpoint.
    ///
    /// Dropping the call drops its requests, and with them the knowledge of what the
    /// logs took. Repeating it is safe.
    ///
    /// # Errors
    /// If fewer logs have it than are wanted; every answer is awaited first (EVD-39),
    /// so that one row's failure ends no other.
    pub async fn enter(
        &self,
        client: &Client,
        choice: &Choice,
        root: &TrustedRoot,
        signature: &Loggable,
    ) -> Result<Entered, EnterError> {
        let next = AtomicUsize::new(0);
        let row = async |_| {
            let mut failures: Vec<(&Service, NoEntry)> = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(service) = choice.services.get(index) else {
                    return (None, failures);
                };
                let asking = Asking {
                    client,
                    service,
                    root,
                    signature,
                };
                // Asked again after a failure: another row may have taken the spare.
                let is_last = || next.load(Ordering::Relaxed) >= choice.services.len();
                let within = if is_last() { Duration::MAX } else { WITH_SPARE };
                match self.enter_one(&asking, within).await {
                    Ok(entry) => return (Some((index, entry)), failures),
                    Err(failure) => {
                        if !is_last() {
                            warn!("{}; another log is asked instead", failure.error);
                        }
                        failures.push((service, failure));
                    }
                }
            }
        };
        let rows = join_all((0..choice.wanted()).map(row)).await;
        gather(rows)
    }

    /// Enters the signature in one log, within a time.
    async fn enter_one(&self, asking: &Asking<'_>, within: Duration) -> Result<LogEntry, NoEntry> {
        check_one(asking.service, asking.signature)?;
        let gate = self.gates.of(&asking.service.url);
        // Waiting at the gate counts: the time is that of the run.
        let entering = async {
            match version(asking.service)? {
                RekorVersion::V1 => v1::enter(asking, &gate).await,
                RekorVersion::V2 => v2::enter(asking, &gate).await,
            }
        };
        let entry = match timeout(within, entering).await {
            Ok(entered) => entered?,
            Err(_) => {
                let (action, answer) = (ask::action(asking.service), Said::default());
                return Err(asking.fault(Trouble::NotReady { action, answer }).into());
            }
        };
        let host = asking.service.host();
        info!("Entered in the log `{host}` at index {}", entry.index());
        Ok(entry)
    }
}

/// The outcome of a row of logs: the entry at its end, if any, and the failures before.
type Row<'a> = (Option<(usize, LogEntry)>, Vec<(&'a Service, NoEntry)>);

/// The entries in the order of the services, or everything about the failure. Of a row
/// that ended well, failures count as claimed entries alone; the error is the first of a
/// row that did not.
fn gather(rows: Vec<Row<'_>>) -> Result<Entered, EnterError> {
    let (mut entered, mut claimed) = (BTreeMap::new(), Vec::new());
    let (mut is_short, mut source) = (false, None);
    for (entry, failures) in rows {
        let failed = entry.is_none();
        is_short |= failed;
        entered.extend(entry);
        for (service, failure) in failures {
            claimed.extend(failure.index.map(|index| Claimed {
                log: service.url.to_string(),
                index,
            }));
            if failed {
                source.get_or_insert(failure.error);
            }
        }
    }
    let entries = entered.into_values().collect();
    match is_short {
        false => Ok(Entered { entries, claimed }),
        true => Err(EnterError {
            entered: entries,
            claimed,
            source: source.unwrap_or_else(ask::none),
        }),
    }
}

#[cfg(test)]
mod tests;
