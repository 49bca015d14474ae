//! An answer in sigstore's protocol of plugins: one JSON object (sigstore v1.10.8
//! `pkg/signature/kms/cliplugin`; TOK-7). Each member is called like its method,
//! and Go's reader wants it where no error is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// An answer, by its method.
#[derive(Debug, PartialEq, Eq)]
pub enum PluginReply {
    /// The algorithm that `createKey` would take, which is not answered here.
    DefaultAlgorithm,
    SupportedAlgorithms,
    /// In PEM.
    PublicKey(String),
    Signature(Vec<u8>),
    /// The signature is right.
    Verified,
    /// In words, with the remedy.
    Error(String),
}

/// Names of sigstore's for the kinds of keys in tokens, the default first.
/// SHA-256 stands in each, since no other digest is signed (TOK-6).
const ALGORITHMS: [&str; 7] = [
    "ecdsa-p256-sha256",
    "ecdsa-p384-sha256",
    "ecdsa-p521-sha256",
    "ed25519",
    "rsa-2048-pkcs1-sha256",
    "rsa-3072-pkcs1-sha256",
    "rsa-4096-pkcs1-sha256",
];

impl PluginReply {
    /// The object that the caller reads.
    pub fn to_json(&self) -> Value {
        let [default, ..] = ALGORITHMS;
        match self {
            Self::DefaultAlgorithm => {
                json!({ "defaultAlgorithm": { "defaultAlgorithm": default } })
            }
            Self::SupportedAlgorithms => {
                json!({ "supportedAlgorithms": { "supportedAlgorithms": ALGORITHMS } })
            }
            // Go's `[]byte` is base64 in JSON, also where it holds text.
            Self::PublicKey(pem) => {
                json!({ "publicKey": { "publicKeyPEM": STANDARD.encode(pem) } })
            }
            Self::Signature(bytes) => {
                json!({ "signMessage": { "signature": STANDARD.encode(bytes) } })
            }
            Self::Verified => json!({ "verifySignature": {} }),
            Self::Error(words) => json!({ "errorMessage": words }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_as_go_reads_them() {
        let answer = PluginReply::Signature(vec![0xfb, 0xff]);
        let json = r#"{"signMessage":{"signature":"+/8="}}"#;
        assert_eq!(answer.to_json().to_string(), json);
        let answer = PluginReply::PublicKey("PEM".to_owned());
        let json = r#"{"publicKey":{"publicKeyPEM":"UEVN"}}"#;
        assert_eq!(answer.to_json().to_string(), json);
        let json = r#"{"verifySignature":{}}"#;
        assert_eq!(PluginReply::Verified.to_json().to_string(), json);
    }
}
