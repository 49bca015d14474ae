//! Logs that refuse a key or a document: known as soon as the keys are open, before
//! anything is signed (`spec/evidence.md`, EVD-96 and EVD-43).

use std::collections::BTreeSet;

use tracing::warn;

use super::error::PhaseError;
use super::open_keys::Keys;
use super::wants::{Draft, Wants};
use crate::envelope::Form;

/// Refuses keys and documents that no log of their signatory takes. Signatures at
/// tags that are not taken are said, where bundles beside them are: verifiers that
/// want an entry find it there.
///
/// # Errors
/// On the first signatory whose signatures are not taken.
pub fn check_logs(wants: &Wants, keys: &Keys) -> Result<(), PhaseError> {
    // Once for each signatory, and not for each of its images.
    let mut said = BTreeSet::new();
    for want in wants.as_slice() {
        let Draft::Claim(stated) = &want.draft else {
            continue;
        };
        let signatory = &want.signatory;
        let logs = signatory.witnesses.as_deref();
        let Some(choice) = logs.and_then(|witnesses| witnesses.services.logs.as_ref()) else {
            continue;
        };
        let key = &keys.of(signatory)?.record;
        // Rekor v1 is sent envelopes whole; to v2 a hash is enough.
        if let Some(length) = stated.too_long_for(choice, key.algorithm) {
            return Err(PhaseError::TooLongForLog {
                image: want.subject.to_string(),
                document: want.document.clone().unwrap_or_default(),
                length,
            });
        }
        let Err(reason) = stated.loggable_by(choice, key) else {
            continue;
        };
        if stated.form != Form::Tag || !signatory.format.has_bundles() {
            return Err(PhaseError::Unlogged {
                signatory: signatory.name.clone(),
                key: key.reference.clone(),
                reason,
            });
        }
        if said.insert(signatory.name.clone()) {
            warn!(
                "the `.sig` of {} will have no entry of a log, its bundles will: {reason}",
                signatory.name
            );
        }
    }
    Ok(())
}
