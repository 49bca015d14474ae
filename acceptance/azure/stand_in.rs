//! A stand-in for Azure: a vault with real keys, its token endpoint, and the
//! identities of its machines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::registry::Answer;
use crate::support::services::pair::{Hash, Kind, Pair};
use crate::support::services::stand_in::{Recorded, StandIn, Transport};

/// Begins every token of the stand-in.
pub const TOKEN: &str = "canary-of-azure-";
pub const SECRET: &str = "canary-client-secret-2";
pub const ASSERTION: &str = "canary-assertion-2";
pub const HEADER: &str = "canary-of-a-header-2";
pub const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

#[derive(Clone, Default)]
pub struct Azure(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    url: String,
    /// Key, version and pair; the last version of a key is the newest.
    keys: Vec<(String, String, Pair)>,
    attributes: Value,
    operations: Value,
    live: BTreeSet<String>,
    count: usize,
}

impl Azure {
    /// With one key, and the server.
    pub fn serving(key: &str, kind: Kind) -> (Self, StandIn) {
        let azure = Self::default();
        azure.add(key, "v1", kind);
        let handling = azure.clone();
        let handler = move |asked: &Recorded| handling.answer(asked);
        let service = StandIn::by(Transport::Https(&[]), handler);
        let mut state = azure.state();
        state.url = service.url();
        state.attributes = json!({ "enabled": true });
        state.operations = json!(["sign", "verify"]);
        drop(state);
        (azure, service)
    }

    pub fn add(&self, key: &str, version: &str, kind: Kind) {
        self.add_pair(key, version, Pair::generate(kind));
    }

    pub fn add_pair(&self, key: &str, version: &str, pair: Pair) {
        let mut state = self.state();
        state.keys.push((key.to_owned(), version.to_owned(), pair));
    }

    /// The operations that keys allow from now on.
    pub fn restrict(&self, attributes: Value, operations: Value) {
        let mut state = self.state();
        (state.attributes, state.operations) = (attributes, operations);
    }

    pub fn public_key(&self, key: &str, version: &str) -> String {
        self.pair(key, Some(version)).expect("a key").1.public()
    }

    /// No token counts any more that was given so far.
    pub fn expire(&self) {
        self.state().live.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pair(&self, key: &str, version: Option<&str>) -> Option<(String, Pair)> {
        let state = self.state();
        let mut versions = state.keys.iter().rev();
        let is_asked = |known: &str| version.is_none_or(|version| version == known);
        let (_, version, pair) =
            versions.find(|(name, known, _)| name == key && is_asked(known))?;
        Some((version.clone(), pair.clone()))
    }

    fn answer(&self, asked: &Recorded) -> Answer {
        let path: Vec<&str> = asked.path().trim_matches('/').split('/').collect();
        match (asked.method.as_str(), &path[..]) {
            ("POST", [TENANT, "oauth2", "v2.0", "token"]) => self.vouch(&asked.form()),
            ("GET", ["metadata", "identity", "oauth2", "token"]) => {
                match asked.header("metadata") {
                    Some("true") => self.identify(asked),
                    _ => Answer::new(400),
                }
            }
            ("GET", ["msi"]) => match asked.header("x-identity-header") {
                Some(HEADER) => self.identify(asked),
                _ => Answer::new(401),
            },
            _ if !self.is_known(asked) => self.challenge(),
            ("GET", ["keys", key]) => self.read(key, None),
            ("GET", ["keys", key, version]) => self.read(key, Some(version)),
            ("POST", ["keys", key, version, "sign"]) => self.sign(asked, key, version),
            _ => refuse(404, "NotFound", "not found", ""),
        }
    }

    fn is_known(&self, asked: &Recorded) -> bool {
        let token = asked.header("authorization").unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        self.state().live.contains(token)
    }

    /// A token, with its lifetime as the metadata service writes it.
    pub fn granted(&self) -> Answer {
        let mut state = self.state();
        state.count += 1;
        let token = format!("{TOKEN}{:04}", state.count);
        state.live.insert(token.clone());
        let body = json!({ "access_token": token, "expires_in": "3599", "token_type": "Bearer" });
        Answer::json(200, &body)
    }

    fn vouch(&self, form: &BTreeMap<String, String>) -> Answer {
        let scope = format!("{}/.default", self.state().url);
        let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let is_shown = text("client_secret") == SECRET
            || text("client_assertion") == ASSERTION
                && text("client_assertion_type").ends_with("jwt-bearer");
        let is_good = is_shown
            && text("client_id") == "client-2"
            && text("grant_type") == "client_credentials"
            && text("scope") == scope;
        match is_good {
            true => self.granted(),
            false => {
                let words = "AADSTS7000215: Invalid client secret provided.";
                let body = json!({ "error": "invalid_client", "error_description": words });
                Answer::json(401, &body)
            }
        }
    }

    fn identify(&self, asked: &Recorded) -> Answer {
        let query = asked.query();
        assert_eq!(query["resource"], self.state().url);
        match query.get("client_id").map(String::as_str) {
            None | Some("client-2") => self.granted(),
            Some(_) => {
                let words = "Identity not found";
                let body = json!({ "error": "invalid_request", "error_description": words });
                Answer::json(400, &body)
            }
        }
    }

    fn challenge(&self) -> Answer {
        let resource = self.state().url.clone();
        let value = format!(
            r#"Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{resource}""#
        );
        let words = "AKV10000: Request is missing a Bearer or PoP token.";
        refuse(401, "Unauthorized", words, "").with("www-authenticate", value)
    }

    fn read(&self, key: &str, version: Option<&str>) -> Answer {
        let Some((version, pair)) = self.pair(key, version) else {
            let words = format!("A key with (name/id) {key} was not found in this key vault.");
            return refuse(404, "KeyNotFound", &words, "");
        };
        let state = self.state();
        let mut jwk = jwk(&pair);
        jwk["kid"] = json!(format!("{}/keys/{key}/{version}", state.url));
        jwk["key_ops"] = state.operations.clone();
        Answer::json(200, &json!({ "key": jwk, "attributes": state.attributes }))
    }

    fn sign(&self, asked: &Recorded, key: &str, version: &str) -> Answer {
        let Some((_, pair)) = self.pair(key, Some(version)) else {
            return refuse(404, "KeyNotFound", "no such key", "");
        };
        let body = asked.json();
        let digest = body["value"]
            .as_str()
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let hash = match (body["alg"].as_str(), pair.kind()) {
            (Some("ES256"), Kind::P256) | (Some("RS256"), Kind::Rsa2048) => Hash::Sha256,
            (Some("ES384"), Kind::P384) => Hash::Sha384,
            (Some("ES512"), Kind::P521) => Hash::Sha512,
            _ => return refuse(400, "BadParameter", "Key and signing algorithm", ""),
        };
        let Some(digest) = digest.filter(|digest| digest.len() == hash.of(b"").len()) else {
            return refuse(400, "BadParameter", "Invalid length of 'value'", "");
        };
        let signature = raw(pair.kind(), &pair.sign(hash, &digest));
        let value = URL_SAFE_NO_PAD.encode(signature);
        Answer::json(200, &json!({ "kid": asked.path(), "value": value }))
    }
}

/// The two numbers of an ECDSA signature in a row.
fn raw(kind: Kind, der: &[u8]) -> Vec<u8> {
    match kind {
        Kind::P256 => p256::ecdsa::Signature::from_der(der)
            .unwrap()
            .to_bytes()
            .to_vec(),
        Kind::P384 => p384::ecdsa::Signature::from_der(der)
            .unwrap()
            .to_bytes()
            .to_vec(),
        Kind::P521 => p521::ecdsa::Signature::from_der(der)
            .unwrap()
            .to_bytes()
            .to_vec(),
        _ => der.to_vec(),
    }
}

fn jwk(pair: &Pair) -> Value {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let ec = |curve: &str, field: usize| {
        let der = pair.public_der();
        let (x, y) = der[der.len() - 2 * field..].split_at(field);
        json!({ "kty": "EC", "crv": curve, "x": text(x), "y": text(y) })
    };
    match pair.kind() {
        Kind::P256 => ec("P-256", 32),
        Kind::P384 => ec("P-384", 48),
        Kind::P521 => ec("P-521", 66),
        Kind::Rsa2048 => {
            // The modulus stands before the exponent 65537 in DER, behind 33 bytes.
            let der = pair.public_der();
            let (modulus, exponent) = der[33..].split_at(der.len() - 38);
            json!({ "kty": "RSA-HSM", "n": text(modulus), "e": text(&exponent[2..]) })
        }
        Kind::Ed25519 => json!({ "kty": "oct-HSM" }),
    }
}

/// An error of a vault.
pub fn refuse(status: u16, code: &str, message: &str, inner: &str) -> Answer {
    let mut error = json!({ "code": code, "message": message });
    if !inner.is_empty() {
        error["innererror"] = json!({ "code": inner });
    }
    Answer::json(status, &json!({ "error": error }))
}
