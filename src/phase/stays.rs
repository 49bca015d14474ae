//! Publications that stay for ever, certificates and entries of logs: said once per
//! run, before anybody is asked (`spec/evidence.md`, EVD-94). cosign asks for a
//! confirmation; a phase has nobody to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tracing::info;

use super::certify;
use super::sign::{SignedWant, SignedWants};
use super::wants::Draft;
use crate::envelope::{Payload, Verifier};
use crate::proof::trust::signing_config::{Choice, Rule};
use crate::words::Count;

/// Everything that the services of a run are going to publish.
#[derive(Default)]
pub struct Stays {
    /// Identities, in words, with the authorities that certify them.
    certificates: BTreeSet<String>,
    /// By the names of the logs, in words.
    logs: BTreeMap<String, Entries>,
}

/// The entries of one choice of logs.
#[derive(Default)]
struct Entries {
    /// By their bytes: both forms of an attestation are one entry.
    signatures: BTreeMap<NamedBy, BTreeSet<Vec<u8>>>,
    /// Of these, the ones of statements that the log is sent whole.
    whole: BTreeSet<Vec<u8>>,
}

/// The part of an entry that tells who signed: a certificate names an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NamedBy {
    Certificate,
    PublicKey,
}

impl Stays {
    /// The publications that the signatures of a run still lack; nothing on a second
    /// run.
    pub fn of(signed: &SignedWants) -> Self {
        let mut stays = Self::default();
        for want in signed.wants() {
            stays.certificates.extend(certify::in_words(want));
            stays.note_entry(want);
        }
        stays
    }

    /// Rekor v1 is sent envelopes whole, though it publishes hashes alone.
    fn note_entry(&mut self, want: &SignedWant) {
        let (Draft::Claim(stated), Some(signed)) = (&want.wanted.draft, &want.signed) else {
            return;
        };
        let required = want.wanted.signatory.required(stated, &want.key);
        let logs = required.and_then(|required| required.logs);
        let Some(choice) = logs.filter(|_| want.lacking.entries) else {
            return;
        };
        let is_v1 = choice.services.iter().any(|service| service.version == 1);
        let is_certified = matches!(signed.verifier, Verifier::Certificates(_));
        let signature = signed.signature.as_bytes().to_vec();
        let entries = self.logs.entry(names(choice)).or_default();
        if is_v1 && matches!(*stated.payload, Payload::Statement(_)) {
            entries.whole.insert(signature.clone());
        }
        let by = match is_certified || want.key.applicant.is_some() {
            true => NamedBy::Certificate,
            false => NamedBy::PublicKey,
        };
        entries.signatures.entry(by).or_default().insert(signature);
    }

    /// Says it, if it is something.
    pub fn say(&self) {
        if !self.logs.is_empty() || !self.certificates.is_empty() {
            info!("Publishing for ever: {self}");
        }
    }
}

fn names(choice: &Choice) -> String {
    let urls = choice.services.iter().map(|service| service.url.as_str());
    let urls: Vec<&str> = urls.collect();
    match choice.rule {
        Rule::All => urls.join(" and "),
        Rule::Any => urls.join(" or "),
        Rule::Exact(count) => format!("{count} of {}", urls.join(", ")),
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.signatures.iter().map(|(by, signatures)| {
            let verifier = match by {
                NamedBy::Certificate => "certificate",
                NamedBy::PublicKey => "public key",
            };
            let count = Count(signatures.len(), "signature");
            format!("the hash, signature and {verifier} of {count}")
        });
        f.write_str(&entries.collect::<Vec<_>>().join(" and "))
    }
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs = self.logs.iter().map(|(names, entries)| {
            let whole = match entries.whole.len() {
                0 => String::new(),
                whole => format!(" (and is sent {} whole)", Count(whole, "statement")),
            };
            format!("{entries} at {names}{whole}")
        });
        let all: Vec<String> = self.certificates.iter().cloned().chain(logs).collect();
        f.write_str(&all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_names_some_by_certificates_names_the_others_by_keys() {
        let signatures = [
            (NamedBy::PublicKey, BTreeSet::from([vec![1], vec![2]])),
            (NamedBy::Certificate, BTreeSet::from([vec![3]])),
        ];
        let entries = Entries {
            signatures: BTreeMap::from(signatures),
            whole: BTreeSet::new(),
        };
        let stays = Stays {
            certificates: BTreeSet::new(),
            logs: BTreeMap::from([("https://log.example".to_owned(), entries)]),
        };
        assert_eq!(
            stays.to_string(),
            "the hash, signature and certificate of 1 signature and the hash, signature and \
             public key of 2 signatures at https://log.example"
        );
    }
}
