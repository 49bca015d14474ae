//! Opening: a stored layer or bundle as the signed value it was sealed from,
//! the inverse of [`seal`](super::seal::seal).
//!
//! The bytes are other people's: opening is total, and evidence is kept without
//! being judged. The whole value is held in memory, so that the caller bounds its
//! size.
//!
//! Recognising asks for less than a whole value: [`signature_of`] and [`vouching_of`]
//! read what a place says of a layer, [`vouching_in`] and [`last_signature`] the two ends
//! of a blob. Their findings are believed only once the claim, sealed with them again,
//! has the digest that stands there (`spec/wire.md`, WIRE-92).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::dsse::{self, IN_TOTO};
use super::layer::{Layer, Referrer, SealedValue};
use super::media_type;
use super::members::{MemberName, Members};
use super::payload::Payload;
use super::seal::{CERTIFICATE, CHAIN, LOG_ENTRY, PREDICATE_TYPE, SIGNATURE, TIMESTAMP};
use super::signed::{Evidence, Signed, Verifier};
use super::{referrer, simple_signing, statement};
use crate::oci::{Descriptor, MediaType};
use crate::signature::Signature;

/// The most entries, timestamps and certificates of one bundle (sigstore-go
/// v1.2: 32 of each).
const MOST: usize = 32;

/// The most characters of a signature in base64: enough for RSA of 24 576 bits.
const MAX_SIGNATURE: usize = 4096;

/// A stored value that is malformed. No message quotes its bytes.
#[derive(thiserror::Error)]
pub enum EnvelopeError {
    #[error("cannot read it")]
    Content(#[source] std::io::Error),
    #[error("a layer of type `{0}` is no signature and no envelope")]
    MediaType(MediaType),
    #[error("there is no bundle in it")]
    NoBundle,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` is not what it should be")]
    Malformed(&'static str),
    #[error("`{0}` has more than {MOST} entries")]
    TooMany(&'static str),
    #[error("there are {0} signatures, not one")]
    Signatures(usize),
    #[error("the payload is no in-toto statement")]
    PayloadType,
    #[error("the payload does not say which digest it is about")]
    NoClaim,
}

debug_as_display!(EnvelopeError);

/// Opens a sealed value.
///
/// # Errors
/// On a value that cannot be read, and on one that is not of a known form.
pub fn open(sealed: &SealedValue) -> Result<Signed, EnvelopeError> {
    match sealed {
        SealedValue::Layer(layer) if layer.descriptor.media_type == media_type::SIMPLE_SIGNING => {
            open_signature(layer)
        }
        SealedValue::Layer(layer) if layer.descriptor.media_type == media_type::DSSE_ENVELOPE => {
            open_envelope(layer)
        }
        SealedValue::Layer(layer) => Err(EnvelopeError::MediaType(
            layer.descriptor.media_type.clone(),
        )),
        SealedValue::Referrer(referrer) => open_referrer(referrer),
    }
}

/// The signature that a layer of a tag of signatures names; none if it is
/// absent, unreadable, or longer than any signature.
pub fn signature_of(descriptor: &Descriptor) -> Option<Signature> {
    let annotation = descriptor.annotations.get(SIGNATURE)?;
    if annotation.len() > MAX_SIGNATURE {
        return None;
    }
    STANDARD.decode(annotation).ok().map(Signature::new)
}

/// The verifier of a tag's layer, and the evidence that vouches for it; none if either
/// is malformed.
pub fn vouching_of(descriptor: &Descriptor) -> Option<(Verifier, Vec<Evidence>)> {
    let mut annotations = annotations(descriptor);
    annotations.remove(SIGNATURE);
    annotations.remove(PREDICATE_TYPE);
    annotated(annotations).ok()
}

/// The same of a bundle, by its beginning: the signer and cosign write all of it
/// before the envelope. None if it is malformed, or longer than `beginning`.
pub fn vouching_in(beginning: &[u8]) -> Option<(Verifier, Vec<Evidence>)> {
    const ENVELOPE: &str = r#","dsseEnvelope":"#;
    let beginning = String::from_utf8_lossy(beginning);
    let (beginning, _) = beginning.split_once(ENVELOPE)?;
    let closed = format!("{beginning}}}");
    let mut bundle: Members<'_> = serde_json::from_str(&closed).ok()?;
    let material = bundle.take("verificationMaterial")?;
    materials(members(material, "verificationMaterial").ok()?).ok()
}

/// The last signature in the end of an envelope or bundle, both of which the
/// signer and cosign write with the signature behind everything long. The end may begin
/// anywhere, so that it is searched as text and not parsed.
pub fn last_signature(end: &[u8]) -> Option<Signature> {
    let end = String::from_utf8_lossy(end);
    let (_, rest) = end.rsplit_once(r#""sig":""#)?;
    let (signature, _) = rest.split_once('"')?;
    STANDARD.decode(signature).ok().map(Signature::new)
}

/// A copy of a layer's annotations, of which those that are known are taken one by one.
fn annotations(descriptor: &Descriptor) -> BTreeMap<String, String> {
    let all = descriptor.annotations.iter();
    let mut annotations = BTreeMap::new();
    annotations.extend(all.map(|(name, value)| (name.to_owned(), value.to_owned())));
    annotations
}

/// A layer of `.sig`: the payload, with all else in annotations (WIRE-22).
fn open_signature(layer: &Layer) -> Result<Signed, EnvelopeError> {
    let payload = layer.content.to_bytes().map_err(EnvelopeError::Content)?;
    let mut annotations = annotations(&layer.descriptor);
    let signature = annotations.remove(SIGNATURE);
    let signature = signature.ok_or(EnvelopeError::Missing(SIGNATURE))?;
    let signature = STANDARD.decode(signature);
    let signature = signature.map_err(|_| EnvelopeError::Malformed(SIGNATURE))?;
    let (verifier, evidence) = annotated(annotations)?;
    Ok(Signed {
        claim: Arc::new(simple_signing::claim(&payload).ok_or(EnvelopeError::NoClaim)?),
        payload: Arc::new(Payload::simple_signing(payload)),
        signature: Signature::new(signature),
        verifier,
        evidence,
    })
}

/// A layer of `.att`: an envelope, with evidence in annotations (WIRE-33).
fn open_envelope(layer: &Layer) -> Result<Signed, EnvelopeError> {
    let envelope = layer.content.to_bytes().map_err(EnvelopeError::Content)?;
    let envelope =
        serde_json::from_slice(&envelope).map_err(|_| EnvelopeError::Malformed("envelope"));
    let (payload, signature) = enveloped(envelope?)?;
    let mut annotations = annotations(&layer.descriptor);
    annotations.remove(SIGNATURE);
    // The statement has the predicate type too, and wins over the annotation.
    annotations.remove(PREDICATE_TYPE);
    let (verifier, evidence) = annotated(annotations)?;
    stated(payload, signature, verifier, evidence)
}

/// The only bundle of a referrer: cosign passes over a manifest with another number of
/// layers (v3.1.2 `pkg/oci/remote/signatures.go`).
fn open_referrer(referrer: &Referrer) -> Result<Signed, EnvelopeError> {
    let is_bundle = |blob: &&Layer| referrer::is_bundle(&blob.descriptor.media_type);
    let mut bundles = referrer.blobs.iter().filter(is_bundle);
    let (Some(bundle), None) = (bundles.next(), bundles.next()) else {
        return Err(EnvelopeError::NoBundle);
    };
    let bytes = bundle.content.to_bytes().map_err(EnvelopeError::Content)?;
    open_bundle(&bytes)
}

/// A bundle, its members in any order. Bundles of message signatures, which have no
/// envelope, are not for images.
fn open_bundle(bytes: &[u8]) -> Result<Signed, EnvelopeError> {
    let mut bundle: Members<'_> =
        serde_json::from_slice(bytes).map_err(|_| EnvelopeError::Malformed("bundle"))?;
    let envelope = bundle.take("dsseEnvelope");
    let envelope = envelope.ok_or(EnvelopeError::Missing("dsseEnvelope"))?;
    let (payload, signature) = enveloped(members(envelope, "dsseEnvelope")?)?;
    let material = bundle.take("verificationMaterial");
    let material = material.ok_or(EnvelopeError::Missing("verificationMaterial"))?;
    let (verifier, evidence) = materials(members(material, "verificationMaterial")?)?;
    stated(payload, signature, verifier, evidence)
}

/// The value around a statement, whose bytes are hashed here: they are the payload as it
/// was signed, and are not written anew.
fn stated(
    payload: Vec<u8>,
    signature: Signature,
    verifier: Verifier,
    evidence: Vec<Evidence>,
) -> Result<Signed, EnvelopeError> {
    let payload = Bytes::from(payload);
    let claim = statement::claim(&payload).ok_or(EnvelopeError::NoClaim)?;
    let payload = dsse::HashedPayload::read(payload.into()).map_err(EnvelopeError::Content)?;
    Ok(Signed {
        claim: Arc::new(claim),
        payload: Arc::new(Payload::Statement(Box::new(payload))),
        signature,
        verifier,
        evidence,
    })
}

/// A DSSE envelope's payload, and its only signature. cosign verifies envelopes with
/// several at tags; logs and bundles take one.
fn enveloped(mut envelope: Members<'_>) -> Result<(Vec<u8>, Signature), EnvelopeError> {
    let kind = envelope.take("payloadType");
    let kind = text(
        kind.ok_or(EnvelopeError::Missing("payloadType"))?,
        "payloadType",
    )?;
    if kind != IN_TOTO {
        return Err(EnvelopeError::PayloadType);
    }
    let payload = base64(envelope.take("payload"), "payload")?;
    let signatures = list(envelope.take("signatures"), "signatures")?;
    let [signature] = signatures.as_slice() else {
        return Err(EnvelopeError::Signatures(signatures.len()));
    };
    let signature = base64(members(signature, "signatures")?.take("sig"), "sig")?;
    Ok((payload, Signature::new(signature)))
}

/// The annotations of a layer at a tag, without those of the signature: the certificate
/// and its issuers, and evidence. A timestamp that cannot be read stays as it is, since
/// whoever wrote it may know more.
fn annotated(
    annotations: BTreeMap<String, String>,
) -> Result<(Verifier, Vec<Evidence>), EnvelopeError> {
    let mut annotations = annotations;
    let mut certificates = take_certificates(&mut annotations, CERTIFICATE)?;
    let verifier = match certificates.is_empty() {
        true => Verifier::Unnamed,
        false => {
            certificates.extend(take_certificates(&mut annotations, CHAIN)?);
            Verifier::Certificates(certificates)
        }
    };
    let evidence = annotations.into_iter().map(|(name, value)| {
        if name == LOG_ENTRY {
            return Evidence::LogEntry(value);
        }
        let is_timestamp = name == TIMESTAMP;
        match is_timestamp.then(|| timestamp(&value)).flatten() {
            Some(response) => Evidence::Timestamp(response),
            None => Evidence::Other { name, value },
        }
    });
    Ok((verifier, evidence.collect()))
}

/// The certificates of an annotation. One without any stays where it is, and is sealed
/// again with the layer: cosign writes it empty where it has none, and reads it so
/// (v3.1.2 `pkg/oci/internal/signature/layer.go`).
fn take_certificates(
    annotations: &mut BTreeMap<String, String>,
    name: &'static str,
) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let certificates = match annotations.get(name) {
        Some(pem) => from_pem(pem, name)?,
        None => Vec::new(),
    };
    if !certificates.is_empty() {
        annotations.remove(name);
    }
    Ok(certificates)
}

/// The certificates of an annotation, in DER; other text in it is passed over.
fn from_pem(pem: &str, name: &'static str) -> Result<Vec<Vec<u8>>, EnvelopeError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).take(MOST + 1);
    let certificates = certificates
        .map(|certificate| certificate.map(|der| der.as_ref().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| EnvelopeError::Malformed(name))?;
    if certificates.len() > MOST {
        return Err(EnvelopeError::TooMany(name));
    }
    Ok(certificates)
}

/// The response in `{"SignedRFC3161Timestamp":"…"}`.
fn timestamp(annotation: &str) -> Option<Vec<u8>> {
    let mut members: Members<'_> = serde_json::from_str(annotation).ok()?;
    base64(members.take("SignedRFC3161Timestamp"), TIMESTAMP).ok()
}

/// A bundle's `verificationMaterial`. The order of evidence is that of
/// [sealing](super::seal::seal): entries, timestamps, others.
fn materials(mut material: Members<'_>) -> Result<(Verifier, Vec<Evidence>), EnvelopeError> {
    let verifier = verifier(&mut material)?;
    let entries = list(material.take("tlogEntries"), "tlogEntries")?;
    let entry = |entry: &&RawValue| Evidence::LogEntry(entry.get().to_owned());
    let mut evidence: Vec<Evidence> = entries.iter().map(entry).collect();
    const TIMESTAMPS: &str = "timestampVerificationData";
    if let Some(data) = material.take(TIMESTAMPS) {
        let mut data = members(data, TIMESTAMPS)?;
        for response in list(data.take("rfc3161Timestamps"), TIMESTAMPS)? {
            let response = members(response, TIMESTAMPS)?.take("signedTimestamp");
            evidence.push(Evidence::Timestamp(base64(response, TIMESTAMPS)?));
        }
    }
    evidence.extend(material.rest().map(|(name, value)| Evidence::Other {
        name: name.into_owned(),
        value: value.get().to_owned(),
    }));
    Ok((verifier, evidence))
}

/// The verifier of a bundle, by whichever of the three members is there (a `oneof`).
fn verifier(material: &mut Members<'_>) -> Result<Verifier, EnvelopeError> {
    const CHAIN: &str = "x509CertificateChain";
    if let Some(key) = material.take("publicKey") {
        let hint = members(key, "publicKey")?.take("hint");
        let hint = hint.map(|hint| text(hint, "hint")).transpose()?;
        return Ok(Verifier::Hint(hint.unwrap_or_default()));
    }
    if let Some(leaf) = material.take("certificate") {
        return Ok(Verifier::Certificates(vec![certificate(leaf)?]));
    }
    if let Some(chain) = material.take(CHAIN) {
        let chain = list(members(chain, CHAIN)?.take("certificates"), CHAIN)?;
        let certificates = chain.into_iter().map(certificate);
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        return match certificates.is_empty() {
            true => Err(EnvelopeError::Missing(CHAIN)),
            false => Ok(Verifier::Certificates(certificates)),
        };
    }
    Ok(Verifier::Unnamed)
}

fn certificate(json: &RawValue) -> Result<Vec<u8>, EnvelopeError> {
    base64(members(json, "certificate")?.take("rawBytes"), "rawBytes")
}

fn members<'a>(json: &'a RawValue, name: &'static str) -> Result<Members<'a>, EnvelopeError> {
    read(json, name)
}

/// The values of a list; none if it is absent or `null`, as protojson reads it.
fn list<'a>(
    json: Option<&'a RawValue>,
    name: &'static str,
) -> Result<Vec<&'a RawValue>, EnvelopeError> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let values: Option<Vec<&RawValue>> = read(json, name)?;
    let values = values.unwrap_or_default();
    if values.len() > MOST {
        return Err(EnvelopeError::TooMany(name));
    }
    Ok(values)
}

fn text(json: &RawValue, name: &'static str) -> Result<String, EnvelopeError> {
    read(json, name).map(|MemberName(text)| text.into_owned())
}

fn base64(json: Option<&RawValue>, name: &'static str) -> Result<Vec<u8>, EnvelopeError> {
    let MemberName(text) = read(json.ok_or(EnvelopeError::Missing(name))?, name)?;
    let decoded = STANDARD.decode(text.as_bytes());
    decoded.map_err(|_| EnvelopeError::Malformed(name))
}

fn read<'a, T: Deserialize<'a>>(
    json: &'a RawValue,
    name: &'static str,
) -> Result<T, EnvelopeError> {
    serde_json::from_str(json.get()).map_err(|_| EnvelopeError::Malformed(name))
}
