//! Sigstore bundles v0.3 (protobuf-specs v0.5 `sigstore_bundle.proto`) around a
//! DSSE envelope with one signature by a key, in the field order of cosign v3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dsse::{IN_TOTO, Payload};
use super::json;
use crate::oci::{Content, MediaType};
use crate::signature::{PublicKey, Signature};

/// The bundle of one signature of `payload`.
///
/// The hint names the key: base64 of the SHA-256 of its DER. No `keyid`, which
/// verifiers would compare, and no transparency log entry.
pub fn bundle(payload: &Payload, signature: &Signature, key: &PublicKey) -> Content {
    let media_type = json::string(MediaType::SIGSTORE_BUNDLE.as_str());
    let hint = json::string(&STANDARD.encode(key.sha256()));
    let head = format!(
        r#"{{"mediaType":{media_type},"verificationMaterial":{{"publicKey":{{"hint":{hint}}}}},"dsseEnvelope":{{"payload":""#
    );
    let tail = format!(
        r#"","payloadType":"{IN_TOTO}","signatures":[{{"sig":"{}"}}]}}}}"#,
        signature.to_base64()
    );
    Content::concat([
        head.into_bytes().into(),
        payload.encoded(),
        tail.into_bytes().into(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::statement;
    use crate::oci::Digest;

    /// testdata/objects/bundle-one-key-cosign3 and bundle-attestation-cosign3,
    /// both signed with testdata/keys/p256-cosign3.
    #[test]
    fn bundles_equal_those_of_cosign_three() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
        let digest: Digest =
            "sha256:43d8a97a8b53b5912b71dd52f46ba33d6151a858f813b50f3312bf2491ab5939"
                .parse()
                .unwrap();
        let pem = std::fs::read_to_string(format!("{root}/keys/p256-cosign3.pub")).unwrap();
        let (_, der) = pem_rfc7468::decode_vec(pem.as_bytes()).unwrap();
        let key = PublicKey::from_der(der);
        for (object, annotations, blob) in [
            (
                "bundle-one-key-cosign3",
                vec![("env".to_owned(), "prod".to_owned())],
                "ef667aa3854dfbc40b1b8cad8cd0d6453a67996ac2625f382be37699549e6811",
            ),
            (
                "bundle-attestation-cosign3",
                Vec::new(),
                "573c098f517df3830d3d77f63835d4f95fae47c29ca4a5e7ddb406429294eab3",
            ),
        ] {
            let path = format!("{root}/objects/{object}/blobs/sha256/{blob}");
            let recorded = std::fs::read_to_string(path).unwrap();
            // ECDSA signatures of cosign are random.
            let (_, signature) = recorded.rsplit_once(r#""sig":""#).unwrap();
            let signature = signature.split('"').next().unwrap();
            let signature = Signature::new(STANDARD.decode(signature).unwrap());
            let claim = statement::signature(&digest, &annotations.into_iter().collect());
            let payload = Payload::read(claim).unwrap();
            let ours = bundle(&payload, &signature, &key).to_bytes().unwrap();
            assert_eq!(ours, recorded, "{object}");
        }
    }
}
