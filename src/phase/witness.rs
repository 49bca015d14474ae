//! Witnessing: whoever is to vouch for a signature is asked, all at the same time,
//! once everything is signed (`spec/evidence.md`, "Witnessing").
//!
//! It is the first step whose effects others may see: an entry of a public log
//! stays for ever. Every check and every signature comes before it, and no registry
//! is written before everything that was asked for is there and verified.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use super::check_write::WritablePlace;
use super::error::PhaseError;
use super::evidence::sha256;
use super::receipt::{EntryReceipt, Receipt};
use super::sign::{SignedWant, SignedWants};
use super::wants::Draft;
use crate::attach::Place;
use crate::envelope::{Evidence, Form, Verifier};
use crate::http::Client;
use crate::proof::certificate::Certificate;
use crate::proof::entry::{LogEntry, Loggable};
use crate::proof::timestamp::Timestamp;
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::Choice;
use crate::service::{ServiceError, ServiceName, Trouble};
use crate::witness::log::{Claimed, Claims, Logs};
use crate::witness::timestamp;

/// Everything signed, with all of its evidence; nothing sealed.
pub struct Vouched {
    places: BTreeMap<Place, WritablePlace>,
    signed: Vec<SignedWant>,
}

impl Vouched {
    pub(super) fn into_parts(self) -> (BTreeMap<Place, WritablePlace>, Vec<SignedWant>) {
        (self.places, self.signed)
    }
}

/// The requests of a run for one kind of evidence, each of them once: both forms of
/// an attestation are one entry of a log (EVD-93). Signatories may trust different
/// answers about the same topic.
struct EvidenceRequests<T> {
    /// The positions in `requests` by topic, one for each trusted root.
    known: HashMap<Topic, Vec<usize>>,
    requests: Vec<EvidenceRequest<T>>,
}

impl<T> Default for EvidenceRequests<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            requests: Vec::new(),
        }
    }
}

impl<T> EvidenceRequests<T> {
    /// The position of a request among all.
    fn add(&mut self, topic: Topic, request: EvidenceRequest<T>) -> usize {
        let known = self.known.entry(topic).or_default();
        let is_same = |position: &&usize| {
            let known = self.requests.get(**position);
            known.is_some_and(|known| known.root == request.root)
        };
        if let Some(position) = known.iter().find(is_same).copied() {
            if let Some(known) = self.requests.get_mut(position) {
                known.askers.extend(request.askers);
            }
            return position;
        }
        let position = self.requests.len();
        known.push(position);
        self.requests.push(request);
        position
    }
}

/// A request for evidence of one signature, and the services that may be asked.
struct EvidenceRequest<T> {
    choice: Choice,
    root: Arc<TrustedRoot>,
    /// For messages the first, for the receipt all: a bundle's signature names no
    /// repository, so that images of one digest share it.
    askers: Vec<Asker>,
    /// The digest that is stamped, or the signature that is logged.
    about: T,
}

/// An image whose signature lacks evidence, or a document of it whose attestation does.
struct Asker {
    image: String,
    document: Option<String>,
}

/// The services that may be asked, and the signature that they are asked about.
#[derive(PartialEq, Eq, Hash)]
struct Topic {
    choice: Choice,
    /// The digest that is stamped, or the raw signature.
    about: Vec<u8>,
    /// One key may sign for several signatories, some of them with a certificate of
    /// it: a log keeps what verifies the signature, too.
    verifier: Vec<u8>,
}

/// The evidence that signatures of the run lack, and the wants that each answer is
/// for.
#[derive(Default)]
struct LackingEvidence {
    timestamps: EvidenceRequests<[u8; 32]>,
    entries: EvidenceRequests<Loggable>,
    /// One for each want, in their order.
    wants: Vec<Share>,
}

/// The positions of the answers for one want.
#[derive(Clone, Copy, Default)]
struct Share {
    timestamps: Option<usize>,
    entries: Option<usize>,
}

/// The answers to all requests, each in the order of its request.
struct Answers {
    timestamps: Vec<Vec<Timestamp>>,
    entries: Vec<Vec<LogEntry>>,
}

/// Takes the step: asks for everything that is lacking, and for nothing else. Asking
/// again in another run does no harm: a log knows an entry that it has (EVD-37, EVD-38).
///
/// # Errors
/// On a witness that does not answer, refuses, or answers what does not hold. Entries
/// that stand in a public log by then are in the receipt (EVD-95).
pub async fn witness(
    signed: SignedWants,
    client: &Client,
    receipt: &mut Receipt,
) -> Result<Vouched, PhaseError> {
    let (places, mut wants) = signed.into_parts();
    let lacking = LackingEvidence::of(&wants)?;
    let answers = lacking.ask(client, receipt).await?;
    for (want, share) in wants.iter_mut().zip(&lacking.wants) {
        answers.check_times(want, *share)?;
        answers.give(want, *share);
    }
    Ok(Vouched {
        places,
        signed: wants,
    })
}

impl LackingEvidence {
    fn of(wants: &[SignedWant]) -> Result<Self, PhaseError> {
        let mut lacking = Self::default();
        for want in wants {
            let share = lacking.share(want)?;
            lacking.wants.push(share);
        }
        Ok(lacking)
    }

    fn share(&mut self, want: &SignedWant) -> Result<Share, PhaseError> {
        let (Draft::Claim(stated), Some(signed)) = (&want.wanted.draft, &want.signed) else {
            return Ok(Share::default());
        };
        let required = want.wanted.signatory.required(stated, &want.key);
        let Some(required) = required else {
            return Ok(Share::default());
        };
        let mut share = Share::default();
        if let Some(choice) = required.timestamps.filter(|_| want.lacking.timestamps) {
            let stamped = sha256(&stated.stamped(&signed.signature))?;
            let topic = Topic {
                choice: choice.clone(),
                about: stamped.to_vec(),
                verifier: Vec::new(),
            };
            let request = EvidenceRequest::new(want, choice, required.root, stamped);
            share.timestamps = Some(self.timestamps.add(topic, request));
        }
        if let Some(choice) = required.logs.filter(|_| want.lacking.entries) {
            let loggable = stated.loggable(signed, &want.key)?;
            let topic = Topic {
                choice: choice.clone(),
                about: signed.signature.as_bytes().to_vec(),
                verifier: loggable.verifier.as_der().to_vec(),
            };
            let request = EvidenceRequest::new(want, choice, required.root, loggable);
            share.entries = Some(self.entries.add(topic, request));
        }
        Ok(share)
    }

    /// Asks everybody at the same time (EVD-41): a log of version 2 answers with its next
    /// checkpoint, whatever the number of entries. Each answer is awaited, also after
    /// a failure, and entries are noted as they come, also by a run that is stopped: a
    /// public entry has to be known (EVD-39).
    async fn ask(&self, client: &Client, receipt: &mut Receipt) -> Result<Answers, PhaseError> {
        let receipt = Mutex::new(receipt);
        let stamping = self.timestamps.requests.iter().map(|request| async move {
            let EvidenceRequest {
                choice,
                root,
                about,
                ..
            } = request;
            let stamped = timestamp::stamp(client, choice, root, about).await;
            stamped.map_err(|source| request.failed(source))
        });
        let choices = self.entries.requests.iter();
        let logs = Logs::of(choices.map(|request| &request.choice));
        let entering = self.entries.requests.iter().map(|request| async {
            let EvidenceRequest {
                choice,
                root,
                about,
                ..
            } = request;
            let noting = Noting {
                request,
                claims: Claims::default(),
                receipt: &receipt,
            };
            let entered = logs.enter(client, choice, root, about, &noting.claims);
            entered.await.map_err(|error| request.failed(error))
        });
        let (timestamps, entries) = futures_util::join!(join_all(stamping), join_all(entering));
        Ok(Answers {
            timestamps: timestamps.into_iter().collect::<Result<_, _>>()?,
            entries: entries.into_iter().collect::<Result<_, _>>()?,
        })
    }
}

/// Notes the entries that logs have of a request when it ends, and when it is dropped
/// since the run was stopped: they stay there (EVD-39, EVD-95).
struct Noting<'a, 'r> {
    request: &'a EvidenceRequest<Loggable>,
    claims: Claims,
    receipt: &'a Mutex<&'r mut Receipt>,
}

impl Drop for Noting<'_, '_> {
    fn drop(&mut self) {
        let mut receipt = self.receipt.lock().unwrap_or_else(PoisonError::into_inner);
        for Claimed { log, index } in self.claims.claimed() {
            for Asker { image, document } in &self.request.askers {
                receipt.note_entry(EntryReceipt {
                    image: image.clone(),
                    document: document.clone(),
                    log: log.clone(),
                    index,
                });
            }
        }
    }
}

impl SignedWant {
    /// The certificates of its signer, from the leaf to the root as far as they are
    /// known; none of a key alone.
    fn certificates(&self) -> Vec<Certificate> {
        if let Some(own) = &self.wanted.signatory.certificate {
            return own.certificates();
        }
        let verifier = self.signed.as_ref().map(|signed| &signed.verifier);
        match verifier {
            Some(Verifier::Certificates(certificates)) => {
                let certificates = certificates.iter();
                certificates
                    .filter_map(|der| Certificate::from_der(der).ok())
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

impl<T> EvidenceRequest<T> {
    fn new(want: &SignedWant, choice: &Choice, root: &Arc<TrustedRoot>, about: T) -> Self {
        Self {
            choice: choice.clone(),
            root: Arc::clone(root),
            askers: vec![Asker {
                image: want.wanted.subject.to_string(),
                document: want.wanted.document.clone(),
            }],
            about,
        }
    }

    fn failed(&self, source: ServiceError) -> PhaseError {
        let first = self.askers.first();
        PhaseError::Witness {
            image: first.map(|asker| asker.image.clone()).unwrap_or_default(),
            source: Box::new(source),
        }
    }
}

impl Answers {
    /// A timestamp is worth something if all certificates of the signer were valid
    /// then (`spec/evidence.md`, EVD-26).
    fn check_times(&self, want: &SignedWant, share: Share) -> Result<(), PhaseError> {
        let timestamps = share.timestamps.and_then(|one| self.timestamps.get(one));
        let certificates = want.certificates();
        for timestamp in timestamps.into_iter().flatten() {
            timestamp
                .check_certificates(&certificates)
                .map_err(|error| PhaseError::Witness {
                    image: want.wanted.subject.to_string(),
                    source: Box::new(ServiceError {
                        service: ServiceName::TimestampAuthority(timestamp.authority.clone()),
                        trouble: Trouble::Unproven {
                            action: "comparing times".to_owned(),
                            reason: error.to_string(),
                        },
                    }),
                })?;
        }
        Ok(())
    }

    /// Puts the evidence to the signature that it is of: entries before timestamps,
    /// in the order in which cosign's bundles have them (EVD-34). The order has to be
    /// the same in each run, so that the next one recognises the bundle.
    fn give(&self, want: &mut SignedWant, share: Share) {
        let (Draft::Claim(stated), Some(signed)) = (&want.wanted.draft, &mut want.signed) else {
            return;
        };
        let entries = share
            .entries
            .and_then(|position| self.entries.get(position));
        let timestamps = share
            .timestamps
            .and_then(|position| self.timestamps.get(position));
        let entries = entries.into_iter().flatten().filter_map(|entry| {
            let text = match stated.form {
                Form::Tag => entry.to_annotation(),
                Form::Bundle | Form::ChainBundle => entry.to_bundle_json(),
            };
            text.map(Evidence::LogEntry)
        });
        let timestamps = timestamps.into_iter().flatten();
        let timestamps =
            timestamps.map(|timestamp| Evidence::Timestamp(timestamp.response.to_vec()));
        let evidence = std::mem::take(&mut signed.evidence);
        let evidence = evidence.into_iter().chain(entries).chain(timestamps);
        let is_entry = |evidence: &Evidence| matches!(evidence, Evidence::LogEntry(_));
        let is_timestamp = |evidence: &Evidence| matches!(evidence, Evidence::Timestamp(_));
        let (entries, others): (Vec<_>, Vec<_>) = evidence.partition(is_entry);
        let (timestamps, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_timestamp);
        signed.evidence = [entries, timestamps, others]
            .into_iter()
            .flatten()
            .collect();
    }
}
