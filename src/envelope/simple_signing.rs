//! The payload of a cosign signature ("simple signing"): sigstore v1.10
//! `pkg/signature/payload/payload.go`, read by every cosign.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::claim::Claim;
use super::json;
use crate::oci::{Digest, Repository};

/// The payload that says "`digest` in `repository` is ours". `repository` is
/// the image's own, also where the signature is stored elsewhere. No whitespace
/// and no trailing newline; annotations sorted bytewise by name (WIRE-20, WIRE-21).
pub(super) fn payload(
    repository: Option<&Repository>,
    digest: &Digest,
    annotations: &BTreeMap<String, String>,
) -> Bytes {
    let repository = json::string(&json::name(repository));
    let digest = json::string(&digest.to_string());
    let optional = optional(annotations);
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":{repository}}},"image":{{"docker-manifest-digest":{digest}}},"type":"cosign container image signature"}},"optional":{optional}}}"#
    )
    .into()
}

/// The claim that a payload makes; none if it names no digest. Read as leniently
/// as cosign does (v3.1.2 `pkg/cosign/verifiers.go`), which looks at neither the type nor
/// the repository. Annotations with other values than strings are left out: none of ours
/// is equal to them.
pub(super) fn claim(payload: &[u8]) -> Option<Claim> {
    let payload: Simple = serde_json::from_slice(payload).ok()?;
    let Critical { identity, image } = payload.critical;
    let annotations = payload.optional.unwrap_or_default().into_iter();
    let annotations = annotations.filter_map(|(name, value)| match value {
        Value::String(value) => Some((name, value)),
        _ => None,
    });
    let mut read = BTreeMap::new();
    read.extend(annotations);
    Some(Claim::Image {
        repository: identity.reference.parse().ok(),
        digest: image.digest.parse().ok()?,
        annotations: read,
    })
}

#[derive(Deserialize)]
struct Simple {
    critical: Critical,
    optional: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(default)]
    identity: CriticalIdentity,
    image: CriticalImage,
}

#[derive(Default, Deserialize)]
struct CriticalIdentity {
    #[serde(rename = "docker-reference", default)]
    reference: String,
}

#[derive(Deserialize)]
struct CriticalImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Go writes a map without entries that was never made as `null`.
fn optional(annotations: &BTreeMap<String, String>) -> String {
    if annotations.is_empty() {
        return "null".to_owned();
    }
    let members: Vec<String> = annotations
        .iter()
        .map(|(name, value)| format!("{}:{}", json::string(name), json::string(value)))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// testdata/objects/legacy-annotations-cosign2 and legacy-one-key-cosign2.
    #[test]
    fn payloads_equal_those_of_cosign() {
        let digest: Digest =
            "sha256:43d8a97a8b53b5912b71dd52f46ba33d6151a858f813b50f3312bf2491ab5939"
                .parse()
                .unwrap();
        let objects = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/objects");
        let annotations = [
            ("env", "prod"),
            ("b<>&", "x&y"),
            ("umlaut", "é"),
            ("sep", "a\u{2028}b"),
        ];
        let annotations: BTreeMap<_, _> = annotations
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        for (object, annotations, blob) in [
            (
                "legacy-annotations-cosign2",
                annotations,
                "471baa21acc8c78a895ca2c3d1770adee4c2cef166e318778ebf2043ee44ba19",
            ),
            (
                "legacy-docker-media-types-cosign2",
                BTreeMap::new(),
                "efe292c1933f0f9acbe782180e5b2023e5da331ea0932c7952aa970719f57aaa",
            ),
        ] {
            let repository = format!("127.0.0.1:5055/obj/{object}").parse().unwrap();
            let recorded =
                std::fs::read(format!("{objects}/{object}/blobs/sha256/{blob}")).unwrap();
            assert_eq!(payload(Some(&repository), &digest, &annotations), recorded);
        }
    }
}
