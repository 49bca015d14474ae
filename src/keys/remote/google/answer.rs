//! Answers of Google Cloud KMS
//! (<https://cloud.google.com/kms/docs/reference/rest/v1>). Pure functions of
//! bytes, for the fuzzer too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::http::Response;
use crate::keys::public;
use crate::service::{Trouble, json, said};
use crate::signature::{Hash, PublicKey};

/// A page of `cryptoKeyVersions`. Other states than `ENABLED` may come where an
/// emulator knows no filter. An empty token says that it is the last page.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::keys) struct Versions {
    crypto_key_versions: Vec<GoogleVersion>,
    pub(in crate::keys) next_page_token: String,
}

#[derive(Deserialize)]
struct GoogleVersion {
    name: String,
    state: Option<String>,
}

#[derive(Deserialize)]
struct GooglePublicKey {
    pem: String,
    algorithm: String,
}

#[derive(Deserialize)]
struct GoogleSignature {
    signature: String,
}

#[derive(Deserialize)]
struct GoogleRefusal {
    error: GoogleFault,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GoogleFault {
    status: String,
    message: String,
}

impl Versions {
    pub(in crate::keys) fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The greatest version by number that is enabled. Names are compared as
    /// numbers, which cosign does not: its 9 comes after 10. A name that ends in
    /// no number is passed over.
    pub(in crate::keys) fn greatest(&self) -> Option<u64> {
        let enabled = self.crypto_key_versions.iter().filter(|version| {
            let state = version.state.as_deref();
            state.is_none_or(|state| state == "ENABLED")
        });
        let number = |version: &GoogleVersion| version.name.rsplit('/').next()?.parse().ok();
        enabled.filter_map(number).max()
    }
}

/// A public key, and the name of the algorithm that it is bound to.
pub(in crate::keys) fn public_key(body: &[u8]) -> Option<(PublicKey, String)> {
    let answer: GooglePublicKey = serde_json::from_slice(body).ok()?;
    let public = public::public_key(answer.pem.as_bytes()).ok()?;
    Some((public, answer.algorithm))
}

/// A signature: DER of ECDSA, else its bytes.
pub(in crate::keys) fn signature(body: &[u8]) -> Option<Vec<u8>> {
    let answer: GoogleSignature = serde_json::from_slice(body).ok()?;
    let signature = STANDARD.decode(answer.signature).ok()?;
    (!signature.is_empty()).then_some(signature)
}

/// The hash of an algorithm, if it is not the one of KEY-30 and KEY-31. The
/// service's name decides and not the kind of the public key: the same RSA key
/// has another padding by another name (KEY-92).
///
/// # Errors
/// On an algorithm by which no cosign verifies, with the reason, fit to print.
pub(in crate::keys) fn hash_of(algorithm: &str) -> Result<Option<Hash>, String> {
    let named: String = algorithm.chars().take(64).collect();
    let refused = |why: &str| Err(format!("its algorithm is `{}`{why}", named.escape_debug()));
    match algorithm {
        "EC_SIGN_P256_SHA256"
        | "EC_SIGN_ED25519"
        | "RSA_SIGN_PKCS1_2048_SHA256"
        | "RSA_SIGN_PKCS1_3072_SHA256"
        | "RSA_SIGN_PKCS1_4096_SHA256" => Ok(None),
        "EC_SIGN_P384_SHA384" => Ok(Some(Hash::Sha384)),
        "RSA_SIGN_PKCS1_4096_SHA512" => Ok(Some(Hash::Sha512)),
        name if name.starts_with("RSA_SIGN_PSS_") => {
            refused(", whose signatures no verifier accepts that has the public key alone")
        }
        name if name.contains("DECRYPT") || name.contains("ENCRYPT") => {
            refused(", which does not sign")
        }
        _ => refused(", which cosign does not verify"),
    }
}

/// An error answer, sorted by the user's remedy. Those that may pass never come
/// here: the client has asked again until its budget was spent.
pub(super) fn refusal(response: &Response, action: String) -> Trouble {
    let refusal = json::<GoogleRefusal>(response).map(|refusal| refusal.error);
    let refusal = refusal.unwrap_or_default();
    let text = Some(refusal.message.as_str()).filter(|text| !text.is_empty());
    let answer = said(response, text);
    match (response.status.as_u16(), refusal.status.as_str()) {
        (401 | 403, _) => Trouble::Denied { action, answer },
        (404, _) => Trouble::Missing { action, answer },
        // Disabled, destroyed, not yet generated, or of another purpose.
        (400, "FAILED_PRECONDITION") => Trouble::Unfit {
            reason: format!("{action}{answer}"),
        },
        (status, _) => Trouble::Status {
            action,
            status,
            answer,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let page = Versions::parse(
            br#"{"cryptoKeyVersions":[
                {"name":"projects/p/cryptoKeys/k/cryptoKeyVersions/9","state":"ENABLED"},
                {"name":"projects/p/cryptoKeys/k/cryptoKeyVersions/10","state":"ENABLED"},
                {"name":"projects/p/cryptoKeys/k/cryptoKeyVersions/11","state":"DISABLED"},
                {"name":"odd"}],"nextPageToken":"t"}"#,
        )
        .unwrap();
        assert_eq!(page.greatest(), Some(10));
        assert_eq!(page.next_page_token, "t");
        assert_eq!(Versions::parse(b"{}").unwrap().greatest(), None);
        assert!(Versions::parse(b"3").is_none());
    }

    /// KEY-92: as `cosign` verifies them, or with its flag.
    #[test]
    fn an_algorithm_is_chosen_by_its_name() {
        for name in ["EC_SIGN_P256_SHA256", "RSA_SIGN_PKCS1_3072_SHA256"] {
            assert_eq!(hash_of(name), Ok(None), "{name}");
        }
        assert_eq!(hash_of("EC_SIGN_P384_SHA384"), Ok(Some(Hash::Sha384)));
        let long = hash_of("RSA_SIGN_PKCS1_4096_SHA512");
        assert_eq!(long, Ok(Some(Hash::Sha512)));
        for name in [
            "RSA_SIGN_PSS_2048_SHA256",
            "RSA_SIGN_RAW_PKCS1_2048",
            "EC_SIGN_SECP256K1_SHA256",
            "RSA_DECRYPT_OAEP_2048_SHA256",
            "HMAC_SHA256",
            "GOOGLE_SYMMETRIC_ENCRYPTION",
            "PQ_SIGN_ML_DSA_65",
            "",
        ] {
            assert!(hash_of(name).is_err(), "{name}");
        }
    }
}
