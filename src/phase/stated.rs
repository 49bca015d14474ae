//! Stated claims: their bytes in one form, to be signed, and to be sealed with a
//! signature. The bytes are made once and carried: nothing is serialised a second time.

use std::sync::Arc;

use super::error::PhaseError;
use crate::envelope::{self, Claim, Evidence, Form, Payload, ReferrerMembers, Verifier};
use crate::signature::Signature;

/// A claim, and its bytes in one form.
#[derive(Clone)]
pub(super) struct Stated {
    pub(super) form: Form,
    pub(super) claim: Arc<Claim>,
    pub(super) payload: Arc<Payload>,
}

impl Stated {
    /// The claim with its signature, verifier and evidence. Checks none of them.
    pub(super) fn signed(
        &self,
        signature: Signature,
        verifier: Verifier,
        evidence: Vec<Evidence>,
    ) -> envelope::Signed {
        envelope::Signed {
            claim: Arc::clone(&self.claim),
            payload: Arc::clone(&self.payload),
            signature,
            verifier,
            evidence,
        }
    }

    /// The signed claim in its form.
    ///
    /// # Errors
    /// On a document that cannot be read.
    pub(super) fn seal(
        &self,
        signed: &envelope::Signed,
        members: &ReferrerMembers,
    ) -> Result<envelope::SealedValue, PhaseError> {
        envelope::seal(signed, self.form, members).map_err(PhaseError::Seal)
    }
}
