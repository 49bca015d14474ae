//! Remedies for certificates of a signatory's own (EVD-1 to 10). Verifiers check the
//! same by the same rules: a certificate that is refused here would help nobody.

use super::{Hint, say};
use crate::phase::OwnCertificateError;
use crate::proof::chain::ChainError;

pub(super) fn of_certificate(error: &OwnCertificateError) -> Hint {
    match error {
        OwnCertificateError::Unreadable { .. } => say(
            "paths in cosign.toml are relative to its folder; the file must be readable by the \
             phase's user",
        ),
        OwnCertificateError::Malformed { .. } => say(
            "`certificate` is a certificate in PEM or DER, `certificate-chain` the PEM of its \
             issuers up to the root",
        ),
        // The file of cosign's flag of this name begins with the issuer as well.
        OwnCertificateError::NoLeaf(_) => {
            say("name the certificate itself with `certificate`: the chain begins with its issuer")
        }
        OwnCertificateError::Refused { source, .. } => of_chain(source),
        OwnCertificateError::OtherKey { .. } => {
            say("name the certificate that was issued for this key, or the key that it is of")
        }
    }
}

pub(super) fn of_chain(error: &ChainError) -> Hint {
    match error {
        ChainError::Expired { .. } => say(
            "renew the certificate; verifiers accept its signatures after its end only if a \
             timestamp authority has said that they are older (`signing-config`)",
        ),
        ChainError::RootExpired(_) | ChainError::IssuerExpired(_) => {
            say("name the issuers' present certificates with `certificate-chain`")
        }
        ChainError::Usage(_) => {
            say("let it be issued with the extended key usage `codeSigning`, or with none at all")
        }
        ChainError::NotLed | ChainError::Signature | ChainError::NoRoot => say(
            "`certificate-chain` holds the certificate's own issuer first, then that one's, and \
             the root last",
        ),
        ChainError::Authority => say(
            "verifiers would refuse it, too: let it be issued as that of no authority \
             (`basicConstraints` is `CA:FALSE`), or name the certificate of the key itself",
        ),
        ChainError::Version(_) | ChainError::IssuerVersion => say(
            "verifiers would refuse it, too: let it be issued again, in version 3, which `openssl \
             x509 -req` writes with `-extfile`",
        ),
        ChainError::RootUnfit | ChainError::IssuerUnfit(_) => say(
            "verifiers would refuse it, too: its issuers have to be authorities that may issue \
             certificates for signing code",
        ),
        ChainError::UnknownCritical
        | ChainError::Critical
        | ChainError::Root(_)
        | ChainError::Algorithm
        | ChainError::Refused(_) => None,
    }
}
