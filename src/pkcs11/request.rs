//! A request in sigstore's protocol of plugins, version `v1` (sigstore v1.10.8
//! `pkg/signature/kms/cliplugin`): the version, then one JSON object, are the
//! program's arguments; a message is its standard input.
//!
//! The other end is `keys::remote`, or cosign. Parsing reads no message: it may
//! be long, and is not needed where a digest is given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The version of the protocol.
const VERSION: &str = "v1";
/// SHA-256, as Go's `crypto.Hash` counts. Another hash is refused: its signatures
/// would not verify without a flag (TOK-7).
const SHA256: u64 = 5;
/// The most bytes of a signature: an RSA key may have 16384 bits.
const MAX_SIGNATURE: usize = 2048;

/// A question, and the key that it is about.
#[derive(Debug, PartialEq, Eq)]
pub struct PluginCall {
    /// The text behind `scheme://`, not parsed yet. It may hold a PIN.
    pub resource: String,
    pub method: Operation,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Operation {
    DefaultAlgorithm,
    SupportedAlgorithms,
    CreateKey,
    PublicKey,
    /// Without a digest, that of the message counts. Ed25519 needs the message.
    Sign {
        digest: Option<[u8; 32]>,
    },
    Verify {
        digest: Option<[u8; 32]>,
        signature: Vec<u8>,
    },
}

impl PluginCall {
    /// Reads the program's arguments. Nothing of them is in an error: a resource
    /// may hold a PIN.
    ///
    /// # Errors
    /// On another version, on what is no request, and on one that this program
    /// cannot do: another digest than SHA-256, a version of a key.
    pub fn parse(version: &str, json: &str) -> Result<Self, RequestError> {
        if version != VERSION {
            return Err(RequestError::Version);
        }
        let written: WrittenInvocation =
            serde_json::from_str(json).map_err(|error| RequestError::Json(error.column()))?;
        let Init {
            key_resource_id: resource,
            protocol_version,
            hash_func,
            rpc_options,
        } = written.init_options;
        // The version stands in both arguments, and has to be the same.
        if protocol_version != VERSION {
            return Err(RequestError::Version);
        }
        rpc_options.check()?;
        let method = match written.method_name.as_str() {
            "defaultAlgorithm" => Operation::DefaultAlgorithm,
            "supportedAlgorithms" => Operation::SupportedAlgorithms,
            "createKey" => Operation::CreateKey,
            "publicKey" => {
                let options = written.public_key.unwrap_or_default().public_key_options;
                options.rpc_options.check()?;
                Operation::PublicKey
            }
            "signMessage" => {
                let options = written.sign_message.unwrap_or_default().sign_options;
                let digest = options.digest(hash_func)?;
                Operation::Sign { digest }
            }
            "verifySignature" => {
                let Verify {
                    signature,
                    verify_options,
                } = written.verify_signature.unwrap_or_default();
                let signature = bytes(&signature).filter(|bytes| bytes.len() <= MAX_SIGNATURE);
                Operation::Verify {
                    digest: verify_options.digest(hash_func)?,
                    signature: signature.ok_or(RequestError::Signature)?,
                }
            }
            _ => return Err(RequestError::Method),
        };
        Ok(Self { resource, method })
    }
}

/// The JSON as it stands, with the names of Go's structs. Unknown members are
/// ignored: they may come with versions of sigstore. The member of another method
/// than the one that is named is ignored, too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenInvocation {
    init_options: Init,
    method_name: String,
    public_key: Option<PublicKeyArguments>,
    sign_message: Option<Sign>,
    verify_signature: Option<Verify>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Init {
    protocol_version: String,
    #[serde(rename = "keyResourceID")]
    key_resource_id: String,
    #[serde(default)]
    hash_func: u64,
    #[serde(default)]
    rpc_options: Rpc,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PublicKeyArguments {
    public_key_options: PublicKeyOptions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PublicKeyOptions {
    rpc_options: Rpc,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Sign {
    sign_options: Options,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Verify {
    signature: String,
    verify_options: Options,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    rpc_options: Rpc,
    message_options: MessageOptions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MessageOptions {
    digest: Option<String>,
    hash_func: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rpc {
    key_version: Option<String>,
}

impl Rpc {
    /// Go writes the absent version as the empty text. One that is asked for is
    /// refused: another key than the one that is meant could sign.
    fn check(&self) -> Result<(), RequestError> {
        match self.key_version.as_deref() {
            None | Some("") => Ok(()),
            Some(_) => Err(RequestError::KeyVersion),
        }
    }
}

impl Options {
    /// The digest that is given, if one is. `hash` is the one of the whole
    /// request, which the options of a message may replace.
    fn digest(&self, hash: u64) -> Result<Option<[u8; 32]>, RequestError> {
        self.rpc_options.check()?;
        let MessageOptions { digest, hash_func } = &self.message_options;
        if hash_func.unwrap_or(hash) != SHA256 {
            return Err(RequestError::Hash);
        }
        // Go writes the absent one as null or as the empty text.
        let digest = digest.as_deref().filter(|digest| !digest.is_empty());
        let read = |digest| bytes(digest).and_then(|bytes| bytes.try_into().ok());
        digest
            .map(|digest| read(digest).ok_or(RequestError::Digest))
            .transpose()
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A request that cannot be answered. No text of it is repeated.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("this is not version `{VERSION}` of the protocol of plugins")]
    Version,
    #[error("the request is no JSON of this protocol, at column {0}")]
    Json(usize),
    #[error("the method of the request is unknown")]
    Method,
    #[error("only SHA-256 is signed")]
    Hash,
    #[error("the digest of the request is no SHA-256 digest")]
    Digest,
    #[error("the signature of the request is no base64, or too long")]
    Signature,
    #[error("a key in a token has no versions")]
    KeyVersion,
}

debug_as_display!(RequestError);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// As cosign 2.6.4 writes it; `more` is the method's own member.
    fn request(method: &str, more: Value) -> Result<PluginCall, RequestError> {
        let mut json = json!({
            "initOptions": {
                "ctxDeadline": "2026-11-21T00:22:41.779966256Z", "protocolVersion": "v1",
                "keyResourceID": "token=t;object=o", "hashFunc": 5,
                "rpcOptions": {"keyVersion": "", "remoteVerification": false},
            },
            "methodName": method,
        });
        json[method] = more;
        PluginCall::parse("v1", &json.to_string())
    }

    fn signing(message_options: Value) -> Result<Operation, RequestError> {
        let options = json!({"rpcOptions": {}, "messageOptions": message_options});
        let request = request("signMessage", json!({"signOptions": options}))?;
        Ok(request.method)
    }

    #[test]
    fn every_method_is_read() {
        let rpc = json!({"rpcOptions": {"keyVersion": "", "remoteVerification": false}});
        for (method, more, expected) in [
            ("defaultAlgorithm", json!({}), Operation::DefaultAlgorithm),
            (
                "supportedAlgorithms",
                json!({}),
                Operation::SupportedAlgorithms,
            ),
            ("createKey", json!({"algorithm": "x"}), Operation::CreateKey),
            (
                "publicKey",
                json!({"publicKeyOptions": rpc}),
                Operation::PublicKey,
            ),
            (
                "verifySignature",
                json!({"signature": "AAEC", "verifyOptions": {"messageOptions": {}}}),
                Operation::Verify {
                    digest: None,
                    signature: vec![0, 1, 2],
                },
            ),
        ] {
            let read = request(method, more).unwrap();
            assert_eq!(
                (read.resource.as_str(), read.method),
                ("token=t;object=o", expected)
            );
        }
    }

    #[test]
    fn the_digest_may_be_there_or_not() {
        let digest = [7; 32];
        let text = STANDARD.encode(digest);
        let some = Operation::Sign {
            digest: Some(digest),
        };
        assert_eq!(signing(json!({"digest": text})), Ok(some));
        for absent in [json!({}), json!({"digest": null}), json!({"digest": ""})] {
            assert_eq!(signing(absent), Ok(Operation::Sign { digest: None }));
        }
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (options, expected) in [
            (json!({"hashFunc": 6}), RequestError::Hash),
            (json!({"digest": "AAEC"}), RequestError::Digest),
            (json!({"digest": "?"}), RequestError::Digest),
        ] {
            assert_eq!(signing(options), Err(expected));
        }
        let version = json!({"publicKeyOptions": {"rpcOptions": {"keyVersion": "2"}}});
        assert_eq!(request("publicKey", version), Err(RequestError::KeyVersion));
        assert_eq!(request("nothing", json!({})), Err(RequestError::Method));
        assert_eq!(
            request("verifySignature", json!({"signature": "?"})),
            Err(RequestError::Signature)
        );
        assert_eq!(PluginCall::parse("v2", "{}"), Err(RequestError::Version));
        for text in ["", "{}", "[]", "{\"initOptions\": {}}"] {
            let refused = PluginCall::parse("v1", text);
            assert!(matches!(refused, Err(RequestError::Json(_))), "{text}");
        }
    }
}
