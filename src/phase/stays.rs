//! What stays public for ever: said once per run, before anybody is asked
//! (`spec/evidence.md`, EVD-94).

use std::collections::BTreeMap;
use std::fmt;

use tracing::info;

use crate::envelope::Verifier;
use crate::proof::entry::{Loggable, Signed};
use crate::proof::trust::signing_config::{Choice, Rule};
use crate::words::Count;

/// Everything that the services of a run are going to publish.
#[derive(Default)]
pub(super) struct Stays {
    logs: BTreeMap<String, Entries>,
}

/// The entries of one choice of logs.
#[derive(Default)]
struct Entries {
    count: usize,
    certificates: usize,
    /// Documents that the log is sent whole.
    whole: usize,
}

impl Stays {
    /// Notes an entry for a signature of `verifier`. Rekor v1 is sent envelopes
    /// whole, though it publishes hashes alone.
    pub(super) fn note_entry(&mut self, choice: &Choice, verifier: &Verifier, entry: &Loggable) {
        let is_v1 = choice.services.iter().any(|service| service.version == 1);
        let is_whole = is_v1 && matches!(entry.signed, Signed::Envelope { .. });
        let entries = self.logs.entry(names(choice)).or_default();
        entries.count += 1;
        entries.whole += usize::from(is_whole);
        entries.certificates += usize::from(matches!(verifier, Verifier::Certificates(_)));
    }

    /// Says it, if it is something.
    pub(super) fn say(&self) {
        if !self.logs.is_empty() {
            info!("Publishing for ever: {self}");
        }
    }
}

fn names(choice: &Choice) -> String {
    let urls: Vec<&str> = choice
        .services
        .iter()
        .map(|service| service.url.as_str())
        .collect();
    match choice.rule {
        Rule::All => urls.join(" and "),
        Rule::Any => urls.join(" or "),
        Rule::Exact(count) => format!("{count} of {}", urls.join(", ")),
    }
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs = self.logs.iter().map(|(names, entries)| {
            let verifier = match entries.certificates {
                0 => "public key",
                _ => "certificate",
            };
            let count = Count(entries.count, "signature");
            let whole = match entries.whole {
                0 => String::new(),
                whole => format!(" (and is sent {} whole)", Count(whole, "statement")),
            };
            format!("the hash, signature and {verifier} of {count} at {names}{whole}")
        });
        write!(f, "{}", logs.collect::<Vec<_>>().join("; "))
    }
}
