//! Judging: whether a signature that hangs at its place is ours, and how much of
//! its evidence counts (`spec/evidence.md`, "Witnessing").
//!
//! Evidence that hangs somewhere is other people's bytes: it counts as far as the
//! trusted root of this run verifies it, by the checks that new evidence has to
//! pass.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::PhaseError;
use super::evidence::{Lacking, Required, leaf, sha256};
use super::open_keys::{Applicant, KeyRecord};
use super::signatory::Signatory;
use super::stated::Stated;
use crate::attach::Candidate;
use crate::envelope::{self, Evidence, Form, Verifier};
use crate::keys::{self, Signer};
use crate::proof::certificate::Certificate;
use crate::proof::entry::LogEntry;
use crate::proof::timestamp::{self, Stamped};
use crate::proof::trust::signing_config::Choice;
use crate::witness::authority;

/// A signature that hangs there and is ours.
pub(super) struct Judged {
    /// As it stands there.
    pub(super) standing: envelope::Signed,
    /// With the evidence that counts: all of it if nothing is lacking.
    pub(super) counting: envelope::Signed,
    pub(super) lacking: Lacking,
}

/// A signatory with its key.
pub(super) struct Signing {
    pub(super) signatory: Arc<Signatory>,
    pub(super) signer: Arc<Signer>,
    pub(super) record: Arc<KeyRecord>,
    /// The time of the run.
    pub(super) now: Timestamp,
}

/// Who verifies a signature that hangs there, as it stands there, and with the
/// certificate that it is to have.
struct Verifiers {
    theirs: Verifier,
    counts: Verifier,
}

/// Evidence that hangs there, weighed.
#[derive(Default)]
struct Weighed {
    timestamps: Vec<Evidence>,
    entries: Vec<Evidence>,
    others: Vec<Evidence>,
    authorities: BTreeSet<(String, Vec<u8>)>,
    logs: BTreeSet<Vec<u8>>,
    /// When the signature was there already, as witnesses say.
    times: Vec<Timestamp>,
}

impl Signing {
    /// Judges a signature that hangs there; none if it is not ours for this claim.
    ///
    /// # Errors
    /// On a message that cannot be read.
    pub(super) fn judge(
        &self,
        stated: &Stated,
        candidate: &Candidate,
    ) -> Result<Option<Judged>, PhaseError> {
        let Some(verifiers) = self.verifiers(stated, candidate)? else {
            return Ok(None);
        };
        let Verifiers { theirs, counts } = verifiers;
        let signed = |verifier: &Verifier, evidence| {
            stated.signed(candidate.signature.clone(), verifier.clone(), evidence)
        };
        if !self.signatory.is_vouched() {
            let standing = signed(&theirs, Vec::new());
            return Ok(Some(Judged {
                counting: standing.clone(),
                standing,
                lacking: Lacking::default(),
            }));
        }
        let required = self.signatory.required(stated, &self.record);
        let weighed = signed(&counts, candidate.evidence.clone());
        let weighed = self.weigh(stated, &weighed, required)?;
        let lacking = Lacking {
            certificate: leaf(&theirs).is_none() && leaf(&counts).is_some(),
            ..weighed.lacking(required)
        };
        if !self.is_certified(&theirs, stated.form, &weighed.proven(lacking, self.now)) {
            return Ok(None);
        }
        let standing = signed(&theirs, candidate.evidence.clone());
        let counting = match lacking.is_nothing() {
            true => standing.clone(),
            false => signed(&counts, weighed.counting(lacking)),
        };
        Ok(Some(Judged {
            standing,
            counting,
            lacking,
        }))
    }

    /// The verifiers of a signature that hangs there, if it is ours for this claim: by
    /// our key, or by a key that was certified for the identity of this run.
    fn verifiers(
        &self,
        stated: &Stated,
        candidate: &Candidate,
    ) -> Result<Option<Verifiers>, PhaseError> {
        match &self.record.applicant {
            None => Ok(self.of_key(stated, candidate)),
            Some(applicant) => {
                let theirs = self.of_identity(applicant, stated, candidate)?;
                Ok(theirs.map(|theirs| Verifiers {
                    counts: theirs.clone(),
                    theirs,
                }))
            }
        }
    }

    fn of_key(&self, stated: &Stated, candidate: &Candidate) -> Option<Verifiers> {
        let message = stated.payload.message();
        self.signer.verify(message, &candidate.signature).ok()?;
        let key = self.signer.public_key();
        let ours = self.signatory.verifier(key, stated.form);
        let is_certified = matches!(candidate.verifier, Verifier::Certificates(_));
        let (theirs, counts) = match (is_certified, &self.signatory.certificate) {
            (true, Some(_)) => {
                // Whoever can write there can hang our signature beside anything.
                leaf(&candidate.verifier)?.key().ok()?;
                (candidate.verifier.clone(), candidate.verifier.clone())
            }
            (false, Some(_)) => (Verifier::Key(key.clone()), ours),
            // Who verifies by the key alone looks at no certificate.
            (true, None) if self.signatory.is_vouched() => return None,
            (_, None) => (ours.clone(), ours),
        };
        Some(Verifiers { theirs, counts })
    }

    /// Whether the certificate that stands there may stay at each of the `times`; if
    /// none does, whether our own may be put there.
    fn is_certified(&self, standing: &Verifier, form: Form, times: &[Timestamp]) -> bool {
        let mut times = times.iter();
        match (standing, &self.signatory.certificate) {
            (Verifier::Certificates(standing), Some(own)) => {
                times.all(|at| own.is_stood_for_by(standing, form, *at))
            }
            (_, Some(own)) => times.all(|at| own.check(*at).is_ok()),
            // Nobody can say any more that an expired certificate was valid.
            (standing, None) => {
                let leaf = leaf(standing);
                leaf.is_none_or(|leaf| times.all(|at| leaf.is_valid_at(*at)))
            }
        }
    }

    fn of_identity(
        &self,
        applicant: &Applicant,
        stated: &Stated,
        candidate: &Candidate,
    ) -> Result<Option<Verifier>, PhaseError> {
        let (Some(leaf), Some(witnesses)) = (
            leaf(&candidate.verifier),
            self.signatory.witnesses.as_deref(),
        ) else {
            return Ok(None);
        };
        let others = issuers(&candidate.verifier);
        let is_theirs = applicant.token.identity().is_of(&leaf)
            && authority::is_trusted(&leaf, &others, &witnesses.root);
        let message = stated.payload.message();
        let is_signed =
            is_theirs && keys::verify(leaf.public_key(), message, &candidate.signature).is_ok();
        Ok(is_signed.then(|| candidate.verifier.clone()))
    }

    /// Weighs the evidence of a signature that stands there. Without a trusted root
    /// none of it counts.
    fn weigh(
        &self,
        stated: &Stated,
        standing: &envelope::Signed,
        required: Option<Required<'_>>,
    ) -> Result<Weighed, PhaseError> {
        let mut weighed = Weighed::default();
        let Some(required) = required else {
            return Ok(weighed);
        };
        let stamped = sha256(&stated.stamped(&standing.signature))?;
        let loggable = stated.loggable(standing, &self.record)?;
        let leaf = leaf(&standing.verifier);
        for evidence in &standing.evidence {
            match evidence {
                Evidence::Timestamp(response) => {
                    let stamped = Stamped::Sha256(&stamped);
                    let authorities = &required.root.timestamp_authorities;
                    let verified =
                        timestamp::Timestamp::verify(response, stamped, None, authorities);
                    let in_time = |time| leaf.as_ref().is_none_or(|leaf| leaf.is_valid_at(time));
                    if let Ok(timestamp) = verified
                        && in_time(timestamp.time)
                    {
                        weighed.times.push(timestamp.time);
                        let authority = (timestamp.authority, timestamp.anchor);
                        weighed.authorities.insert(authority);
                        weighed.timestamps.push(evidence.clone());
                    }
                }
                Evidence::LogEntry(text) => {
                    let read = match stated.form {
                        Form::Tag => LogEntry::read_annotation(text, &loggable, required.root),
                        Form::Bundle | Form::ChainBundle => {
                            LogEntry::read_bundle_json(text, &loggable, required.root)
                        }
                    };
                    if let Ok(entry) = read {
                        weighed.times.extend(entry.time());
                        weighed.logs.insert(entry.log_id().to_vec());
                        weighed.entries.push(evidence.clone());
                    }
                }
                Evidence::Other { .. } => weighed.others.push(evidence.clone()),
            }
        }
        Ok(weighed)
    }
}

impl Weighed {
    fn lacking(&self, required: Option<Required<'_>>) -> Lacking {
        let Some(required) = required else {
            return Lacking::default();
        };
        let is_short = |choice: Option<&Choice>, there: usize| {
            choice.is_some_and(|choice| there < choice.wanted())
        };
        Lacking {
            certificate: false,
            timestamps: is_short(required.timestamps, self.authorities.len()),
            entries: is_short(required.logs, self.logs.len()),
        }
    }

    /// The times at which a certificate has to hold: those that are proven, and that
    /// of the run if some are still to be.
    fn proven(&self, lacking: Lacking, now: Timestamp) -> Vec<Timestamp> {
        let now = (self.times.is_empty() || !lacking.is_nothing()).then_some(now);
        self.times.iter().copied().chain(now).collect()
    }

    /// The evidence that stays beside what is still lacking.
    fn counting(self, lacking: Lacking) -> Vec<Evidence> {
        let entries = self.entries.into_iter().filter(|_| !lacking.entries);
        let timestamps = self.timestamps.into_iter().filter(|_| !lacking.timestamps);
        entries.chain(timestamps).chain(self.others).collect()
    }
}

/// The other certificates of a signature, as far as they are some.
fn issuers(verifier: &Verifier) -> Vec<Certificate> {
    match verifier {
        Verifier::Certificates(certificates) => {
            let issuers = certificates.iter().skip(1);
            issuers
                .filter_map(|der| Certificate::from_der(der).ok())
                .collect()
        }
        _ => Vec::new(),
    }
}
