//! Evidence: the timestamps and log entries that a signatory wants with each of its
//! signatures, and the bytes that witnesses are told of them (`spec/evidence.md`,
//! "Timestamps", "Logs" and "Witnessing"). Asks nobody; whether evidence holds is left
//! to [`proof`](crate::proof).

use std::sync::Arc;

use super::error::PhaseError;
use super::open_keys::KeyRecord;
use super::signatory::Signatory;
use super::stated::Stated;
use crate::envelope::{self, Form, Payload, Verifier};
use crate::keys::{self, Algorithm};
use crate::oci::Content;
use crate::proof::certificate::Certificate;
use crate::proof::entry::{
    EntryVerifier, LONGEST_V1, Loggable, MessageForm, Refusal, RekorVersion, SignedMessage, accepts,
};
use crate::proof::key::VerifyingKey;
use crate::proof::trust::root::TrustedRoot;
use crate::proof::trust::signing_config::Choice;
use crate::signature::{Hash, Signature};

/// The evidence that one signature is to have.
#[derive(Clone, Copy)]
pub(super) struct Required<'a> {
    /// By which it is verified, whoever made it.
    pub(super) root: &'a Arc<TrustedRoot>,
    pub(super) timestamps: Option<&'a Choice>,
    pub(super) logs: Option<&'a Choice>,
}

/// The evidence that a signature has not got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// The signatory's own certificate. Nobody is asked for it; the layer is written
    /// again with it.
    pub(super) certificate: bool,
    /// Fewer authorities have stamped it than the signing config wants.
    pub(super) timestamps: bool,
    /// Fewer logs have it than the signing config wants.
    pub(super) entries: bool,
}

impl Lacking {
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Required<'_> {
    /// All of it is lacking: a new signature, which nobody has vouched for.
    pub(super) fn all(&self) -> Lacking {
        Lacking {
            certificate: false,
            timestamps: self.timestamps.is_some(),
            entries: self.logs.is_some(),
        }
    }
}

impl Signatory {
    /// The evidence that a signature of `stated` by this key is to have;
    /// none if nobody is asked to vouch for it. A tag has no room for entries of
    /// logs that say no time (EVD-58), and some logs refuse some keys (EVD-35): such
    /// signatures go without, since `plan` and `check_logs` have refused a run in which
    /// they must not (EVD-96).
    pub(super) fn required(&self, stated: &Stated, key: &KeyRecord) -> Option<Required<'_>> {
        let witnesses = self.witnesses.as_deref()?;
        let is_logged = |choice: &&Choice| stated.is_logged_by(choice, key);
        Some(Required {
            root: &witnesses.root,
            timestamps: witnesses.services.timestamps.as_ref(),
            logs: witnesses.services.logs.as_ref().filter(is_logged),
        })
    }
}

impl Stated {
    /// Whether the logs of a choice take a signature of it, and its form has room for
    /// their entries.
    fn is_logged_by(&self, choice: &Choice, key: &KeyRecord) -> bool {
        let has_room = version_of(choice) == RekorVersion::V1 || self.form != Form::Tag;
        has_room && self.loggable_by(choice, key).is_ok()
    }

    /// Whether the logs of a choice take a signature of it by this key.
    ///
    /// # Errors
    /// Says why not.
    pub(super) fn loggable_by(&self, choice: &Choice, key: &KeyRecord) -> Result<(), Refusal> {
        match VerifyingKey::from_der(key.public_key.as_der()) {
            Ok(verifying) => accepts(
                version_of(choice),
                self.message_form(),
                &verifying,
                hash_of(key),
            ),
            // Never of a key that was opened as one that signs; no log could take it.
            Err(_) => Err(Refusal::Hash),
        }
    }

    /// The length of its envelope in bytes, if the logs of a choice are sent all of it
    /// and do not take so much (EVD-43). Known before anything is signed: with the longest
    /// signature by `algorithm`.
    pub(super) fn too_long_for(&self, choice: &Choice, algorithm: Algorithm) -> Option<u64> {
        let Payload::Statement(payload) = &*self.payload else {
            return None;
        };
        let signature = Signature::new(vec![0; algorithm.signature_length()]);
        let length = payload.envelope(&signature).length();
        let is_sent = version_of(choice) == RekorVersion::V1;
        (is_sent && length > LONGEST_V1).then_some(length)
    }

    /// The bytes that a timestamp of the signature covers: the raw signature, and at
    /// tags of attestations the whole envelope, as cosign does it (sigstore's
    /// `cosign-bundle-spec`). So an attestation in both forms needs two timestamps.
    pub(super) fn stamped(&self, signature: &Signature) -> Content {
        match (self.form, &*self.payload) {
            (Form::Tag, Payload::Statement(payload)) => payload.envelope(signature),
            (Form::Tag | Form::Bundle | Form::ChainBundle, _) => {
                Content::from(signature.as_bytes().to_vec())
            }
        }
    }

    /// The signature as logs are told of it (EVD-36). Rekor v1 gets envelopes whole,
    /// and so the very bytes that are stored (EVD-34).
    ///
    /// # Errors
    /// On a message that cannot be read, and on a verifier that is none.
    pub(super) fn loggable(
        &self,
        signed: &envelope::Signed,
        key: &KeyRecord,
    ) -> Result<Loggable, PhaseError> {
        let hash = hash_of(key);
        let digest = keys::digest_of(self.payload.message(), hash).map_err(PhaseError::Content)?;
        let verifier = entry_verifier(&signed.verifier);
        Ok(Loggable {
            hash,
            digest,
            signature: signed.signature.clone(),
            verifier: verifier.ok_or_else(|| PhaseError::NoVerifier(Arc::clone(&key.reference)))?,
            message: match &*self.payload {
                Payload::SimpleSigning(_) => SignedMessage::Payload,
                Payload::Statement(payload) => SignedMessage::Envelope {
                    envelope: payload.envelope(&signed.signature),
                    payload: payload.content().clone(),
                },
            },
        })
    }

    fn message_form(&self) -> MessageForm {
        match *self.payload {
            Payload::SimpleSigning(_) => MessageForm::Payload,
            Payload::Statement(_) => MessageForm::Envelope,
        }
    }
}

/// All services of a choice have one version (EVD-52).
fn version_of(choice: &Choice) -> RekorVersion {
    match choice.services.first().map(|service| service.version) {
        Some(1) => RekorVersion::V1,
        _ => RekorVersion::V2,
    }
}

/// The hash that a key signs with; pure Ed25519 has no use for it.
fn hash_of(key: &KeyRecord) -> Hash {
    key.algorithm.hash().unwrap_or(Hash::Sha256)
}

fn entry_verifier(verifier: &Verifier) -> Option<EntryVerifier> {
    match verifier {
        Verifier::Key(key) => EntryVerifier::of_key(key).ok(),
        Verifier::Certificates(_) => EntryVerifier::of_certificate(leaf(verifier)?).ok(),
        Verifier::Hint(_) | Verifier::Unnamed => None,
    }
}

/// The certificate of a signature; none of a key alone, nor where it cannot be read.
pub(super) fn leaf(verifier: &Verifier) -> Option<Certificate> {
    match verifier {
        Verifier::Certificates(certificates) => Certificate::from_der(certificates.first()?).ok(),
        _ => None,
    }
}

/// The SHA-256 of `content`.
pub(super) fn sha256(content: &Content) -> Result<[u8; 32], PhaseError> {
    let digest = keys::digest_of(content, Hash::Sha256).map_err(PhaseError::Content)?;
    digest
        .try_into()
        .map_err(|_| PhaseError::Crashed("hashing"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::envelope::Claim;
    use crate::envelope::dsse::HashedPayload;
    use crate::oci::Digest;
    use crate::proof::trust::signing_config::{Rule, Service};

    /// EVD-43: the log measures the envelope that it is sent.
    #[test]
    fn an_envelope_is_measured_with_its_signature() {
        let choice = Choice {
            rule: Rule::Any,
            services: vec![Service {
                url: "https://log.example/".parse().unwrap(),
                version: 1,
                operator: String::new(),
            }],
        };
        let signature = Signature::new(vec![0; 72]);
        let envelope = |length: usize| {
            let statement = Content::from(vec![b'x'; length]);
            HashedPayload::read(statement).unwrap()
        };
        let beside = envelope(0).envelope(&signature).length();
        let longest = usize::try_from((LONGEST_V1 - beside) / 4 * 3).unwrap();
        for (length, is_taken) in [(longest, true), (longest + 1, false)] {
            let payload = envelope(length);
            let sent = payload.envelope(&signature).length();
            assert_eq!(sent <= LONGEST_V1, is_taken);
            let stated = Stated {
                form: Form::Bundle,
                claim: Arc::new(Claim::Image {
                    repository: None,
                    digest: Digest::of(b""),
                    annotations: BTreeMap::new(),
                }),
                payload: Arc::new(Payload::Statement(Box::new(payload))),
            };
            let too_long = stated.too_long_for(&choice, Algorithm::EcdsaP256);
            assert_eq!(too_long, (!is_taken).then_some(sent));
        }
    }
}
