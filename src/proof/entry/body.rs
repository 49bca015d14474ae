//! Canonical bodies: the JSON that a log keeps of a signature, and of which its
//! tree has the hash.
//!
//! A body of Rekor v2 has one encoding and is built here, then compared byte by byte.
//! One of Rekor v1 is read and compared member by member: Go's `json` wrote it, and PEM
//! in it may have been written in more than one way (EVD-31).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::pem::{LineEnding, encode_string};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::accepts::{Refusal, accepts, key_details};
use super::error::EntryError;
use super::loggable::{EntryVerifier, Loggable, SignedMessage};
use super::version::RekorVersion;
use crate::oci::Content;
use crate::signature::Hash;

/// Kinds and versions of entries (`kindVersion`). `intoto`, which cosign 2 can write, is
/// not among them: it is never asked for, and entries of others do not count.
pub(super) const HASHED: &str = "hashedrekord";
pub(super) const DSSE: &str = "dsse";
pub(super) const FIRST: &str = "0.0.1";
pub(super) const SECOND: &str = "0.0.2";

/// The body of Rekor v2, as RFC 8785 writes it: names sorted, no white space. Base64 and
/// the names of algorithms need no escapes.
///
/// # Errors
/// On a signature that Rekor v2 refuses.
pub(super) fn v2(signature: &Loggable) -> Result<String, EntryError> {
    let Loggable {
        hash,
        digest,
        signature: bytes,
        verifier,
        message,
    } = signature;
    accepts(RekorVersion::V2, message.form(), &verifier.key, *hash)?;
    let details = key_details(&verifier.key).ok_or(Refusal::RsaSize)?;
    let algorithm = match hash {
        Hash::Sha256 => "SHA2_256",
        Hash::Sha384 => "SHA2_384",
        Hash::Sha512 => "SHA2_512",
    };
    // Of a DSSE envelope too the entry is a `hashedrekord`: rekor-tiles took its own kind
    // for envelopes out, and the digest is that of the pre-authentication encoding.
    let (digest, content) = (STANDARD.encode(digest), bytes.to_base64());
    let holder = holder(verifier);
    Ok(format!(
        r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"data":{{"algorithm":"{algorithm}","digest":"{digest}"}},"signature":{{"content":"{content}","verifier":{{"keyDetails":"{details}",{holder}}}}}}}}}}}"#
    ))
}

/// The member by which Rekor v2 names the verifier: the leaf alone, where there is a
/// certificate. Both names sort behind `keyDetails`.
pub(super) fn holder(verifier: &EntryVerifier) -> String {
    let (name, der) = match &verifier.certificate {
        Some(certificate) => ("x509Certificate", certificate.as_der()),
        None => ("publicKey", verifier.key.public_key().as_der()),
    };
    format!(r#""{name}":{{"rawBytes":"{}"}}"#, STANDARD.encode(der))
}

/// Base64 of the PEM by which Rekor v1 names the verifier, in lines of 64 characters.
pub(super) fn pem(verifier: &EntryVerifier) -> String {
    let (label, der) = match &verifier.certificate {
        Some(certificate) => ("CERTIFICATE", certificate.as_der()),
        None => ("PUBLIC KEY", verifier.key.public_key().as_der()),
    };
    // A label of ASCII letters is always taken.
    let pem = encode_string(label, LineEnding::LF, der).unwrap_or_default();
    STANDARD.encode(pem)
}

/// A body of Rekor v1 (`pkg/types/*/v0.0.1`, `Canonicalize`). Members that are not known
/// would be part of what the log says of the signature: there must be none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CanonicalBody<Spec> {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashedSpec {
    data: Data,
    signature: HashedSignature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    hash: WrittenHash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HashedSignature {
    content: String,
    public_key: HashedKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HashedKey {
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DsseSpec {
    envelope_hash: WrittenHash,
    payload_hash: WrittenHash,
    signatures: Vec<DsseSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DsseSignature {
    signature: String,
    verifier: String,
}

/// Kind and version that a body states of itself. Answers and annotations of Rekor v1
/// say them nowhere else.
pub(super) fn kind_of(body: &[u8]) -> Result<(String, String), EntryError> {
    let body: CanonicalBody<IgnoredAny> =
        serde_json::from_slice(body).map_err(|_| EntryError::Json)?;
    Ok((body.kind, body.api_version))
}

/// Which envelope a `dsse` entry may be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The one that was sent, or that is stored, byte for byte.
    Exact,
    /// Any around the same payload with the same signature.
    SamePayload,
}

/// Whether `body`, of Rekor v1, is that of `signature`. `kind` is what was stated beside
/// it, which nobody signed.
///
/// # Errors
/// On the body of anything else, and on content that cannot be read.
pub(super) fn check_v1(
    body: &[u8],
    kind: &str,
    signature: &Loggable,
    envelopes: Match,
) -> Result<(), EntryError> {
    let is_ours = match &signature.message {
        SignedMessage::Payload => {
            let body: CanonicalBody<HashedSpec> = read(body, kind)?;
            let spec = &body.spec;
            is_of(&body, HASHED, kind)
                && spec.data.hash.is(&hex::encode(&signature.digest))
                // cosign compares this hash alone (v3.1.2 `pkg/cosign/verify.go`).
                && signature.hash == Hash::Sha256
                && is_base64(&spec.signature.content, signature.signature.as_bytes())
                && is_pem_of(&spec.signature.public_key.content, &signature.verifier)
        }
        SignedMessage::Envelope { envelope, payload } => {
            let body: CanonicalBody<DsseSpec> = read(body, kind)?;
            // An envelope of ours has one signature, and bundles may have no more.
            let [only] = body.spec.signatures.as_slice() else {
                return Err(EntryError::Other);
            };
            let is_envelope = match envelopes {
                Match::Exact => body.spec.envelope_hash.is(&sha256_hex(envelope)?),
                Match::SamePayload => true,
            };
            is_of(&body, DSSE, kind)
                && is_envelope
                && body.spec.payload_hash.is(&sha256_hex(payload)?)
                && is_base64(&only.signature, signature.signature.as_bytes())
                && is_pem_of(&only.verifier, &signature.verifier)
        }
    };
    is_ours.then_some(()).ok_or(EntryError::Other)
}

/// A body of the wanted kind. That of the other kind is another's, not damaged.
fn read<'a, Spec: Deserialize<'a>>(
    body: &'a [u8],
    kind: &str,
) -> Result<CanonicalBody<Spec>, EntryError> {
    match [HASHED, DSSE].contains(&kind) {
        true => serde_json::from_slice(body).map_err(|_| EntryError::Other),
        false => Err(EntryError::Kind),
    }
}

fn is_of<Spec>(body: &CanonicalBody<Spec>, wanted: &str, stated: &str) -> bool {
    body.kind == wanted && body.kind == stated && body.api_version == FIRST
}

impl WrittenHash {
    /// Whether it is this SHA-256, in lower case as Rekor writes it.
    fn is(&self, hex: &str) -> bool {
        self.algorithm == "sha256" && self.value == hex
    }
}

/// The digest of a payload, without the name of its hash.
fn sha256_hex(content: &Content) -> io::Result<String> {
    content.digest().map(|digest| digest.hex().to_owned())
}

fn is_base64(text: &str, bytes: &[u8]) -> bool {
    STANDARD.decode(text).is_ok_and(|decoded| decoded == bytes)
}

/// Whether base64 of PEM is that of the verifier. The lines of a PEM may end
/// otherwise, so that its content is compared: the key's own DER, or the certificate's.
fn is_pem_of(text: &str, verifier: &EntryVerifier) -> bool {
    let (kind, der) = match &verifier.certificate {
        Some(certificate) => (SectionKind::Certificate, certificate.as_der()),
        None => (SectionKind::PublicKey, verifier.key.public_key().as_der()),
    };
    let pem = STANDARD.decode(text).ok();
    let found = pem.and_then(|pem| <(SectionKind, Vec<u8>)>::from_pem_slice(&pem).ok());
    found.is_some_and(|(found, bytes)| found == kind && bytes == der)
}
