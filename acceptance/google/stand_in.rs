//! A stand-in for Google: its key service with real keys, its token endpoints,
//! and the metadata server of its machines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::elsewhere::text;
use crate::support::registry::Answer;
use crate::support::services::pair::{Hash, Kind, Pair};
use crate::support::services::stand_in::{Recorded, StandIn};

pub const RING: &str = "projects/p/locations/global/keyRings/r";
/// Begins every token of the stand-in.
pub const TOKEN: &str = "canary-of-google-";
pub const CLIENT_SECRET: &str = "canary-client-secret-1";
pub const REFRESH_TOKEN: &str = "canary-refresh-token-1";
pub const SUBJECT_TOKEN: &str = "canary-subject-token-1";
/// As few versions are on a page that all lists have several.
const PAGE: usize = 2;

#[derive(Clone, Default)]
pub struct Google(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The versions of each key, by its name in the ring.
    keys: BTreeMap<String, BTreeMap<u64, Version>>,
    /// The tokens that count, and how many there were.
    live: BTreeSet<String>,
    count: usize,
    /// Of the service account.
    account: Option<Pair>,
}

#[derive(Clone)]
struct Version {
    pair: Pair,
    algorithm: &'static str,
    state: &'static str,
}

/// The algorithm of a key of this kind.
pub fn algorithm(kind: Kind) -> &'static str {
    match kind {
        Kind::P256 => "EC_SIGN_P256_SHA256",
        Kind::P384 => "EC_SIGN_P384_SHA384",
        Kind::P521 => panic!("Google has no such key"),
        Kind::Rsa2048 => "RSA_SIGN_PKCS1_2048_SHA256",
        Kind::Ed25519 => "EC_SIGN_ED25519",
    }
}

impl Google {
    /// With one key, and the server.
    pub fn serving(key: &str, kind: Kind) -> (Self, StandIn) {
        let google = Self::default();
        google.add(key, 1, kind);
        let handling = google.clone();
        (google, StandIn::start(move |asked| handling.answer(asked)))
    }

    pub fn add(&self, key: &str, version: u64, kind: Kind) {
        self.add_as(key, version, kind, algorithm(kind), "ENABLED");
    }

    pub fn add_as(
        &self,
        key: &str,
        version: u64,
        kind: Kind,
        algorithm: &'static str,
        state: &'static str,
    ) {
        self.add_pair(key, version, Pair::generate(kind), algorithm, state);
    }

    pub fn add_pair(
        &self,
        key: &str,
        version: u64,
        pair: Pair,
        algorithm: &'static str,
        state: &'static str,
    ) {
        let version_of = Version {
            pair,
            algorithm,
            state,
        };
        let mut state = self.state();
        let versions = state.keys.entry(key.to_owned()).or_default();
        versions.insert(version, version_of);
    }

    pub fn public_key(&self, key: &str, version: u64) -> String {
        self.state().keys[key][&version].pair.public()
    }

    /// No token counts any more that was given so far.
    pub fn expire(&self) {
        self.state().live.clear();
    }

    /// The content of a credentials file of a service account.
    pub fn service_account(&self, token_uri: &str) -> String {
        let pair = Pair::generate(Kind::Rsa2048);
        let file = json!({
            "type": "service_account",
            "client_email": "signer@p.iam.gserviceaccount.com",
            "private_key_id": "kid-1",
            "private_key": pair.private(),
            "token_uri": token_uri,
        });
        self.state().account = Some(pair);
        file.to_string()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Recorded) -> Answer {
        match (asked.method.as_str(), asked.path()) {
            ("POST", "/token") => self.exchange(asked),
            ("POST", "/sts") => self.federate(asked),
            ("POST", "/impersonate") => self.impersonate(asked),
            ("GET", "/subject") => match asked.header("authorization") {
                Some("Bearer canary-request-token-1") => {
                    Answer::json(200, &json!({ "value": SUBJECT_TOKEN }))
                }
                _ => Answer::new(401),
            },
            ("GET", path) if path.starts_with("/computeMetadata/") => self.metadata(asked),
            (_, path) if !self.is_known(asked) => unauthenticated(path),
            ("GET", path) => self.read(asked, path),
            (_, path) => self.sign(asked, path),
        }
    }

    fn token(&self) -> String {
        let mut state = self.state();
        state.count += 1;
        let token = format!("{TOKEN}{:04}", state.count);
        state.live.insert(token.clone());
        token
    }

    fn granted(&self) -> Answer {
        let token = self.token();
        let body = json!({
            "access_token": token, "expires_in": 3599, "token_type": "Bearer",
        });
        Answer::json(200, &body).with("metadata-flavor", "Google")
    }

    fn is_known(&self, asked: &Recorded) -> bool {
        let token = asked.header("authorization").unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        self.state().live.contains(token)
    }

    fn exchange(&self, asked: &Recorded) -> Answer {
        let form = asked.form();
        let is_good = match form["grant_type"].as_str() {
            "refresh_token" => {
                form["client_id"] == "client-1"
                    && form["client_secret"] == CLIENT_SECRET
                    && form["refresh_token"] == REFRESH_TOKEN
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.accepts(&form["assertion"]),
            _ => false,
        };
        match is_good {
            true => self.granted(),
            false => refused("invalid_grant", &format!("Bad Request: {form:?}")),
        }
    }

    /// Whether a JWT is the service account's.
    fn accepts(&self, jwt: &str) -> bool {
        use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
        let parts: Vec<&str> = jwt.split('.').collect();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let object =
            |part: &str| -> Value { serde_json::from_slice(&decoded(part)).unwrap_or_default() };
        let [header, claims, signature] = parts[..] else {
            return false;
        };
        let public = match &self.state().account {
            Some(pair) => pair.public_der().to_vec(),
            None => return false,
        };
        let signed = format!("{header}.{claims}");
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        let is_signed = key.verify(signed.as_bytes(), &decoded(signature)).is_ok();
        let (header, claims) = (object(header), object(claims));
        let number = |name: &str| claims[name].as_i64().unwrap_or_default();
        let now = jiff::Timestamp::now().as_second();
        is_signed
            && header == json!({ "alg": "RS256", "typ": "JWT", "kid": "kid-1" })
            && text(&claims, "iss") == "signer@p.iam.gserviceaccount.com"
            && text(&claims, "aud").ends_with("/token")
            && text(&claims, "scope").ends_with("/auth/cloud-platform")
            && number("exp") == number("iat") + 3600
            && (now - 60..=now).contains(&number("iat"))
    }

    fn federate(&self, asked: &Recorded) -> Answer {
        let form = asked.form();
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        match form["grant_type"] == exchange && form["subject_token"] == SUBJECT_TOKEN {
            true => self.granted(),
            false => refused("invalid_request", "Invalid subject token"),
        }
    }

    fn impersonate(&self, asked: &Recorded) -> Answer {
        let body = asked.json();
        let is_asked = body["lifetime"] == "3600s" && body["scope"][0].is_string();
        match self.is_known(asked) && is_asked {
            true => {
                let until = jiff::Timestamp::now() + std::time::Duration::from_secs(3600);
                let token = self.token();
                Answer::json(
                    200,
                    &json!({ "accessToken": token, "expireTime": until.to_string() }),
                )
            }
            false => refuse(
                403,
                "PERMISSION_DENIED",
                "Permission 'getAccessToken' denied",
            ),
        }
    }

    fn metadata(&self, asked: &Recorded) -> Answer {
        match asked.header("metadata-flavor") {
            Some("Google") => self.granted(),
            _ => Answer::new(403),
        }
    }

    fn read(&self, asked: &Recorded, path: &str) -> Answer {
        let path = path.trim_start_matches("/v1/");
        let Some((name, rest)) = key_of(path) else {
            return missing(path);
        };
        let Some(versions) = self.state().keys.get(&name).cloned() else {
            return missing(path);
        };
        if rest.is_empty() {
            return page(asked, &name, &versions);
        }
        let number = rest.trim_start_matches('/').trim_end_matches("/publicKey");
        let version = number
            .parse()
            .ok()
            .and_then(|number: u64| versions.get(&number));
        match version {
            None => missing(path),
            Some(version) if version.state != "ENABLED" => not_enabled(path, version.state),
            Some(version) => {
                let body = json!({
                    "pem": version.pair.public(), "algorithm": version.algorithm,
                    "name": path, "protectionLevel": "SOFTWARE",
                });
                Answer::json(200, &body)
            }
        }
    }

    fn sign(&self, asked: &Recorded, path: &str) -> Answer {
        let path = path.trim_start_matches("/v1/");
        let Some(path) = path.strip_suffix(":asymmetricSign") else {
            return missing(path);
        };
        let version = key_of(path).and_then(|(name, rest)| {
            let number: u64 = rest.trim_start_matches('/').parse().ok()?;
            self.state().keys.get(&name)?.get(&number).cloned()
        });
        let Some(version) = version else {
            return missing(path);
        };
        if version.state != "ENABLED" {
            return not_enabled(path, version.state);
        }
        let body = asked.json();
        let bytes = |value: &Value| STANDARD.decode(value.as_str()?).ok();
        let signature = match version.algorithm {
            "EC_SIGN_ED25519" => bytes(&body["data"])
                .filter(|data| data.len() <= 64 * 1024)
                .map(|data| version.pair.sign_message(Hash::Sha256, &data)),
            algorithm => {
                let (name, hash) = match algorithm.rsplit('_').next() {
                    Some("SHA384") => ("sha384", Hash::Sha384),
                    Some("SHA512") => ("sha512", Hash::Sha512),
                    _ => ("sha256", Hash::Sha256),
                };
                bytes(&body["digest"][name]).map(|digest| version.pair.sign(hash, &digest))
            }
        };
        match signature {
            None => refuse(
                400,
                "INVALID_ARGUMENT",
                "the digest is of another algorithm",
            ),
            Some(signature) => {
                let body = json!({ "signature": STANDARD.encode(signature), "name": path });
                Answer::json(200, &body)
            }
        }
    }
}

/// The name of a key in the ring, and what follows `cryptoKeyVersions`.
fn key_of(path: &str) -> Option<(String, &str)> {
    let rest = path.strip_prefix(RING)?.strip_prefix("/cryptoKeys/")?;
    let (name, rest) = rest.split_once("/cryptoKeyVersions")?;
    Some((name.to_owned(), rest))
}

/// Versions by name, as text.
fn page(asked: &Recorded, key: &str, versions: &BTreeMap<u64, Version>) -> Answer {
    let query = asked.query();
    assert_eq!(query["filter"], "state=ENABLED");
    let enabled = versions
        .iter()
        .filter(|(_, version)| version.state == "ENABLED");
    let mut names: Vec<String> = enabled
        .map(|(number, _)| format!("{RING}/cryptoKeys/{key}/cryptoKeyVersions/{number}"))
        .collect();
    names.sort();
    let from = query
        .get("pageToken")
        .map_or(0, |token| token.parse().unwrap());
    let shown = names.iter().skip(from).take(PAGE);
    let shown: Vec<Value> = shown
        .map(|name| json!({ "name": name, "state": "ENABLED" }))
        .collect();
    let mut body = json!({ "cryptoKeyVersions": shown });
    if names.len() > from + PAGE {
        body["nextPageToken"] = json!((from + PAGE).to_string());
    }
    Answer::json(200, &body)
}

/// An error of Google's services.
pub fn refuse(code: u16, status: &str, message: &str) -> Answer {
    let error = json!({ "code": code, "status": status, "message": message });
    Answer::json(code, &json!({ "error": error }))
}

/// An error of its token endpoints.
pub fn refused(error: &str, description: &str) -> Answer {
    let body = json!({ "error": error, "error_description": description });
    Answer::json(400, &body)
}

fn missing(path: &str) -> Answer {
    refuse(404, "NOT_FOUND", &format!("{path} not found."))
}

fn not_enabled(path: &str, state: &str) -> Answer {
    let message = format!("{path} is not enabled, current state is: {state}.");
    refuse(400, "FAILED_PRECONDITION", &message)
}

fn unauthenticated(path: &str) -> Answer {
    let message = format!("Request had invalid authentication credentials for {path}.");
    refuse(401, "UNAUTHENTICATED", &message)
}
