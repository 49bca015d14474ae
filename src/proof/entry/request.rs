//! Requests for entries: of Rekor v1 in cosign's order of members, of Rekor v2 as
//! protobuf's JSON (EVD-36).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::accepts::{Refusal, accepts, key_details};
use super::body::{holder, pem};
use super::error::EntryError;
use super::escaped::escaped;
use super::loggable::{Loggable, SignedMessage};
use super::version::RekorVersion;
use crate::oci::Content;

/// The longest envelope that is sent to Rekor v1, in bytes. It gets all of it, and
/// holds it several times in memory (40 MiB take 466 MB in v1.5); what stands before the
/// public instance refuses requests of more than this (EVD-43; rekor#2915, cosign#3599).
/// Rekor v2 is sent a hash, whatever was signed.
pub const LONGEST_V1: u64 = 32 * 1024 * 1024;

/// The JSON that asks for an entry of `signature`. An envelope is read once, to
/// learn its length as a JSON string, which blocks; and once more when it is sent. The
/// same signature is the same request, so that a log finds the entry that it has.
///
/// # Errors
/// On a signature that the log refuses, and on an envelope that cannot be read.
pub fn request(version: RekorVersion, signature: &Loggable) -> Result<Content, EntryError> {
    let Loggable { verifier, hash, .. } = signature;
    accepts(version, signature.message.form(), &verifier.key, *hash)?;
    let content = signature.signature.to_base64();
    Ok(match (version, &signature.message) {
        (RekorVersion::V2, _) => {
            let digest = STANDARD.encode(&signature.digest);
            let details = key_details(&verifier.key).ok_or(Refusal::RsaSize)?;
            let holder = holder(verifier);
            let request = format!(
                r#"{{"hashedRekordRequestV002":{{"digest":"{digest}","signature":{{"content":"{content}","verifier":{{{holder},"keyDetails":"{details}"}}}}}}}}"#
            );
            request.into_bytes().into()
        }
        (RekorVersion::V1, SignedMessage::Payload) => {
            let (digest, pem) = (hex::encode(&signature.digest), pem(verifier));
            let request = format!(
                r#"{{"apiVersion":"0.0.1","spec":{{"data":{{"hash":{{"algorithm":"sha256","value":"{digest}"}}}},"signature":{{"content":"{content}","publicKey":{{"content":"{pem}"}}}}}},"kind":"hashedrekord"}}"#
            );
            request.into_bytes().into()
        }
        (RekorVersion::V1, SignedMessage::Envelope { envelope, .. }) => {
            let head = r#"{"apiVersion":"0.0.1","spec":{"proposedContent":{"envelope":""#;
            let tail = format!(r#"","verifiers":["{}"]}}}},"kind":"dsse"}}"#, pem(verifier));
            Content::concat([
                head.as_bytes().to_vec().into(),
                escaped(envelope)?,
                tail.into_bytes().into(),
            ])
        }
    })
}
