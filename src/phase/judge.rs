//! Judging: whether a signature that hangs at its place is ours, and how much of
//! its evidence counts (`spec/evidence.md`, "Witnessing"; EVD-10, EVD-65, EVD-92).
//!
//! Evidence that hangs somewhere is other people's bytes: it counts as far as the
//! trusted root of this run verifies it, by the checks that new evidence has to
//! pass. Asks nobody; the candidates were read by
//! [`attach::recall`](crate::attach::recall).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::error::PhaseError;
use super::evidence::{Lacking, Required, leaf};
use super::open_keys::{Applicant, KeyRecord};
use super::signatory::Signatory;
use super::stated::Stated;
use crate::attach::Candidate;
use crate::envelope::{self, Evidence, Form, Verifier};
use crate::keys::{self, Signer};
use crate::oci::Content;
use crate::proof::certificate::Certificate;
use crate::proof::entry::LogEntry;
use crate::proof::timestamp::{self, Stamped};
use crate::proof::trust::root::TimestampAuthority;
use crate::proof::trust::signing_config::Choice;
use crate::witness::authority;

/// A signature that hangs there and is ours.
pub(super) struct Judged {
    /// As it stands there: sealed again, it must have the bytes that hang there.
    pub(super) standing: envelope::Signed,
    /// With the evidence that counts: all of it if nothing is lacking, so that nothing
    /// is written then. Otherwise a new layer is built on it.
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

/// The verifiers of a signature that hangs there.
struct Verifiers {
    /// As it stands there.
    standing: Verifier,
    /// With the certificate that it is to have.
    wanted: Verifier,
}

/// Evidence that hangs there, weighed.
#[derive(Default)]
struct Weighed {
    timestamps: Vec<Evidence>,
    entries: Vec<Evidence>,
    /// Of kinds that nothing here verifies: kept beside the rest.
    others: Vec<Evidence>,
    /// The authorities of `timestamps`, each once: two stamps of one are one witness.
    authorities: BTreeSet<(String, Vec<u8>)>,
    /// The ids of the logs of `entries`, likewise.
    logs: BTreeSet<Vec<u8>>,
    /// The times at which the signature was there already, as witnesses say.
    times: Vec<Timestamp>,
}

impl Judged {
    /// Whether a new layer may take the place of the one that stands there: not of one
    /// with evidence that does not count here and that others may verify by, as an entry
    /// of a log that this run's trusted root does not have. A timestamp that does not
    /// count goes where a new one comes: cosign 2.6.4 crashes where it is asked for
    /// timestamps and a layer has one of an authority that it does not know
    /// (`pkg/cosign/verify.go`, `VerifyRFC3161Timestamp`).
    pub(super) fn is_replaceable(&self) -> bool {
        let counting = &self.counting.evidence;
        let mut standing = self.standing.evidence.iter();
        standing.all(|evidence| match evidence {
            Evidence::Timestamp(_) if self.lacking.timestamps => true,
            _ => counting.contains(evidence),
        })
    }
}

impl Signing {
    /// Judges a signature that hangs there; none if it is not ours for this claim, or
    /// if its certificate can neither stay nor be replaced.
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
        let Verifiers { standing, wanted } = verifiers;
        let signed = |verifier: &Verifier, evidence| {
            stated.signed(candidate.signature.clone(), verifier.clone(), evidence)
        };
        // A key's word alone: evidence was not even read (`Vouching::None`), and a layer
        // with some is another layer.
        if !self.signatory.is_vouched() {
            let alone = signed(&standing, Vec::new());
            return Ok(Some(Judged {
                counting: alone.clone(),
                standing: alone,
                lacking: Lacking::default(),
            }));
        }
        let required = self.signatory.required(stated, &self.record);
        let weighed = signed(&wanted, candidate.evidence.clone());
        let weighed = self.weigh(stated, &weighed, required)?;
        let lacking = Lacking {
            certificate: leaf(&standing).is_none() && leaf(&wanted).is_some(),
            ..weighed.lacking(required)
        };
        if !self.is_certified(&standing, stated.form, &weighed.proven(lacking, self.now)) {
            return Ok(None);
        }
        let there = signed(&standing, candidate.evidence.clone());
        Ok(Some(Judged {
            counting: match lacking.is_nothing() {
                true => there.clone(),
                false => signed(&wanted, weighed.counting(lacking)),
            },
            standing: there,
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
                let standing = self.of_identity(applicant, stated, candidate)?;
                Ok(standing.map(|standing| Verifiers {
                    wanted: standing.clone(),
                    standing,
                }))
            }
        }
    }

    /// The verifiers of a signature that our key accepts. Two facts tell the cases apart:
    /// whether it stands there with a certificate, and whether the config has one.
    fn of_key(&self, stated: &Stated, candidate: &Candidate) -> Option<Verifiers> {
        let message = stated.payload.message();
        self.signer.verify(message, &candidate.signature).ok()?;
        let key = self.signer.public_key();
        let ours = self.signatory.verifier(key, stated.form);
        let is_certified = matches!(candidate.verifier, Verifier::Certificates(_));
        let (standing, wanted) = match (is_certified, &self.signatory.certificate) {
            (true, Some(_)) => {
                // A signature does not cover its certificate: anybody who may write there
                // can hang ours beside any. `is_certified` compares it with the config's.
                leaf(&candidate.verifier)?.key().ok()?;
                (candidate.verifier.clone(), candidate.verifier.clone())
            }
            (false, Some(_)) => (Verifier::Key(key.clone()), ours),
            // A verifier that has the key alone looks at no certificate: the config wants
            // the layer without.
            (true, None) if self.signatory.is_vouched() => return None,
            (_, None) => (ours.clone(), ours),
        };
        Some(Verifiers { standing, wanted })
    }

    /// Whether the certificate that stands there may stay, by each of the `times`
    /// (EVD-10); where no certificate stands, whether our own may be put there.
    fn is_certified(&self, standing: &Verifier, form: Form, times: &[Timestamp]) -> bool {
        let mut times = times.iter();
        match (standing, &self.signatory.certificate) {
            (Verifier::Certificates(standing), Some(own)) => {
                times.all(|at| own.is_stood_for_by(standing, form, *at))
            }
            (_, Some(own)) => times.all(|at| own.check(*at).is_ok()),
            // An identity's. Once it has expired, evidence that is still lacking cannot
            // be had any more: the claim is signed anew (EVD-65).
            (standing, None) => {
                let leaf = leaf(standing);
                leaf.is_none_or(|leaf| times.all(|at| leaf.is_valid_at(*at)))
            }
        }
    }

    /// The verifier of a signature by a key that an authority of the trusted root has
    /// certified for the identity of this run: the key itself is gone (EVD-65).
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
        // Last, since a document has to be read for it.
        let is_signed =
            is_theirs && keys::verify(leaf.public_key(), message, &candidate.signature).is_ok();
        Ok(is_signed.then(|| candidate.verifier.clone()))
    }

    /// Weighs the evidence of a signature that stands there. Without a trusted root
    /// none counts of what that would verify.
    fn weigh(
        &self,
        stated: &Stated,
        standing: &envelope::Signed,
        required: Option<Required<'_>>,
    ) -> Result<Weighed, PhaseError> {
        let others = standing.evidence.iter();
        let others = others.filter(|evidence| matches!(evidence, Evidence::Other { .. }));
        let mut weighed = Weighed {
            others: others.cloned().collect(),
            ..Weighed::default()
        };
        let Some(required) = required else {
            return Ok(weighed);
        };
        let stamped = stated.stamped(&standing.signature);
        let loggable = stated.loggable(standing, &self.record)?;
        let leaf = leaf(&standing.verifier);
        for evidence in &standing.evidence {
            match evidence {
                Evidence::Timestamp(response) => {
                    let authorities = &required.root.timestamp_authorities;
                    // EVD-26
                    let in_time = |time| leaf.as_ref().is_none_or(|leaf| leaf.is_valid_at(time));
                    if let Some(timestamp) = verified(response, &stamped, authorities)?
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
                Evidence::Other { .. } => {}
            }
        }
        Ok(weighed)
    }
}

impl Weighed {
    /// The evidence that is lacking. More than enough is as good as enough; the
    /// certificate is up to the caller.
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

    /// The times at which a certificate has to hold: those that are proven, and the
    /// time of the run if none is or new evidence is to be fetched, which will say it.
    fn proven(&self, lacking: Lacking, now: Timestamp) -> Vec<Timestamp> {
        let now = (self.times.is_empty() || !lacking.is_nothing()).then_some(now);
        self.times.iter().copied().chain(now).collect()
    }

    /// The evidence that stays in a new layer. A kind of which something is lacking is
    /// fetched anew as a whole.
    fn counting(self, lacking: Lacking) -> Vec<Evidence> {
        let entries = self.entries.into_iter().filter(|_| !lacking.entries);
        let timestamps = self.timestamps.into_iter().filter(|_| !lacking.timestamps);
        entries.chain(timestamps).chain(self.others).collect()
    }
}

/// A timestamp that somebody stored with a signature, if one of `authorities` gave it for
/// the `stamped` bytes.
///
/// # Errors
/// On bytes that cannot be read.
fn verified(
    response: &[u8],
    stamped: &Content,
    authorities: &[TimestampAuthority],
) -> Result<Option<timestamp::Timestamp>, PhaseError> {
    // The one who asked for it chose the hash (EVD-20).
    let Ok(hash) = timestamp::imprint_hash(response) else {
        return Ok(None);
    };
    let digest = &keys::digest_of(stamped, hash).map_err(PhaseError::Content)?;
    // Without a nonce: the question was another run's.
    let verified =
        timestamp::Timestamp::verify(response, Stamped { hash, digest }, None, authorities);
    Ok(verified.ok())
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
