//! The transit engine's JSON (Vault 1.21 and OpenBao 2.6,
//! `api-docs/secret/transit`). Pure functions of bytes, for the fuzzer too.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::public;
use crate::signature::PublicKey;

/// DER of an Ed25519 key up to its 32 bytes (RFC 8410).
const ED25519: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A key that can sign, in its latest version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LatestKey {
    pub(super) version: u64,
    pub(super) public: PublicKey,
}

/// Why an answer about a key gives none that signs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoVaultKey {
    /// The answer is none.
    Nonsense(&'static str),
    /// The key is of a kind that does not sign, or not as cosign verifies.
    Unfit(String),
}

#[derive(Deserialize)]
struct VaultAnswer<T> {
    data: T,
}

#[derive(Deserialize)]
struct KeyData {
    #[serde(rename = "type")]
    kind: String,
    latest_version: u64,
    #[serde(default)]
    supports_signing: bool,
    /// Another key is derived from it for each context: none has a public half
    /// here.
    #[serde(default)]
    derived: bool,
    /// Objects of keys that sign, numbers of others.
    keys: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Batch {
    batch_results: Vec<SignedEntry>,
}

/// One or the other; the batch as a whole succeeds with both.
#[derive(Deserialize)]
struct SignedEntry {
    signature: Option<String>,
    error: Option<String>,
}

/// The inputs that one version of a key is to sign.
#[derive(Serialize)]
pub(super) struct VaultBatch {
    batch_input: Vec<BatchEntry>,
    /// Vault 1.19 and later refuse it for Ed25519 keys, OpenBao passes it over.
    prehashed: bool,
    key_version: u64,
    /// The padding of RSA: Vault's default is PSS, which cosign does not verify.
    signature_algorithm: &'static str,
    /// DER, of ECDSA.
    marshaling_algorithm: &'static str,
}

#[derive(Serialize)]
struct BatchEntry {
    /// Base64 of a digest, or of a message.
    input: String,
}

/// Whether inputs are digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputKind {
    Digests,
    Messages,
}

/// Why an entry of a batch has no signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoSignature {
    /// In Vault's words.
    Refused(String),
    Nonsense(&'static str),
}

impl VaultBatch {
    pub(super) fn new(inputs: InputKind, key_version: u64, batch: Vec<Vec<u8>>) -> Self {
        let entry = |input: Vec<u8>| BatchEntry {
            input: STANDARD.encode(input),
        };
        Self {
            batch_input: batch.into_iter().map(entry).collect(),
            prehashed: inputs == InputKind::Digests,
            // It pins the version whose public key was read (KEY-62). Within an
            // entry Vault ignores it.
            key_version,
            signature_algorithm: "pkcs1v15",
            marshaling_algorithm: "asn1",
        }
    }
}

/// The latest version of a key, from the answer about it.
///
/// # Errors
/// On an answer that is none, with the reason; on a key that signs nothing that a
/// public key verifies, in words, fit to print.
pub(super) fn latest_key(body: &[u8]) -> Result<LatestKey, NoVaultKey> {
    let nonsense = NoVaultKey::Nonsense;
    let answer: VaultAnswer<KeyData> =
        serde_json::from_slice(body).map_err(|_| nonsense("it is not the JSON of a key"))?;
    let KeyData {
        kind,
        latest_version,
        supports_signing,
        derived,
        keys,
    } = answer.data;
    let shown: String = kind.chars().take(64).collect();
    let kind = shown.escape_debug();
    if !supports_signing {
        return Err(NoVaultKey::Unfit(format!(
            "a key of type `{kind}` does not sign"
        )));
    }
    if derived {
        let reason = "it is a derived key, which signs with a context alone";
        return Err(NoVaultKey::Unfit(reason.to_owned()));
    }
    // By its number: the last of the map is not the latest, since 9 comes after
    // 10.
    let version = keys.get(&latest_version.to_string());
    let version = version.ok_or(nonsense("its latest version is not in it"))?;
    let text = version.get("public_key").and_then(Value::as_str);
    let public = text.and_then(public_key);
    let public = public.ok_or_else(|| {
        NoVaultKey::Unfit(format!(
            "a key of type `{kind}` has no public key to verify with"
        ))
    })?;
    Ok(LatestKey {
        version: latest_version,
        public,
    })
}

/// PEM or, of Ed25519, base64 of the 32 bytes.
fn public_key(text: &str) -> Option<PublicKey> {
    if text.trim_start().starts_with("-----BEGIN") {
        return public::public_key(text.as_bytes()).ok();
    }
    let raw: [u8; 32] = STANDARD.decode(text.trim()).ok()?.try_into().ok()?;
    Some(PublicKey::from_der([&ED25519[..], &raw].concat()))
}

/// The signatures of a batch of `count` inputs by `version`, in their order. Each
/// is marked with the version that made it, and one by another version is
/// refused, though that version may be good: its public key is not the one of the
/// receipt (KEY-63).
///
/// # Errors
/// On an answer that is none, and on one of another length.
pub(super) fn signatures(
    body: &[u8],
    count: usize,
    version: u64,
) -> Result<Vec<Result<Vec<u8>, NoSignature>>, &'static str> {
    let answer: VaultAnswer<Batch> =
        serde_json::from_slice(body).map_err(|_| "it is not the JSON of signatures")?;
    let results = answer.data.batch_results;
    if results.len() != count {
        return Err("it has another number of signatures than was asked for");
    }
    let prefix = format!("vault:v{version}:");
    Ok(results
        .into_iter()
        .map(|entry| signature(entry, &prefix))
        .collect())
}

fn signature(entry: SignedEntry, prefix: &str) -> Result<Vec<u8>, NoSignature> {
    match (entry.error, entry.signature) {
        (Some(error), _) if !error.is_empty() => Err(NoSignature::Refused(error)),
        (_, Some(signature)) => {
            let nonsense = NoSignature::Nonsense("it signs with another version of the key");
            let text = signature.strip_prefix(prefix).ok_or(nonsense)?;
            let decoded = STANDARD.decode(text);
            decoded.map_err(|_| NoSignature::Nonsense("a signature is not base64"))
        }
        (_, None) => Err(NoSignature::Nonsense("a signature is missing")),
    }
}

/// Vault's own words about a failure; nothing if it is not Vault that answers,
/// but a proxy before it. The words may be none: of a key that is not there the
/// list is empty.
pub(super) fn words(body: &[u8]) -> Option<String> {
    let Errors { errors } = serde_json::from_slice(body).ok()?;
    Some(errors.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(change: Value) -> Result<LatestKey, NoVaultKey> {
        let mut data = json!({
            "type": "ed25519", "latest_version": 2, "supports_signing": true, "derived": false,
            "keys": {"1": {"public_key": "AA=="}, "2": {"public_key": STANDARD.encode([7; 32])}},
        });
        for (name, value) in change.as_object().unwrap() {
            data[name] = value.clone();
        }
        latest_key(json!({ "data": data }).to_string().as_bytes())
    }

    /// KEY-62
    #[test]
    fn the_latest_version_counts_and_must_sign() {
        let found = key(json!({})).unwrap();
        assert_eq!(found.version, 2);
        assert!(found.public.as_der().ends_with(&[7; 32]));
        assert_eq!(found.public.as_der().len(), 44);
        for (change, words) in [
            (
                json!({"supports_signing": false, "type": "aes256-gcm96", "keys": {"1": 1795695067}}),
                "`aes256-gcm96` does not sign",
            ),
            (json!({"derived": true}), "derived"),
            (json!({"keys": {"2": {"public_key": ""}}}), "no public key"),
            (json!({"keys": {"2": {}}}), "no public key"),
            (json!({"keys": {"2": 7}}), "no public key"),
        ] {
            let Err(NoVaultKey::Unfit(reason)) = key(change.clone()) else {
                panic!("{change}");
            };
            assert!(reason.contains(words), "{reason}");
        }
        for change in [
            json!({"latest_version": 3}),
            json!({"latest_version": "2"}),
            json!({"keys": []}),
        ] {
            assert!(matches!(key(change), Err(NoVaultKey::Nonsense(_))));
        }
    }

    /// KEY-63
    #[test]
    fn each_entry_of_a_batch_is_a_signature_of_that_version_or_an_error() {
        let read = |results: Value| {
            let count = results.as_array().unwrap().len();
            let body = json!({ "data": { "batch_results": results } }).to_string();
            signatures(body.as_bytes(), count, 2).unwrap()
        };
        assert_eq!(
            read(json!([{"signature": "vault:v2:AQI=", "reference": ""}])),
            [Ok(vec![1, 2])]
        );
        for (entry, words) in [
            (json!({"signature": "vault:v1:AQI="}), "another version"),
            (json!({"signature": "vault:v2:?"}), "not base64"),
            (json!({}), "missing"),
        ] {
            let nonsense = read(json!([entry])).remove(0).unwrap_err();
            assert!(format!("{nonsense:?}").contains(words), "{nonsense:?}");
        }
        let refused = read(json!([{"error": "no"}, {"signature": "vault:v2:AQI="}]));
        assert_eq!(refused[0], Err(NoSignature::Refused("no".to_owned())));
        let body = br#"{"data":{"batch_results":[]}}"#;
        assert!(signatures(body, 1, 2).is_err());
        assert!(signatures(b"{}", 0, 2).is_err());
    }
}
