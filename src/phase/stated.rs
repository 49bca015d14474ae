//! Stated claims: their bytes in one form, to be signed, and to be sealed with a
//! signature.

use std::sync::Arc;

use super::error::PhaseError;
use crate::envelope::{self, Claim, Form, Payload, ReferrerMembers, Verifier};
use crate::signature::{PublicKey, Signature};

/// A claim, and its bytes in one form.
#[derive(Clone)]
pub(super) struct Stated {
    pub(super) form: Form,
    pub(super) claim: Arc<Claim>,
    pub(super) payload: Arc<Payload>,
}

impl Stated {
    /// The claim with a signature of `key`.
    pub(super) fn signed(&self, signature: Signature, key: &PublicKey) -> envelope::Signed {
        envelope::Signed {
            claim: Arc::clone(&self.claim),
            payload: Arc::clone(&self.payload),
            signature,
            verifier: Verifier::Key(key.clone()),
            evidence: Vec::new(),
        }
    }

    /// The claim with a signature of `key`, in its form.
    ///
    /// # Errors
    /// On a document that cannot be read.
    pub(super) fn seal(
        &self,
        signature: Signature,
        key: &PublicKey,
        members: &ReferrerMembers,
    ) -> Result<envelope::Sealed, PhaseError> {
        let signed = self.signed(signature, key);
        envelope::seal(&signed, self.form, members).map_err(PhaseError::Seal)
    }
}
