//! in-toto statements about an image, as `cosign attest` writes them
//! (Statement v0.1, field order of cosign v2), the predicate unchanged.

use std::collections::BTreeMap;

use super::json;
use crate::oci::{Content, Digest, Repository};

/// The predicate type of a signature in a bundle.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The statement that says "`predicate` describes `digest`". `predicate` must
/// be JSON; its bytes are embedded as they are.
///
/// cosign names the digest `sha256` whatever its algorithm, and looks for that.
pub fn statement(
    repository: &Repository,
    digest: &Digest,
    predicate_type: &str,
    predicate: &Content,
) -> Content {
    let head = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v0.1","predicateType":{},"subject":[{{"name":{},"digest":{{"sha256":{}}}}}],"predicate":"#,
        json::string(predicate_type),
        json::string(&repository.to_string()),
        json::string(digest.hex()),
    );
    Content::concat([
        head.into_bytes().into(),
        predicate.clone(),
        b"}".to_vec().into(),
    ])
}

/// The statement of a signature in a bundle, as `cosign sign` v3 writes it
/// (Statement v1): "`digest` is ours", with the annotations in its subject. It
/// names no repository.
pub fn signature(digest: &Digest, annotations: &BTreeMap<String, String>) -> Content {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_predicate_is_embedded_unchanged() {
        let predicate = b"{ \"n\": 1.0e3, \"s\": \"<&>\" }\n".to_vec();
        let digest = Digest::of(b"");
        let repository = "r.io/app".parse().unwrap();
        let statement = statement(
            &repository,
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
