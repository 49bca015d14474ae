//! Sigstore bundles v0.3 (protobuf-specs v0.5 `sigstore_bundle.proto`) around a
//! DSSE envelope with one signature, in the field order of cosign v3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::claim::Form;
use super::dsse::{HashedPayload, IN_TOTO};
use super::json;
use super::media_type;
use super::signed::{Evidence, Signed, Verifier};
use crate::oci::Content;

/// The bundle of one signature of `payload`.
///
/// The hint names the key: base64 of the SHA-256 of its DER. There is no `keyid`,
/// which verifiers would compare (WIRE-70). Of certificates a bundle holds the leaf
/// alone, unless it is one with a chain (EVD-7, EVD-8).
///
/// All that is long comes last but for the signature, so that the beginning and the end
/// of a stored bundle are enough to recognise it (`open::vouching_in`, `last_signature`).
pub(super) fn bundle(payload: &HashedPayload, signed: &Signed, form: Form) -> Content {
    let media_type = json::string(media_type::SIGSTORE_BUNDLE.as_str());
    let material = material(signed, form).join(",");
    let head = format!(
        r#"{{"mediaType":{media_type},"verificationMaterial":{{{material}}},"dsseEnvelope":{{"payload":""#
    );
    let tail = format!(
        r#"","payloadType":"{IN_TOTO}","signatures":[{{"sig":"{}"}}]}}}}"#,
        signed.signature.to_base64()
    );
    Content::concat([
        head.into_bytes().into(),
        payload.encoded(),
        tail.into_bytes().into(),
    ])
}

/// The members of `verificationMaterial`, in cosign's order whatever the order of the
/// evidence. Lists without items are left out, as protojson does.
fn material(signed: &Signed, form: Form) -> Vec<String> {
    let mut members: Vec<String> = verifier(&signed.verifier, form).into_iter().collect();
    let (mut entries, mut timestamps, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for evidence in &signed.evidence {
        match evidence {
            Evidence::LogEntry(entry) => entries.push(entry.clone()),
            Evidence::Timestamp(response) => {
                let response = json::string(&STANDARD.encode(response));
                timestamps.push(format!(r#"{{"signedTimestamp":{response}}}"#));
            }
            Evidence::Other { name, value } => {
                others.push(format!("{}:{value}", json::proto_string(name)));
            }
        }
    }
    if !entries.is_empty() {
        members.push(format!(r#""tlogEntries":[{}]"#, entries.join(",")));
    }
    if !timestamps.is_empty() {
        let timestamps = timestamps.join(",");
        members.push(format!(
            r#""timestampVerificationData":{{"rfc3161Timestamps":[{timestamps}]}}"#
        ));
    }
    members.extend(others);
    members
}

/// The member that names the verifier; none of a value that was opened without one.
fn verifier(verifier: &Verifier, form: Form) -> Option<String> {
    let hint = match verifier {
        Verifier::Key(key) => STANDARD.encode(key.sha256()),
        Verifier::Hint(hint) => hint.clone(),
        Verifier::Certificates(certificates) => return chain(certificates, form),
        Verifier::Unnamed => return None,
    };
    Some(format!(
        r#""publicKey":{{"hint":{}}}"#,
        json::proto_string(&hint)
    ))
}

/// The member of a certificate, with its issuers if the form has them.
fn chain(certificates: &[Vec<u8>], form: Form) -> Option<String> {
    let raw = |der: &Vec<u8>| {
        let text = json::string(&STANDARD.encode(der));
        format!(r#"{{"rawBytes":{text}}}"#)
    };
    if form != Form::ChainBundle {
        return Some(format!(r#""certificate":{}"#, raw(certificates.first()?)));
    }
    let all: Vec<String> = certificates.iter().map(raw).collect();
    let all = all.join(",");
    Some(format!(
        r#""x509CertificateChain":{{"certificates":[{all}]}}"#
    ))
}
