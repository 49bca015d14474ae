//! The faults of timestamps.

use std::fmt;

use pkcs8::ObjectIdentifier;

use crate::proof::chain::ChainError;

/// The longest answer of an authority, in bytes: that of sigstore's clients
/// (sigstore-go v1.2.1 `pkg/sign/timestamping.go`). One with a certificate has 1 KB.
pub const MAX_LENGTH: usize = 1 << 20;

/// An answer of a timestamp authority that proves nothing. Messages are our own words
/// throughout: nothing of the answer is repeated but numbers, times and identifiers.
#[derive(thiserror::Error)]
pub enum TimestampError {
    #[error("the timestamp has more than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("it is no RFC 3161 timestamp")]
    Malformed,
    /// `words` are the authority's own, and not fit to print: `witness` scrubs and marks
    /// them.
    #[error("the authority did not stamp it: {reason}")]
    Refused { reason: Reason, words: String },
    #[error("the timestamp has {0} signers, not one")]
    Signers(usize),
    #[error("what the timestamp's signer signed is no time")]
    Content,
    #[error("the timestamp has version {0}, not 1")]
    Version(u8),
    #[error("the timestamp uses the algorithm {0}, which is not accepted")]
    Algorithm(ObjectIdentifier),
    #[error("the timestamp is of something else")]
    OtherMessage,
    #[error("the timestamp answers another question: its nonce is not ours")]
    OtherNonce,
    #[error("the timestamp's signed attribute {0} is absent, doubled or wrong")]
    Attribute(&'static str),
    #[error("the timestamp names its certificate by SHA-1")]
    NamedBySha1,
    #[error("the timestamp names another certificate than that of its signer")]
    OtherCertificate,
    #[error("the certificate of the timestamp's signer is neither in it nor in the trusted root")]
    NoCertificate,
    #[error("the timestamp's signer is not the one of the trusted root")]
    OtherSigner,
    #[error("the certificate of the timestamp's signer cannot be read")]
    Unreadable,
    #[error("the timestamp's signature is wrong")]
    Signature,
    #[error("the certificate of the timestamp's signer is not trusted")]
    Chain(#[source] ChainError),
    #[error("the timestamp is of {0}, when the trusted root does not trust its authority")]
    Outside(jiff::Timestamp),
    #[error("the trusted root has no timestamp authority")]
    NoAuthority,
    #[error("no timestamp authority of the trusted root signed the timestamp")]
    Untrusted,
    #[error("the timestamp is of {0}, when a certificate of the signing key was not valid")]
    OutsideCertificate(jiff::Timestamp),
}

debug_as_display!(TimestampError);

/// Where DER is damaged, a position in it helps nobody.
impl From<pkcs8::der::Error> for TimestampError {
    fn from(_: pkcs8::der::Error) -> Self {
        Self::Malformed
    }
}

/// Why an authority did not stamp (RFC 3161, section 2.4.2): by `PKIFailureInfo` in our
/// words, or by the number of `PKIStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    pub(super) status: u8,
    pub(super) failure: Option<&'static str>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failure {
            Some(failure) => f.write_str(failure),
            None => write!(f, "status {}", self.status),
        }
    }
}
