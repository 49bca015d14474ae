//! in-toto statements about an image, as `cosign attest` writes them
//! (Statement v0.1, field order of cosign v2), the predicate unchanged.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::claim::Claim;
use super::json;
use crate::oci::{Content, Digest, Repository};

/// The predicate type of a signature in a bundle.
pub(super) const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The statement that says "`predicate` describes `digest`" (WIRE-30). `predicate` must
/// be JSON; its bytes are embedded as they are, where cosign would write them anew and
/// change numbers. It must be an object, too: cosign 3 verifies no other.
///
/// cosign names the digest `sha256` whatever its algorithm, and looks for that.
pub(super) fn statement(
    repository: Option<&Repository>,
    digest: &Digest,
    predicate_type: &str,
    predicate: &Content,
) -> Content {
    let head = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":{},"subject":[{{"name":{},"digest":{{"sha256":{}}}}}],"predicate":"#,
        json::string(predicate_type),
        json::string(&json::name(repository)),
        json::string(digest.hex()),
    );
    Content::concat([
        head.into_bytes().into(),
        predicate.clone(),
        b"}".to_vec().into(),
    ])
}

/// The statement of a signature in a bundle, as `cosign sign` v3 writes it
/// (Statement v1): "`digest` is ours", with the annotations in its subject (WIRE-71). It
/// names no repository. Without annotations the empty object stands there all the same.
pub(super) fn signature(digest: &Digest, annotations: &BTreeMap<String, String>) -> Content {
    let algorithm = digest.algorithm().name();
    let annotations: Vec<String> = annotations
        .iter()
        .map(|(name, value)| format!("{}:{}", json::proto_string(name), json::proto_string(value)))
        .collect();
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"{algorithm}":"{}"}},"annotations":{{{}}}}}],"predicateType":"{SIGNATURE}","predicate":{{}}}}"#,
        digest.hex(),
        annotations.join(","),
    );
    statement.into_bytes().into()
}

/// The claim that a statement makes; none if it is not about exactly one subject. Of
/// several digests of it the first by name counts.
pub(super) fn claim(statement: &Bytes) -> Option<Claim> {
    let read: Statement<'_> = serde_json::from_slice(statement).ok()?;
    let [subject] = <[StatementSubject; 1]>::try_from(read.subject).ok()?;
    let (algorithm, hex) = subject.digest.into_iter().next()?;
    let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
    if read.predicate_type == SIGNATURE {
        return Some(Claim::Image {
            repository: None,
            digest,
            annotations: subject.annotations,
        });
    }
    Some(Claim::Document {
        repository: subject.name.parse().ok(),
        digest,
        predicate_type: read.predicate_type,
        document: statement.slice_ref(read.predicate?.get().as_bytes()).into(),
    })
}

#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<StatementSubject>,
    /// cosign 2.6 writes signatures without.
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StatementSubject {
    #[serde(default)]
    name: String,
    digest: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predicate_is_embedded_unchanged() {
        let predicate = b"{ \"n\": 1.0e3, \"s\": \"<&>\" }\n".to_vec();
        let digest = Digest::of(b"");
        let repository = "r.io/app".parse().unwrap();
        let statement = statement(
            Some(&repository),
            &digest,
            "https://cyclonedx.org/bom",
            &predicate.into(),
        );
        let expected = format!(
            "{{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://cyclonedx.org/bom\",\
             \"subject\":[{{\"name\":\"r.io/app\",\"digest\":{{\"sha256\":\"{}\"}}}}],\
             \"predicate\":{{ \"n\": 1.0e3, \"s\": \"<&>\" }}\n}}",
            digest.hex()
        );
        assert_eq!(statement.to_bytes().unwrap(), expected);
    }
}
