//! Signed values: claim, payload, signature, verifier and evidence together,
//! before any form.

use std::sync::Arc;

use super::claim::Claim;
use super::payload::Payload;
use crate::signature::{PublicKey, Signature};

/// A claim with its signature. Nothing here says that they belong together: a value that
/// was opened is as somebody wrote it. Copies share claim and payload.
#[derive(Clone)]
pub struct Signed {
    pub claim: Arc<Claim>,
    pub payload: Arc<Payload>,
    pub signature: Signature,
    pub verifier: Verifier,
    /// In the order in which it is stored.
    pub evidence: Vec<Evidence>,
}

/// The key or certificates that verify a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verifier {
    Key(PublicKey),
    /// A key that a bundle names, and does not hold: base64 of the SHA-256 of its
    /// DER, if a sigstore library wrote it.
    Hint(String),
    /// A layer at a tag does not name the key.
    Unnamed,
    /// X.509 certificates in DER: the leaf, then its issuers. There is at least one.
    Certificates(Vec<Vec<u8>>),
}

/// Evidence that was stored with a signature. The signer keeps evidence of an
/// unknown kind, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// An entry of a transparency log, in JSON as its form writes it: the
    /// annotation `dev.sigstore.cosign/bundle` of a layer at a tag, a
    /// `TransparencyLogEntry` of a bundle.
    LogEntry(String),
    /// An RFC 3161 `TimeStampResp` in DER.
    Timestamp(Vec<u8>),
    /// An annotation of the layer, or a member of the bundle's verification
    /// material in JSON.
    Other { name: String, value: String },
}
