//! A stand-in for Amazon Web Services: KMS, STS, ECR, and the places that give
//! credentials (EC2's metadata, a container's). Its keys are real; of a
//! request's signature it reads the scope, which `moto` judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::kms::REGION;
use super::pair::{Hash, Kind, Pair};
use super::stand_in::{Recorded, StandIn, Transport};
use crate::support::registry::Answer;

pub const ACCOUNT: &str = "123456789012";
/// The access key of a user, which is accepted from the beginning, and its secret.
pub const USER: [&str; 2] = ["AKIAUSEROFTHESTANDIN", "canary+secret/of+the+user+of+AWS"];
/// Of every session; its number follows.
pub const SESSION: &str = "canary-session-token-of-AWS-";
pub const SESSION_SECRET: &str = "canary/secret+of/a+session+of/AWS";
/// The tokens that a web identity and a container show.
pub const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.canary-of-a-web-identity.c2ln";
pub const CONTAINER: &str = "canary-token-of-the-container";
const METADATA: &str = "canary-token-of-the-metadata-service";
/// ECR's token.
pub const PASSWORD: &str = "canary-password-of-ecr-0123456789";

/// A running stand-in.
#[derive(Clone)]
pub struct Aws {
    service: StandIn,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By their ids.
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
    sessions: u32,
    /// Access keys that are known no more.
    expired: BTreeSet<String>,
}

/// A key, and how it answers.
#[derive(Clone)]
struct Key {
    pair: Pair,
    /// The members of `GetPublicKey`'s answer that are to differ.
    public: Value,
    /// Another pair that signs in its place.
    signs: Option<Pair>,
}

impl Aws {
    pub fn start() -> Self {
        Self::by(Transport::Http)
    }

    pub fn by(transport: Transport<'_>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let known = state.clone();
        let service = StandIn::by(transport, move |asked| lock(&known).answer(asked));
        Self { service, state }
    }

    pub fn service(&self) -> &StandIn {
        &self.service
    }

    /// The variables of a client that uses it as [`USER`].
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", self.service.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", USER[0].to_owned()),
            ("AWS_SECRET_ACCESS_KEY", USER[1].to_owned()),
        ]
    }

    /// A new key behind `alias/<alias>`; its public half in PEM.
    pub fn add(&self, alias: &str, kind: Kind) -> String {
        self.add_odd(alias, kind, json!({}))
    }

    /// The same, with other members in its answer of `GetPublicKey`.
    pub fn add_odd(&self, alias: &str, kind: Kind, public: Value) -> String {
        let pair = Pair::generate(kind);
        let pem = pair.public();
        let mut state = lock(&self.state);
        let id = format!("00000000-0000-4000-8000-{:012}", state.keys.len());
        state.aliases.insert(format!("alias/{alias}"), id.clone());
        let signs = None;
        state.keys.insert(
            id,
            Key {
                pair,
                public,
                signs,
            },
        );
        pem
    }

    /// The key's ARN.
    pub fn arn(&self, alias: &str) -> String {
        arn(&lock(&self.state).aliases[&format!("alias/{alias}")])
    }

    /// From now on, another key signs for this one.
    pub fn swap(&self, alias: &str) {
        let mut state = lock(&self.state);
        let id = state.aliases[&format!("alias/{alias}")].clone();
        let key = state.keys.get_mut(&id).expect("a key");
        key.signs = Some(Pair::generate(key.pair.kind()));
    }

    /// From now on, the alias of one key is that of another one.
    pub fn point(&self, alias: &str, other: &str) {
        let mut state = lock(&self.state);
        let id = state.aliases[&format!("alias/{other}")].clone();
        state.aliases.insert(format!("alias/{alias}"), id);
    }

    /// From now on, nobody knows this access key.
    pub fn expire(&self, access_key: &str) {
        lock(&self.state).expired.insert(access_key.to_owned());
    }

    /// How often an operation was asked for, by its header or in its form.
    pub fn count(&self, operation: &str) -> usize {
        let form = format!("Action={operation}&");
        let is_it = |one: &&Recorded| {
            let target = one.header("x-amz-target").unwrap_or_default();
            target.ends_with(&format!(".{operation}")) || one.text().starts_with(&form)
        };
        self.service.recorded().iter().filter(is_it).count()
    }
}

/// The access key of the session with this number.
pub fn session_key(number: u32) -> String {
    format!("ASIASESSION{number}")
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

fn fault(status: u16, code: &str, message: &str) -> Answer {
    let kind = format!("com.amazonaws.kms#{code}");
    Answer::json(status, &json!({ "__type": kind, "message": message }))
}

impl State {
    fn answer(&mut self, asked: &Recorded) -> Answer {
        match (asked.method.as_str(), asked.path()) {
            ("PUT", "/latest/api/token") => Answer::new(200).body("text/plain", METADATA),
            ("GET", path) if path.starts_with("/latest/") => self.metadata(asked, path),
            ("GET", "/container") => self.container(asked),
            ("POST", "/") => match asked.header("x-amz-target") {
                Some(target) => self.json(asked, target),
                None => self.form(asked),
            },
            _ => fault(404, "UnknownOperationException", ""),
        }
    }

    /// The access key that signs.
    fn signer(&self, asked: &Recorded, service: &str) -> Result<String, Answer> {
        let shown = asked.header("authorization").unwrap_or_default();
        let credential = shown.strip_prefix("AWS4-HMAC-SHA256 Credential=");
        let scope: Vec<_> = credential
            .and_then(|rest| rest.split(", ").next())
            .unwrap_or_default()
            .split('/')
            .collect();
        let [key, _, region, name, "aws4_request"] = scope[..] else {
            return Err(fault(
                400,
                "MissingAuthenticationTokenException",
                "unsigned",
            ));
        };
        let is_session = key.starts_with("ASIA");
        let token = asked.header("x-amz-security-token").unwrap_or_default();
        let home = if service == "ecr-public" {
            "us-east-1"
        } else {
            REGION
        };
        if region != home || name != service || is_session != token.starts_with(SESSION) {
            let message = format!("not in scope: {region} {name}");
            return Err(fault(400, "InvalidSignatureException", &message));
        }
        if self.expired.contains(key) {
            let message = "The security token included in the request is expired";
            return Err(fault(400, "ExpiredTokenException", message));
        }
        let number = key.strip_prefix("ASIASESSION");
        let is_known = number.is_some_and(|n| n.parse().is_ok_and(|n: u32| n <= self.sessions));
        match key == USER[0] || is_known {
            true => Ok(key.to_owned()),
            false => {
                let message = "The security token included in the request is invalid.";
                Err(fault(400, "UnrecognizedClientException", message))
            }
        }
    }

    fn json(&mut self, asked: &Recorded, target: &str) -> Answer {
        let (protocol, operation) = target.split_once('.').unwrap_or_default();
        let service = match protocol {
            "TrentService" => "kms",
            "AmazonEC2ContainerRegistry_V20150921" => "ecr",
            "SpencerFrontendService" => "ecr-public",
            _ => return fault(400, "UnknownOperationException", ""),
        };
        if let Err(refused) = self.signer(asked, service) {
            return refused;
        }
        let question = asked.json();
        match operation {
            "GetAuthorizationToken" => {
                let token = STANDARD.encode(format!("AWS:{PASSWORD}"));
                let mut data = json!({ "authorizationToken": token, "expiresAt": 1.9e9 });
                if service == "ecr" {
                    data = json!([data]);
                }
                Answer::json(200, &json!({ "authorizationData": data }))
            }
            "GetPublicKey" => self.public_key(&question),
            "Sign" => self.sign(&question),
            _ => fault(400, "UnknownOperationException", ""),
        }
    }

    fn key(&self, question: &Value) -> Result<(String, &Key), Answer> {
        let named = question["KeyId"].as_str().unwrap_or_default();
        let id = self.aliases.get(named).map_or(named, String::as_str);
        let id = id.rsplit('/').next().unwrap_or_default();
        match self.keys.get(id) {
            Some(key) => Ok((id.to_owned(), key)),
            None => {
                let message = format!("Alias or key {named} is not found.");
                Err(fault(400, "NotFoundException", &message))
            }
        }
    }

    fn public_key(&self, question: &Value) -> Answer {
        let (id, key) = match self.key(question) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        let (spec, algorithms) = described(key.pair.kind());
        let mut answer = json!({
            "KeyId": arn(&id),
            "PublicKey": STANDARD.encode(key.pair.public_der()),
            // Both, as AWS answers.
            "KeySpec": spec,
            "CustomerMasterKeySpec": spec,
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": algorithms,
        });
        for (name, value) in key.public.as_object().into_iter().flatten() {
            answer[name] = value.clone();
        }
        Answer::json(200, &answer)
    }

    fn sign(&self, question: &Value) -> Answer {
        let (id, key) = match self.key(question) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        let text = |name: &str| question[name].as_str().unwrap_or_default().to_owned();
        let message = STANDARD.decode(text("Message")).unwrap_or_default();
        let algorithm = text("SigningAlgorithm");
        let (hash, length) = match &*algorithm {
            "ECDSA_SHA_384" => (Hash::Sha384, 48),
            "ECDSA_SHA_512" => (Hash::Sha512, 64),
            _ => (Hash::Sha256, 32),
        };
        let pair = key.signs.as_ref().unwrap_or(&key.pair);
        let (_, algorithms) = described(pair.kind());
        if !algorithms.contains(&&*algorithm) || algorithm.contains("PSS") {
            return fault(400, "InvalidKeyUsageException", &algorithm);
        }
        let signature = match (&*text("MessageType"), pair.kind()) {
            ("RAW", Kind::Ed25519) if message.len() <= 4096 => pair.sign_message(hash, &message),
            ("DIGEST", kind) if kind != Kind::Ed25519 && message.len() == length => {
                pair.sign(hash, &message)
            }
            (other, _) => return fault(400, "ValidationException", other),
        };
        Answer::json(
            200,
            &json!({
                "KeyId": arn(&id),
                "Signature": STANDARD.encode(signature),
                "SigningAlgorithm": algorithm,
            }),
        )
    }

    /// STS
    fn form(&mut self, asked: &Recorded) -> Answer {
        let form = asked.form();
        let part = |name: &str| form.get(name).map_or("", String::as_str);
        let operation = part("Action").to_owned();
        let refused = match &*operation {
            "AssumeRole" => self.signer(asked, "sts").is_err(),
            _ => part("WebIdentityToken") != JWT || asked.header("authorization").is_some(),
        };
        let is_role =
            part("RoleArn").starts_with("arn:aws:iam::") && !part("RoleSessionName").is_empty();
        if refused || !is_role {
            let text = format!(
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to \
                 perform: sts:{operation} by {}</Message></Error></ErrorResponse>",
                part("WebIdentityToken")
            );
            return Answer::new(403).body("text/xml", text);
        }
        let [key, secret, token] = self.session();
        let text = format!(
            "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <{operation}Result><Credentials><AccessKeyId>{key}</AccessKeyId>\
             <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{operation}Result>\
             </{operation}Response>"
        );
        Answer::new(200).body("text/xml", text)
    }

    fn session(&mut self) -> [String; 3] {
        self.sessions += 1;
        let token = format!("{SESSION}{}", self.sessions);
        [session_key(self.sessions), SESSION_SECRET.to_owned(), token]
    }

    fn credentials(&mut self) -> Answer {
        let [key, secret, token] = self.session();
        Answer::json(
            200,
            &json!({
                "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": key, "SecretAccessKey": secret, "Token": token,
                "Expiration": "2099-01-01T00:00:00Z",
            }),
        )
    }

    fn metadata(&mut self, asked: &Recorded, path: &str) -> Answer {
        if asked.header("x-aws-ec2-metadata-token") != Some(METADATA) {
            return Answer::new(401);
        }
        match path.strip_prefix("/latest/meta-data/iam/security-credentials/") {
            Some("") => Answer::new(200).body("text/plain", "builder"),
            Some("builder") => self.credentials(),
            _ => Answer::new(404),
        }
    }

    fn container(&mut self, asked: &Recorded) -> Answer {
        match asked.header("authorization") == Some(CONTAINER) {
            true => self.credentials(),
            false => Answer::new(401),
        }
    }
}

/// `KeySpec`, and what it can do, PSS first.
fn described(kind: Kind) -> (&'static str, &'static [&'static str]) {
    match kind {
        Kind::P256 => ("ECC_NIST_P256", &["ECDSA_SHA_256"]),
        Kind::P384 => ("ECC_NIST_P384", &["ECDSA_SHA_384"]),
        Kind::P521 => ("ECC_NIST_P521", &["ECDSA_SHA_512"]),
        Kind::Ed25519 => (
            "ECC_NIST_EDWARDS25519",
            &["ED25519_PH_SHA_512", "ED25519_SHA_512"],
        ),
        Kind::Rsa2048 => (
            "RSA_2048",
            &[
                "RSASSA_PSS_SHA_256",
                "RSASSA_PSS_SHA_512",
                "RSASSA_PKCS1_V1_5_SHA_512",
                "RSASSA_PKCS1_V1_5_SHA_256",
            ],
        ),
    }
}

/// A panic in another test thread must not hide this one's failure.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
