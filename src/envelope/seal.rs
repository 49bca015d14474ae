//! Sealing: a signed value in the form in which it is stored. [`open`] is the
//! inverse.
//!
//! The same value gives the same bytes in every run (WIRE-42, WIRE-73): that is how what
//! hangs at a place already is recognised. So evidence is sealed in the order in which it
//! is given.
//!
//! [`open`]: super::open::open

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::pem::{LineEnding, encode_string};

use super::claim::Form;
use super::layer::{Layer, SealedValue};
use super::media_type;
use super::payload::Payload;
use super::referrer::ReferrerMembers;
use super::signed::{Evidence, Signed, Verifier};
use super::{bundle, json, referrer};
use crate::oci::{Content, MediaType};

/// cosign's annotations of a layer (cosign v3.1.2 `pkg/oci/static`,
/// `specs/SIGNATURE_SPEC.md`). The signature is empty on attestations, and still has to
/// be there. The prose of that specification has other names for certificates; its
/// example and the code have these.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
pub(super) const CHAIN: &str = "dev.sigstore.cosign/chain";
pub(super) const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
pub(super) const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
/// The type of a layer's statement, as it stands in the statement too.
pub const PREDICATE_TYPE: &str = "predicateType";

/// A signed value that has no such form, or whose bytes cannot be read.
#[derive(thiserror::Error)]
pub enum SealError {
    #[error("cannot read what is to be stored")]
    Content(#[from] io::Error),
    #[error("a simple signing payload has no place in a bundle")]
    NoStatement,
}

debug_as_display!(SealError);

/// Puts `signed` into `form`. A large document is read to hash its bundle, which blocks;
/// the envelope of a layer is hashed already. `members` are for bundles alone.
///
/// # Errors
/// On a document that cannot be read, and on a payload that was made for another
/// form.
pub fn seal(
    signed: &Signed,
    form: Form,
    members: &ReferrerMembers,
) -> Result<SealedValue, SealError> {
    let predicate_type = signed.claim.predicate_type(form);
    match (form, &*signed.payload) {
        (Form::Tag, Payload::SimpleSigning(payload)) => {
            let layer = Layer::of(media_type::SIMPLE_SIGNING, payload.clone())?;
            let signature = signed.signature.to_base64();
            Ok(SealedValue::Layer(annotated(layer, signed, signature)))
        }
        (Form::Tag, Payload::Statement(payload)) => {
            let envelope = payload.envelope(&signed.signature);
            let layer = Layer::of(media_type::DSSE_ENVELOPE, envelope)?;
            let mut layer = annotated(layer, signed, String::new());
            if let Some(predicate_type) = predicate_type {
                let annotations = &mut layer.descriptor.annotations;
                annotations.insert(PREDICATE_TYPE.to_owned(), predicate_type.to_owned());
            }
            Ok(SealedValue::Layer(layer))
        }
        (Form::Bundle | Form::ChainBundle, Payload::Statement(payload)) => {
            let content = bundle::bundle(payload, signed, form);
            let bundle = Layer::of(media_type::SIGSTORE_BUNDLE, content)?;
            let predicate_type = predicate_type.unwrap_or_default();
            let referrer = referrer::referrer(members, bundle, predicate_type);
            Ok(SealedValue::Referrer(referrer.map_err(io::Error::from)?))
        }
        (Form::Bundle | Form::ChainBundle, Payload::SimpleSigning(_)) => {
            Err(SealError::NoStatement)
        }
    }
}

/// The length of the blob that `signed` becomes in `form`, in bytes, without
/// reading it. Signatures of one key may differ in length by a few bytes (DER of ECDSA).
pub fn sealed_length(signed: &Signed, form: Form) -> u64 {
    match (form, &*signed.payload) {
        (_, Payload::SimpleSigning(payload)) => payload.length(),
        (Form::Tag, Payload::Statement(payload)) => payload.envelope(&signed.signature).length(),
        (Form::Bundle | Form::ChainBundle, Payload::Statement(payload)) => {
            bundle::bundle(payload, signed, form).length()
        }
    }
}

/// A document without a signature, as a layer of its own.
///
/// # Errors
/// On a document that cannot be read.
pub fn attachment(media_type: MediaType, document: Content) -> io::Result<SealedValue> {
    Layer::of(media_type, document).map(SealedValue::Layer)
}

/// The layer with cosign's annotations. One annotation holds one value: of several
/// entries or timestamps the last would stay; the plan refuses to want more than one
/// (EVD-97).
fn annotated(mut layer: Layer, signed: &Signed, signature: String) -> Layer {
    let mut annotate = |name: &str, value: String| {
        layer.descriptor.annotations.insert(name.to_owned(), value);
    };
    // First, since one may be that of a certificate, left empty.
    for evidence in &signed.evidence {
        if let Evidence::Other { name, value } = evidence {
            annotate(name, value.clone());
        }
    }
    annotate(SIGNATURE, signature);
    if let Verifier::Certificates(certificates) = &signed.verifier
        && let Some((leaf, issuers)) = certificates.split_first()
    {
        annotate(CERTIFICATE, pem(leaf));
        if !issuers.is_empty() {
            annotate(CHAIN, issuers.iter().map(|issuer| pem(issuer)).collect());
        }
    }
    for evidence in &signed.evidence {
        match evidence {
            Evidence::LogEntry(entry) => annotate(LOG_ENTRY, entry.clone()),
            Evidence::Timestamp(response) => annotate(TIMESTAMP, timestamp(response)),
            Evidence::Other { .. } => {}
        }
    }
    layer
}

/// The annotation's value, as Go writes it.
fn timestamp(response: &[u8]) -> String {
    let response = json::string(&STANDARD.encode(response));
    format!(r#"{{"SignedRFC3161Timestamp":{response}}}"#)
}

/// PEM as Go writes it. A label of ASCII letters is always taken.
fn pem(certificate: &[u8]) -> String {
    encode_string("CERTIFICATE", LineEnding::LF, certificate).unwrap_or_default()
}
