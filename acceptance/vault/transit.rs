//! The transit engine as Vault 1.21 answers it, with keys of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::registry::Answer;
use crate::support::services::pair::{Hash, Kind, Pair};
use crate::support::services::stand_in::{Recorded, StandIn, Transport};

pub const TOKEN: &str = "hvs.CANARY-of-the-vault-0123456789";
const LONGEST: usize = 1 << 20;

/// A Vault with one transit engine at `transit`. A clone is the same one.
#[derive(Clone)]
pub struct Transit {
    keys: Arc<Mutex<BTreeMap<String, Vec<Pair>>>>,
}

impl Transit {
    pub fn new() -> Self {
        Self {
            keys: Arc::default(),
        }
    }

    /// With one key, by plain HTTP.
    pub fn serving(name: &str, kind: Kind) -> (Self, StandIn) {
        let transit = Self::new();
        transit.create(name, kind);
        let service = transit.serve(Transport::Http);
        (transit, service)
    }

    pub fn serve(&self, transport: Transport<'_>) -> StandIn {
        let transit = self.clone();
        StandIn::by(transport, move |asked| transit.answer(asked))
    }

    pub fn create(&self, name: &str, kind: Kind) {
        let versions = vec![Pair::generate(kind)];
        self.keys().insert(name.to_owned(), versions);
    }

    pub fn rotate(&self, name: &str) {
        let mut keys = self.keys();
        let versions = keys.get_mut(name).unwrap();
        versions.push(Pair::generate(versions[0].kind()));
    }

    /// PEM of a version's public key.
    pub fn public_key(&self, name: &str, version: usize) -> String {
        self.keys()[name][version - 1].public()
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Pair>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Recorded) -> Answer {
        if asked.header("x-vault-request") != Some("true") {
            return refuse(400, "missing X-Vault-Request");
        }
        if asked.header("x-vault-token") != Some(TOKEN) {
            return refuse(
                403,
                "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
            );
        }
        let path = asked.path().trim_start_matches("/prefix");
        let path: Vec<&str> = path.split('/').collect();
        match (&*asked.method, &path[..]) {
            ("GET", ["", "v1", "transit", "keys", name]) => self.describe(name),
            ("PUT" | "POST", ["", "v1", "transit", "sign", name, "sha2-256"]) => {
                self.sign(name, &asked.json())
            }
            (_, ["", "v1", "transit", "sign", _]) => {
                refuse(403, "1 error occurred:\n\t* permission denied\n\n")
            }
            _ => refuse(
                404,
                "no handler for route \"elsewhere\". route entry not found.",
            ),
        }
    }

    fn describe(&self, name: &str) -> Answer {
        let keys = self.keys();
        let Some(versions) = keys.get(name) else {
            return Answer::json(404, &json!({ "errors": [] }));
        };
        let versions: BTreeMap<String, Value> = versions
            .iter()
            .enumerate()
            .map(|(index, pair)| {
                let public = match pair.kind() {
                    Kind::Ed25519 => STANDARD.encode(&pair.public_der()[12..]),
                    _ => pair.public(),
                };
                let version = json!({ "name": kind(pair), "public_key": public });
                ((index + 1).to_string(), version)
            })
            .collect();
        let latest = versions.len();
        let data = json!({
            "type": kind(&keys[name][0]), "latest_version": latest, "min_decryption_version": 1,
            "supports_signing": true, "derived": false, "keys": versions,
        });
        Answer::json(200, &json!({ "data": data }))
    }

    fn sign(&self, name: &str, body: &Value) -> Answer {
        let keys = self.keys();
        let Some(versions) = keys.get(name) else {
            return refuse(400, "signing key not found");
        };
        let version = body["key_version"]
            .as_u64()
            .unwrap_or(versions.len() as u64);
        let Some(pair) = versions.get(version as usize - 1) else {
            return refuse(
                500,
                "1 error occurred:\n\t* requested version for signing is higher",
            );
        };
        let is_prehashed = body["prehashed"].as_bool().unwrap_or(false);
        if is_prehashed == (pair.kind() == Kind::Ed25519) {
            return refuse(400, "prehashed does not go with this key");
        }
        let batch = body["batch_input"].as_array().cloned().unwrap_or_default();
        let results: Vec<Value> = batch
            .iter()
            .map(|entry| {
                let input = entry["input"].as_str().unwrap();
                if input.len() > LONGEST {
                    return json!({ "error": "JSON string value exceeds allowed length" });
                }
                let input = STANDARD.decode(input).unwrap();
                let signature = match is_prehashed {
                    true => pair.sign(Hash::Sha256, &input),
                    false => pair.sign_message(Hash::Sha256, &input),
                };
                let signature = format!("vault:v{version}:{}", STANDARD.encode(signature));
                json!({ "signature": signature, "key_version": version, "reference": "" })
            })
            .collect();
        Answer::json(200, &json!({ "data": { "batch_results": results } }))
    }
}

fn kind(pair: &Pair) -> &'static str {
    match pair.kind() {
        Kind::P256 => "ecdsa-p256",
        Kind::P384 => "ecdsa-p384",
        Kind::P521 => "ecdsa-p521",
        Kind::Rsa2048 => "rsa-2048",
        Kind::Ed25519 => "ed25519",
    }
}

/// An error as Vault words it.
pub fn refuse(status: u16, words: &str) -> Answer {
    Answer::json(status, &json!({ "errors": [words] }))
}
